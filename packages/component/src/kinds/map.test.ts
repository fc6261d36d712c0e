import { DEFAULT_LIMITS, encodeUpdate, type Value } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ServiceRecord } from "../catalog/service-record.js";
import type { Service } from "../catalog/service.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { Lane } from "../fanout/lane.js";
import { Arrival } from "../fanout/selector.js";
import { DEFAULT_CONFIG } from "../options/service-config.js";
import type { StoredChange, StoredEntry, StoredService } from "../store/store.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { newRecord } from "../testing/stores.js";
import type { CatchUp } from "./catch-up.js";
import { MapKind } from "./map.js";
import type { MapChecks } from "./map-checks.js";
import { MapMemory } from "./map-memory.js";

const EPOCH = 7;
const START = { since: undefined, standing: undefined, isLive: true, now: 0 };
const row = (value: Value): Uint8Array => encodeUpdate(value, DEFAULT_LIMITS);

/** The part of a stored map that a test sets. */
interface Stored {
  readonly offset?: number;
  readonly entries?: readonly StoredEntry[];
  readonly gap?: { readonly from: number; readonly to: number };
}

function setUp(
  limits: { maxKeys?: number; maxBytes?: number; perJid?: number; maxRemovals?: number } = {},
  stored?: Stored,
) {
  const { maxKeys = 100, maxBytes = 1e6, perJid = 1e9, maxRemovals = 100 } = limits;
  const catchUp = { begin: vi.fn(), add: vi.fn() };
  const fanOut = { setAside: vi.fn(() => [] as Subscription[]) };
  const memory = new MapMemory({
    ...{ maxMapBytes: 1e9, maxMapBytesPerJid: perJid, remotePercent: 100, domainShare: 1 },
  });
  const write = vi.fn<(change: StoredChange) => void>();
  const service = stored && {
    ...{ record: newRecord("alice@x/t", { epoch: EPOCH, offset: stored.offset ?? 0 }), gap: stored.gap },
    write,
  };
  const config = { ...DEFAULT_CONFIG, kind: "map" as const };
  const id = { owner: "alice@x", name: "t" };
  const record = new ServiceRecord(id, config, EPOCH, 0, service as unknown as StoredService | undefined);
  const onFailed = vi.fn();
  const parts = {
    ...{ fanOut: fanOut as unknown as FanOut, catchUp: catchUp as unknown as CatchUp, onFailed },
    checks: { look: vi.fn(), ask: vi.fn() } as unknown as MapChecks,
    cursors: { of: () => [], move: vi.fn() },
    bounds: { maxKeys, maxBytes, maxRemovals, maxRemovalBytes: 1e6, maxAgeMs: 1e6, maxPinnedMs: 1e6 },
  };
  const kind = new MapKind(record, memory.open("alice@x"), parts, stored?.entries);
  const lanes = new Map<string, Lane<Subscription>>();
  const it = { record, node: "alice@x/t", lanes } as unknown as Service;
  /** Does what the component does with rows that arrive. Returns the reason of a refusal. */
  const arrive = (...values: Value[]): string | undefined => {
    const rows = values.map(row);
    const refusal = kind.check(it, rows);
    if (refusal !== undefined) return refusal.text;
    const from = record.given + 1;
    record.given += rows.length;
    const arrival = new Arrival(
      from,
      record.given,
      rows,
      rows.map(() => 0),
    );
    void kind.keep(it, arrival);
    record.offset = arrival.to;
    kind.kept(it, arrival);
    return undefined;
  };
  const subscription = (fields: object = {}) => ({ service: it, ...fields }) as unknown as Subscription;
  /** Whether the last subscription gets the whole map. */
  const isWhole = (): unknown => (catchUp.begin.mock.lastCall?.[1] as { readonly begins: boolean }).begins;
  return { kind, record, arrive, memory, write, catchUp, fanOut, lanes, it, subscription, isWhole, onFailed };
}

describe("what a map takes", () => {
  it("is bounded in keys, which a removal or a clear gives back", () => {
    const { arrive, kind } = setUp({ maxKeys: 2 });
    expect(
      arrive([
        ["a", 1],
        ["b", 1],
      ]),
    ).toBeUndefined();
    expect(arrive([["c", 1]])).toBe("`alice@x/t` would have 3 keys, and 2 keys are allowed");
    expect(kind.state.keys).toBe(2);
    expect(arrive([["a", 2]], [["a"], ["c", 1]])).toBeUndefined();
    expect(arrive([[], ["x", 1], ["y", 1], ["x", 2]])).toBeUndefined();
    expect(arrive([["x"], ["x", 1]], [["y"]], [["y", 1]], [["z", 1]])).toContain("3 keys");
  });

  it("is bounded in bytes, of the map and of its owner", () => {
    const { arrive, memory } = setUp({ maxBytes: 1_000, perJid: 1_500 });
    expect(arrive([["a", "x".repeat(700)]])).toBeUndefined();
    expect(arrive([["b", "x".repeat(300)]])).toMatch(/would have \d+ bytes, and 1000 bytes are allowed/);
    expect(arrive([["a", "x".repeat(10)]])).toBeUndefined();
    const other = memory.open("alice@x");
    other.hold(1_200);
    expect(arrive([["a", "x".repeat(300)]])).toContain("1500 bytes for all maps of alice@x");
    // What makes a map smaller is never refused.
    other.hold(5_000);
    expect(arrive([["a", 1]])).toBeUndefined();
  });

  it("is bounded by its publisher too, within the operator's bounds", () => {
    const { arrive, record } = setUp({ maxKeys: 3, maxBytes: 1_000 });
    record.config = { ...record.config, maxItems: 2, maxBytes: 400 };
    expect(
      arrive([
        ["a", 1],
        ["b", 1],
      ]),
    ).toBeUndefined();
    expect(arrive([["c", 1]])).toBe("`alice@x/t` would have 3 keys, and its publisher allows 2 keys");
    expect(arrive([["a", "x".repeat(200)]])).toBe(
      "`alice@x/t` would have 487 bytes, and its publisher allows 400 bytes",
    );
    record.config = { ...record.config, maxItems: 9, maxBytes: 9_000 };
    expect(arrive([["c", 1]])).toBeUndefined();
    expect(arrive([["d", 1]])).toContain("and 3 keys are allowed");
    // A bound that was lowered removes nothing.
    record.config = { ...record.config, maxItems: 1 };
    expect(arrive([["a", 2]])).toBeUndefined();
  });

  it("is refused as a whole, and as malformed where it is no update", () => {
    const { kind, it, arrive } = setUp({ maxKeys: 1 });
    expect(arrive([["a", 1]], [["b", 1]])).toContain("2 keys");
    expect(kind.state.keys).toBe(0);
    expect(() => kind.check(it, [row("no")])).toThrow(expect.objectContaining({ code: "malformed" }));
  });

  it("is counted until the map is withdrawn", () => {
    const { kind, arrive, memory } = setUp();
    arrive([["a", "x".repeat(100)]]);
    expect(memory.usedBy("alice@x")).toBeGreaterThan(100);
    kind.withdraw();
    expect(memory.usedBy("alice@x")).toBe(0);
  });
});

describe("what a map stores", () => {
  it("is each change with its place, and the marks, together with the offset", () => {
    const { arrive, write } = setUp({}, {});
    arrive([["a", 1], ["b"]], [[], ["c", 2], null]);
    const entry = { at: expect.any(Number) as number, index: 0 };
    expect(write.mock.calls).toEqual([
      [
        {
          ...{ offset: 2, incarnations: [] },
          map: {
            writes: [
              { type: "put", entry: { ...entry, key: "a", position: 1, value: row(1) } },
              { type: "put", entry: { ...entry, key: "b", position: 1, index: 1, value: undefined } },
              { type: "clear" },
              { type: "put", entry: { ...entry, key: "c", position: 2, index: 1, value: row(2) } },
            ],
            marks: { floor: 2, continues: true },
          },
        },
      ],
    ]);
  });

  it("comes back, with a position that no subscriber has seen after a crash", () => {
    const entries = [{ key: "a", position: 3, index: 0, at: 0, value: row(1) }];
    const { kind, record } = setUp({}, { offset: 9, entries });
    expect([kind.state.position, kind.state.keys, record.offset]).toEqual([9, 1, 9]);
    const after = setUp({}, { offset: 9, entries, gap: { from: 4, to: 9 } });
    expect([after.kind.state.position, after.record.offset, after.record.given]).toEqual([10, 10, 10]);
  });

  it("has the removals forgotten that are over the bounds", () => {
    const { arrive, write, kind, it: service } = setUp({ maxRemovals: 1 }, {});
    arrive(
      [
        ["a", 1],
        ["b", 1],
      ],
      [["a"]],
      [["b"]],
    );
    expect(write.mock.lastCall?.[0]).toMatchObject({
      map: { writes: [{ type: "forget", key: "a" }], marks: { floor: 2 } },
    });
    write.mockClear();
    kind.sweep(service, 0);
    expect(write).not.toHaveBeenCalled();
  });
});

describe("a subscription to a map", () => {
  it.each<[string, object, boolean]>([
    ["without a position", {}, true],
    ["with its position", { standing: { epoch: EPOCH, offset: 2 } }, false],
    ["since a position", { since: { epoch: EPOCH, offset: 3 } }, false],
    ["of another life", { standing: { epoch: EPOCH + 1, offset: 2 } }, true],
    ["from ahead of the map", { standing: { epoch: EPOCH, offset: 5 } }, true],
    ["from before a clear", { standing: { epoch: EPOCH, offset: 1 } }, true],
  ])("%s begins there", (_, start, isWhole) => {
    const it = setUp();
    it.arrive([["a", 1]], [[]], [["b", 1]], [["c", 1]]);
    const subscription = it.subscription();
    it.kind.begin(subscription, { ...START, ...start });
    expect(it.isWhole()).toBe(isWhole);
    expect(subscription.position === 0).toBe(isWhole);
  });

  it("catches up when it comes back, and when its lane is set aside", () => {
    const { kind, catchUp, fanOut, subscription, arrive } = setUp();
    arrive([["a", 1]]);
    const [one, two] = [subscription({ position: 1 }), subscription({ position: 1 })];
    kind.comeBack(one);
    fanOut.setAside.mockReturnValue([one, two]);
    kind.setAside({} as Lane<Subscription>);
    expect(catchUp.add.mock.calls.map(([it]) => it as unknown)).toEqual([one, one, two]);
  });

  it("leaves a lane that cannot carry a row, or holds too much", () => {
    const { arrive, lanes, fanOut } = setUp();
    const lane = (fits: boolean, overflows: boolean) =>
      ({ fits: () => fits, overflows: () => overflows }) as unknown as Lane<Subscription>;
    const all = { good: lane(true, false), small: lane(false, false), full: lane(true, true) };
    for (const [name, it] of Object.entries(all)) lanes.set(name, it);
    arrive([["a", 1]]);
    expect(fanOut.setAside.mock.calls).toEqual([[all.small], [all.full]]);
  });
});

describe("a map that is still being brought", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "Date"] }));
  afterEach(() => void vi.useRealTimers());

  it("is shown with the first update, or when none has come for a while", () => {
    const { kind, arrive } = setUp();
    expect(kind.isLoading).toBe(true);
    vi.advanceTimersByTime(3_000);
    expect(kind.isLoading).toBe(false);
    const other = setUp();
    other.arrive([]);
    expect(other.kind.isLoading).toBe(false);
    arrive([["a", 1], null]);
    expect(kind.isLoading).toBe(true);
    vi.advanceTimersByTime(59_999);
    arrive([["b", 1], null]);
    vi.advanceTimersByTime(59_999);
    expect(kind.isLoading).toBe(true);
    vi.advanceTimersByTime(1);
    expect(kind.isLoading).toBe(false);
    arrive([["b", 1], null]);
    arrive([]);
    expect(kind.isLoading).toBe(false);
  });
});
