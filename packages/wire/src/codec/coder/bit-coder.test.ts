import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BitCoder } from "./bit-coder.js";
import { codeWhole } from "./whole-number.js";

type Symbol =
  | { readonly kind: "bit"; readonly value: number; readonly id: number }
  | { readonly kind: "tree"; readonly value: number; readonly id: number }
  | { readonly kind: "mixed"; readonly value: number; readonly id: number }
  | { readonly kind: "raw"; readonly value: number; readonly width: number }
  | { readonly kind: "whole"; readonly value: number; readonly id: number };

function code(coder: BitCoder, symbol: Symbol): number {
  const { contexts, slots, decoding } = coder;
  const given = decoding ? 0 : symbol.value;
  contexts.growIfCrowded();
  switch (symbol.kind) {
    case "bit":
      return coder.bit(given, contexts.slot(symbol.id, 0) + 1);
    case "tree":
      return coder.tree(given, 4, contexts.slot(symbol.id, 1));
    case "mixed":
      for (let i = 0; i < 3; i++) slots[i] = contexts.slot(symbol.id, i + 2);
      return coder.treeIn(given, 4, symbol.id % 10);
    case "raw":
      return coder.raw(given, symbol.width);
    case "whole":
      return codeWhole(coder, given, 1_000 + symbol.id, 0);
  }
}

const id = fc.nat(400);
const symbol: fc.Arbitrary<Symbol> = fc.oneof(
  fc.record({ kind: fc.constant("bit" as const), value: fc.nat(1), id }),
  fc.record({ kind: fc.constant("tree" as const), value: fc.nat(15), id }),
  fc.record({ kind: fc.constant("mixed" as const), value: fc.nat(15), id }),
  fc.integer({ min: 1, max: 53 }).chain((width) =>
    fc.record({
      kind: fc.constant("raw" as const),
      value: fc.oneof(
        fc.constantFrom(0, 2 ** width - 1),
        fc.maxSafeNat().map((n) => n % 2 ** width),
      ),
      width: fc.constant(width),
    }),
  ),
  fc.record({ kind: fc.constant("whole" as const), value: fc.oneof(fc.nat(70_000), fc.maxSafeNat()), id }),
);

describe("the arithmetic coder", () => {
  it("reads the symbols that it wrote, message after message", () => {
    fc.assert(
      fc.property(fc.array(fc.array(symbol, { maxLength: 80 }), { maxLength: 5 }), (messages) => {
        const [writer, reader] = [new BitCoder(256), new BitCoder(256)];
        for (const message of messages) {
          writer.beginEncoding();
          for (const one of message) expect(code(writer, one)).toBe(one.value);
          const bytes = writer.finish().slice();
          reader.beginDecoding(bytes, 0, bytes.length);
          for (const one of message) expect(code(reader, one)).toBe(one.value);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("reads no byte beyond the end of its message", () => {
    const coder = new BitCoder(256);
    coder.beginDecoding(Uint8Array.of(0xff, 0, 0xff, 0xff), 1, 2);
    expect(coder.raw(0, 32)).toBe(0);
  });

  it("says nothing in no bytes: what is likeliest, and the first of what is equally likely", () => {
    const coder = new BitCoder(256);
    coder.beginEncoding();
    expect(coder.finish().length).toBe(0);
    coder.beginEncoding();
    for (let i = 0; i < 1_000; i++) coder.bit(1, coder.contexts.slot(1, 0) + 1);
    expect(coder.finish().length).toBeLessThan(2);
  });

  it("spends as much on a bit as its chance says", () => {
    const coder = new BitCoder(256);
    coder.beginEncoding();
    // One bit in eight is 1: 0.544 bits each by Shannon.
    for (let i = 0; i < 8_000; i++) coder.bit(i % 8 === 0 ? 1 : 0, coder.contexts.slot(1, 0) + 1);
    const bits = (coder.finish().length * 8) / 8_000;
    expect(bits).toBeGreaterThan(0.5);
    expect(bits).toBeLessThan(0.58);
  });
});
