import {
  decodeBlock,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeUpdate,
  readSnapshot,
  WHOLE,
  type MapChange,
  type Selection,
  type SnapshotFrame,
  type StanzapackError,
  type Value,
} from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import type { Lane } from "../fanout/lane.js";
import type { Compression } from "../options/service-config.js";
import { createService } from "../testing/create-service.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { CatchUpBody } from "./catch-up.js";
import { MapSource } from "./map-source.js";
import { MapState } from "./map-state.js";

const pack = (value: Value): Uint8Array => encodeUpdate(value, DEFAULT_LIMITS);

/** A small, seeded generator (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A map whose removals are few, and its model for each position. */
function setUp({
  sizeClass = 65_535,
  compression = "shared",
  maxRemovals = 20,
  selection = WHOLE,
}: {
  readonly sizeClass?: number;
  readonly compression?: Compression;
  readonly maxRemovals?: number;
  readonly selection?: Selection;
} = {}) {
  const state = new MapState({ maxRemovals, maxRemovalBytes: 1e9, maxAgeMs: 1e9, maxPinnedMs: 1e9 });
  const errors: StanzapackError[] = [];
  const feed = {
    state,
    isLoading: false,
    fail: (_: Subscription, error: StanzapackError) => void errors.push(error),
  };
  const { record } = createService({ epoch: 7, config: { kind: "map", compression } });
  const lane = {
    key: { sizeClass, coded: true, selection },
    service: { record },
  } as unknown as Lane<Subscription>;
  const subscription = { lane } as unknown as Subscription;
  const models: Map<string, Value>[] = [new Map()];
  const apply = (changes: readonly MapChange<Value>[], continues = false): void => {
    const model = new Map(models.at(-1));
    for (const change of changes)
      if (change.type === "clear") model.clear();
      else if (change.type === "set") model.set(change.key, change.value);
      else model.delete(change.key);
    models.push(model);
    const packed = changes.map((it): MapChange =>
      it.type === "set" ? { ...it, value: pack(it.value) } : it,
    );
    state.apply(models.length - 1, packed, continues, 0);
    if (state.hasTooManyRemovals) state.forgetRemovals(0, Infinity);
  };
  return { state, feed, lane, subscription, models, apply, errors };
}

const encoding = <T extends object>(encode: () => T): T => encode();

function frameOf({ body }: CatchUpBody): SnapshotFrame {
  const [frame] = decodeBlock(Buffer.from(body.frameFor(5), "base64"), DEFAULT_LIMITS);
  return frame as SnapshotFrame;
}

/** What a subscriber makes of SNAPSHOT, in the simplest way. */
class Reader {
  readonly map = new Map<string, Value>();
  private staged = new Map<string, Value | undefined>();
  private anew = false;
  position = 0;
  frames = 0;
  entries = 0;

  take(frame: SnapshotFrame): void {
    this.frames++;
    expect(frame).toMatchObject({ type: "snapshot", alias: 5, epoch: 7 });
    if (frame.begins) {
      this.staged = new Map();
      this.anew = true;
      this.position = 0;
    } else expect(frame.from).toBe(this.position + 1);
    const entries = readSnapshot(frame, DEFAULT_LIMITS, DEFAULT_CODEC_LIMITS);
    this.entries += entries.length;
    for (const { key, value } of entries) this.staged.set(key, value);
    this.position = frame.to;
    if (frame.left > 0) return;
    if (this.anew) this.map.clear();
    for (const [key, value] of this.staged)
      if (value === undefined) this.map.delete(key);
      else this.map.set(key, value);
    this.staged = new Map();
    this.anew = false;
  }

  /** Reads a source to its end. */
  drain(source: MapSource, subscription: Subscription): void {
    for (;;) {
      const next = source.next(subscription, new Map(), encoding);
      if (next === undefined || next === "wait") return;
      this.take(frameOf(next));
    }
  }
}

describe("the way to the state of a map", () => {
  it("brings a new reader the whole map, without removals, and says that it is whole", () => {
    const { apply, feed, subscription, models } = setUp();
    apply([{ type: "set", key: "a", value: 1 }]);
    apply([{ type: "set", key: "b", value: { x: 1 } }]);
    apply([{ type: "delete", key: "a" }]);
    const reader = new Reader();
    reader.drain(new MapSource(feed, undefined, false), subscription);
    expect(reader).toMatchObject({ map: models[3], position: 3, frames: 1, entries: 1 });
  });

  it("says that an empty map is whole, and that nothing has changed", () => {
    const { apply, feed, subscription } = setUp();
    const reader = new Reader();
    reader.drain(new MapSource(feed, undefined, false), subscription);
    expect(reader).toMatchObject({ position: 0, frames: 1, entries: 0 });
    apply([{ type: "set", key: "a", value: 1 }]);
    reader.drain(new MapSource(feed, 0, false), subscription);
    reader.drain(new MapSource(feed, 1, false), subscription);
    expect(reader).toMatchObject({ position: 1, frames: 3, entries: 1 });
    reader.drain(new MapSource(feed, 1, true), subscription);
    expect(reader.frames).toBe(3);
  });

  it("brings who comes back what has changed, each key once", () => {
    const { apply, feed, subscription, models } = setUp();
    for (let i = 0; i < 100; i++) apply([{ type: "set", key: `k${i}`, value: i }]);
    const reader = new Reader();
    reader.drain(new MapSource(feed, undefined, false), subscription);
    for (let i = 0; i < 50; i++) apply([{ type: "set", key: `k${i % 5}`, value: -i }]);
    apply([{ type: "delete", key: "k9" }]);
    reader.entries = 0;
    reader.drain(new MapSource(feed, 100, false), subscription);
    expect(reader).toMatchObject({ map: models.at(-1), position: 151, entries: 6 });
  });

  it("waits while the state is not to be shown, and while an update lacks its end", () => {
    const { apply, feed, subscription, models } = setUp();
    feed.isLoading = true;
    const source = new MapSource(feed, undefined, false);
    const reader = new Reader();
    reader.drain(source, subscription);
    expect(reader.frames).toBe(0);
    apply([{ type: "set", key: "a", value: 1 }], true);
    reader.drain(source, subscription);
    expect(reader).toMatchObject({ frames: 1, entries: 1, map: new Map() });
    apply([]);
    feed.isLoading = false;
    reader.drain(source, subscription);
    expect(reader).toMatchObject({ frames: 2, map: models.at(-1) });
    apply([]);
    // The lane continues behind the last body, before anything else can change.
    expect(source.next(subscription, new Map(), encoding)).toMatchObject({ arrives: true, to: 3 });
  });

  it("brings the selected keys alone, and the position of all", () => {
    const { apply, feed, subscription } = setUp({ selection: { ...WHOLE, prefix: "a/" } });
    apply([
      { type: "set", key: "a/1", value: 1 },
      { type: "set", key: "b/1", value: 2 },
    ]);
    apply([{ type: "set", key: "b/1", value: 3 }]);
    const reader = new Reader();
    const source = new MapSource(feed, undefined, false);
    reader.drain(source, subscription);
    expect(reader).toMatchObject({ map: new Map([["a/1", 1]]), position: 2, frames: 1 });
    apply([{ type: "delete", key: "a/1" }]);
    apply([{ type: "delete", key: "b/1" }]);
    reader.drain(source, subscription);
    expect(reader).toMatchObject({ map: new Map(), position: 4, frames: 2, entries: 2 });
  });

  it("shares bodies among readers at the same place, and only among these", () => {
    const { apply, feed, subscription } = setUp();
    apply([{ type: "set", key: "a", value: 1 }]);
    const shared = new Map<string, CatchUpBody>();
    const [one, two, other] = [undefined, undefined, 0].map((position) =>
      new MapSource(feed, position, false).next(subscription, shared, encoding),
    );
    const bodyOf = (it: typeof one): unknown => (it as CatchUpBody).body;
    expect(bodyOf(one)).toBe(bodyOf(two));
    expect(bodyOf(other)).not.toBe(bodyOf(one));
    expect(shared.size).toBe(2);
  });

  it("codes no entry by another where the service is isolated", () => {
    const { apply, feed, subscription } = setUp({ compression: "isolated" });
    for (let i = 0; i < 100; i++) apply([{ type: "set", key: `k${i}`, value: i }]);
    const next = new MapSource(feed, undefined, false).next(subscription, new Map(), encoding);
    expect(frameOf(next as CatchUpBody).form).toBe("rows");
  });

  it("ends a subscription whose link cannot carry an entry, and says why", () => {
    const { apply, feed, subscription, errors } = setUp({ sizeClass: 4_095 });
    apply([{ type: "set", key: "a", value: "x".repeat(3_900) }]);
    const source = new MapSource(feed, undefined, false);
    const reader = new Reader();
    reader.drain(source, subscription);
    expect(reader.entries).toBe(1);
    apply([{ type: "set", key: "b", value: "x".repeat(4_100) }]);
    const fail = (): unknown => source.next(subscription, new Map(), encoding);
    expect(fail).toThrow(expect.objectContaining({ code: "too-large" }));
    expect(source.failed(subscription, new Error("boom"))).toBe(false);
    expect(errors.map(({ code }) => code)).toEqual(["internal"]);
  });

  it("ends a pass even if keys change faster than the reader takes them", () => {
    const { apply, feed, subscription, state } = setUp({ sizeClass: 4_095 });
    const keys = 1_000;
    const text = (i: number): string => `${i}`.padEnd(60, "x");
    apply(Array.from({ length: keys }, (_, i) => ({ type: "set", key: `k${i}`, value: text(i) })));
    const source = new MapSource(feed, undefined, false);
    const reader = new Reader();
    for (let turns = 0; reader.map.size === 0; turns++) {
      expect(turns).toBeLessThan(200);
      const next = source.next(subscription, new Map(), encoding) as CatchUpBody;
      expect(next.arrives).toBe(false);
      reader.take(frameOf(next));
      apply(
        Array.from({ length: 200 }, (_, i) => ({
          type: "set",
          key: `k${(turns * 200 + i) % keys}`,
          value: text(i),
        })),
      );
    }
    expect(reader.entries).toBeGreaterThan(2 * keys);
    // Once the changes end, the reader has the map.
    reader.drain(source, subscription);
    expect(reader).toMatchObject({ position: state.position });
  });

  it("brings every reader the map, whatever happens meanwhile", () => {
    for (let seed = 1; seed <= 25; seed++) {
      const below = randomFrom(seed);
      const { apply, feed, subscription, models, state } = setUp({
        ...{ sizeClass: below(2) === 0 ? 4_095 : 65_535, maxRemovals: below(30) },
      });
      const readers = Array.from({ length: 3 }, () => ({
        reader: new Reader(),
        source: new MapSource(feed, undefined, false),
      }));
      const change = (): MapChange<Value> => {
        const key = `k${below(60)}`;
        const kind = below(40);
        if (kind === 0) return { type: "clear" };
        return kind < 12 ? { type: "delete", key } : { type: "set", key, value: "v".repeat(below(120)) };
      };
      let continues = false;
      for (let step = 0; step < 150; step++) {
        if (below(3) > 0) {
          continues = below(8) === 0;
          feed.isLoading = continues;
          apply(Array.from({ length: below(30) }, change), continues);
        }
        for (const it of readers) {
          if (below(3) === 0) continue;
          const next = it.source.next(subscription, new Map(), encoding);
          if (next !== undefined && next !== "wait") {
            const frame = frameOf(next);
            it.reader.take(frame);
            expect(frame.left > 0 || !continues).toBe(true);
            // What the reader shows is the map of its position, unless the pass was cut short.
            if (frame.left === 0 && frame.to === state.position)
              expect(it.reader.map).toEqual(models[frame.to]);
          } else if (below(5) === 0 && next === undefined) {
            // The reader leaves, and comes back later with its position.
            const { position } = it.reader;
            const isKnown = !state.needsWhole(position);
            it.source = new MapSource(feed, isKnown ? position : undefined, below(2) === 0 && !continues);
          }
          // It comes back in the middle of a pass, on a new link.
          if (below(20) === 0) {
            const { position } = it.reader;
            it.source = new MapSource(feed, state.needsWhole(position) ? undefined : position, false);
          }
        }
      }
      feed.isLoading = false;
      apply([]);
      for (const { reader, source } of readers) {
        reader.drain(source, subscription);
        expect(reader.map, `seed ${seed}`).toEqual(models.at(-1));
        expect(reader.position).toBe(state.position);
      }
    }
  });
});
