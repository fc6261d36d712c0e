import type { Logger } from "pino";
import type { ComponentStats } from "../base/stats.js";
import type { ComponentLimits } from "../config/config.js";
import type { ResolvedStore } from "../config/store-config.js";
import { storeFailed } from "./base/failure.js";
import { JournalMemory } from "./base/journal-memory.js";
import { DEFAULT_EXPIRY } from "./base/store-options.js";
import type { Store } from "./store.js";

/**
 * Opens the store of the config. `isOurs` says whether a domain is one of the operator's. `onCommit`: see
 * `DiskStoreOptions`. Resolves to undefined if the component keeps everything in memory. Rejects with `store-failed`.
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
  const { openLmdbStore } = await loadLmdb();
  const { path, intervalMs, maxBytes, maxBytesPerJid, maxAgeSeconds } = store;
  const { remotePercent, domainShare } = limits;
  return openLmdbStore(path, {
    intervalMs,
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
    onRestored: (services) =>
      log.warn({ path, services }, "the store was restored from a copy: its services have new epochs"),
    ...(onCommit && { onCommit }),
    onProblem: (error) => log.error({ err: error, path }, "the store cannot write: the disk may be full"),
  });
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
