import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { newRecord, rowsOf, storeOptions, textsOf } from "../../testing/stores.js";
import { openLmdbStore } from "./lmdb-store.js";
import type { Store, StoredService } from "../store.js";

const PROGRAM = fileURLToPath(new URL("../../../store-check/copy-store.mjs", import.meta.url));
const NODE = "alice@x/log";
const run = promisify(execFile);

async function newLocation(): Promise<string> {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-copy-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  return location;
}

async function open(location: string): Promise<{ readonly store: Store; readonly restored: number[] }> {
  const restored: number[] = [];
  const options = storeOptions({ intervalMs: 1, onRestored: (services) => restored.push(services) });
  const store = await openLmdbStore(location, options);
  onTestFinished(() => store.close().catch(() => undefined));
  return { store, restored };
}

const copy = (from: string, to: string): Promise<unknown> => run(process.execPath, [PROGRAM, from, to]);

it("a store is copied while it is written, and the copy has new epochs, once", async () => {
  const location = await newLocation();
  const { store } = await open(location);
  const log = await store.create(newRecord(NODE, { epoch: 7 }));
  const gone = await store.create(newRecord("bob@x/gone", { epoch: 30 }));
  await gone.delete();
  await store.cursors.put({ node: NODE, cursor: "c", owner: "bob@x", epoch: 7, offset: 5, at: 1e12 });
  await log.write({ append: rowsOf(1, 100) });
  const to = join(location, "copy");
  let isDone = false;
  const copying = copy(location, to).finally(() => (isDone = true));
  let written = 100;
  while (!isDone) await log.write({ append: rowsOf(written + 1, (written += 50)) });
  await copying;
  await log.write({ append: rowsOf(written + 1) });
  expect((await readdir(to)).sort()).toEqual(["data.mdb", "restored"]);

  const first = await open(to);
  expect(first.restored).toEqual([1]);
  const service = (await first.store.open(NODE)) as StoredService;
  const { offset, epoch } = service.record;
  expect(epoch).toBeGreaterThan(7);
  expect(offset).toBeGreaterThanOrEqual(100);
  expect(offset).toBeLessThanOrEqual(written);
  const texts = await textsOf(service.journal, 1, 10_000);
  expect(texts).toEqual(Array.from({ length: offset }, (_, i) => String(i + 1)));
  // A service that was deleted before the copy begins with a greater epoch too.
  const again = await first.store.create(newRecord("bob@x/gone"));
  expect(again.record.epoch).toBe(30 + (epoch - 7) + 1);
  await first.store.close();

  const second = await open(to);
  expect(second.restored).toEqual([]);
  expect(((await second.store.open(NODE)) as StoredService).record.epoch).toBe(epoch);
});

it("a copy that was made by hand is marked by hand", async () => {
  const location = await newLocation();
  const before = await open(location);
  await before.store.create(newRecord(NODE, { epoch: 7 }));
  await before.store.close();
  expect((await open(location)).restored).toEqual([]);
  const marked = await newLocation();
  const { store } = await open(marked);
  await store.create(newRecord(NODE, { epoch: 7 }));
  await store.close();
  await writeFile(join(marked, "restored"), "");
  const { store: later, restored } = await open(marked);
  expect(restored).toEqual([1]);
  expect([...later.services()].map(({ epoch }) => epoch > 7)).toEqual([true]);
});

it.each<[string, (location: string) => readonly string[], string]>([
  ["no arguments", () => [], "usage: node copy-store.mjs DIRECTORY COPY"],
  ["no store", (location) => [location, join(location, "copy")], "has no data.mdb"],
])("the program refuses %s", async (_, args, text) => {
  const location = await newLocation();
  await expect(run(process.execPath, [PROGRAM, ...args(location)])).rejects.toThrow(text);
});

it("the program overwrites nothing", async () => {
  const location = await newLocation();
  const { store } = await open(location);
  await store.close();
  await expect(copy(location, location)).rejects.toThrow("is not empty: name a new directory");
});
