import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { LosesUnflushed, newRecord, storeOptions } from "../../testing/stores.js";
import { DiskStore } from "./disk-store.js";
import { LmdbEngine } from "./lmdb-engine.js";
import { decodeMapEntry, encodeMapEntry } from "../base/map-entries.js";
import type { MapWrite, StoredEntry, StoredService } from "../store.js";

const NODE = "alice@x/map";

async function setUp() {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-store-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  const open = () => {
    const engine = new LosesUnflushed(new LmdbEngine(join(location, "data.mdb")));
    engine.held = false;
    return { engine, store: new DiskStore(engine, storeOptions()) };
  };
  return { ...open(), reopen: open };
}

const put = (key: string, position: number, value?: number): MapWrite => ({
  type: "put",
  entry: { key, position, index: 0, at: 0, value: value === undefined ? undefined : Uint8Array.of(value) },
});

function write(map: StoredService, offset: number, ...writes: MapWrite[]): Promise<void> | void {
  return map.write({ offset, map: { writes, marks: { floor: 0, continues: false } } });
}

const listed = async (map: StoredService): Promise<string[]> =>
  [...(await map.entries())]
    .map(({ key, position, value }) => `${key}@${position}=${value?.[0] ?? "-"}`)
    .sort();

describe("a map on the disk", () => {
  it("with `sync` shows and confirms nothing that is not on the disk", async () => {
    const { engine, store, reopen } = await setUp();
    const map = await store.create(newRecord(NODE));
    await write(map, 1, put("a", 1, 1), put("b", 1, 1));
    engine.held = true;
    const second = write(map, 2, put("a", 2), { type: "clear" }, put("c", 2, 2));
    await expect.poll(() => engine.hasCommit).toBe(true);
    expect([await listed(map), map.record.offset]).toEqual([["a@1=1", "b@1=1"], 1]);
    // The power fails.
    await engine.cut();
    void second;
    const after = reopen();
    const again = after.store.open(NODE) as StoredService;
    expect([await listed(again), again.record.offset, again.record.map]).toEqual([
      ...[["a@1=1", "b@1=1"], 1, { floor: 0, continues: false }],
    ]);
    await write(again, 2, { type: "clear" }, put("c", 2, 2));
    expect(await listed(again)).toEqual(["c@2=2"]);
    await after.store.close();
  });

  it("with `interval` is read before it is on the disk, and says after a crash which positions are in doubt", async () => {
    const { engine, store, reopen } = await setUp();
    const map = await store.create(newRecord(NODE, { durability: "interval" }));
    await write(map, 1, put("a", 1, 1));
    await expect.poll(() => map.record.offset).toBe(1);
    await write(map, 2, put("a", 2, 2), put("b", 2, 2));
    await store.close();
    const next = reopen();
    const opened = next.store.open(NODE) as StoredService;
    expect([await listed(opened), opened.record.map?.doubt]).toEqual([["a@2=2", "b@2=2"], undefined]);
    await write(opened, 3, put("c", 3, 3));
    await expect.poll(() => next.engine.commits).toBeGreaterThan(0);
    next.engine.held = true;
    await expect
      .poll(() => {
        void write(opened, opened.record.offset + 1, { type: "clear" }, put("d", 9, 9));
        return next.engine.hasCommit;
      })
      .toBe(true);
    expect(await listed(opened)).toEqual(["d@9=9"]);
    await next.engine.cut();
    const last = reopen();
    const again = last.store.open(NODE) as StoredService;
    const { doubt } = again.record.map ?? {};
    expect(await listed(again)).toEqual(["a@2=2", "b@2=2", "c@3=3"]);
    expect(doubt).toEqual(again.gap);
    // The doubt outlives another start.
    await last.store.close();
    const third = reopen();
    expect(third.store.open(NODE)?.record.map?.doubt).toEqual(doubt);
    await third.store.close();
    void engine;
  });

  it("keeps what the disk refuses, in order with what comes meanwhile", async () => {
    const { engine, store, reopen } = await setUp();
    const map = await store.create(newRecord(NODE, { durability: "interval" }));
    await write(map, 1, put("a", 1, 1), put("b", 1, 1));
    engine.refuse(new Error("full"));
    await write(map, 2, { type: "clear" }, put("b", 2, 2), put("c", 2, 2));
    const { commits } = engine;
    await expect.poll(() => engine.commits).toBeGreaterThan(commits + 1);
    await write(map, 3, put("c", 3), { type: "forget", key: "b" });
    expect(await listed(map)).toEqual(["c@3=-"]);
    expect(store.usage().unwrittenBytes).toBeGreaterThan(0);
    engine.refuse(undefined);
    await expect.poll(() => store.usage().unwrittenBytes).toBe(0);
    expect(await listed(map)).toEqual(["c@3=-"]);
    await store.close();
    const after = reopen();
    expect(await listed(after.store.open(NODE) as StoredService)).toEqual(["c@3=-"]);
    await after.store.close();
  });

  it("is removed with its service, and the next map of the name has none of it", async () => {
    const { store, reopen, engine } = await setUp();
    const map = await store.create(newRecord(NODE));
    await write(map, 1, ...Array.from({ length: 20 }, (_, i) => put(`${i}`, 1, i)));
    await map.delete();
    const next = await store.create(newRecord(NODE));
    expect(await listed(next)).toEqual([]);
    const left = (): number => [...engine.range(Uint8Array.of(10), Uint8Array.of(11))].length;
    await expect.poll(left).toBe(0);
    await store.close();
    const after = reopen();
    expect(await listed(after.store.open(NODE) as StoredService)).toEqual([]);
    await after.store.close();
  });
});

it.each<StoredEntry>([
  { key: "a", position: 1, index: 0, at: 0, value: Uint8Array.of(1) },
  { key: "\ud800x", position: 2 ** 53 - 1, index: 9_999, at: 1.7e12, value: undefined },
  { key: "k".repeat(512), position: 3, index: 1, at: 5, value: new Uint8Array(49_000) },
])("an entry of a map is decoded as it was encoded", (entry) => {
  expect(decodeMapEntry(encodeMapEntry(entry))).toEqual(entry);
});
