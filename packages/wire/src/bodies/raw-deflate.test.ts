import { deflateRawSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRawDeflate } from "./raw-deflate.js";

const compressible = fc
  .array(fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 400 })), { maxLength: 30 })
  .map((runs) => Uint8Array.from(runs.flatMap(([byte, count]) => Array<number>(count).fill(byte))));

describe("raw deflate", () => {
  it("is read by zlib, and reads what zlib wrote", () => {
    const deflate = createRawDeflate();
    fc.assert(
      fc.property(compressible, (bytes) => {
        const small = deflate.deflate(bytes);
        if (small !== undefined) {
          expect(small.length).toBeLessThan(bytes.length);
          expect(new Uint8Array(inflateRawSync(small))).toEqual(bytes);
        }
        expect(deflate.inflate(deflateRawSync(bytes), bytes.length)).toEqual(bytes);
      }),
    );
  });

  it("remembers nothing of earlier calls, neither of those that failed nor of those that ran out of room", () => {
    const reused = createRawDeflate();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), compressible, (noise, bytes) => {
        reused.deflate(noise);
        try {
          reused.inflate(noise, 100);
        } catch {
          // as it may
        }
        const fresh = createRawDeflate().deflate(bytes);
        expect(reused.deflate(bytes)).toEqual(fresh);
        if (fresh !== undefined) expect(reused.inflate(fresh, 65_536)).toEqual(bytes);
      }),
    );
  });

  it("takes what zlib takes, in every kind of block, and nothing else", () => {
    const deflate = createRawDeflate();
    const inflate = (bytes: Uint8Array): Uint8Array | undefined => {
      try {
        return deflate.inflate(bytes, 100_000);
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^malformed$|^limit-exceeded$/) });
        return undefined;
      }
    };
    const options = fc.record({
      level: fc.integer({ min: 0, max: 9 }),
      strategy: fc.integer({ min: 0, max: 4 }),
    });
    const parts = fc.array(fc.oneof(compressible, fc.uint8Array({ maxLength: 300 })), { maxLength: 5 });
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
    fc.assert(
      fc.property(parts, options, damage, (texts, how, changes) => {
        const small = new Uint8Array(deflateRawSync(Buffer.concat(texts), how));
        if (changes.length === 0) expect(inflate(small)).toEqual(new Uint8Array(Buffer.concat(texts)));
        for (const [at, byte] of changes) small[at % small.length] = byte;
        const ours = inflate(small);
        let theirs: Uint8Array | undefined;
        try {
          const { buffer, engine } = inflateRawSync(small, {
            info: true,
            maxOutputLength: 100_000,
          }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
          // zlib ignores bytes after the end. They count as an error here.
          if (engine.bytesWritten === small.length) theirs = new Uint8Array(buffer);
        } catch {
          // not one
        }
        expect(ours).toEqual(theirs);
      }),
      { numRuns: 300 },
    );
  }, 30_000);

  it("lets no stream reach into what an earlier one inflated", () => {
    const deflate = createRawDeflate();
    const secret = Buffer.from("the quick brown fox jumps over the lazy dog".repeat(1_000));
    deflate.inflate(deflateRawSync(secret), 100_000);
    // A fixed block with a copy of length 3 at distance 1: no byte stands before it.
    expect(() => deflate.inflate(Uint8Array.of(0x03, 0x02, 0x00), 100)).toThrow("too far back");
  });

  it("holds maxBytes exactly, however often it has to grow", () => {
    const deflate = createRawDeflate();
    for (const size of [0, 1, 255, 256, 257, 1_024, 1_025, 100_000]) {
      const small = deflateRawSync(new Uint8Array(size));
      expect(deflate.inflate(small, size).length).toBe(size);
      if (size > 0) expect(() => deflate.inflate(small, size - 1)).toThrow(/inflates to more than/);
    }
  });

  it("keeps little more memory alive than it returns", () => {
    const deflate = createRawDeflate();
    for (const size of [10, 300, 5_000, 70_000]) {
      const { buffer, length } = deflate.inflate(deflateRawSync(new Uint8Array(size)), 1_048_576);
      expect(buffer.byteLength).toBeLessThanOrEqual(2 * length);
    }
  });

  it("packs as small as zlib does, give and take a fiftieth", () => {
    const deflate = createRawDeflate();
    const texts = [
      Array.from({ length: 100 }, (_, i) => `{"sine":${Math.sin(i / 15)},"count":${i}}`).join(),
      "the quick brown fox jumps over the lazy dog ".repeat(1_000),
      String(Array.from({ length: 3_000 }, (_, i) => (i * i) % 997)),
    ];
    for (const text of texts) {
      const small = deflate.deflate(Buffer.from(text)) as Uint8Array;
      expect(inflateRawSync(small).toString()).toBe(text);
      expect(small.length).toBeLessThanOrEqual(deflateRawSync(text).length * 1.02);
    }
  });

  it("packs what is so uneven that its codes would be too long", () => {
    const counts = [1, 1];
    while (counts.length < 23) counts.push((counts.at(-1) as number) + (counts.at(-2) as number));
    // Shuffled, so that little repeats.
    const bytes = Uint8Array.from(counts.flatMap((count, byte) => Array<number>(count).fill(byte)));
    for (let i = bytes.length - 1, seed = 1; i > 0; i--) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      const j = seed % (i + 1);
      [bytes[i], bytes[j]] = [bytes[j] as number, bytes[i] as number];
    }
    const deflate = createRawDeflate();
    expect(deflate.inflate(deflate.deflate(bytes) as Uint8Array, bytes.length)).toEqual(bytes);
  });

  it("gives nothing where nothing is won", () => {
    const deflate = createRawDeflate();
    expect(deflate.deflate(new Uint8Array())).toBeUndefined();
    expect(deflate.deflate(Uint8Array.of(1, 2, 3))).toBeUndefined();
  });
});
