import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { storeOptions } from "../../testing/stores.js";
import { STORE_VERSION } from "./disk-store.js";
import { inspectStore } from "./inspect.js";
import { metaKey } from "./keys.js";
import { LmdbEngine } from "./lmdb-engine.js";
import { openLmdbStore } from "./lmdb-store.js";
import { encodeRecord } from "../base/records.js";

function newLocation(): string {
  const location = mkdtempSync(join(tmpdir(), "stanzapack-inspect-"));
  onTestFinished(() => rmSync(location, { recursive: true }));
  return location;
}

it("sees an empty directory, and makes nothing there", async () => {
  const location = newLocation();
  expect(await inspectStore(location)).toMatchObject({ held: false, bytes: 0, version: undefined });
  expect(existsSync(join(location, "lock"))).toBe(false);
});

it("sees whether somebody has the store, and takes the lock from nobody", async () => {
  const location = newLocation();
  const store = await openLmdbStore(location, storeOptions({}));
  expect(await inspectStore(location)).toMatchObject({ held: true, version: undefined });
  await store.close();
  expect(await inspectStore(location)).toMatchObject({
    ...{ held: false, version: STORE_VERSION, ownVersion: STORE_VERSION, damage: undefined },
  });
  await (await openLmdbStore(location, storeOptions({}))).close();
});

it("sees another version, and a file that is no store", async () => {
  const location = newLocation();
  await (await openLmdbStore(location, storeOptions({}))).close();
  const engine = new LmdbEngine(join(location, "data.mdb"));
  await engine.commit([{ key: metaKey("version"), value: encodeRecord({ version: 99 }) }]);
  await engine.close();
  expect(await inspectStore(location)).toMatchObject({ version: 99, ownVersion: STORE_VERSION });
  const other = newLocation();
  writeFileSync(join(other, "data.mdb"), "no LMDB");
  expect((await inspectStore(other)).damage).toMatch(/^its check ended with /);
});
