import { describe, expect, it } from "vitest";
import { StanzapackError } from "../base/errors.js";
import type { Value } from "../msgpack/msgpack.js";
import { ChainDecoder, ChainEncoder, type ChainBatch } from "./chain.js";
import type { ChainBody } from "../frames/frames.js";
import { ColumnCodec, DEFAULT_CODEC_LIMITS } from "../codec/column-codec.js";

const batch = (from: number, rows: readonly Value[], conflated = 0): ChainBatch => ({
  epoch: 7,
  from,
  to: from + conflated + rows.length - 1,
  rows,
  at: from,
  spanMs: 0,
});

/** Ten bodies, every third of them wide, and what they carry. */
function sent(): { bodies: ChainBody[]; batches: ChainBatch[] } {
  const encoder = new ChainEncoder(DEFAULT_CODEC_LIMITS, { wideEveryBodies: 2, wideEveryMs: 0 });
  const batches = Array.from({ length: 10 }, (_, i) => batch(1 + i * 3, [i, `text ${i % 3}`], 1));
  return { batches, bodies: batches.map((one) => encoder.encode(one, 0, 1)) };
}

describe("a chain", () => {
  it("carries batches, implying their positions", () => {
    const { bodies, batches } = sent();
    const decoder = new ChainDecoder(DEFAULT_CODEC_LIMITS);
    expect(bodies.map(({ form }) => form)).toEqual(
      "key chained chained wide chained chained wide chained chained wide".split(" "),
    );
    expect(bodies.map((body) => decoder.decode(body, true))).toEqual(batches);
  });

  it("delivers nothing wrong, whichever body is lost, twice or late, when the link tells", () => {
    const { bodies, batches } = sent();
    for (let lost = 0; lost < bodies.length; lost++) {
      const decoder = new ChainDecoder(DEFAULT_CODEC_LIMITS);
      bodies.forEach((body, i) => {
        if (i === lost) return;
        const expected = i < lost ? batches[i] : undefined;
        expect(decoder.decode(body, i !== lost + 1)).toEqual(expected);
      });
    }
  });

  it("shows in the next wide body what the link did not tell, before that is delivered", () => {
    const { bodies } = sent();
    for (const order of [
      [0, 1, 3],
      [0, 2, 3],
      [0, 3],
      [0, 1, 2, 4, 6],
    ]) {
      const decoder = new ChainDecoder(DEFAULT_CODEC_LIMITS);
      let last: ChainBatch | undefined;
      try {
        for (const i of order) last = decoder.decode(bodies[i] as ChainBody, true);
        expect(last).toBeUndefined();
      } catch (error) {
        // A body that is read out of turn may give nonsense.
        expect(error).toBeInstanceOf(StanzapackError);
      }
    }
  });

  it("stays dead after a bad message, until a key", () => {
    const { bodies } = sent();
    const [key, second] = bodies as [ChainBody, ChainBody];
    const decoder = new ChainDecoder({ ...DEFAULT_CODEC_LIMITS, maxRows: 1 });
    expect(() => decoder.decode(key, true)).toThrow(expect.objectContaining({ code: "limit-exceeded" }));
    expect(decoder.decode(second, true)).toBeUndefined();
  });

  it("begins anew when a batch could not be encoded", () => {
    const encoder = new ChainEncoder({ ...DEFAULT_CODEC_LIMITS, maxValues: 10 });
    expect(encoder.encode(batch(1, [1]), 0, 1).form).toBe("key");
    expect(() => encoder.encode(batch(2, [Array<number>(11).fill(0)]), 0, 1)).toThrow(
      expect.objectContaining({ code: "too-large", origin: "local" }),
    );
    expect(encoder.encode(batch(3, [1]), 0, 2)).toMatchObject({ form: "key", chain: 2, from: 3 });
  });
});

describe("the largest message there may be", () => {
  /** Few bytes that decode to as much as a message may have. */
  it.each<[string, readonly Value[]]>([
    ["numbers", Array.from({ length: 4_096 }, () => Array<number>(15).fill(0))],
    ["dates", Array.from({ length: 65_535 / 17 }, () => Array<string>(16).fill("2026-01-01T00:00:00Z"))],
    ["text", ["x".repeat(131_072)]],
    ["texts", [Array<string>(65_000).fill("abc")]],
  ])("of %s is read soon", (_, rows) => {
    const bytes = new ColumnCodec(DEFAULT_CODEC_LIMITS).encode({
      rows,
      conflated: 0,
      at: 0,
      spanMs: 0,
    });
    const start = performance.now();
    expect(new ColumnCodec(DEFAULT_CODEC_LIMITS).decode(bytes).rows).toHaveLength(rows.length);
    // 0.1 s alone; a busy machine takes its time.
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
