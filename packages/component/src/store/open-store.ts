import type { Logger } from "pino";
import type { ComponentStats } from "../base/stats.js";
import type { ComponentLimits } from "../config/config.js";
import type { ResolvedConfig } from "../config/load-config.js";
import { resolvedStoreSchema, type ResolvedStore } from "../config/store-config.js";
import { storeFailed } from "./base/failure.js";
import { JournalMemory } from "./base/journal-memory.js";
import { DEFAULT_EXPIRY, type StoreOptions } from "./base/store-options.js";
import type { RedisState } from "./redis/inspect.js";
import type { RedisServer } from "./redis/redis-link.js";
import type { Store } from "./store.js";

/**
 * Opens the store of the config. `isOurs` says whether a domain is one of the operator's. `onCommit`: see
 * `StoreOptions`. Resolves to undefined if the component keeps everything in memory. Rejects with `store-failed`.
 */
export async function openStore(
  store: ResolvedStore,
  limits: ComponentLimits,
  isOurs: (domain: string) => boolean,
  log: Logger,
  stats: ComponentStats,
  onCommit?: (ms: number) => void,
): Promise<Store | undefined> {
  if (store.kind === "memory") return undefined;
  const { maxBytes, maxBytesPerJid, maxAgeSeconds } = store;
  const { remotePercent, domainShare } = limits;
  const place = store.kind === "lmdb" ? { path: store.path } : { redis: describePlace(store) };
  const options: StoreOptions = {
    retention: {
      get maxRows() {
        return limits.logMaxRows;
      },
      get maxBytes() {
        return limits.logMaxBytes;
      },
      maxAgeMs: maxAgeSeconds * 1_000,
    },
    // The component deletes the cursors that have expired, so that it forgets them too.
    expiry: { ...DEFAULT_EXPIRY, serviceMs: limits.storedServiceSeconds * 1_000, cursorMs: Infinity },
    storedShares: new JournalMemory(
      { maxLogBytes: maxBytes, maxLogBytesPerJid: maxBytesPerJid, remotePercent, domainShare },
      isOurs,
    ),
    memoryShares: new JournalMemory(limits, isOurs),
    onDamage: ({ node, lost, text }) => {
      if (lost !== undefined) stats.storeLost += lost.to - lost.from + 1;
      log.error({ node, ...lost }, text);
    },
    ...(onCommit && { onCommit }),
    onProblem: (error) => {
      // Redis is away now and then, and then its stack says nothing.
      const cause = store.kind === "redis" ? { reason: (error as Error).message } : { err: error };
      log.error({ ...cause, ...place }, PROBLEMS[store.kind]);
    },
  };
  if (store.kind === "redis") {
    const { openRedisStore } = await import("./redis/redis-store.js");
    const { prefix, replicas } = store;
    const onWarning = (text: string): void => log.warn(place, text);
    return openRedisStore({ ...options, server: serverOf(store), prefix, replicas, onWarning });
  }
  const { openLmdbStore } = await loadLmdb();
  const { path, intervalMs } = store;
  return openLmdbStore(path, {
    ...options,
    intervalMs,
    onRestored: (services) =>
      log.warn({ path, services }, "the store was restored from a copy: its services have new epochs"),
  });
}

const PROBLEMS = {
  lmdb: "the store cannot write: the disk may be full",
  redis: "Redis does not take writes: nothing is confirmed until it does",
} as const;

/**
 * Looks at the store in Redis of a config whose files are read (`resolveConfig`), and changes nothing in it. Reaches
 * Redis as the component does. Rejects with `store-failed`, or with an error that says why Redis cannot be used now.
 */
export async function inspectRedis(config: NonNullable<ResolvedConfig["store"]>): Promise<RedisState> {
  const store = resolvedStoreSchema.parse(config);
  if (store.kind !== "redis") throw new TypeError(`the store is of kind ${store.kind}`);
  const { inspect } = await import("./redis/inspect.js");
  return inspect(serverOf(store), store.prefix);
}

type RedisConfig = Extract<ResolvedStore, { kind: "redis" }>;

/** Returns where the store is, for logs. */
export function describePlace({ host, port, sentinels, master, prefix }: RedisConfig): string {
  return `${master === undefined ? `${host}:${port}` : `${master} of ${sentinels.join(", ")}`} ${prefix}`;
}

function serverOf({ host, port, tls, username, password, sentinels, master }: RedisConfig): RedisServer {
  const { ca, serverName: servername } = typeof tls === "boolean" ? {} : tls;
  return {
    ...{ host, port, username, password, master },
    ...(tls !== false && { tls: { ca, servername } }),
    sentinels: sentinels.map((text) => {
      const colon = text.lastIndexOf(":");
      return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
    }),
  };
}

/** Loads the native libraries of the store. A component that keeps everything in memory needs none of them. */
async function loadLmdb() {
  try {
    return await import("./disk/lmdb-store.js");
  } catch (error) {
    throw storeFailed(
      `the libraries of the store cannot be loaded: ${(error as Error).message}`,
      "They need glibc on Linux. Set `store: { kind: memory }` to keep everything in memory.",
      error,
    );
  }
}
