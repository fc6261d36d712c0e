import { Keys } from "./keys.js";
import { RedisLink, type RedisServer, type Reply, type Send } from "./redis-link.js";
import { NEEDED_SETTINGS, readSettings, STORE_VERSION, type NeededSetting } from "./server-check.js";
import { RedisAway } from "./trouble.js";

/** What can be seen of a store in Redis from outside, while components use it. */
export interface RedisState {
  /** Version of Redis, or of the Redis that Valkey is compatible with. Undefined: the user may not ask (INFO). */
  readonly version: string | undefined;
  /** Values of the settings of `needed`, and of `min-replicas-to-write`. Undefined: the user may not ask. */
  readonly settings: ReadonlyMap<string, string> | undefined;
  /** Settings on which the store's promises rest. */
  readonly needed: readonly NeededSetting[];
  /** Replicas that are connected to the primary. Undefined: the user may not ask. */
  readonly replicas: number | undefined;
  /** Version of the stored format. Undefined: the store is empty. */
  readonly storeVersion: string | undefined;
  /** Version that this program reads and writes. */
  readonly ownStoreVersion: string;
  /** Number of services under the prefix. */
  readonly services: number;
  /** Nodes that have used the prefix lately: domain → time since then, in ms, by Redis's clock. */
  readonly nodes: ReadonlyMap<string, number>;
}

/** Looks at the store of a prefix, and changes nothing in it. Rejects with `store-failed` or `RedisAway`. */
export async function inspect(server: RedisServer, prefix: string): Promise<RedisState> {
  let state: RedisState | undefined;
  let link: RedisLink | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      link = new RedisLink(server, {
        check: async (send) => {
          state = await look(send, new Keys(prefix));
        },
        onUp: resolve,
        onDown: reject,
      });
      link.start();
    });
  } finally {
    await link?.close();
  }
  return state as unknown as RedisState;
}

async function look(send: Send, keys: Keys): Promise<RedisState> {
  const [server, replication] = [await readInfo(send, "server"), await readInfo(send, "replication")];
  const version = await send(["GET", keys.version]);
  const replicas = /^connected_slaves:(\d+)/m.exec(replication)?.[1];
  const needed = NEEDED_SETTINGS;
  return {
    needed,
    version: /^redis_version:([\d.]+)/m.exec(server)?.[1],
    settings: await readSettings(send, [...needed.map(({ setting }) => setting), "min-replicas-to-write"]),
    replicas: replicas === undefined ? undefined : Number(replicas),
    storeVersion: version === null ? undefined : String(version),
    ownStoreVersion: STORE_VERSION,
    services: Number(await send(["ZCARD", keys.services])),
    nodes: await readNodes(send, keys),
  };
}

/** Returns a section of INFO. Empty: the user may not ask (ACL). */
async function readInfo(send: Send, section: string): Promise<string> {
  return send(["INFO", section]).then(String, (error: unknown) => {
    if (error instanceof RedisAway) throw error;
    return "";
  });
}

async function readNodes(send: Send, { prefix }: Keys): Promise<Map<string, number>> {
  const [seconds, micros] = (await send(["TIME"])) as readonly Reply[];
  const now = Number(String(seconds)) * 1_000 + Number(String(micros)) / 1_000;
  const listed = (await send([
    "ZRANGE",
    `${prefix}{nodes}:times`,
    "0",
    "-1",
    "WITHSCORES",
  ])) as readonly Reply[];
  const texts = listed.map(String);
  const nodes = new Map<string, number>();
  for (let i = 0; i < texts.length; i += 2)
    nodes.set(texts[i] as string, Math.max(0, now - Number(texts[i + 1])));
  return nodes;
}
