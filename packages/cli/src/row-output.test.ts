import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { formatLine, RowOutput, type EventRow, type ValueRow } from "./row-output.js";

const value = (offset: number, node = "a@b/c"): ValueRow => ({
  node,
  epoch: 1,
  offset,
  at: 0,
  value: offset,
});
const status = (reason: string, node = "a@b/c"): EventRow => ({
  ...{ node, event: "status", from: null, to: null, reason },
});
const rowsOf = (text: string): unknown[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

/** A stream that takes one row and then waits to be read. */
function narrow(): PassThrough {
  return new PassThrough({ highWaterMark: 1, encoding: "utf8" });
}

async function readAll(stream: PassThrough, output: RowOutput): Promise<string> {
  let text = "";
  stream.on("data", (chunk: string) => (text += chunk));
  await output.end();
  stream.end();
  await new Promise((resolve) => stream.once("close", resolve));
  return text;
}

test("a slow reader gets everything within the bound, in order", async () => {
  const stream = narrow();
  const output = new RowOutput(stream);
  const rows = [value(1), value(2), status("offline"), value(3), status("online"), value(4)];
  for (const row of rows) output.write(row);
  expect(rowsOf(await readAll(stream, output))).toEqual(rows);
});

test("beyond the bound the oldest values give way and are told where they were", async () => {
  const stream = narrow();
  const output = new RowOutput(stream, formatLine(value(1)).length * 2);
  output.write(value(1));
  output.write(value(2));
  output.write(value(3));
  output.write(status("offline"));
  for (let offset = 4; offset <= 7; offset++) output.write(value(offset));
  expect(rowsOf(await readAll(stream, output))).toEqual([
    value(1),
    { node: "a@b/c", event: "conflated", from: 2, to: 3, reason: "consumer" },
    status("offline"),
    { node: "a@b/c", event: "conflated", from: 4, to: 5, reason: "consumer" },
    value(6),
    value(7),
  ]);
});

test("ranges of several nodes grow side by side, and long queues stay bounded", async () => {
  const stream = narrow();
  const output = new RowOutput(stream, 1_000);
  const [a, b] = ["a@b/c", "b@b/c"];
  output.write(value(1, a));
  for (let offset = 1; offset <= 10_000; offset++) {
    output.write(value(offset + 1, a));
    output.write(value(offset, b));
  }
  const rows = rowsOf(await readAll(stream, output)) as (ValueRow | EventRow)[];
  expect(rows.length).toBeLessThan(30);
  const next = new Map([
    [a, 1],
    [b, 1],
  ]);
  for (const row of rows) {
    const [from, to] = "event" in row ? [row.from, row.to] : [row.offset, row.offset];
    expect(from).toBe(next.get(row.node));
    next.set(row.node, (to ?? 0) + 1);
  }
  expect([...next.values()]).toEqual([10_002, 10_001]);
});

test("a reader that has gone does not hold the end up", async () => {
  const stream = narrow();
  const output = new RowOutput(stream);
  output.write(value(1));
  output.write(value(2));
  const ended = output.end();
  stream.destroy();
  await ended;
});

test("bytes are base64", () => {
  expect(formatLine({ ...value(1), value: { bytes: new Uint8Array([1, 2, 255]) } })).toContain(
    '{"bytes":"AQL/"}',
  );
});

test("-0 is written as it is, and a zero too", () => {
  const row = { node: "a@b/c", epoch: 1, offset: 1, at: 0, value: [-0, { a: -0, b: 0 }, "-0"] };
  expect(formatLine(row)).toBe(
    '{"node":"a@b/c","epoch":1,"offset":1,"at":0,"value":[-0,{"a":-0,"b":0},"-0"]}\n',
  );
});
