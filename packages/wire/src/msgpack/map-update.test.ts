import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { value } from "../../test/arbitraries.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import {
  assertMapKey,
  decodeMapUpdate,
  encodeMapUpdate,
  mapChangeBytes,
  readMapUpdate,
  type MapChange,
} from "./map-update.js";
import type { Value } from "./msgpack.js";
import { decodeMsgpack } from "./msgpack-reader.js";
import { encodeUpdate } from "./update.js";

const key = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
  fc.constantFrom("a", "__proto__", "1", "\ud800", "x".repeat(512)),
);
const change: fc.Arbitrary<MapChange<Value>> = fc.oneof(
  fc.record({ type: fc.constant("set" as const), key, value }),
  fc.record({ type: fc.constant("delete" as const), key }),
  fc.record({ type: fc.constant("clear" as const) }),
);
const update = fc.record({
  changes: fc.array(change, { maxLength: 20 }),
  continues: fc.boolean(),
});
const packed = (changes: readonly MapChange<Value>[]): MapChange[] =>
  changes.map((it) => (it.type === "set" ? { ...it, value: encodeUpdate(it.value, DEFAULT_LIMITS) } : it));

describe("the row of an update of a map", () => {
  it("has its changes again, packed and decoded, and the bytes that are counted", () => {
    fc.assert(
      fc.property(update, ({ changes, continues }) => {
        const row = encodeMapUpdate({ changes: packed(changes), continues }, DEFAULT_LIMITS);
        const read = decodeMapUpdate(row, DEFAULT_LIMITS);
        expect(read.continues).toBe(continues);
        expect(read.changes).toEqual(packed(changes));
        expect(readMapUpdate(decodeMsgpack(row), DEFAULT_LIMITS)).toEqual({ changes, continues });
        const head = changes.length + Number(continues) < 16 ? 1 : 3;
        const bytes = packed(changes).reduce((sum, it) => sum + mapChangeBytes(it), head + Number(continues));
        expect(row.length).toBe(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it("may have more changes than a short array", () => {
    const changes: MapChange[] = Array.from({ length: 7_000 }, (_, i) => ({ type: "delete", key: `${i}` }));
    const row = encodeMapUpdate({ changes, continues: false }, DEFAULT_LIMITS);
    expect(decodeMapUpdate(row, DEFAULT_LIMITS).changes).toEqual(changes);
  });

  it("is refused over the largest update", () => {
    const large: MapChange = { type: "set", key: "a", value: new Uint8Array(49_152) };
    expect(() => encodeMapUpdate({ changes: [large], continues: false }, DEFAULT_LIMITS)).toThrow(
      expect.objectContaining({ code: "too-large" }),
    );
  });

  it.each<[string, Value, string]>([
    ["a number", 1, "malformed"],
    ["an object", { a: 1 }, "malformed"],
    ["a change that is a key alone", ["a"], "malformed"],
    ["a nil that is not the last", [null, ["a"]], "malformed"],
    ["two nils", [["a"], null, null], "malformed"],
    ["a change of three elements", [["a", 1, 2]], "malformed"],
    ["a key that is a number", [[1, 2]], "malformed"],
    ["an empty key", [["", 2]], "malformed"],
    ["a key of nil", [[null]], "malformed"],
    ["a key that is too long", [["x".repeat(513), 2]], "limit-exceeded"],
  ])("is refused as %s", (_, row, code) => {
    const bytes = encodeUpdate(row, DEFAULT_LIMITS);
    expect(() => decodeMapUpdate(bytes, DEFAULT_LIMITS)).toThrow(expect.objectContaining({ code }));
    expect(() => readMapUpdate(row, DEFAULT_LIMITS)).toThrow(expect.objectContaining({ code }));
  });
});

it("a key has 1 to 512 characters", () => {
  for (const good of ["a", "x".repeat(512)]) expect(() => assertMapKey(good, DEFAULT_LIMITS)).not.toThrow();
  for (const bad of ["", "x".repeat(513), 7 as unknown as string])
    expect(() => assertMapKey(bad, DEFAULT_LIMITS)).toThrow(expect.objectContaining({ code: "unencodable" }));
});
