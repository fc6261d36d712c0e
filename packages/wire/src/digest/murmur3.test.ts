import { describe, expect, it } from "vitest";
import { murmur3 } from "./murmur3.js";

const hex = ({ high, low }: { high: number; low: number }): string =>
  [high, low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
const hashOf = (text: string, seed = 0): string => {
  const bytes = Buffer.from(text);
  return hex(murmur3(bytes, 0, bytes.length, seed));
};

describe("murmur3", () => {
  it("is MurmurHash3_x86_128, as other programs compute it", () => {
    // From the reference implementation.
    expect(hashOf("")).toBe("0000000000000000");
    expect(hashOf("The quick brown fox jumps over the lazy dog")).toBe("2f1583c3ecee2c67");
    expect(hashOf("I will not buy this record, it is scratched.")).toBe("a0a9683b25ac5e40");
  });

  it("hashes what is no multiple of 16 bytes", () => {
    // From mmh3 5.3 for Python: the bytes 0, 1, 2 and so on, this many.
    const known = {
      ...{ 1: "88c4adec54d201b9", 2: "8acbc432dbd5d393", 3: "37095e0d33c18cef", 4: "c72c99e74e343ce2" },
      ...{ 5: "90f84e5e4e7ccbd1", 6: "0769bbd2d4b11f92", 7: "ccfa23d7bea74c33", 8: "91f4928ab18cd5bc" },
      ...{ 9: "68213fd95c93cee4", 10: "8353bd128a66183e", 11: "7e3603e73e1d4f94", 12: "3f7e3ab4efbbacdb" },
      ...{ 13: "3fcb34d0c1565a55", 14: "64319956f6ae1ac8", 15: "757b9c5962a6e4ca", 16: "6c25c825559180ee" },
      ...{ 17: "6ac99cdb359c940b", 33: "50de15ba76f99136", 39: "510ad216d20a67f4" },
    };
    for (const [length, hash] of Object.entries(known))
      expect(hex(murmur3(Uint8Array.from({ length: Number(length) }, (_, i) => i)))).toBe(hash);
  });

  it("hashes the part that it is given", () => {
    const bytes = Buffer.from("..The quick brown fox jumps over the lazy dog.");
    expect(hex(murmur3(bytes, 2, bytes.length - 1))).toBe("2f1583c3ecee2c67");
  });

  it("tells apart inputs of each length", () => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => i);
    const seen = new Set(Array.from(bytes, (_, i) => hex(murmur3(bytes, 0, i))));
    expect(seen.size).toBe(64);
  });
});
