import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { readCsv } from "./csv.js";
import { readNdjson } from "./ndjson.js";
import type { TimedValue } from "./timed-value.js";

type Read = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<TimedValue>;

/** Short texts in chunks of three bytes: characters and lines are cut wherever it hurts. */
async function read(reader: Read, text: string | Uint8Array): Promise<TimedValue[]> {
  const bytes = Buffer.from(text);
  const size = bytes.length < 1_000 ? 3 : 65_536;
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
  const values: TimedValue[] = [];
  for await (const value of reader(Readable.from(chunks))) values.push(value);
  return values;
}

describe("NDJSON", () => {
  test("bare values, with empty lines, CRLF and a byte order mark", async () => {
    expect(await read(readNdjson, '\ufeff1\r\n\r\n{"t":1,"x":"é"}\n[2]')).toEqual([
      { line: 1, value: 1, at: undefined },
      { line: 3, value: { t: 1, x: "é" }, at: undefined },
      { line: 4, value: [2], at: undefined },
    ]);
  });

  test("values with their times", async () => {
    expect(await read(readNdjson, '{"t":5,"v":1}\n{"v":{"t":1},"t":6.5}\n')).toEqual([
      { line: 1, value: 1, at: 5 },
      { line: 2, value: { t: 1 }, at: 6.5 },
    ]);
  });

  test.each([
    ["1\n{x}\n", 2, "no JSON"],
    ['{"t":1,"v":1}\n\n2\n', 3, '{"t": ms, "v": value}'],
    ["1\n" + "x".repeat(1_100_000), 2, "longer than 1048576 characters"],
    [Uint8Array.of(49, 10, 255, 10), 1, "no UTF-8"],
  ])("line of fault %#", async (text, line, what) => {
    await expect(read(readNdjson, text)).rejects.toMatchObject({
      name: "InputError",
      line,
      message: expect.stringContaining(what),
    });
  });
});

describe("CSV", () => {
  test("rows are objects, and only what comes back is a number", async () => {
    expect(await read(readCsv, 'a,b,c\n1,-2.5e3,"x,\ny"\n007,,0x1\n\n.5,1e400, 1\n')).toEqual([
      { line: 3, value: { a: 1, b: -2500, c: "x,\ny" }, at: undefined },
      { line: 4, value: { a: "007", b: "", c: "0x1" }, at: undefined },
      { line: 6, value: { a: 0.5, b: "1e400", c: " 1" }, at: undefined },
    ]);
  });

  test("t is the time, and v alone the value", async () => {
    expect(await read(readCsv, "t,v\n1,2\n")).toEqual([{ line: 2, value: 2, at: 1 }]);
    expect(await read(readCsv, "t,x\n1,2\n")).toEqual([{ line: 2, value: { t: 1, x: 2 }, at: 1 }]);
  });

  test("a column named __proto__ is a column", async () => {
    const [row] = await read(readCsv, "__proto__\n1\n");
    expect(Object.keys(row?.value as object)).toEqual(["__proto__"]);
  });

  test.each([
    ["a,b\n1,2\n1,2,3\n", 3, "expect 2, got 3"],
    ['a\n1\n"2\n', 3, "Quote Not Closed"],
    ["a,a\n1,2\n", 1, "`a` twice"],
    ["t,v\nnoon,2\n", 2, "`t` is no number"],
    ['a\n"' + "x".repeat(1_100_000), 2, "Max Record Size"],
  ])("line of fault %#", async (text, line, what) => {
    await expect(read(readCsv, text)).rejects.toMatchObject({
      name: "InputError",
      line,
      message: expect.stringContaining(what),
    });
  });
});
