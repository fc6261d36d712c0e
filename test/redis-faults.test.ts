import {
  startPrivateRedis,
  startPrivateSentinel,
  startTcpProxy,
  until,
  type PrivateRedis,
} from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Keys } from "../packages/component/src/store/redis/keys.js";
import { WRITE } from "../packages/component/src/store/redis/scripts.js";
import type { Store, StoredService } from "../packages/component/src/store/store.js";
import { newRecord, readNow, rowsOf, textsOf } from "../packages/component/src/testing/stores.js";
import { openTestStore } from "./support/redis-store.js";

// What a store on Redis promises when Redis, the network or another process does not do what it should.

const NODE = "alice@x/log";
const SOON_MS = 10_000;

/** A Redis of this test alone. */
async function startOwn(settings: Readonly<Record<string, string>> = {}): Promise<PrivateRedis> {
  const redis = await startPrivateRedis({ settings });
  onTestFinished(() => redis.close());
  return redis;
}

/** Appends one row after another, and keeps some of them under way. `confirmed`: offsets that the store has confirmed. */
function load(log: StoredService): { readonly confirmed: number[]; stop(): Promise<void> } {
  const confirmed: number[] = [];
  let [next, stopped] = [log.record.offset + 1, false];
  const run = async (): Promise<void> => {
    const flying = new Set<Promise<void>>();
    while (!stopped) {
      const offset = next++;
      const done = Promise.resolve(log.write({ append: rowsOf(offset) })).then(() => {
        confirmed.push(offset);
        flying.delete(done);
      });
      flying.add(done);
      if (flying.size >= 20) await Promise.race(flying);
      else await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(flying);
  };
  const running = run();
  return {
    confirmed,
    stop: () => {
      stopped = true;
      return running;
    },
  };
}

function upTo(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i + 1));
}

/** Opens the service again, in another store of the same prefix. */
async function reopened(redis: PrivateRedis, prefix: string, node = NODE): Promise<StoredService> {
  const { store } = await openTestStore(redis, { prefix });
  return (await store.open(node)) as StoredService;
}

describe("while changes are under way", () => {
  it.each(["interval", "sync"] as const)(
    "a killed Redis loses and repeats nothing that was confirmed, with %s",
    async (durability) => {
      const redis = await startOwn();
      const { store, prefix, damage, problems } = await openTestStore(redis);
      const log = await store.create(newRecord(NODE, { durability }));
      const work = load(log);
      for (let round = 1; round <= 3; round++) {
        await until(() => work.confirmed.length > round * 200, SOON_MS, `round ${round}`);
        await redis.kill();
        await until(() => store.usage().problem !== undefined, SOON_MS, "the problem");
        const before = work.confirmed.length;
        await redis.start();
        await until(() => work.confirmed.length > before, SOON_MS, "more after the restart");
      }
      await work.stop();
      const { offset } = log.record;
      expect(work.confirmed).toEqual(Array.from({ length: offset }, (_, i) => i + 1));
      expect(await textsOf(log.journal)).toEqual(upTo(offset));
      expect([damage, store.usage()]).toMatchObject([[], { problem: undefined, unwrittenBytes: 0 }]);
      expect(problems.length).toBeGreaterThan(0);
      await store.close();
      const again = await reopened(redis, prefix);
      expect(again.record.offset).toBe(offset);
      expect(await textsOf(again.journal)).toEqual(upTo(offset));
    },
  );

  it("a halted Redis that goes on has everything once", async () => {
    const redis = await startOwn();
    const { store, prefix } = await openTestStore(redis);
    const log = await store.create(newRecord(NODE));
    const work = load(log);
    await until(() => work.confirmed.length > 100, SOON_MS, "some rows");
    redis.pause();
    await until(() => store.usage().problem?.includes("has not answered") === true, SOON_MS, "the problem");
    const before = work.confirmed.length;
    redis.proceed();
    await until(() => work.confirmed.length > before + 100, SOON_MS, "more rows");
    await work.stop();
    expect(store.usage().problem).toBeUndefined();
    await store.close();
    expect(await textsOf((await reopened(redis, prefix)).journal)).toEqual(upTo(work.confirmed.length));
  });

  it("a connection that is cut between a write and its answer repeats nothing", async () => {
    const redis = await startOwn();
    const proxy = await startTcpProxy(redis);
    onTestFinished(() => proxy.close());
    const { store } = await openTestStore({ host: "127.0.0.1", port: proxy.port });
    const log = await store.create(newRecord(NODE));
    const work = load(log);
    for (let cut = 1; cut <= 20; cut++) {
      const before = work.confirmed.length;
      await until(() => work.confirmed.length > before + 10, SOON_MS, `rows before cut ${cut}`);
      proxy.cut();
    }
    const before = work.confirmed.length;
    await until(() => work.confirmed.length > before, SOON_MS, "rows after the last cut");
    await work.stop();
    expect(await textsOf(log.journal)).toEqual(upTo(work.confirmed.length));
    expect(log.record.offset).toBe(work.confirmed.length);
  });

  it("a batch that arrives late, after others of the same owner, changes nothing", async () => {
    const redis = await startOwn();
    const { store, prefix } = await openTestStore(redis);
    const log = await store.create(newRecord(NODE));
    await log.write({ seenAt: 1 });
    await log.write({ config: { kind: "log", title: "new" } });
    const late = (seq: string, ...fields: string[]): Promise<string> => {
      const { record, journal, map, epoch, channel } = new Keys(prefix).service(NODE);
      const head = ["1000", "1", seq, "0", "write", "", "0", channel];
      const rest = ["0", "0", "0", "0", String(fields.length / 2), ...fields];
      return redis.command("EVALSHA", WRITE.sha, "4", record, journal, map, epoch, ...head, ...rest);
    };
    expect(await late("1", "head", "{}")).toBe("stale");
    expect(await late("2", "head", "{}")).toBe("stored");
    await store.close();
    expect((await reopened(redis, prefix)).record).toMatchObject({ config: { title: "new" } });
  });
});

describe("a second owner", () => {
  let redis: PrivateRedis;
  beforeAll(async () => void (redis = await startPrivateRedis()));
  afterAll(() => redis.close());

  it("fences the first, of which nothing is stored any more", async () => {
    const { store: first, prefix } = await openTestStore(redis);
    const log = await first.create(newRecord(NODE));
    await log.write({ append: rowsOf(1, 3) });
    const second = await reopened(redis, prefix);
    await second.write({ append: rowsOf(4) });
    await expect(log.write({ append: rowsOf(4, 9) })).rejects.toMatchObject({ code: "fenced" });
    expect(() => log.write({ seenAt: 1 })).toThrow("another process has taken over");
    expect(() => log.delete()).toThrow("another process has taken over");
    await second.write({ append: rowsOf(5) });
    expect(await textsOf(second.journal)).toEqual(upTo(5));
    expect(log.record.offset).toBe(3);
  });

  it("that deletes the service fences the first", async () => {
    const { store: first, prefix } = await openTestStore(redis);
    const log = await first.create(newRecord(NODE));
    await (await reopened(redis, prefix)).delete();
    await expect(log.write({ append: rowsOf(1) })).rejects.toMatchObject({ code: "fenced" });
  });

  it("cannot create what is there", async () => {
    const { store: first, prefix } = await openTestStore(redis);
    const { store: second } = await openTestStore(redis, { prefix });
    await first.create(newRecord(NODE));
    await expect(second.create(newRecord(NODE))).rejects.toMatchObject({ code: "store-failed" });
  });
});

describe("a Redis that refuses", () => {
  it("writes because its memory is full confirms nothing until there is room, and still deletes", async () => {
    const redis = await startOwn();
    const { store } = await openTestStore(redis);
    const log = await store.create(newRecord(NODE));
    const other = await store.create(newRecord("bob@x/log"));
    await log.write({ append: rowsOf(1) });
    await redis.command("CONFIG", "SET", "maxmemory", "1");
    const waiting = log.write({ append: rowsOf(2) }) as Promise<void>;
    await until(() => store.usage().problem?.startsWith("OOM") === true, SOON_MS, "the problem");
    expect([log.record.offset, store.usage().unwrittenBytes > 0]).toEqual([1, true]);
    await other.delete();
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    await waiting;
    expect([log.record.offset, store.usage().unwrittenBytes]).toEqual([2, 0]);
    await until(() => store.usage().problem === undefined, SOON_MS, "the end of the problem");
  });

  it("holds back no more than a bound", async () => {
    const redis = await startOwn();
    const { store } = await openTestStore(redis);
    const log = await store.create(newRecord(NODE));
    await redis.kill();
    const row = Buffer.alloc(1_000_000);
    const writes: Promise<void>[] = [];
    expect(() => {
      for (let offset = 1; offset < 100; offset++)
        writes.push(log.write({ append: { ...rowsOf(offset), rows: [row] } }) as Promise<void>);
    }).toThrow("bytes wait for Redis");
    expect(writes.length).toBe(67);
    await redis.start();
    await Promise.all(writes);
    expect(log.record.offset).toBe(67);
  });

  it("CONFIG is used with a warning", async () => {
    const redis = await startOwn();
    await redis.command("ACL", "SETUSER", "default", "-config");
    const { warnings, store } = await openTestStore(redis);
    expect(warnings).toEqual([expect.stringContaining("appendonly yes, appendfsync always")]);
    await store.create(newRecord(NODE));
  });

  it.each([
    ["no persistence", { appendonly: "no" }, "`CONFIG SET appendonly yes`"],
    ["a late fsync", { appendfsync: "everysec" }, "`CONFIG SET appendfsync always`"],
    ["eviction", { "maxmemory-policy": "allkeys-lru" }, "`CONFIG SET maxmemory-policy noeviction`"],
  ])("nothing, but has %s, is not used", async (_, settings, mend) => {
    const redis = await startOwn(settings);
    const failure = await openTestStore(redis).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "store-failed" });
    expect((failure as Error).message).toContain(mend);
  });

  it("a wrong password, and a command without one", async () => {
    const redis = await startOwn({ requirepass: "s3cret" });
    const { host, port } = redis;
    for (const [password, reason] of [
      ["wrong", "WRONGPASS"],
      [undefined, "NOAUTH"],
    ] as const) {
      const failure = openTestStore(redis, { server: { host, port, password } });
      await expect(failure).rejects.toThrow(reason);
      await expect(failure).rejects.toMatchObject({ code: "store-failed" });
    }
    await openTestStore(redis, { server: { host, port, password: "s3cret" } });
  });

  it("nothing because there is none is told", async () => {
    const redis = await startOwn();
    await redis.kill();
    await expect(openTestStore(redis)).rejects.toThrow(/Redis does not answer: .*ECONNREFUSED/);
  });
});

describe("a store in Redis", () => {
  let redis: PrivateRedis;
  beforeAll(async () => void (redis = await startPrivateRedis()));
  afterAll(() => redis.close());

  it("of another version is refused, and stays as it is", async () => {
    const { store, prefix } = await openTestStore(redis);
    await store.create(newRecord(NODE));
    await store.close();
    await redis.command("SET", `${prefix}version`, "99");
    const failure = openTestStore(redis, { prefix });
    await expect(failure).rejects.toThrow(/is of version 99, .*probably a later one.*was not changed/);
    await redis.command("DEL", `${prefix}version`);
    await expect(openTestStore(redis, { prefix })).rejects.toThrow("has no version");
    expect(await redis.command("EXISTS", `${prefix}version`)).toBe("0");
  });

  it("ignores index entries that name nothing, and removes those that are old", async () => {
    const { store, prefix } = await openTestStore(redis);
    await store.create(newRecord(NODE));
    const cursor = { node: NODE, cursor: "a", owner: "bob@x", epoch: 1, offset: 5, at: 1_000 };
    await store.cursors.put(cursor);
    await store.close();
    const now = String(Date.now());
    for (const [index, of] of [
      [`${prefix}services`, (name: string) => name],
      [`${prefix}cursor-nodes`, (name: string) => name],
      [`${prefix}{bob@x}:owner`, (name: string) => JSON.stringify([name, "c"])],
    ] as const) {
      await redis.command("ZADD", index, "1", of("old@x/1"));
      await redis.command("ZADD", index, now, of("new@x/1"));
    }
    const { store: again } = await openTestStore(redis, { prefix });
    expect([...again.services()].map(({ node }) => node)).toEqual([NODE]);
    expect([...(await again.cursors.all())]).toEqual([cursor]);
    expect(await again.cursors.ofOwner("bob@x")).toEqual([cursor]);
    for (const index of [`${prefix}services`, `${prefix}cursor-nodes`, `${prefix}{bob@x}:owner`]) {
      const left = await redis.command("ZRANGE", index, "0", "-1");
      expect([left.includes("old@x/1"), left.includes("new@x/1")]).toEqual([false, true]);
    }
  });

  it("keeps a log that is longer than memory, and reads it from any offset and time", async () => {
    const { store, prefix } = await openTestStore(redis);
    const log = await store.create(newRecord(NODE));
    const count = 20_000;
    for (let from = 1; from <= count; from += 500) await log.write({ append: rowsOf(from, from + 499) });
    const check = async ({ journal }: StoredService): Promise<void> => {
      expect(await textsOf(journal, 1, 4_096)).toEqual(upTo(count));
      expect(await readNow(journal, 777, 3, 1e6)).toMatchObject({ from: 777, to: 779 });
      expect(await journal.since(12_345_678)).toEqual({ offset: 12_001, whole: true });
      expect(await journal.since(0)).toEqual({ offset: 1, whole: true });
      expect(await journal.since(1e12)).toEqual({ offset: count + 1, whole: true });
    };
    await check(log);
    await store.close();
    await check(await reopened(redis, prefix));
  });

  it("drops the oldest rows that only Redis has, and removes them there", async () => {
    const { store, prefix } = await openTestStore(redis);
    const log = await store.create(newRecord(NODE));
    for (let from = 1; from <= 5_000; from += 100) await log.write({ append: rowsOf(from, from + 99) });
    await store.close();
    const retention = { maxRows: 1_000, maxBytes: 1e9, maxAgeMs: Infinity };
    const { store: next } = await openTestStore(redis, { prefix, retention });
    const again = (await next.open(NODE)) as StoredService;
    expect(again.journal.first).toBe(1);
    const length = async (): Promise<number> =>
      Number(await redis.command("XLEN", `${prefix}{${NODE}}:journal`));
    await expect
      .poll(async () => {
        next.sweep(0);
        return [again.journal.first, await length()];
      })
      .toEqual([4_001, 10]);
    expect((await textsOf(again.journal)).length).toBe(1_000);
    await again.write({ append: rowsOf(5_001) });
    expect(again.journal.first).toBe(4_002);
    await next.close();
    expect((await reopened(redis, prefix)).journal.first).toBe(4_002);
  });
});

describe("a Redis that comes back with less", () => {
  /** A store whose Redis has been erased, or has an older copy. */
  async function setUp() {
    const redis = await startOwn();
    const opened = await openTestStore(redis);
    const log = await opened.store.create(newRecord(NODE));
    return { redis, ...opened, log };
  }

  it("gets again what memory has, without a loss", async () => {
    const { redis, store, prefix, damage, log } = await setUp();
    await log.write({ append: rowsOf(1, 100), config: { kind: "log", title: "t" } });
    await redis.command("FLUSHALL");
    await log.write({ append: rowsOf(101) });
    expect(damage).toEqual([{ node: NODE, text: expect.stringContaining("were written again") as string }]);
    expect(await textsOf(log.journal)).toEqual(upTo(101));
    await store.close();
    const again = await reopened(redis, prefix);
    expect(again.record).toMatchObject({ offset: 101, config: { title: "t" } });
    expect(await textsOf(again.journal)).toEqual(upTo(101));
  });

  it("reports the range that is lost, and goes on after it", async () => {
    const { redis, damage, log } = await setUp();
    for (let from = 1; from <= 2_000; from += 100) await log.write({ append: rowsOf(from, from + 99) });
    await redis.command("FLUSHALL");
    await log.write({ append: rowsOf(2_001, 2_002) });
    const { from, to = 0 } = damage[0]?.lost ?? {};
    expect([from, to > 1_000]).toEqual([1, true]);
    expect(damage[0]?.text).toContain(`updates 1 to ${to} are lost there`);
    expect(log.journal.first).toBe(to + 1);
    expect(await textsOf(log.journal)).toEqual(upTo(2_002).slice(to));
    expect(log.record).toMatchObject({ offset: 2_002, epoch: 1_000 });
  });

  it("and has only a part of a log gets the rest", async () => {
    const { redis, damage, log, prefix } = await setUp();
    for (let from = 1; from <= 100; from += 10) await log.write({ append: rowsOf(from, from + 9) });
    // As a replica that lacked the last writes.
    const [record, journal] = [`${prefix}{${NODE}}:record`, `${prefix}{${NODE}}:journal`];
    for (const offset of [80, 90, 100]) await redis.command("XDEL", journal, `1000-${offset}`);
    await redis.command("HSET", record, "offset", "70", "seq", "7");
    await redis.command("XSETID", journal, "1000-70");
    await log.write({ append: rowsOf(101) });
    expect(damage).toHaveLength(1);
    expect(await textsOf(log.journal)).toEqual(upTo(101));
    // Rows 71 to 101 are one entry now.
    expect(await redis.command("XLEN", journal)).toBe("8");
  });

  it.each([true, false])("gets a map again from its owner, if there is one: %s", async (hasOwner) => {
    const { redis, store, prefix, damage } = await setUp();
    const node = "alice@x/map";
    const map = await store.create(newRecord(node, { config: { kind: "map" } }));
    const entryOf = (key: string, position: number) => ({
      ...{ key, position, index: 0, at: 1, value: Uint8Array.of(1) },
    });
    const put = (key: string, position: number): Promise<void> | void =>
      map.write({
        offset: position,
        map: {
          writes: [{ type: "put", entry: entryOf(key, position) }],
          marks: { floor: 0, continues: false },
        },
      });
    await put("a", 1);
    await put("b", 2);
    const kept = [entryOf("a", 1), entryOf("b", 2)];
    if (hasOwner) map.keptEntries = () => kept;
    await redis.command("FLUSHALL");
    await put("c", 3);
    expect(damage).toHaveLength(1);
    expect(damage[0]?.lost).toEqual(hasOwner ? undefined : { from: 1, to: 2 });
    await store.close();
    const again = await reopened(redis, prefix, node);
    expect(again.record).toMatchObject({ offset: 3, map: { floor: 0 } });
    const keys = [...(await again.entries())].map(({ key }) => key).sort();
    expect(keys).toEqual(hasOwner ? ["a", "b", "c"] : ["c"]);
  });
});

describe("a store that waits for replicas", () => {
  it("confirms `sync` only when they have it, and `interval` without them", async () => {
    const redis = await startOwn();
    const { store } = await openTestStore(redis, { replicas: 1 });
    const sync = await store.create(newRecord(NODE));
    const interval = await store.create(newRecord("bob@x/log", { durability: "interval" }));
    await interval.write({ append: rowsOf(1) });
    let isConfirmed = false;
    const waiting = Promise.resolve(sync.write({ append: rowsOf(1) })).then(() => (isConfirmed = true));
    await until(() => store.usage().problem?.includes("0 of 1 replicas") === true, SOON_MS, "the problem");
    await interval.write({ append: rowsOf(2) });
    expect([isConfirmed, sync.record.offset]).toEqual([false, 0]);
    const replica = await startOwn({ replicaof: `127.0.0.1 ${redis.port}` });
    await waiting;
    expect(await textsOf(sync.journal)).toEqual(["1"]);
    expect(store.usage().problem).toBeUndefined();
    await replica.close();
  });
});

describe("a store that is closed while Redis is away", () => {
  it("says what could not be written", async () => {
    const redis = await startOwn();
    const { store }: { store: Store } = await openTestStore(redis);
    const log = await store.create(newRecord(NODE));
    await redis.kill();
    void Promise.resolve(log.write({ append: rowsOf(1) })).catch(() => undefined);
    await expect(store.close()).rejects.toThrow("Redis does not answer");
  });
});

describe("a failover", () => {
  it.each([1, 0])("by a sentinel loses and repeats nothing, with %d replicas asked for", async (replicas) => {
    const primary = await startOwn();
    const replica = await startOwn({ replicaof: `127.0.0.1 ${primary.port}` });
    const sentinel = await startPrivateSentinel("streams", primary);
    onTestFinished(() => sentinel.close());
    const server = { ...{ host: "", port: 1 }, sentinels: [sentinel], master: "streams" };
    const { store, prefix, damage } = await openTestStore(primary, { server, replicas });
    const log = await store.create(newRecord(NODE));
    const work = load(log);
    await until(() => work.confirmed.length > 200, SOON_MS, "some rows");
    await expect
      .poll(() => sentinel.command("SENTINEL", "replicas", "streams"))
      .toContain(String(replica.port));
    await primary.kill();
    await expect
      .poll(() => sentinel.command("SENTINEL", "get-master-addr-by-name", "streams"))
      .toContain(String(replica.port));
    // It comes back as the other's replica.
    await primary.start();
    const before = work.confirmed.length;
    await until(() => work.confirmed.length > before + 100, 3 * SOON_MS, "rows after the failover");
    await work.stop();
    const count = work.confirmed.length;
    expect(await textsOf(log.journal)).toEqual(upTo(count));
    expect(await replica.command("HGET", `${prefix}{${NODE}}:record`, "offset")).toBe(String(count));
    // What the replica lacked was in memory.
    expect(damage.flatMap(({ lost }) => lost ?? [])).toEqual([]);
  });
});
