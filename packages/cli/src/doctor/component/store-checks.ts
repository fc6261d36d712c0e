import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { inspectStore, type ResolvedConfig } from "@stanzapack/component";
import { failure, ok, skipped, warning, type Check, type Finding } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { resolvedOf, type ComponentState } from "./component-state.js";

/** Longest check of a store, in ms. It reads all records of a large store, and the disk may be busy. */
const STORE_MS = 20_000;
/** Free space below which the disk counts as full, and below which it is a warning, in bytes. */
const FULL_BYTES = 16_777_216;
const LOW_BYTES = 268_435_456;

export const STORE_CHECKS: readonly Check<ComponentState>[] = [
  {
    ...{ id: "store-folder", side: "component", deadlineMs: STORE_MS, needs: ["secret"] },
    async run(state) {
      const config = resolvedOf(state);
      const path = pathOf(config);
      if (config.store?.kind === "redis") return skipped("the store is in Redis, not in a folder");
      if (path === undefined) return skipped("the store is in memory: a restart loses everything");
      try {
        const existing = await nearest(path);
        if (existing !== path) {
          state.storeHeld = false;
          await access(existing, constants.W_OK | constants.X_OK);
          return ok(`${path} does not exist yet, and can be made`);
        }
        if (!(await stat(path)).isDirectory()) return failure(`${path} is no directory`, FIX.storeFolder);
        await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
        state.store = await inspectStore(path);
        state.storeHeld = state.store.held;
        return ok(`${path} can be written`);
      } catch (error) {
        return failure(
          `${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
          FIX.storeFolder,
        );
      }
    },
  },
  {
    ...{ id: "store-space", side: "component", deadlineMs: STORE_MS, needs: ["store-folder"] },
    async run(state) {
      const path = pathOf(resolvedOf(state)) as string;
      const { bavail, bsize, blocks } = await statfs(await nearest(path));
      return judgeSpace(path, bavail * bsize, blocks * bsize);
    },
  },
  {
    ...{ id: "store-version", side: "component", deadlineMs: STORE_MS, needs: ["store-folder"] },
    run({ store }) {
      if (store === undefined || (store.bytes === 0 && !store.held)) return skipped("there is no store yet");
      if (store.held) return skipped("another process has the store, and has read its version");
      const { version, ownVersion, damage } = store;
      if (version !== undefined && version !== ownVersion)
        return failure(
          `the store has version ${version}, and this program reads version ${ownVersion}`,
          FIX.storeVersion,
        );
      if (damage !== undefined) return warning(`the store is damaged: ${damage}`, FIX.storeDamage);
      return ok(`the store has version ${ownVersion}, and its records are whole`);
    },
  },
];

/** Judges the free space of the store's disk, in bytes. A disk of a few megabytes is never low, only full. */
export function judgeSpace(path: string, freeBytes: number, diskBytes: number): Finding {
  const text = `${Math.round(freeBytes / 1_048_576).toLocaleString("en")} MiB are free for ${path}`;
  if (freeBytes < Math.min(FULL_BYTES, diskBytes / 2))
    return failure(`the disk is full: ${text}`, FIX.diskFull);
  return freeBytes < LOW_BYTES ? warning(text, FIX.diskFull) : ok(text);
}

function pathOf({ store }: ResolvedConfig): string | undefined {
  return store?.kind === "lmdb" ? store.path : undefined;
}

/** Returns the path, or the nearest directory above it that exists. */
async function nearest(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    const above = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || above === path) throw error;
    return nearest(above);
  }
}
