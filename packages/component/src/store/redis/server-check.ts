import { storeFailed } from "../base/failure.js";
import type { Keys } from "./keys.js";
import type { Reply, Send } from "./redis-link.js";
import { RedisAway } from "./trouble.js";

/** Version of the stored format. A store of another version is refused. */
export const STORE_VERSION = "1";

/** A setting of Redis, and what it should be. */
export interface NeededSetting {
  readonly setting: string;
  readonly is: RegExp;
  readonly wanted: string;
  /** What happens otherwise. */
  readonly why: string;
}

/** Settings of Redis on which the store's promises rest. */
export const NEEDED_SETTINGS: readonly NeededSetting[] = [
  {
    ...{ setting: "appendonly", is: /^yes$/, wanted: "yes" },
    why: "a restart of Redis loses what the component has confirmed",
  },
  {
    ...{ setting: "appendfsync", is: /^always$/, wanted: "always" },
    why: "a power cut loses what the component has confirmed",
  },
  {
    ...{ setting: "maxmemory-policy", is: /^(noeviction|volatile-.*)$/, wanted: "noeviction" },
    why: "Redis deletes services when its memory is full",
  },
];

/**
 * Checks that Redis keeps what the store promises, and that the store is of this version. Writes the version into an
 * empty store. Resolves to the ID of this run of Redis: after a restart or a failover it is another one. Undefined:
 * Redis does not tell it. Rejects with `store-failed`, or with `RedisAway`. `onUnknown` is called if Redis does not tell
 * its settings.
 */
export async function checkServer(
  send: Send,
  keys: Keys,
  onUnknown: (text: string) => void,
): Promise<string | undefined> {
  await checkSettings(send, onUnknown);
  await checkVersion(send, keys);
  const info = await send(["INFO", "server"]).catch((error: unknown) => {
    if (error instanceof RedisAway) throw error;
    return "";
  });
  return /^run_id:(\w+)/m.exec(String(info))?.[1];
}

async function checkVersion(send: Send, keys: Keys): Promise<void> {
  const version = await send(["GET", keys.version]);
  if (version === null) {
    if (Number(await send(["ZCARD", keys.services])) > 0)
      throw storeFailed(
        `the store \`${keys.prefix}\` in Redis has no version`,
        "Set another `store.prefix`, and keep this one.",
      );
    await writeVersion(send, keys);
  } else if (String(version) !== STORE_VERSION) {
    const writer = Number(String(version)) < Number(STORE_VERSION) ? "an earlier" : "a later";
    throw storeFailed(
      `the store \`${keys.prefix}\` in Redis is of version ${String(version)}, and this program reads version ${STORE_VERSION}`,
      `Run the version of Stanzapack that wrote the store, probably ${writer} one, or set another \`store.prefix\`. The store was not changed.`,
    );
  }
}

/** Writes the version of the stored format, unless there is one. */
export async function writeVersion(send: Send, keys: Keys): Promise<void> {
  await send(["SET", keys.version, STORE_VERSION, "NX"]);
}

async function checkSettings(send: Send, onUnknown: (text: string) => void): Promise<void> {
  const found = await readSettings(
    send,
    NEEDED_SETTINGS.map(({ setting }) => setting),
  );
  if (found === undefined) {
    const needed = NEEDED_SETTINGS.map(({ setting, wanted }) => `${setting} ${wanted}`).join(", ");
    return onUnknown(`Redis does not tell its settings (CONFIG GET): make sure that it has ${needed}`);
  }
  for (const { setting, is, wanted, why } of NEEDED_SETTINGS) {
    const value = found.get(setting);
    if (value !== undefined && !is.test(value))
      throw storeFailed(
        `Redis has \`${setting} ${value}\`: ${why}`,
        `Set \`${setting} ${wanted}\` in redis.conf, or now with \`CONFIG SET ${setting} ${wanted}\`.`,
      );
  }
}

/** Returns the values of these settings. Undefined: the user may not ask (ACL). Rejects with `RedisAway`. */
export async function readSettings(
  send: Send,
  settings: readonly string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  const found = new Map<string, string>();
  try {
    for (const setting of settings) {
      const reply = (await send(["CONFIG", "GET", setting])) as readonly Reply[];
      if (reply.length === 2) found.set(setting, String(reply[1]));
    }
    return found;
  } catch (error) {
    if (error instanceof RedisAway) throw error;
    return undefined;
  }
}
