import { inspectRedis, type RedisState } from "@stanzapack/component";
import { StanzapackError } from "@stanzapack/wire";
import { failure, ok, skipped, warning, type Check, type Finding } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { textOf } from "../base/text-of.js";
import { resolvedOf, type ComponentState } from "./component-state.js";

/** Longest check of Redis, in ms. Up to three sentinels may be away, and each is waited for. */
const REDIS_MS = 30_000;
/** How long a node counts as alive after it has renewed its session, in ms. The component's own measure. */
const ALIVE_MS = 10_000;
/** First version with all that the store needs: functions of scripts, and sharded channels. */
const LEAST_VERSION = 7;

export const REDIS_CHECKS: readonly Check<ComponentState>[] = [
  {
    ...{ id: "redis", side: "component", deadlineMs: REDIS_MS, needs: ["secret"] },
    async run(state) {
      const { store } = resolvedOf(state);
      if (store?.kind !== "redis") return skipped("the store is not in Redis");
      try {
        state.redis = await inspectRedis(store);
      } catch (error) {
        if (error instanceof StanzapackError)
          return failure(error.text, error.message.slice(`${error.text}. `.length));
        return failure(`Redis cannot be used (${textOf(error)})`, FIX.redisAway);
      }
      return judgeVersion(state.redis.version);
    },
  },
  {
    ...{ id: "redis-settings", side: "component", deadlineMs: REDIS_MS, needs: ["redis"] },
    run: (state) => judgeSettings(redisOf(state)),
  },
  {
    ...{ id: "redis-replicas", side: "component", deadlineMs: REDIS_MS, needs: ["redis"] },
    run(state) {
      const { store } = resolvedOf(state);
      if (store?.kind !== "redis") throw new Error("the store is not in Redis");
      return judgeReplicas(store.replicas, store.sentinels.length > 0, redisOf(state));
    },
  },
  {
    ...{ id: "redis-prefix", side: "component", deadlineMs: REDIS_MS, needs: ["redis"] },
    run(state) {
      const config = resolvedOf(state);
      if (config.store?.kind !== "redis") throw new Error("the store is not in Redis");
      const isNode = "nodes" in config && config.nodes !== undefined;
      const { domain } = config.component;
      const redis = redisOf(state);
      // A component that is alone leaves no sign in Redis of whether it runs.
      if (isNode) state.storeHeld = livingNodes(redis).includes(domain);
      return judgePrefix(config.store.prefix, domain, isNode, redis);
    },
  },
];

function redisOf({ redis }: ComponentState): RedisState {
  if (redis === undefined) throw new Error("Redis was not reached");
  return redis;
}

export function judgeVersion(version: string | undefined): Finding {
  if (version === undefined) return ok("the primary answers, and does not tell its version (INFO)");
  if (Number.parseInt(version, 10) < LEAST_VERSION)
    return failure(`the primary has version ${version}`, FIX.redisVersion);
  return ok(`the primary answers, and has version ${version}`);
}

export function judgeSettings({ settings, needed }: Pick<RedisState, "settings" | "needed">): Finding {
  const lines = needed.map(({ setting, wanted }) => `\`${setting} ${wanted}\``);
  if (settings === undefined)
    return warning(
      "Redis does not tell its settings (CONFIG GET)",
      `Make sure that it has ${lines.join(", ")}, or allow CONFIG GET (ACL SETUSER).`,
    );
  const faults = needed.filter(({ setting, is }) => !is.test(settings.get(setting) ?? ""));
  if (faults.length === 0) return ok("Redis keeps what the component confirms");
  const found = faults.map(({ setting, why }) => `\`${setting} ${settings.get(setting) ?? ""}\`: ${why}`);
  const wanted = faults.map(({ setting, wanted }) => `\`${setting} ${wanted}\``);
  return failure(
    found.join("; "),
    `Set ${wanted.join(", ")} in redis.conf, and restart Redis. CONFIG SET sets them at once.`,
  );
}

/** `wanted`: `store.replicas`. `mayFailOver`: sentinels may make another Redis the primary. */
export function judgeReplicas(
  wanted: number,
  mayFailOver: boolean,
  { replicas, settings }: Pick<RedisState, "replicas" | "settings">,
): Finding {
  if (wanted === 0) {
    if (!mayFailOver) return skipped("`store.replicas` is 0, and there are no sentinels");
    return warning(
      "`store.replicas` is 0: a failover can lose the last updates, also those of durability `sync`",
      FIX.noReplicas,
    );
  }
  if (replicas === undefined) return skipped("Redis does not tell its replicas (INFO)");
  if (replicas < wanted)
    return failure(
      `${replicas} of ${wanted} replicas are connected: updates of durability \`sync\` wait`,
      FIX.fewReplicas,
    );
  if (settings?.get("min-replicas-to-write") === "0")
    return warning(
      "`min-replicas-to-write` is 0: a primary that is cut off takes updates, which a failover loses",
      FIX.minReplicas,
    );
  return ok(`${replicas} replicas are connected`);
}

export function judgePrefix(
  prefix: string,
  domain: string,
  isNode: boolean,
  redis: Pick<RedisState, "storeVersion" | "ownStoreVersion" | "services" | "nodes">,
): Finding {
  const { storeVersion, ownStoreVersion, services } = redis;
  if (storeVersion === undefined) return ok(`\`${prefix}\` has no store yet`);
  if (storeVersion !== ownStoreVersion)
    return failure(
      `\`${prefix}\` has a store of version ${storeVersion}, and this program reads version ${ownStoreVersion}`,
      FIX.redisStoreVersion,
    );
  const others = livingNodes(redis).filter((each) => each !== domain);
  if (!isNode && others.length > 0)
    return failure(
      `\`${prefix}\` is used by ${others.join(", ")}, and this component is no node`,
      FIX.prefixUsed,
    );
  const users = others.length === 0 ? "" : `, and is also used by ${others.join(", ")}`;
  return ok(`\`${prefix}\` has ${services} services${users}`);
}

function livingNodes({ nodes }: Pick<RedisState, "nodes">): string[] {
  return [...nodes].filter(([, ageMs]) => ageMs < ALIVE_MS).map(([domain]) => domain);
}
