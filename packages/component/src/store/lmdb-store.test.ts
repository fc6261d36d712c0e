import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { storeSuite } from "../testing/store-suite.js";
import { storeOptions } from "../testing/stores.js";
import { openLmdbStore } from "./lmdb-store.js";

async function newLocation(): Promise<string> {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-store-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  return location;
}

storeSuite("a store on LMDB", {
  durabilities: ["none", "interval", "sync"],
  open: async (options) => openLmdbStore(await newLocation(), storeOptions(options)),
});
