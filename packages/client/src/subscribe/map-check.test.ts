import {
  encodeDiffering,
  hashEntry,
  RangeDigest,
  WHOLE_RANGE,
  type DigestFrame,
  type Frame,
  type MapEntry,
  type RepairEntriesFrame,
  type Value,
} from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MapCheck, type Verification } from "./map-check.js";
import { MapReplica } from "./map-replica.js";

const NODE = "alice@x/t";
const INTERVAL_MS = 60_000;
const BIND = { type: "bind", role: "subscription", alias: 5, node: NODE, subid: "1", baseAt: 0 } as const;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.clearAllTimers();
  vi.useRealTimers();
});

/** A replica that is whole, its check, and a component in the simplest way. */
function setUp(count = 500, sendsDigests = true) {
  const master = new Map<string, Value>();
  for (let i = 0; i < count; i++) master.set(`key/${i}`, { n: i });
  const replica = new MapReplica();
  const check = new MapCheck(NODE, replica);
  const asked: number[][] = [];
  const told: (Uint8Array | null)[] = [];
  const repairs: number[] = [];
  check.onRepaired = (keys) => repairs.push(keys);
  let position = 1;
  const link = {
    sendsDigests,
    sendFrame: (frame: Frame) => {
      if (frame.type !== "repair" || frame.role !== "request") return;
      asked.push([...frame.ranges]);
      told.push(frame.sums);
    },
  };
  const snapshot = (begins = true): void => {
    const entries = [...structuredClone(master)].map(([key, value]) => ({ position: 1, key, value }));
    const head = { type: "snapshot", alias: 5, epoch: 7, form: "rows", payload: new Uint8Array() } as const;
    const from = begins ? 1 : position + 1;
    const frame = { ...head, from, to: position, begins, left: 0 };
    check.onSnapshot(begins, replica.snapshot(frame, begins ? entries : []));
  };
  const change = (key: string, value: Value | undefined): void => {
    position++;
    if (value === undefined) master.delete(key);
    else master.set(key, value);
    const row = value === undefined ? [[key]] : [[key, value]];
    replica.update({ epoch: 7, from: position, to: position, rows: [row] } as never);
  };
  const digestOf = (range: number): RangeDigest => {
    const digest = new RangeDigest(range);
    for (const [key, value] of master) {
      const { place, high, low } = hashEntry(key, value);
      digest.toggle(place, high, low);
    }
    return digest;
  };
  const head = () => ({ alias: 5, epoch: 7, position });
  const tell = (): void =>
    check.onDigest({
      ...{ type: "digest", ...head(), range: WHOLE_RANGE, intervalMs: INTERVAL_MS },
      sums: digestOf(WHOLE_RANGE).checksum,
    });
  /** The component's answer about one range. */
  const answer = (range: number): DigestFrame | (RepairEntriesFrame & { entries: MapEntry<Value>[] }) => {
    const digest = digestOf(range);
    const within = [...master].filter(([key]) => digest.has(hashEntry(key, null).place));
    if (within.length > 4) return { type: "digest", ...head(), range, intervalMs: 0, sums: digest.sums };
    const entries = within.map(([key, value]) => ({ position: 1, key, value: structuredClone(value) }));
    const frame = { type: "repair", role: "entries", form: "rows", payload: new Uint8Array() } as const;
    return { ...frame, ...head(), range, entries };
  };
  const give = (frame: ReturnType<typeof answer>): void => {
    if (frame.type === "digest") return check.onDigest(frame);
    if (check.onEntries(frame, frame.entries) !== undefined) check.afterEntries();
  };
  /** Answers until nothing more is asked. `between`: called before each answer. */
  const serve = (between?: () => void): number => {
    let answered = 0;
    for (vi.advanceTimersByTime(50); asked.length > 0; vi.advanceTimersByTime(50)) {
      const ranges = asked.shift() as number[];
      const sums = told.shift();
      if (ranges.length === 0) snapshot();
      let left = ranges;
      if (sums !== null && sums !== undefined) {
        const [range] = ranges as [number];
        left = digestOf(range).differing(sums);
        const named = encodeDiffering(left);
        check.onDigest({ type: "digest", ...head(), range, intervalMs: 0, sums: named });
      }
      for (const range of left) {
        between?.();
        give(answer(range));
        answered++;
      }
    }
    return answered;
  };
  check.onBound(link, { ...BIND, kind: "map" });
  snapshot();
  const same = (): void => expect(new Map([...replica.values].sort())).toEqual(new Map([...master].sort()));
  return { master, replica, check, link, asked, repairs, snapshot, change, tell, answer, give, serve, same };
}

const settle = async (): Promise<void> => {
  await vi.advanceTimersByTimeAsync(100);
};

describe("a replica", () => {
  it("that equals the map asks for nothing", async () => {
    const { tell, asked, repairs } = setUp();
    tell();
    await settle();
    expect([asked, repairs]).toEqual([[], []]);
  });

  it("whose value has a flipped bit finds the key, and repairs that alone", async () => {
    const { tell, serve, asked, repairs, replica, same, check } = setUp();
    (replica.values.get("key/77") as { n: number }).n ^= 1;
    tell();
    await settle();
    expect(asked).toEqual([[WHOLE_RANGE]]);
    expect(serve()).toBeLessThan(6);
    expect([repairs, check.repaired]).toEqual([[1], 1]);
    same();
  });

  it("notices a bit that flips while the map does not change, within an interval", async () => {
    const { tell, serve, asked, repairs, replica, same } = setUp();
    tell();
    await settle();
    (replica.values.get("key/3") as { n: number }).n = NaN;
    await vi.advanceTimersByTimeAsync(INTERVAL_MS - 1_000);
    expect(asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_000);
    serve();
    expect(repairs).toEqual([1]);
    same();
    await vi.advanceTimersByTimeAsync(3 * INTERVAL_MS);
    expect([asked, repairs]).toEqual([[], [1]]);
  });

  it("does not compare with a checksum of the past", async () => {
    const { tell, change, asked } = setUp();
    tell();
    await settle();
    change("key/1", 5);
    await vi.advanceTimersByTimeAsync(3 * INTERVAL_MS);
    expect(asked).toEqual([]);
  });

  it("is repaired while the map changes", async () => {
    const { check, serve, replica, change, same } = setUp();
    const values = replica.values;
    values.delete("key/1");
    values.set("key/2", "wrong");
    values.set("strange", 1);
    const verified = check.verify();
    let count = 0;
    serve(() => {
      change(`key/${100 + count}`, count % 2 === 0 ? { n: -count } : undefined);
      change("key/2", { n: 1_000 + count++ });
    });
    expect(count).toBeGreaterThan(3);
    // A key that changed meanwhile needs no repair.
    expect(await verified).toEqual({ keys: replica.values.size, repaired: 2 });
    same();
  });

  it("finds what cannot be a value at all", async () => {
    const { check, serve, replica, same } = setUp();
    const values = replica.values as Map<string, unknown>;
    values.set("key/1", () => 1);
    values.set("key/2", undefined);
    const verified = check.verify();
    serve();
    expect((await verified).repaired).toBe(2);
    same();
  });

  it("with a few keys receives them at once", async () => {
    const { check, serve, replica, asked, same } = setUp(3);
    for (let i = 0; i < 300; i++) replica.values.set(`more/${i}`, i);
    const verified = check.verify();
    expect(asked).toEqual([[WHOLE_RANGE]]);
    expect(serve()).toBe(1);
    expect(await verified).toEqual({ keys: 3, repaired: 300 });
    same();
  });

  it("that differs nearly everywhere asks for the whole map", async () => {
    const { check, serve, replica, same } = setUp(5_000);
    for (const value of replica.values.values()) (value as { n: number }).n++;
    const verified = check.verify();
    expect(serve()).toBeLessThanOrEqual(256);
    expect(await verified).toEqual({ keys: 5_000, repaired: 5_000 });
    same();
  });
});

describe("verify", () => {
  it("waits for the link, and goes on with the next one after a break", async () => {
    const { check, link, serve, asked, snapshot, replica, same } = setUp();
    check.interrupt();
    replica.interrupt();
    let outcome: Verification | undefined;
    void check.verify().then((it) => (outcome = it));
    await settle();
    expect(asked).toEqual([]);
    check.onBound(link, { ...BIND, kind: "map" });
    snapshot(false);
    expect(asked).toEqual([[WHOLE_RANGE]]);
    // The link breaks before the answer.
    check.interrupt();
    replica.interrupt();
    asked.length = 0;
    replica.values.delete("key/9");
    check.onBound(link, { ...BIND, kind: "map" });
    snapshot(false);
    serve();
    await settle();
    expect(outcome).toEqual({ keys: 500, repaired: 1 });
    same();
  });

  it("gives up after its time, and says what it waited for", async () => {
    const { check, replica, link, asked, serve, tell } = setUp();
    const late = (ms?: number): Promise<unknown> =>
      check.verify(ms).then(undefined, (error: unknown) => error);
    const unanswered = late(5_000);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await unanswered).toMatchObject({
      ...{
        code: "timeout",
        text: `\`${NODE}\` was not checked within 5000 ms: the component has not answered yet`,
      },
    });
    // The check itself goes on.
    serve();
    await settle();
    asked.length = 0;
    replica.interrupt();
    const behind = late(1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await behind).toMatchObject({ code: "timeout", text: expect.stringContaining("not up to date") });
    check.interrupt();
    const unlinked = late();
    await vi.advanceTimersByTimeAsync(59_999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await unlinked).toMatchObject({ code: "timeout", text: expect.stringContaining("does not have") });
    // Nobody waits any more, so the next link brings no check.
    check.onBound(link, { ...BIND, kind: "map" });
    tell();
    await settle();
    expect(asked).toEqual([]);
  });

  it("checks again what was checked before the call", async () => {
    const { check, serve, tell, replica } = setUp();
    tell();
    const first = check.verify();
    serve();
    expect(await first).toEqual({ keys: 500, repaired: 0 });
    replica.values.delete("key/1");
    const both = Promise.all([check.verify(), check.verify()]);
    serve();
    expect((await both).map(({ repaired }) => repaired).sort()).toEqual([0, 1]);
  });

  it("is refused without checksums, for another kind, and after the end", async () => {
    const old = setUp(3, false);
    const refused = old.check.verify();
    const code = (it: Promise<unknown>) => it.catch((error: { code: string }) => error.code);
    expect(await code(refused)).toBe("unsupported");
    const other = new MapCheck(NODE, new MapReplica());
    const waiting = other.verify();
    other.onBound(old.link, { ...BIND, kind: "log" });
    expect(await code(waiting)).toBe("usage");
    const { check } = setUp();
    const pending = check.verify();
    check.finish(undefined);
    expect([await code(pending), await code(check.verify())]).toEqual(["stopped", "stopped"]);
  });
});

describe("frames that do not fit", () => {
  it("have no effect: what nobody asked for, another epoch, a replica that is not whole", async () => {
    const { check, answer, give, asked, tell, replica, repairs } = setUp();
    replica.values.delete("key/1");
    give(answer(16));
    give({ ...answer(16 ** 3), type: "repair" } as never);
    check.onDigest({ ...(answer(1) as DigestFrame), epoch: 8 });
    replica.interrupt();
    tell();
    await settle();
    expect([asked, repairs, replica.values.size]).toEqual([[], [], 499]);
  });
});
