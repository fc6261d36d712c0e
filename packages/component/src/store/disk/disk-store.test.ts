import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { LosesUnflushed, newRecord, rowsOf, storeOptions, textsOf } from "../../testing/stores.js";
import { DiskStore, type DiskStoreOptions } from "./disk-store.js";
import { JournalMemory } from "../base/journal-memory.js";
import { LmdbEngine } from "./lmdb-engine.js";
import type { StoredService } from "../store.js";

const NODE = "alice@x/log";

/** A store whose power can be cut at any moment. */
async function setUp(options: Partial<DiskStoreOptions> | (() => Partial<DiskStoreOptions>) = {}) {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-store-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  const open = () => {
    const engine = new LosesUnflushed(new LmdbEngine(join(location, "data.mdb")));
    return {
      engine,
      store: new DiskStore(engine, storeOptions(typeof options === "function" ? options() : options)),
    };
  };
  return { ...open(), reopen: open };
}

/** Waits until a commit is under way, and lets it reach the disk. */
async function flush(engine: LosesUnflushed): Promise<void> {
  await expect.poll(() => engine.hasCommit, { interval: 1 }).toBe(true);
  engine.flush();
}

/** Resolves to whether the promise is settled by now. */
async function isSettled(promise: unknown): Promise<boolean> {
  await new Promise(setImmediate);
  const open = Symbol();
  return (await Promise.race([promise, Promise.resolve(open)])) !== open;
}

describe("a service with durability `sync`", () => {
  it("shows and confirms nothing that is not on the disk", async () => {
    const { engine, store, reopen } = await setUp();
    const creating = store.create(newRecord(NODE));
    expect(await isSettled(creating)).toBe(false);
    await flush(engine);
    const log = await creating;
    const first = log.write({ append: rowsOf(1, 3), approved: ["bob@x"] });
    await expect.poll(() => engine.hasCommit).toBe(true);
    expect(await isSettled(first)).toBe(false);
    expect([log.journal.newest, log.record.offset, log.record.approved]).toEqual([0, 0, []]);
    expect(await textsOf(log.journal)).toEqual([]);
    engine.flush();
    await first;
    expect([log.journal.newest, log.record.offset, log.record.approved]).toEqual([3, 3, ["bob@x"]]);
    const second = log.write({ append: rowsOf(4, 5) });
    await expect.poll(() => engine.hasCommit).toBe(true);
    expect(await isSettled(second)).toBe(false);
    expect(await textsOf(log.journal)).toEqual(["1", "2", "3"]);
    // The power fails: the second write never reached the disk.
    await engine.cut();
    const after = reopen();
    const again = after.store.open(NODE) as StoredService;
    expect(again.record).toMatchObject({ offset: 3, approved: ["bob@x"], epoch: 1_000 });
    expect(again.gap).toBeUndefined();
    expect(await textsOf(again.journal)).toEqual(["1", "2", "3"]);
    expect(Buffer.from(again.record.last?.row as Uint8Array).toString()).toBe("3");
    after.engine.held = false;
    await again.write({ append: rowsOf(4) });
    expect(await textsOf(again.journal)).toEqual(["1", "2", "3", "4"]);
    await after.store.close();
  });

  it("commits what many services write in one turn as one, and what comes meanwhile as the next", async () => {
    const { engine, store } = await setUp();
    engine.held = false;
    const nodes = Array.from({ length: 100 }, (_, i) => `alice@x/${i}`);
    const logs = await Promise.all(nodes.map(async (node) => store.create(newRecord(node))));
    const before = engine.commits;
    engine.held = true;
    const first = Promise.all(logs.map(async (log) => log.write({ append: rowsOf(1) })));
    await expect.poll(() => engine.hasCommit).toBe(true);
    const second = Promise.all(
      logs.flatMap((log) => [2, 3].map(async (n) => log.write({ append: rowsOf(n) }))),
    );
    engine.flush();
    await first;
    await flush(engine);
    await second;
    expect(engine.commits - before).toBe(2);
    expect(await textsOf((logs[42] as StoredService).journal)).toEqual(["1", "2", "3"]);
    engine.held = false;
    await store.close();
  });

  it("rejects what the disk refuses, leaves no trace of it, and goes on later", async () => {
    const problems: unknown[] = [];
    const { engine, store, reopen } = await setUp({ onProblem: (error) => problems.push(error) });
    engine.held = false;
    const log = await store.create(newRecord(NODE));
    await log.write({ append: rowsOf(1, 3) });
    engine.refuse(new Error("the disk is full"));
    const refused = [log.write({ append: rowsOf(4) }), log.write({ append: rowsOf(5), approved: ["eve@x"] })];
    for (const each of refused) await expect(each).rejects.toThrow("the disk is full");
    await expect(store.create(newRecord("alice@x/another"))).rejects.toThrow("the disk is full");
    expect(store.usage().problem).toBe("the disk is full");
    expect(problems).toHaveLength(1);
    expect(await textsOf(log.journal)).toEqual(["1", "2", "3"]);
    expect(log.record).toMatchObject({ offset: 3, approved: [] });
    engine.refuse(undefined);
    await log.write({ append: { ...rowsOf(4), rows: [Buffer.from("other 4")] } });
    expect(store.usage().problem).toBeUndefined();
    await store.close();
    const again = reopen().store.open(NODE) as StoredService;
    expect(await textsOf(again.journal)).toEqual(["1", "2", "3", "other 4"]);
  });
});

describe("a service with durability `interval`", () => {
  const durability = "interval";

  it("is read before it is on the disk, and says after a crash which offsets it may have lost", async () => {
    const { engine, store, reopen } = await setUp({ intervalMs: 30_000 });
    const creating = store.create(newRecord(NODE, { durability }));
    await flush(engine);
    const log = await creating;
    // The first commit has reserved offsets.
    expect(log.write({ append: rowsOf(1, 10) })).toBeUndefined();
    expect(await textsOf(log.journal)).toHaveLength(10);
    await engine.cut();
    const crashed = reopen();
    const again = crashed.store.open(NODE) as StoredService;
    const { offset } = again.record;
    expect(offset).toBeGreaterThanOrEqual(4_096);
    expect(again.gap).toEqual({ from: 1, to: offset });
    expect(again.record.epoch).toBe(1_000);
    expect(await textsOf(again.journal)).toEqual([]);
    crashed.engine.held = false;
    await again.write({ append: rowsOf(offset + 1) });
    expect(again.write({ append: rowsOf(offset + 2) })).toBeUndefined();
    await crashed.store.close();
    // A clean end leaves no gap.
    const clean = reopen().store.open(NODE) as StoredService;
    expect([clean.gap, clean.record.offset]).toEqual([undefined, offset + 2]);
    expect(await textsOf(clean.journal)).toEqual([String(offset + 1), String(offset + 2)]);
    expect(clean.journal.first).toBe(offset + 1);
  });

  it("gives no offset that is not reserved on the disk", async () => {
    const { engine, store, reopen } = await setUp({ intervalMs: 30_000 });
    const creating = store.create(newRecord(NODE, { durability }));
    await flush(engine);
    const log = await creating;
    let offset = 0;
    for (let stored: unknown; stored === undefined;) {
      stored = log.write({ append: rowsOf(offset + 1, offset + 100) });
      if (stored === undefined) offset += 100;
    }
    expect([log.record.offset, log.journal.newest]).toEqual([offset, offset]);
    await engine.cut();
    const again = reopen().store.open(NODE) as StoredService;
    expect(again.record.offset).toBeGreaterThanOrEqual(offset);
  });

  it("reserves more at once for a fast publisher, so that it seldom waits", async () => {
    const { engine, store } = await setUp({ intervalMs: 20 });
    engine.held = false;
    const log = await store.create(newRecord(NODE, { durability }));
    let waits = 0;
    for (let offset = 1; offset < 200_000; offset += 1_000) {
      const stored = log.write({ append: rowsOf(offset, offset + 999) });
      if (stored !== undefined) waits++;
      await stored;
    }
    expect(waits).toBeLessThan(20);
    await store.close();
  });

  it("keeps what the disk does not take, and writes it when the disk takes it again", async () => {
    const { engine, store, reopen } = await setUp({ intervalMs: 5 });
    engine.held = false;
    const log = await store.create(newRecord(NODE, { durability }));
    engine.refuse(new Error("the disk is full"));
    await log.write({ append: rowsOf(1, 10), last: { row: Buffer.from("v"), at: 1 } });
    await expect.poll(() => store.usage().problem).toBe("the disk is full");
    await log.write({ append: rowsOf(11, 20) });
    expect(await textsOf(log.journal)).toHaveLength(20);
    engine.refuse(undefined);
    await expect.poll(() => store.usage()).toMatchObject({ problem: undefined, unwrittenBytes: 0 });
    await engine.cut();
    const again = reopen().store.open(NODE) as StoredService;
    expect(await textsOf(again.journal)).toHaveLength(20);
    expect(again.gap?.from).toBe(21);
  });

  it("holds the bounds of the store and those of the service", async () => {
    const retention = { maxRows: 50, maxBytes: 1e9, maxAgeMs: Infinity };
    const { engine, store } = await setUp({ intervalMs: 1, retention });
    engine.held = false;
    const bounds = { maxRows: 100, maxBytes: 1e9, maxAgeMs: Infinity };
    const log = await store.create(newRecord(NODE, { durability }), { retention: bounds });
    await log.write({ append: rowsOf(1, 80) });
    expect(log.journal.first).toBe(31);
    bounds.maxRows = 10;
    await log.write({ append: rowsOf(81) });
    expect(log.journal.first).toBe(72);
  });

  it("removes what retention drops, also rows on their way to the disk", async () => {
    const retention = { maxRows: 50, maxBytes: 1e9, maxAgeMs: Infinity };
    const { engine, store, reopen } = await setUp({ intervalMs: 1, retention });
    engine.held = false;
    const log = await store.create(newRecord(NODE, { durability }));
    for (let offset = 1; offset <= 5_000; offset += 20) {
      await log.write({ append: rowsOf(offset, offset + 19) });
      if (offset % 400 === 1) await new Promise((resolve) => setTimeout(resolve, 3));
    }
    expect(await textsOf(log.journal)).toEqual(rowsOf(4_951, 5_000).rows.map(String));
    await store.close();
    const after = reopen();
    const again = after.store.open(NODE) as StoredService;
    expect(await textsOf(again.journal)).toEqual(rowsOf(4_951, 5_000).rows.map(String));
    const all = [...after.engine.range(Uint8Array.of(5), Uint8Array.of(6))];
    expect(all.length).toBeLessThan(20);
  });

  it("keeps the last value of a service without a journal", async () => {
    const { engine, store, reopen } = await setUp({ intervalMs: 5 });
    engine.held = false;
    const value = await store.create(newRecord(NODE, { durability }));
    for (let i = 1; i <= 9; i++) await value.write({ offset: i, last: { row: Uint8Array.of(i), at: i } });
    await store.close();
    const again = reopen().store.open(NODE) as StoredService;
    expect(again.record).toMatchObject({ offset: 9, last: { row: Buffer.of(9), at: 9 } });
  });
});

it("drops the oldest of the owner with the most, over all journals, also of those that are not open", async () => {
  const limits = { maxLogBytes: 100_000, maxLogBytesPerJid: 60_000, remotePercent: 100, domainShare: 1 };
  const shares = () => ({ storedShares: new JournalMemory(limits) });
  const { engine, store, reopen } = await setUp(shares);
  engine.held = false;
  for (const node of ["alice@x/a", "alice@x/b", "bob@x/a"]) {
    const log = await store.create(newRecord(node));
    for (let offset = 1; offset < 1_200; offset += 100)
      await log.write({ append: rowsOf(offset, offset + 99) });
  }
  expect(store.usage().journalBytes).toBeLessThanOrEqual(100_000);
  await store.close();
  const after = reopen();
  after.engine.held = false;
  expect(after.store.usage().journalBytes).toBeGreaterThan(90_000);
  const log = await after.store.create(newRecord("eve@x/a"));
  for (let offset = 1; offset < 1_200; offset += 100)
    await log.write({ append: rowsOf(offset, offset + 99) });
  expect(await textsOf(log.journal)).toEqual(rowsOf(log.journal.first, 1_200).rows.map(String));
  await after.store.close();
});

it("removes the journal of a deleted service, even if the process ends meanwhile", async () => {
  const { engine, store, reopen } = await setUp();
  engine.held = false;
  const log = await store.create(newRecord(NODE));
  await log.write({ append: rowsOf(1, 20_000) });
  await log.delete();
  await engine.cut();
  const after = reopen();
  after.engine.held = false;
  const rest = () => [...after.engine.range(Uint8Array.of(5), Uint8Array.of(6))].length;
  expect(rest()).toBeGreaterThan(0);
  await expect.poll(rest).toBe(0);
  expect((await after.store.create(newRecord(NODE))).record.epoch).toBe(1_001);
  await after.store.close();
});

it("leaves for the next start what it has not removed when it closes", async () => {
  // So long that nothing is removed before the store closes, also on a busy machine.
  let intervalMs = 60_000;
  const { engine, store, reopen } = await setUp(() => ({ intervalMs }));
  engine.held = false;
  for (let i = 0; i < 10; i++) {
    const log = await store.create(newRecord(`${NODE}${i}`));
    await log.write({ append: rowsOf(1, 10) });
    await log.delete();
  }
  await store.close();
  const { commits } = engine;
  // Nothing may touch the engine after its end.
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(engine.commits).toBe(commits);
  intervalMs = 20;
  const after = reopen();
  after.engine.held = false;
  const rest = () => [...after.engine.range(Uint8Array.of(5), Uint8Array.of(6))].length;
  expect(rest()).toBeGreaterThan(0);
  await expect.poll(rest).toBe(0);
  await after.store.close();
});
