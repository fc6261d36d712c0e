import { expect, it } from "vitest";
import { readMapLines } from "./map-lines.js";

const { signal } = new AbortController();
async function* stdin(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

it("reads entries and removals, and leaves empty lines out", async () => {
  const text =
    '{"key": "a", "value": {"x": 1}}\n\n{"key": "b", "removed": true}\n{"value": null, "key": "c"}\n';
  expect(await readMapLines(signal, stdin(text))).toEqual([
    { key: "a", value: { x: 1 } },
    { key: "b", value: undefined },
    { key: "c", value: null },
  ]);
});

it.each([
  ["[1]", "stdin:2: it is no entry of a map"],
  ["7", "no entry"],
  ['{"key": 7, "value": 1}', "no entry"],
  ['{"key": "a"}', "no entry"],
  ['{"key": "a", "value": 1, "removed": true}', "no entry"],
  ['{"key": "a", "removed": false}', "no entry"],
  ['{"key": "a", "valeu": 1}', "no entry"],
  ['{"key": "a"', "stdin:2: it is not JSON"],
])("refuses %s", async (line, text) => {
  await expect(readMapLines(signal, stdin(`\n${line}\n`))).rejects.toThrow(text);
});
