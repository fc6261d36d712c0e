import {
  CHECKSUM_BYTES,
  decodeBlock,
  decodeDiffering,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeFrame,
  encodeUpdate,
  hashEntry,
  RangeDigest,
  readSnapshot,
  WHOLE,
  WHOLE_RANGE,
  type DigestFrame,
  type RepairEntriesFrame,
  type Selection,
  type Value,
} from "@stanzapack/wire";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createStats } from "../base/stats.js";
import { Budgets } from "../budgets/budgets.js";
import { configSchema } from "../config/config.js";
import type { Lane } from "../fanout/lane.js";
import type { SharedFrame } from "../fanout/shared-frame.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { createService } from "../testing/create-service.js";
import { MapChecks } from "./map-checks.js";
import { MapState } from "./map-state.js";

type Answer = DigestFrame | RepairEntriesFrame;

const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });
const JID = "bob@x/1";
/** What a stanza takes beside its block in base64: addresses of usual length, and the head of a lean stanza. */
const STANZA_CHARS = 110;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.clearAllTimers();
  vi.useRealTimers();
});

function setUp({ selection = WHOLE, digestSeconds = 60, sizeClass = 65_535 } = {}) {
  const state = new MapState({ maxRemovals: 100, maxRemovalBytes: 1e9, maxAgeMs: 1e9, maxPinnedMs: 1e9 });
  const { record } = createService({ epoch: 7, config: { kind: "map" } });
  const stats = createStats();
  const budgets = new Budgets(limits, stats);
  budgets.request(JID);
  const host = { open: true };
  const checks = new MapChecks({
    ...{ host, budgets, stats, chance: () => 0.5, limits: { mapDigestSeconds: digestSeconds } },
    log: pino({ level: "silent" }),
  });
  const map = { state, isLoading: false, resend: vi.fn() };
  const subscriptions = new Set<Subscription>();
  const lane = {
    ...{ attached: new Set(), joining: new Set(), batch: { empty: true }, active: true },
    ...{ key: { sizeClass, coded: true, selection }, service: { record }, onFlushed: undefined },
  } as unknown as Lane<Subscription> & { batch: { empty: boolean } };
  let position = 0;
  /** Applies one update. Undefined: the key is removed. */
  const set = (entries: Iterable<readonly [string, Value | undefined]>, continues = false): void =>
    state.apply(
      ++position,
      [...entries].map(([key, value]) =>
        value === undefined
          ? { type: "delete", key }
          : { type: "set", key, value: encodeUpdate(value, DEFAULT_LIMITS) },
      ),
      continues,
      0,
    );
  /** A subscriber on the lane. `out`: what it was sent. `chars`: of the stanzas, both ways, without acknowledgements. */
  const subscribe = (takesDigests = true, jid = JID) => {
    const it = { out: [] as Answer[], chars: 0, room: true };
    const subscription = {
      ...{ lane, detached: false, service: { subscriptions } },
      outlet: {
        ...{ takesDigests, jid, maySendAt: () => it.room },
        sendShared: (frame: SharedFrame, isData = false): void => {
          const base64 = frame.textFor(5);
          it.chars += base64.length + STANZA_CHARS;
          const [read] = decodeBlock(Buffer.from(base64, "base64"), DEFAULT_LIMITS);
          expect(isData).toBe(read?.type === "repair");
          it.out.push(read as Answer);
        },
      },
    } as unknown as Subscription;
    lane.attached.add(subscription);
    subscriptions.add(subscription);
    const askWith = (ranges: readonly number[], sums: Uint8Array | null): Answer[] => {
      const frame = { type: "repair", role: "request", alias: 5, ranges, sums } as const;
      it.chars += STANZA_CHARS + encodeFrame(frame).length * (4 / 3);
      it.out.length = 0;
      checks.ask(subscription, { ranges, sums }, map);
      vi.advanceTimersByTime(5);
      return it.out;
    };
    const ask = (...ranges: number[]): Answer[] => askWith(ranges, null);
    return Object.assign(it, { subscription, ask, askWith });
  };
  const look = (now: number): void => {
    checks.look(lane, map, now);
    vi.advanceTimersByTime(1_100);
  };
  return { state, checks, lane, map, set, subscribe, look, stats, budgets, host, subscriptions };
}

const digestOf = (held: ReadonlyMap<string, Value>, range: number): RangeDigest => {
  const digest = new RangeDigest(range);
  for (const [key, value] of held) {
    const { place, high, low } = hashEntry(key, value);
    digest.toggle(place, high, low);
  }
  return digest;
};

/** Repairs a replica in the simplest way. Returns the keys that differed. */
function repair(
  held: Map<string, Value>,
  ask: (...ranges: number[]) => Answer[],
  askWith?: (ranges: readonly number[], sums: Uint8Array) => Answer[],
): string[] {
  const repaired: string[] = [];
  for (let ranges = [WHOLE_RANGE]; ranges.length > 0;) {
    const next: number[] = [];
    const some = ranges.splice(0, 16);
    const [first] = some as [number];
    const answers =
      askWith !== undefined && some.length === 1 ? askWith(some, digestOf(held, first).sums) : ask(...some);
    for (const answer of [...answers]) {
      if (answer.type === "digest" && answer.sums.length === 2) {
        const named = decodeDiffering(answer.range, answer.sums);
        expect(named).toEqual(answers.slice(answers.indexOf(answer) + 1).map(({ range }) => range));
      } else if (answer.type === "digest") next.push(...digestOf(held, answer.range).differing(answer.sums));
      else {
        const frame = { ...answer, from: 1, to: answer.position };
        const entries = readSnapshot(frame, DEFAULT_LIMITS, DEFAULT_CODEC_LIMITS);
        const range = new RangeDigest(answer.range);
        const named = new Map(entries.map(({ key, value }) => [key, value as Value]));
        for (const key of held.keys())
          if (range.has(hashEntry(key, null).place) && !named.has(key)) {
            held.delete(key);
            repaired.push(key);
          }
        for (const [key, value] of named)
          if (JSON.stringify(held.get(key)) !== JSON.stringify(value)) {
            held.set(key, value);
            repaired.push(key);
          }
      }
    }
    ranges = [...ranges, ...next];
  }
  return repaired.sort();
}

const keyOf = (i: number): string => `sensor/${String(i).padStart(5, "0")}`;
const valueOf = (i: number): Value => ({ t: i / 10, h: (i * 7) % 100, ok: i % 3 === 0 });

function* readings(count: number): Iterable<readonly [string, Value]> {
  for (let i = 0; i < count; i++) yield [keyOf(i), valueOf(i)];
}

describe("checksums", () => {
  it("are sent once an interval, to subscribers that know them, if the map has changed", () => {
    const { set, subscribe, look, stats } = setUp();
    const [one, old] = [subscribe(), subscribe(false)];
    set(readings(100));
    look(0);
    look(29_000);
    expect(one.out).toEqual([]);
    look(30_000);
    const held = new Map(readings(100));
    expect(one.out).toMatchObject([
      { type: "digest", alias: 5, epoch: 7, position: 1, range: 1, intervalMs: 60_000 },
    ]);
    expect(digestOf(held, WHOLE_RANGE).matches((one.out[0] as DigestFrame).sums)).toBe(true);
    look(90_000);
    expect(one.out.length).toBe(1);
    set([[keyOf(1), undefined]]);
    const late = subscribe();
    look(150_000);
    expect([one.out.length, late.out.length, old.out.length, stats.digestsSent]).toEqual([2, 1, 0, 3]);
    held.delete(keyOf(1));
    expect(digestOf(held, WHOLE_RANGE).matches((late.out[0] as DigestFrame).sums)).toBe(true);
  });

  it("are not sent if the operator wants none", () => {
    const { set, subscribe, look } = setUp({ digestSeconds: 0 });
    const one = subscribe();
    set(readings(3));
    for (let now = 0; now < 200_000; now += 1_000) look(now);
    expect(one.out).toEqual([]);
    expect(one.ask(WHOLE_RANGE)).toMatchObject([{ type: "repair", position: 1 }]);
  });

  it("follow the changes of a map, whatever they are", () => {
    const { set, state, subscribe } = setUp();
    const { ask } = subscribe();
    const held = new Map<string, Value>();
    for (let i = 0; i < 300; i++) {
      const [key, value] = [keyOf((i * 31) % 40), i % 5 === 0 ? undefined : valueOf(i)];
      if (i % 97 === 96) {
        state.apply(state.position + 1, [{ type: "clear" }], false, 0);
        held.clear();
      } else {
        set([[key, value]]);
        if (value === undefined) held.delete(key);
        else held.set(key, value);
      }
      if (i % 7 === 0) expect(repair(held, ask)).toEqual([]);
    }
    expect(held.size).toBeGreaterThan(5);
  });

  it("wait until nothing waits in the lane, and leave right behind its body", () => {
    const { set, subscribe, lane, look } = setUp();
    const one = subscribe();
    set(readings(3));
    look(0);
    lane.batch.empty = false;
    look(30_000);
    expect(one.out).toEqual([]);
    lane.batch.empty = true;
    set([["a", 1]], true);
    lane.onFlushed?.();
    // The map is in the middle of an update.
    expect(one.out).toEqual([]);
    set([["b", 1]]);
    lane.onFlushed?.();
    expect(one.out).toMatchObject([{ position: 3 }]);
    expect(lane.onFlushed).toBeUndefined();
  });

  it("are of the keys that a subscription takes", () => {
    const selection: Selection = { ...WHOLE, prefix: "sensor/0001" };
    const { set, subscribe } = setUp({ selection });
    const { ask } = subscribe();
    set(readings(1_000));
    const held = new Map([...readings(1_000)].filter(([key]) => key.startsWith("sensor/0001")));
    expect(repair(held, ask)).toEqual([]);
    held.delete(keyOf(13));
    held.set("sensor/00014", 5);
    expect(repair(held, ask)).toEqual([keyOf(13), keyOf(14)]);
  });
});

describe("repair", () => {
  it("finds a flipped bit among 100,000 keys with less than 2 kB", () => {
    const { set, subscribe, look, stats } = setUp();
    const held = new Map(readings(100_000));
    set(held);
    const one = subscribe();
    look(0);
    for (let now = 30_000; one.out.length === 0; now += 1_000) look(now);
    const value = held.get(keyOf(4_711)) as { t: number };
    held.set(keyOf(4_711), { ...value, t: value.t + 2 ** -44 });
    expect(digestOf(held, WHOLE_RANGE).matches((one.out[0] as DigestFrame).sums)).toBe(false);
    expect(repair(held, one.ask, one.askWith)).toEqual([keyOf(4_711)]);
    expect(held.get(keyOf(4_711))).toEqual(valueOf(4_711));
    // A stream with acknowledgements (XEP-0198) adds some 100 for each question and its answers.
    expect(one.chars).toBeLessThan(1_500);
    expect(stats.rangesRepaired).toBe(1);
  });

  it("mends keys that are missing, too many or different", () => {
    const { set, subscribe } = setUp();
    const held = new Map(readings(5_000));
    set(held);
    const { ask } = subscribe();
    held.delete(keyOf(1));
    held.set(keyOf(2), valueOf(3));
    held.set("another", 1);
    expect(repair(held, ask)).toEqual(["another", keyOf(1), keyOf(2)]);
    expect(repair(held, ask)).toEqual([]);
  });

  it("sends the whole map to a subscriber that asks for it, and where a few keys fit no block", () => {
    const { set, subscribe, map, stats } = setUp({ sizeClass: 4_095 });
    const { ask, subscription } = subscribe();
    set([["a", "x".repeat(3_000)]]);
    expect(ask(WHOLE_RANGE)).toMatchObject([{ type: "repair" }]);
    set([["b", "y".repeat(3_000)]]);
    expect(ask(WHOLE_RANGE)).toMatchObject([{ type: "digest" }]);
    expect(ask()).toEqual([]);
    expect(map.resend.mock.calls).toEqual([[subscription]]);
    expect(stats.mapsResent).toBe(1);
  });

  it("waits for room on the link, for the lane, and for a stream that is open", () => {
    const { set, subscribe, lane, host, subscriptions } = setUp();
    const one = subscribe();
    set(readings(3));
    one.room = false;
    expect(one.ask(WHOLE_RANGE)).toEqual([]);
    one.room = true;
    host.open = false;
    vi.advanceTimersByTime(500);
    host.open = true;
    Object.assign(one.subscription, { detached: true });
    vi.advanceTimersByTime(500);
    expect(one.out).toEqual([]);
    Object.assign(one.subscription, { detached: false });
    vi.advanceTimersByTime(500);
    expect(one.out).toMatchObject([{ type: "repair" }]);
    // A subscription that has ended is answered no more, and nothing is kept of it.
    host.open = false;
    one.ask(WHOLE_RANGE);
    subscriptions.delete(one.subscription);
    vi.advanceTimersByTime(500);
    expect([one.out.length, lane.onFlushed]).toEqual([0, undefined]);
  });

  it("answers the newest request alone", () => {
    const { set, subscribe, lane } = setUp();
    const one = subscribe();
    set(readings(1_000));
    lane.batch.empty = false;
    for (let range = 16; range < 32; range++) expect(one.ask(range)).toEqual([]);
    lane.batch.empty = true;
    lane.onFlushed?.();
    expect(one.out).toMatchObject([{ range: 31 }]);
  });

  it("goes on for others while somebody asks without end, who waits for the budget", () => {
    const { set, subscribe, budgets } = setUp();
    const [hostile, other] = [subscribe(), subscribe(true, "carol@x/1")];
    set(readings(2_000));
    const ranges = Array.from({ length: 16 }, (_, i) => 16 + i);
    let answers = 0;
    for (let i = 0; i < 500; i++) answers += hostile.ask(...ranges).length;
    // Its budget at the beginning, and what filled up in these 2.5 s.
    const { requestsPerSecond, burstSeconds } = limits;
    expect(answers).toBeLessThan(requestsPerSecond * (burstSeconds + 3));
    const request = (): void => {
      for (let i = 0; i < 5; i++) budgets.request(JID);
    };
    expect(request).toThrow(expect.objectContaining({ code: "busy" }));
    expect(other.ask(WHOLE_RANGE)[0]).toMatchObject({ type: "digest", range: 1 });
    // Its budget fills up with time.
    hostile.ask(16);
    vi.advanceTimersByTime(60_000);
    expect(hostile.out).toMatchObject([{ range: 16 }]);
  });

  it("has checksums of the stated length", () => {
    const { set, subscribe } = setUp();
    set(readings(100));
    const [whole] = subscribe().ask(WHOLE_RANGE) as [DigestFrame];
    expect([whole.sums.length, CHECKSUM_BYTES]).toEqual([64, 8]);
  });
});
