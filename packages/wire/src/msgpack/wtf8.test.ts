import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isUtf8, isWtf8, readWtf8, wtf8Length, writeWtf8 } from "./wtf8.js";

/** Many surrogates, lone and in pairs. */
const text = fc
  .array(fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xd7f0, max: 0xe010 })), { maxLength: 60 })
  .map((units) => String.fromCharCode(...units));

function write(given: string): Uint8Array {
  const bytes = new Uint8Array(wtf8Length(given));
  expect(writeWtf8(given, bytes, 0)).toBe(bytes.length);
  return bytes;
}

describe("WTF-8", () => {
  it("brings back any text, whatever stands behind it", () => {
    fc.assert(
      fc.property(text, (given) => {
        const bytes = write(given);
        expect(readWtf8(Uint8Array.of(...bytes, 0xed, 0xa0, 0x80), 0, bytes.length)).toBe(given);
        expect(isWtf8(bytes, 0, bytes.length)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it("is UTF-8 where there is no lone surrogate, and only there", () => {
    fc.assert(
      fc.property(text, (given) => {
        const bytes = write(given);
        const wellFormed = !/\p{Surrogate}/u.test(given);
        expect(isUtf8(bytes, 0, bytes.length)).toBe(wellFormed);
        if (wellFormed) expect(bytes).toEqual(Uint8Array.from(Buffer.from(given)));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ...["ed", "eda0", "eda041", "80", "c080", "f8808080", "edc080"],
    // A surrogate pair written as two characters: the same text would have two forms.
    ...["eda080edb080", "41edaf80edb08041"],
  ])("refuses %s, whatever stands behind", (hex) => {
    const bytes = Uint8Array.from([...Buffer.from(hex, "hex"), 0xa0, 0x80]);
    const length = hex.length / 2;
    expect(isWtf8(bytes, 0, length)).toBe(false);
    expect(() => readWtf8(bytes, 0, length)).toThrow("WTF-8");
  });

  it.each([
    ["edb080eda080", "\udc00\ud800"],
    ["eda080eda080", "\ud800\ud800"],
    ["eda08041edb080", "\ud800A\udc00"],
    ["eda080f0908080", "\ud800\u{10000}"],
  ])("takes %s", (hex, expected) => {
    const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
    expect(readWtf8(bytes, 0, bytes.length)).toBe(expected);
  });
});
