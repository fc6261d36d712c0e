import { expect, it } from "vitest";
import { KeyMemory, type RememberedKey } from "./key-memory.js";

/** A value of a weight of 4,001: 128 KB. */
const HEAVY = Array.from({ length: 4_000 }, () => 0);

function put(memory: KeyMemory, key: string, value: number | number[] = HEAVY): RememberedKey {
  const entry = memory.find(key) ?? memory.add(key);
  memory.keep(entry, value);
  memory.use(entry);
  return entry;
}

it("remembers the last two values of a key", () => {
  const memory = new KeyMemory();
  const first = put(memory, "a", 1);
  expect([first.value, first.before]).toEqual([1, undefined]);
  put(memory, "a", 2);
  expect([first.value, first.before, memory.at(0)]).toEqual([2, 1, first]);
});

it("forgets the key that is unused for longest, and gives its index to the next new key", () => {
  const memory = new KeyMemory();
  for (let i = 0; i < 32; i++) put(memory, `key ${i}`);
  expect(memory.find("key 0")?.index).toBe(0);
  // Used again, so that another key is unused for longest.
  memory.use(memory.find("key 0") as RememberedKey);
  put(memory, "key 32");
  expect(["key 0", "key 1", "key 2"].map((key) => memory.find(key)?.index)).toEqual([0, undefined, 2]);
  expect(memory.at(1)).toBeUndefined();
  expect(put(memory, "small", 1).index).toBe(1);
  expect(memory.size).toBe(33);
});

it("makes room for a value that grows, but never forgets the key itself", () => {
  const memory = new KeyMemory();
  for (let i = 0; i < 20; i++) put(memory, `key ${i}`);
  for (let i = 0; i < 20; i++) put(memory, `key ${i}`);
  expect(memory.find("key 19")).toBeDefined();
  expect(memory.bytes).toBeLessThan(4_194_304);
  expect(memory.find("key 0")).toBeUndefined();
});

it("keeps no value beyond a weight of 4,096, and gives the memory of the one before back", () => {
  const memory = new KeyMemory();
  const entry = put(memory, "a", 1);
  const { bytes } = memory;
  put(memory, "a", [...HEAVY, ...HEAVY]);
  expect([entry.value, entry.before]).toEqual([undefined, undefined]);
  expect(memory.bytes).toBeLessThan(bytes);
});
