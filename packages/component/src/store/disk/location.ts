import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "fs-native-extensions";
import { storeFailed } from "../base/failure.js";

/**
 * Locks the directory `location` for this process, and creates the directory if it is missing. Returns a function that
 * releases the lock. Throws `store-failed`.
 *
 * The operating system holds the lock on an open file. The lock ends with the process in any case, so no lock is left
 * over. LMDB alone lets several processes write in turns.
 */
export function holdLocation(location: string): () => void {
  const file = join(location, "lock");
  let fd: number;
  try {
    // What users publish is nobody else's on this machine.
    mkdirSync(location, { recursive: true, mode: 0o700 });
    fd = openSync(file, "a");
  } catch (error) {
    throw storeFailed(
      `the store ${location} cannot be opened: ${(error as Error).message}`,
      "Let the component write there, or name another directory in `store.path`. With `store: { kind: memory }` it " +
        "keeps everything in memory.",
      error,
    );
  }
  let locked = false;
  try {
    locked = tryLock(fd);
  } catch (error) {
    closeSync(fd);
    throw storeFailed(
      `the store ${location} cannot be locked: ${(error as Error).message}`,
      "Name a directory on a file system with locks in `store.path`.",
      error,
    );
  }
  if (!locked) {
    closeSync(fd);
    throw storeFailed(
      `another process has the store ${location}`,
      "Stop the other component, or give each component a directory of its own in `store.path`.",
    );
  }
  return () => closeSync(fd);
}

/** Whether another process has the directory `location`. Creates nothing. Throws if its lock cannot be opened. */
export function isHeld(location: string): boolean {
  const file = join(location, "lock");
  if (!existsSync(file)) return false;
  const fd = openSync(file, "a");
  try {
    return !tryLock(fd);
  } finally {
    // This also releases the lock.
    closeSync(fd);
  }
}
