import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { value } from "../../test/arbitraries.js";
import { decodeMsgpack } from "../msgpack/msgpack-reader.js";
import type { Value } from "../msgpack/msgpack.js";
import { encodeUpdate } from "../msgpack/update.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { hashEntry } from "./entry-hash.js";
import { depthOfRange, hasParts, RangeDigest, WHOLE_RANGE } from "./range-digest.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const hashOf = (key: string, it: unknown): string => {
  const { place, high, low } = hashEntry(key, it);
  return [place, high, low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join(" ");
};
/** Fields in another order, at every depth. */
const turned = (it: Value): Value =>
  Array.isArray(it)
    ? it.map(turned)
    : typeof it === "object" && it !== null && !(it instanceof Uint8Array)
      ? Object.fromEntries(
          Object.entries(it)
            .reverse()
            .map(([name, field]) => [name, turned(field)]),
        )
      : it;

describe("the hash of an entry", () => {
  it("is MurmurHash3 of [key, value] as canonical msgpack", () => {
    expect(hashOf("sensor/00042", { a: 1, b: -0.5, c: "x" })).toMatchInlineSnapshot(
      `"a02eda9b d34ba08e 3068d823"`,
    );
    expect(hashOf("a", null)).toMatchInlineSnapshot(`"7b6f780c 2017220b b338aed7"`);
    expect(hashOf("k".repeat(40), [1, 2])).toMatchInlineSnapshot(`"4bca7fbe 2d317d34 f5842ff3"`);
    expect(hashOf("é".repeat(200), true)).toMatchInlineSnapshot(`"ac7c4261 f4b96169 17f751e8"`);
  });

  it("does not depend on the order of fields, nor on what a field without a value says", () => {
    fc.assert(fc.property(value, (it) => hashOf("a", it) === hashOf("a", turned(it))));
    expect(hashOf("a", { x: 1, y: undefined })).toBe(hashOf("a", { x: 1 }));
  });

  it("is the same after the value has travelled", () => {
    fc.assert(
      fc.property(
        value,
        (it) => hashOf("a", it) === hashOf("a", decodeMsgpack(encodeUpdate(it, DEFAULT_LIMITS))),
      ),
    );
  });

  it("differs for values that differ", () => {
    const values = [0, -0, NaN, "", "0", null, false, [], {}, new Uint8Array(), [0], [null], { a: 0 }, 0.1];
    const hashes = new Set(values.map((it) => hashOf("a", it)));
    expect(hashes.size).toBe(values.length);
    expect(hashOf("a", 1)).not.toBe(hashOf("b", 1));
  });
});

describe("ranges", () => {
  it("are numbered from the whole to single places", () => {
    expect([1, 16, 31, 256, 511, 16 ** 8, 2 * 16 ** 8 - 1].map(depthOfRange)).toEqual([0, 1, 1, 2, 2, 8, 8]);
    expect([0, 2, 15, 32, 255, 512, 2 * 16 ** 8, 1.5, -1, NaN].map(depthOfRange)).toEqual(
      Array(10).fill(undefined),
    );
    expect([1, 2 * 16 ** 7 - 1, 16 ** 8].map(hasParts)).toEqual([true, true, false]);
  });

  it("lead from the whole to a key that differs", () => {
    const keys = Array.from({ length: 2_000 }, (_, i) => `sensor/${i}`);
    const digestOf = (range: number, changed?: string): RangeDigest => {
      const digest = new RangeDigest(range);
      for (const key of keys) {
        const { place, high, low } = hashEntry(key, key === changed ? 1 : 0);
        digest.toggle(place, high, low);
      }
      return digest;
    };
    const changed = "sensor/1234";
    let range = WHOLE_RANGE;
    for (let depth = 0; depth < 8; depth++) {
      const mine = digestOf(range, changed);
      expect(mine.matches(digestOf(range).checksum)).toBe(false);
      const parts = mine.differing(digestOf(range).sums);
      expect(parts.length).toBe(1);
      range = parts[0] as number;
    }
    expect(new RangeDigest(range).has(hashEntry(changed, 0).place)).toBe(true);
    expect(depthOfRange(range)).toBe(8);
  });

  it("have checksums that do not depend on the order, and that are 0 for nothing", () => {
    const entries = ["a", "b", "c"].map((key) => hashEntry(key, key));
    const [one, two] = [new RangeDigest(WHOLE_RANGE), new RangeDigest(WHOLE_RANGE)];
    for (const { place, high, low } of entries) one.toggle(place, high, low);
    for (const { place, high, low } of [...entries].reverse()) two.toggle(place, high, low);
    expect(hex(one.checksum)).toBe(hex(two.checksum));
    expect(one.differing(two.sums)).toEqual([]);
    for (const { place, high, low } of entries) one.toggle(place, high, low);
    expect(hex(one.checksum)).toBe("00".repeat(8));
    expect(hex(one.sums)).toBe("00".repeat(64));
  });
});
