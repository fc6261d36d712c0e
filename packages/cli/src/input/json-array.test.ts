import { expect, test } from "vitest";
import { splitJsonArray } from "./json-array.js";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const item of items) got.push(item);
  return got;
}

async function* cut(text: string, size: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

async function split(text: string): Promise<unknown[]> {
  const runs = await Promise.all([1, 2, 7, 1_000].map((size) => all(splitJsonArray(cut(text, size)))));
  for (const run of runs) expect(run).toEqual(runs[0]);
  return (runs[0] ?? []).map(({ line, text: element }) => [line, element.trim()]);
}

test("elements, with the lines that they begin on", async () => {
  expect(await split('[1, {"a":[2,"],\\""]}\n,\n"x,y",[ ],\n  null\n]\n')).toEqual([
    [1, "1"],
    [1, '{"a":[2,"],\\""]}'],
    [3, '"x,y"'],
    [3, "[ ]"],
    [4, "null"],
  ]);
  expect(await split(" [ ] ")).toEqual([]);
  expect(await split("")).toEqual([]);
});

test("an element that is missing is one of no text, which is no JSON", async () => {
  expect(await split("[1,,2,]")).toEqual([
    [1, "1"],
    [1, ""],
    [1, "2"],
    [1, ""],
  ]);
});

test.each([
  ["[1,2", 1, "does not end"],
  ['[1,\n"2]', 2, "does not end"],
  ["[1]\n[2]", 2, "something follows"],
  ["\n{}", 2, "no array"],
  [`[1,\n"${"x".repeat(1_100_000)}"]`, 2, "longer than"],
])("line of fault %#", async (text, line, what) => {
  await expect(all(splitJsonArray(cut(text, 65_536)))).rejects.toMatchObject({
    name: "InputError",
    line,
    what: expect.stringContaining(what),
  });
});
