import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { STORE_VERSION } from "./disk-store.js";
import { checkStore } from "./verify.js";

/** What can be seen of a store on LMDB from outside, while another process may have it. */
export interface StoreState {
  /** Another process has the store. */
  readonly held: boolean;
  /** Bytes of the store's file. 0: there is no file yet. */
  readonly bytes: number;
  /** Version of the stored format. Undefined: there is no file, another process has it, or it cannot be read. */
  readonly version: number | undefined;
  /** Version that this program reads and writes. */
  readonly ownVersion: number;
  /** Why the store needs a repair. Undefined: it needs none, or another process has it. */
  readonly damage: string | undefined;
}

/**
 * Looks at the store in the directory `location`, and changes nothing. Never waits for the process that has the store.
 * Throws Node's error if the directory's files cannot be opened.
 */
export async function inspectStore(location: string): Promise<StoreState> {
  const file = join(location, "data.mdb");
  const bytes = existsSync(file) ? statSync(file).size : 0;
  const state = { bytes, version: undefined, ownVersion: STORE_VERSION, damage: undefined };
  // A component that keeps everything in memory needs no native library.
  const { isHeld } = await import("./location.js");
  if (isHeld(location)) return { ...state, held: true };
  if (bytes === 0) return { ...state, held: false };
  // `quick` reads all records and no journals.
  const { version, damage } = await checkStore(file, "quick", 0, STORE_VERSION);
  return { ...state, held: false, version, damage };
}
