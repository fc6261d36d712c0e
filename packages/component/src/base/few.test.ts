import { describe, expect, it } from "vitest";
import { FewMap, FewSet } from "./few.js";

describe("a map of few", () => {
  it("does as a Map does, however many there are", () => {
    const few = new FewMap<number, string>();
    const map = new Map<number, string>();
    let random = 1;
    for (let i = 0; i < 3_000; i++) {
      random = (random * 48_271) % 0x7fffffff;
      const key = random % (i < 1_500 ? 2 : 5);
      const dice = (random >> 8) % 8;
      if (dice < 3) {
        few.set(key, `${i}`);
        map.set(key, `${i}`);
      } else if (dice < 6) expect(few.delete(key)).toBe(map.delete(key));
      else if (dice === 6 && i % 50 === 0) {
        few.clear();
        map.clear();
      }
      expect([few.size, few.get(key), few.has(key)]).toEqual([map.size, map.get(key), map.has(key)]);
      expect([...few]).toEqual([...map]);
      expect([...few.values()]).toEqual([...map.values()]);
    }
  });

  it("may lose its entries while they are gone through", () => {
    for (const count of [1, 3]) {
      const few = new FewMap<number, number>();
      for (let i = 0; i < count; i++) few.set(i, i);
      const seen: number[] = [];
      for (const [key] of few) {
        seen.push(key);
        few.delete(key);
      }
      expect([seen.length, few.size]).toEqual([count, 0]);
    }
  });
});

it("a set of few has each once", () => {
  const few = new FewSet<string>();
  few.add("a").add("a").add("b").add("a");
  expect([few.size, [...few], few.has("a"), few.has("c")]).toEqual([2, ["a", "b"], true, false]);
  expect([few.delete("a"), few.delete("a"), [...few]]).toEqual([true, false, ["b"]]);
});
