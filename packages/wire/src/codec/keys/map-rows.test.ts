import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { value } from "../../../test/arbitraries.js";
import { isSame } from "../../../test/is-same.js";
import type { Value } from "../../msgpack/msgpack.js";
import { ColumnCodec, DEFAULT_CODEC_LIMITS } from "../column-codec.js";

type Update = readonly Value[];

function createPair(): { send: (rows: readonly Update[], at?: number) => number; memory: () => number } {
  const [encoder, decoder] = [0, 1].map(() => new ColumnCodec(DEFAULT_CODEC_LIMITS, "map")) as [
    ColumnCodec,
    ColumnCodec,
  ];
  return {
    /** Returns the bytes of the message. */
    send(rows, at = 0) {
      const bytes = encoder.encode({ rows, conflated: 0, at, spanMs: 0 });
      const read = decoder.decode(bytes).rows;
      // `toStrictEqual` shows where they differ. Alone it would accept keys in another order.
      if (!isSame(read, rows)) expect(read).toStrictEqual(rows);
      return bytes.length;
    },
    memory: () => encoder.bytes,
  };
}

/** A small, seeded generator (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const keyOf = (i: number): string => `sensor/${String(i).padStart(5, "0")}`;

describe("updates of a map", () => {
  const key = fc.oneof(
    fc.constantFrom("a", "b", "c", "__proto__", "1"),
    fc.string({ unit: "binary", minLength: 1, maxLength: 9 }),
  );
  const change: fc.Arbitrary<Value> = fc.oneof(
    { weight: 8, arbitrary: fc.tuple(key, value) },
    { weight: 1, arbitrary: fc.tuple(key) },
    { weight: 1, arbitrary: fc.constant([]) },
  );
  const update = fc
    .tuple(fc.array(change, { maxLength: 6 }), fc.boolean())
    .map(([changes, continues]): Update => (continues ? [...changes, null] : changes));

  it("come back, batch after batch", () => {
    fc.assert(
      fc.property(fc.array(fc.array(update, { minLength: 1, maxLength: 5 }), { maxLength: 8 }), (batches) => {
        const { send } = createPair();
        for (const batch of batches) send(batch);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["no array", 1],
    ["a change that is no array", [1]],
    ["nil in the middle", [null, ["a", 1]]],
    ["a key that is no text", [[1, 2]]],
    ["an empty key", [["", 2]]],
    ["a change of three parts", [["a", 1, 2]]],
  ])("are not %s", (_, row) => {
    const codec = new ColumnCodec(DEFAULT_CODEC_LIMITS, "map");
    expect(() => codec.encode({ rows: [row as Value], conflated: 0, at: 0, spanMs: 0 })).toThrow(
      expect.objectContaining({ code: "unencodable" }),
    );
  });
});

describe("the memory of keys", () => {
  it("is bounded, and both sides forget the same keys", () => {
    const { send, memory } = createPair();
    const random = randomFrom(1);
    const values = Array.from({ length: 40_000 }, () => ({ t: 20.5, h: 40, ok: true }));
    let largest = 0;
    for (let i = 0; i < 300; i++) {
      // Most of the keys come once, and a few of them often.
      const batch = Array.from({ length: 100 }, (): Update => {
        const index = Math.floor(random() ** 4 * values.length);
        const { t, h, ok } = values[index] as { t: number; h: number; ok: boolean };
        values[index] = { t: Math.round(t * 10 + random() * 3) / 10, h, ok };
        return [[keyOf(index), values[index]]];
      });
      send(batch);
      largest = Math.max(largest, memory());
    }
    expect(largest).toBeGreaterThan(4_194_000);
    expect(largest).toBeLessThan(5_200_000);
  });

  it("does not keep a value that would displace most others", () => {
    const { send, memory } = createPair();
    const large = Array.from({ length: 20_000 }, (_, i) => i % 7);
    for (let i = 0; i < 3; i++) send([[["large", large]], [["small", i]]]);
    expect(memory()).toBeLessThan(1_000_000);
  });
});

const SENSORS = 1_000;
/** Most bytes that a key may take on average: which of 1,000 sensors has changed takes 10 bits. */
const KEY_BYTES = 1.25;
/** Changes of each sensor. */
const CHANGES = 30;

/** Sensors whose values move by a random walk, and change in a random order. */
function* walk(kind: "number" | "fields"): Generator<{ sensor: number; value: Value }, never> {
  const random = randomFrom(5);
  const below = (n: number): number => Math.floor(random() * n);
  const states = Array.from({ length: SENSORS }, () => [below(450) - 100, below(101), below(5_000)]);
  for (;;) {
    const sensor = below(SENSORS);
    const state = states[sensor] as [number, number, number];
    state[0] += below(9) - 4;
    state[1] += below(3) - 1;
    state[2] += below(31) - 15;
    const [t, h, p] = [state[0] / 10, state[1], 980 + state[2] / 100];
    yield { sensor, value: kind === "number" ? t : { t, h, p } };
  }
}

describe("a change in a map of 1,000 sensors", () => {
  it.each([["number"], ["fields"]] as const)("costs as its own service would, and its key: %s", (kind) => {
    const map = createPair();
    const services = Array.from({ length: SENSORS }, () => new ColumnCodec(DEFAULT_CODEC_LIMITS));
    const source = walk(kind);
    let [own, keyed] = [0, 0];
    const total = SENSORS * CHANGES;
    for (let i = 0; i < total; i++) {
      const { sensor, value } = source.next().value;
      const bytes = map.send([[[keyOf(sensor), value]]]);
      const service = services[sensor] as ColumnCodec;
      const alone = service.encode({ rows: [value], conflated: 0, at: 0, spanMs: 0 }).length;
      if (i < total / 2) continue;
      keyed += bytes;
      own += alone;
    }
    expect(keyed / (total / 2)).toBeLessThan(own / (total / 2) + KEY_BYTES);
  });
});
