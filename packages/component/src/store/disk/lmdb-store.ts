import { existsSync, rmSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { wallNow } from "@stanzapack/xmpp";
import {
  assertVersion,
  checkVersion,
  DiskStore,
  STORE_VERSION,
  type DiskStoreOptions,
} from "./disk-store.js";
import { storeFailed } from "../base/failure.js";
import type { StoreDamage } from "../base/store-options.js";
import { LmdbEngine } from "./lmdb-engine.js";
import { metaKey } from "./keys.js";
import { holdLocation } from "./location.js";
import { decodeRecord } from "../base/records.js";
import { repair } from "./repair.js";
import { renewRestored } from "./restored.js";
import { salvage } from "./salvage.js";
import type { Store } from "../store.js";
import { checkStore } from "./verify.js";

/** Longest check of journals after a crash, in ms. 1,000: the component serves subscribers within 2 s of its start. */
const CHECK_MS = 1_000;

/**
 * Opens the store in the directory `location`, and creates both if they are missing. One process at a time can have
 * the store. Repairs a damaged store: copies everything that can be read into a new file, keeps the damaged file
 * beside it under a name with the time, and calls `onDamage` for each range of lost updates. Gives the services of an
 * older copy new epochs. Rejects with `store-failed` if another process has the store, if nothing of it can be read,
 * or if it is of another version.
 */
export async function openLmdbStore(location: string, options: DiskStoreOptions): Promise<Store> {
  const letGo = holdLocation(location);
  let engine: LmdbEngine | undefined;
  try {
    const file = join(location, "data.mdb");
    const fresh = `${file}.new`;
    // An earlier repair ended before its last step.
    if (!existsSync(file) && existsSync(fresh)) renameSync(fresh, file);
    const clean = join(location, "clean");
    const mode = existsSync(clean) ? "quick" : "full";
    if (existsSync(file)) {
      const { version, damage } = await checkStore(file, mode, CHECK_MS, STORE_VERSION);
      // Before a repair, which would take the unknown records of another version for damage.
      if (version !== undefined) assertVersion(version, location);
      if (damage !== undefined) await repairFile(file, fresh, damage, options.onDamage);
    }
    engine = openEngine(file);
    await checkVersion(engine, location);
    const renewed = await renewRestored(engine, location);
    if (renewed !== undefined) options.onRestored?.(renewed);
    rmSync(clean, { force: true });
    return new LmdbStore(engine, options, (isWhole) => {
      if (isWhole) writeFileSync(clean, "");
      letGo();
    });
  } catch (error) {
    await engine?.close().catch(() => undefined);
    letGo();
    throw error;
  }
}

function openEngine(file: string): LmdbEngine {
  try {
    return new LmdbEngine(file);
  } catch (error) {
    throw storeFailed(
      `the store ${file} cannot be opened: ${(error as Error).message}`,
      "Restore the file from a copy, or name another directory.",
      error,
    );
  }
}

class LmdbStore extends DiskStore {
  constructor(
    engine: LmdbEngine,
    options: DiskStoreOptions,
    /** Called when the store has closed. `isWhole`: all changes are on the disk. */
    private readonly onClosed: (isWhole: boolean) => void,
  ) {
    super(engine, options);
  }

  protected override async end(): Promise<void> {
    let isWhole = false;
    try {
      await super.end();
      isWhole = true;
    } finally {
      this.onClosed(isWhole);
    }
  }
}

async function repairFile(
  file: string,
  fresh: string,
  damage: string,
  onDamage: (damage: StoreDamage) => void,
): Promise<void> {
  for (const each of [fresh, `${fresh}-lock`]) rmSync(each, { force: true });
  const found = salvage(file);
  try {
    if (found.keys.length === 0)
      throw storeFailed(
        `the store ${file} is damaged, and nothing in it can be read: ${damage}`,
        "Restore the file from a copy, or move it away to begin with an empty store.",
      );
    const version = Buffer.from(metaKey("version")).toString("latin1");
    if (found.keys.includes(version))
      assertVersion(decodeRecord<{ version: number }>(found.valueOf(version)).version, dirname(file));
    const engine = openEngine(fresh);
    const { services, lost, strays } = await repair(found, engine).finally(() => engine.close());
    const kept = `${file}.damaged-${new Date(wallNow()).toISOString().replaceAll(":", "-")}`;
    renameSync(file, kept);
    renameSync(fresh, file);
    for (const each of [`${fresh}-lock`, `${file}-lock`]) rmSync(each, { force: true });
    const rest = strays > 0 ? `, and ${strays} whose names are lost are left out` : "";
    onDamage({
      node: undefined,
      text: `the store was damaged (${damage}): ${services} services were recovered${rest}; the damaged file is ${kept}`,
    });
    for (const { node, range } of lost)
      onDamage({ node, lost: range, text: `updates ${range.from} to ${range.to} of \`${node}\` are lost` });
  } finally {
    found.close();
  }
}
