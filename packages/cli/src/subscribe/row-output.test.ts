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

/** A stream that takes one row, then nothing until it is read. */
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

test("beyond the bound the oldest values give way and are told in one row of their node", async () => {
  const stream = narrow();
  const output = new RowOutput(stream, formatLine(value(1)).length * 2);
  output.write(value(1));
  output.write(value(2));
  output.write(value(3));
  output.write(status("offline"));
  for (let offset = 4; offset <= 7; offset++) output.write(value(offset));
  expect(rowsOf(await readAll(stream, output))).toEqual([
    value(1),
    { node: "a@b/c", event: "conflated", from: 2, to: 5, reason: "consumer" },
    status("offline"),
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

const range = (
  event: "lost" | "conflated" | "reset",
  from: number,
  to: number,
  reason: string,
): EventRow => ({
  ...{ node: "a@b/c", event, from, to, reason },
});

test("ranges that were left out before join those that give way here, up to a reset", async () => {
  const stream = narrow();
  const output = new RowOutput(stream, 1_000);
  output.write(value(1));
  output.write(range("conflated", 2, 4, "window"));
  output.write(value(5));
  output.write(range("conflated", 6, 8, "window"));
  output.write(value(9));
  output.write(range("reset", 9, 10, "epoch"));
  for (let offset = 10; offset <= 60; offset++) output.write(value(offset));
  const rows = rowsOf(await readAll(stream, output)) as (ValueRow | EventRow)[];
  const [, , , conflated, ...values] = rows;
  const last = (conflated as EventRow).to ?? NaN;
  expect(rows.slice(0, 4)).toEqual([
    value(1),
    range("conflated", 2, 9, "consumer"),
    range("reset", 9, 10, "epoch"),
    range("conflated", 10, last, "consumer"),
  ]);
  expect(values).toEqual(Array.from({ length: 60 - last }, (_, i) => value(last + 1 + i)));
});

test("a reader that stands still makes events take no more than the bound, and none is untold", async () => {
  const stream = narrow();
  const maxChars = 10_000;
  const output = new RowOutput(stream, maxChars);
  output.write(value(1));
  let offset = 2;
  for (let i = 0; i < 5_000; i++) {
    output.write(range("conflated", offset, offset + 1, "window"));
    output.write(value(offset + 2));
    output.write(status(i % 2 === 0 ? "offline" : "online"));
    output.write(range("lost", offset + 3, offset + 3, "gap"));
    offset += 4;
  }
  const text = await readAll(stream, output);
  expect(text.length).toBeLessThan(2 * maxChars);
  const rows = rowsOf(text) as (ValueRow | EventRow)[];
  let next = 1;
  for (const row of rows) {
    if ("event" in row && row.event === "status") continue;
    const [from, to] = "event" in row ? [row.from, row.to] : [row.offset, row.offset];
    expect(from).toBe(next);
    next = (to ?? NaN) + 1;
  }
  expect(next).toBe(offset);
  expect(rows.findLast((row) => "event" in row && row.event === "status")).toEqual(status("online"));
});

test("resets that nobody reads become one", async () => {
  const stream = narrow();
  const output = new RowOutput(stream, 2_000);
  output.write(value(1));
  for (let i = 2; i < 1_002; i++) {
    output.write(range("conflated", i, i, "window"));
    output.write(range("reset", i + 1, i + 1, "epoch"));
  }
  const rows = rowsOf(await readAll(stream, output)) as EventRow[];
  expect(rows.length).toBeLessThan(50);
  expect(rows.slice(1, 3)).toMatchObject([range("conflated", 2, 2, "window"), { event: "reset", from: 3 }]);
  expect(rows.at(-1)).toEqual(range("reset", 1_002, 1_002, "epoch"));
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

test("a row that must not be dropped waits for the reader, and comes behind everything before it", async () => {
  const stream = narrow();
  const output = new RowOutput(stream, formatLine(value(1)).length);
  output.write(value(1));
  output.write(status("offline"));
  let done = 0;
  const writing = (async () => {
    for (const offset of [2, 3, 4]) if (await output.writeWhole(value(offset))) done++;
  })();
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toBe(0);
  let text = "";
  stream.on("data", (chunk: string) => (text += chunk));
  await writing;
  expect(done).toBe(3);
  expect(rowsOf(text)).toEqual([value(1), status("offline"), value(2), value(3), value(4)]);
  stream.on("error", () => undefined).destroy();
  expect(await output.writeWhole(value(5))).toBe(false);
});
