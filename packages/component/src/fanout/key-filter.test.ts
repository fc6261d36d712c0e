import { DEFAULT_LIMITS, decodeRow, encodeUpdate, type Value } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { KeyFilter } from "./key-filter.js";

const row = (value: Value): Uint8Array => encodeUpdate(value, DEFAULT_LIMITS);

describe("a filter of keys", () => {
  const take = (filter: KeyFilter, value: Value): Value | undefined => {
    const taken = filter.take(row(value));
    return taken && decodeRow(taken);
  };

  it("takes the changes of its keys, and every clear", () => {
    const filter = new KeyFilter((key) => key.startsWith("a/"));
    expect(take(filter, [["a/1", 1], ["b/1", 2], ["a/2"]])).toEqual([["a/1", 1], ["a/2"]]);
    expect(take(filter, [["b/1", 2]])).toBeUndefined();
    expect(take(filter, [])).toBeUndefined();
    expect(take(filter, [[], ["b/1", 2]])).toEqual([[]]);
    const whole = row([["a/1", 1]]);
    expect(filter.take(whole)).toBe(whole);
  });

  it("takes the rest of an update of which it took a part", () => {
    const filter = new KeyFilter((key) => key === "a");
    expect(take(filter, [["b", 1], null])).toBeUndefined();
    expect(take(filter, [["a", 1], null])).toEqual([["a", 1], null]);
    expect(take(filter, [["b", 1], null])).toEqual([null]);
    expect(take(filter, [["b", 2]])).toEqual([]);
    expect(take(filter, [["b", 3]])).toBeUndefined();
  });
});
