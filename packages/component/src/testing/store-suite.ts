import type { Durability } from "../options/service-config.js";
import { describe, expect, it, onTestFinished } from "vitest";
import type { MapWrite, Store, StoredEntry, StoredService } from "../store/store.js";
import type { StoreOptions } from "../store/base/store-options.js";
import { newRecord, readNow, rowsOf, textsOf } from "./stores.js";

export interface SuiteOptions {
  /** Opens an empty store, and closes it when the test is over. */
  readonly open: (options?: Partial<StoreOptions>) => Promise<Store>;
  readonly durabilities: readonly Durability[];
}

/** What each store does, whatever it is kept on. */
export function storeSuite(name: string, { open, durabilities }: SuiteOptions): void {
  describe.each(durabilities)(`${name}, with durability %s`, (durability) => {
    const NODE = "alice@x/log";
    async function setUp(options: Partial<StoreOptions> = {}): Promise<{ store: Store; log: StoredService }> {
      const store = await open(options);
      onTestFinished(() => store.close());
      return { store, log: await store.create(newRecord(NODE, { durability })) };
    }

    it("gives back the record, with each change of it", async () => {
      const { store, log } = await setUp();
      expect(log.record).toEqual(newRecord(NODE, { durability, seenAt: log.record.seenAt }));
      const last = { row: Buffer.from("new"), at: 1_700_000_000_123 };
      const incarnations = [{ incarnation: 7, arrived: 9, stored: 8 }];
      await log.write({
        config: { kind: "value" },
        approved: ["bob@x"],
        last,
        offset: 9,
        incarnations,
        seenAt: 5,
      });
      const changed = { config: { kind: "value" }, approved: ["bob@x"], offset: 9, incarnations, seenAt: 5 };
      expect(log.record).toMatchObject(changed);
      expect(Buffer.from(log.record.last?.row as Uint8Array).toString()).toBe("new");
      expect([...store.services()].map(({ node }) => node)).toEqual([NODE]);
      expect(() => store.open(NODE)).toThrow("is open already");
      expect(() => store.create(newRecord(NODE))).toThrow("is stored already");
      log.close();
      expect((await store.open(NODE))?.record).toMatchObject({ offset: 9, incarnations });
      expect(await store.open("alice@x/other")).toBeUndefined();
    });

    it("reads rows from any offset, in slices, with their times", async () => {
      const { log } = await setUp();
      expect([log.journal.first, await readNow(log.journal, 1, 10, 100)]).toEqual([1, undefined]);
      await Promise.all([log.write({ append: rowsOf(1, 40) }), log.write({ append: rowsOf(41, 50) })]);
      expect(log.record).toMatchObject({ offset: 50 });
      expect(Buffer.from(log.record.last?.row as Uint8Array).toString()).toBe("50");
      const slice = await readNow(log.journal, 20, 5, 1_000);
      expect(slice).toMatchObject({ from: 20, to: 24 });
      expect((slice?.firstAt as number) - 20_000).toBeCloseTo(0, -1);
      expect((slice?.lastAt as number) - 24_000).toBeCloseTo(0, -1);
      expect(await readNow(log.journal, 49, 10, 1_000)).toMatchObject({ from: 49, to: 50 });
      expect(await readNow(log.journal, 20, 10, 6)).toMatchObject({ from: 20, to: 22 });
      expect(await readNow(log.journal, 20, 10, 0)).toMatchObject({ from: 20, to: 20 });
      expect(await readNow(log.journal, 51, 10, 1_000)).toBeUndefined();
      expect(await textsOf(log.journal, 1, 7)).toEqual(
        rowsOf(1, 50).rows.map((row) => Buffer.from(row).toString()),
      );
    });

    it("keeps holes and what was left out apart", async () => {
      const { log } = await setUp();
      await log.write({ append: rowsOf(1, 3) });
      // Positions 4 and 5 were lost. 6 and 7 were left out on purpose, before 8.
      await log.write({ append: { ...rowsOf(8), from: 6 } });
      await log.write({ append: rowsOf(9) });
      expect(await readNow(log.journal, 2, 10, 100)).toMatchObject({ from: 2, to: 3 });
      expect(await readNow(log.journal, 4, 10, 100)).toMatchObject({ from: 6, to: 9 });
      expect(await readNow(log.journal, 7, 10, 100)).toMatchObject({ from: 7, to: 9 });
    });

    it("refuses rows that do not follow", async () => {
      const { log } = await setUp();
      await log.write({ append: rowsOf(1, 3) });
      expect(() => log.write({ append: rowsOf(3) })).toThrow("cannot append");
    });

    it("drops the oldest over the bounds of the service, and says from where on it is whole", async () => {
      const bounds = { maxRows: 10, maxBytes: 1e9, maxAgeMs: Infinity };
      const { log } = await setUp({ retention: bounds });
      for (let offset = 1; offset <= 200; offset += 8)
        await log.write({ append: rowsOf(offset, offset + 7) });
      expect(log.journal.first).toBe(191);
      expect(await readNow(log.journal, 1, 3, 1_000)).toMatchObject({ from: 191, to: 193 });
      expect(await textsOf(log.journal)).toHaveLength(10);
      bounds.maxRows = 3;
      await log.write({ append: rowsOf(201) });
      expect(log.journal.first).toBe(199);
      Object.assign(bounds, { maxRows: 1e9, maxBytes: 1 });
      await log.write({ append: rowsOf(202) });
      expect(await textsOf(log.journal)).toEqual(["202"]);
    });

    it("drops what is too much since a bound of the service was lowered", async () => {
      const bounds = { maxRows: 1e9, maxBytes: 1e9, maxAgeMs: Infinity };
      const { store, log } = await setUp({ retention: bounds });
      for (let offset = 1; offset <= 20; offset++) await log.write({ append: rowsOf(offset) });
      bounds.maxRows = 5;
      store.sweep(20_000);
      expect(log.journal.first).toBe(16);
      bounds.maxBytes = 1;
      store.sweep(20_000);
      expect(log.journal.first).toBe(20);
    });

    it("drops updates by their age, but not the newest", async () => {
      const bounds = { maxRows: 1e9, maxBytes: 1e9, maxAgeMs: 5_000 };
      const { store, log } = await setUp({ retention: bounds });
      for (let offset = 1; offset <= 20; offset++) await log.write({ append: rowsOf(offset) });
      store.sweep(20_000);
      expect(log.journal.first).toBe(15);
      store.sweep(1e6);
      expect(log.journal.first).toBe(20);
    });

    it("begins at a time, and says whether older ones of it were dropped", async () => {
      const { log } = await setUp({ retention: { maxRows: 40, maxBytes: 1e9, maxAgeMs: Infinity } });
      expect(await log.journal.since(0)).toEqual({ offset: 1, whole: true });
      for (let offset = 1; offset <= 40; offset++) await log.write({ append: rowsOf(offset) });
      expect(await log.journal.since(0)).toEqual({ offset: 1, whole: true });
      for (let offset = 41; offset <= 50; offset++) await log.write({ append: rowsOf(offset) });
      expect(await log.journal.since(10_000)).toEqual({ offset: 11, whole: false });
      expect(await log.journal.since(10_001)).toEqual({ offset: 11, whole: true });
      expect(await log.journal.since(20_000)).toEqual({ offset: 20, whole: true });
      expect(await log.journal.since(20_001)).toEqual({ offset: 21, whole: true });
      expect(await log.journal.since(1e9)).toEqual({ offset: 51, whole: true });
    });

    it("ends a service, and gives the next life of the node a greater epoch", async () => {
      const { store, log } = await setUp();
      await log.write({ append: rowsOf(1, 3) });
      await log.delete();
      expect(await store.open(NODE)).toBeUndefined();
      expect(store.usage()).toMatchObject({ services: 0, journalBytes: 0 });
      expect(() => log.write({ append: rowsOf(4) })).toThrow("no longer stored");
      const next = await store.create(newRecord(NODE, { epoch: 7, durability }));
      expect(next.record.epoch).toBe(1_001);
      expect(await readNow(next.journal, 1, 10, 100)).toBeUndefined();
      await next.write({ append: rowsOf(1) });
      expect(await textsOf(next.journal)).toEqual(["1"]);
    });

    it("keeps the entries of a map, with its marks, and gives them back when it is opened again", async () => {
      const { store, log: map } = await setUp();
      const entry = (key: string, position: number, text?: string): StoredEntry => ({
        ...{ key, position, index: 1, at: position * 1_000 },
        value: text === undefined ? undefined : Buffer.from([0xa0 + text.length, ...Buffer.from(text)]),
      });
      const put = (key: string, position: number, text?: string): MapWrite => ({
        ...{ type: "put", entry: entry(key, position, text) },
      });
      const write = (offset: number, writes: readonly MapWrite[], floor = 0): Promise<void> | void =>
        map.write({ offset, map: { writes, marks: { floor, continues: false } } });
      const listed = async (of: StoredService): Promise<unknown[]> =>
        [...(await of.entries())]
          .sort((a, b) => (a.key < b.key ? -1 : 1))
          .map(({ value, ...rest }) => ({ ...rest, value: value && Buffer.from(value).toString("latin1") }));
      const of = (...entries: StoredEntry[]): unknown[] =>
        entries.map(({ value, ...rest }) => ({
          ...rest,
          value: value && Buffer.from(value).toString("latin1"),
        }));
      expect(map.record.map).toBeUndefined();
      // Keys may be longer than those of an engine, and may have a lone surrogate.
      const [long, lone, other] = ["x".repeat(512), "\ud800", "\ud801"];
      await write(1, [put("a", 1, "one"), put(long, 1, "two"), put(lone, 1, "1"), put(other, 1, "2")]);
      expect(await listed(map)).toEqual(
        of(entry("a", 1, "one"), entry(long, 1, "two"), entry(lone, 1, "1"), entry(other, 1, "2")),
      );
      await write(2, [put("a", 2), { type: "forget", key: long }, put("b", 2, "new")], 1);
      expect(map.record).toMatchObject({ offset: 2, map: { floor: 1, continues: false } });
      const kept = of(entry("a", 2), entry("b", 2, "new"), entry(lone, 1, "1"), entry(other, 1, "2"));
      expect(await listed(map)).toEqual(kept);
      map.close();
      const again = (await store.open(NODE)) as StoredService;
      expect(await listed(again)).toEqual(kept);
      await again.write({
        offset: 3,
        map: {
          writes: [put("c", 3, "gone"), { type: "clear" }, put("b", 3, "x"), put("d", 3, "y")],
          marks: { floor: 3, continues: true },
        },
      });
      expect(await listed(again)).toEqual(of(entry("b", 3, "x"), entry("d", 3, "y")));
      expect(again.record.map).toEqual({ floor: 3, continues: true });
      await again.delete();
      const next = await store.create(newRecord(NODE, { durability }));
      expect([await listed(next), next.record.map]).toEqual([[], undefined]);
    });

    it("keeps a removal of a map, and a cursor that has not passed it, and gives both back", async () => {
      const { store, log: map } = await setUp();
      const removal = { key: "b", position: 2, index: 0, at: 2_000, value: undefined };
      const cursor = {
        node: NODE,
        cursor: "w",
        owner: "bob@x",
        epoch: map.record.epoch,
        offset: 1,
        at: 1_000,
      };
      await store.cursors.put(cursor);
      await map.write({
        offset: 2,
        map: { writes: [{ type: "put", entry: removal }], marks: { floor: 1, continues: false } },
      });
      map.close();
      const again = (await store.open(NODE)) as StoredService;
      expect([...(await again.entries())]).toEqual([removal]);
      expect(again.record.map).toMatchObject({ floor: 1 });
      expect(await store.cursors.ofNode(NODE)).toEqual([cursor]);
      // Once the cursor has passed the removal.
      await store.cursors.put({ ...cursor, offset: 2 });
      await again.write({
        map: { writes: [{ type: "forget", key: "b" }], marks: { floor: 2, continues: false } },
      });
      expect([...(await again.entries())]).toEqual([]);
      expect(again.record.map).toMatchObject({ floor: 2 });
    });

    it("changes no durability from or to memory", async () => {
      const { log } = await setUp();
      const other = durability === "none" ? "sync" : "none";
      expect(() => log.setDurability(other)).toThrow("withdraw it first");
      if (durability === "none") return;
      await log.write({ append: rowsOf(1, 3) });
      for (const next of ["interval", "sync"] as const) {
        await log.setDurability(next);
        expect(log.record.durability).toBe(next);
        await log.write({ append: rowsOf(log.record.offset + 1) });
      }
      expect(await textsOf(log.journal)).toEqual(["1", "2", "3", "4", "5"]);
    });

    it("forgets services that nobody has open, and whose publisher has long been gone", async () => {
      const { store, log } = await setUp();
      const left = await store.create(newRecord("bob@x/log", { durability }));
      left.close();
      const later = left.record.seenAt + 31 * 86_400_000;
      store.sweep(later - 2 * 86_400_000);
      expect(store.usage().services).toBe(2);
      store.sweep(later);
      await expect.poll(() => [...store.services()].map(({ node }) => node)).toEqual([log.record.node]);
    });

    it("keeps cursors by node and by owner, until they are old", async () => {
      const { store } = await setUp();
      const { cursors } = store;
      const cursor = { node: NODE, cursor: "a", owner: "bob@x", epoch: 1, offset: 5, at: 1_000 };
      const others = [
        { ...cursor, cursor: "b", at: 2_000 },
        { ...cursor, node: "alice@x/2" },
        { ...cursor, owner: "eve@x" },
      ];
      await Promise.all([cursor, ...others].map(async (each) => cursors.put(each)));
      await cursors.put({ ...cursor, offset: 6 });
      expect(await cursors.get(cursor)).toEqual({ ...cursor, offset: 6 });
      expect([...(await cursors.all())]).toHaveLength(4);
      expect(await cursors.ofNode(NODE)).toHaveLength(3);
      expect(await cursors.ofOwner("bob@x")).toHaveLength(3);
      await cursors.delete(cursor);
      expect(await cursors.get(cursor)).toBeUndefined();
      expect(await cursors.ofOwner("bob@x")).toHaveLength(2);
      store.sweep(1_500 + 30 * 86_400_000);
      await expect.poll(() => cursors.ofOwner("bob@x")).toEqual([others[0]]);
      await expect.poll(() => cursors.ofOwner("eve@x")).toEqual([]);
    });
  });
}
