import { describe, expect, test } from "vitest";
import type { TimedValue } from "./timed-value.js";
import { readValues, type ValueFileOptions } from "./value-file.js";

interface Read {
  readonly values: TimedValue[];
  readonly notes: string[];
}

/** Cuts short texts into chunks of three bytes, so that characters and lines are split at every place. */
async function read(
  extension: string,
  text: string | Uint8Array,
  options: ValueFileOptions = {},
): Promise<Read> {
  const bytes = Buffer.from(text);
  const size = bytes.length < 1_000 ? 3 : 65_536;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const values: TimedValue[] = [];
  const notes: string[] = [];
  for await (const value of readValues(chunks(), extension, options, (note) => notes.push(note)))
    values.push(value);
  return { values, notes };
}

const valuesOf = async (...args: Parameters<typeof read>): Promise<unknown[]> =>
  (await read(...args)).values.map(({ value }) => value);
const timesOf = async (...args: Parameters<typeof read>): Promise<unknown[]> =>
  (await read(...args)).values.map(({ at }) => at);

/** A value that is nested too deeply for `JSON.stringify`. */
const DEEP = "[".repeat(200_000) + "]".repeat(200_000);

test.each([
  [".ndjson", "1\n{x}\n", 2, "not JSON"],
  [".ndjson", '{"t":1,"v":1}\n\n2\n', 3, '{"t": time, "v": value}'],
  [".ndjson", "1\n" + "x".repeat(1_100_000), 2, "longer than 1048576 bytes"],
  [".ndjson", Uint8Array.of(49, 10, 255, 10), 2, "not UTF-8"],
  [".ndjson", '{"time":"2026-01-01"}\n{"time":"soon"}', 2, "`time` is `soon`"],
  [".ndjson", '{"time":"2026-01-01"}\n{}', 2, "`time` is missing"],
  [".ndjson", `{"time":1}\n{"time":${DEEP}}`, 2, "its time `time` is an array"],
  [".ndjson", '{"time":1}\n{"time":{}}', 2, "its time `time` is an object"],
  [".csv", "a,b\n1,2\n1,2,3\n", 3, "expect 2, got 3"],
  [".csv", 'a\n1\n"2\n', 3, "Quote Not Closed"],
  [".csv", "id,v\r1,2\r3,4\r", 1, "CR, which ends no line"],
  [".csv", "a,b\r\n1,2\n\n3,4\r\n1,2,3\r\n", 5, "expect 2, got 3"],
  [".csv", "a,a\n1,2\n", 1, "`a` twice"],
  [".csv", "1,2\n3,4\n", 1, "only numbers"],
  [".csv", "t,v\n1,2\nnoon,2\n", 3, "`t` is `noon`"],
  [".csv", 'a\n"' + "x".repeat(1_100_000), 2, "Max Record Size"],
  [".csv", Buffer.from("a,b\n1,caf\xe9\n", "latin1"), 2, "not UTF-8"],
  [".csv", Buffer.from("\ufeffa,b\n1,2\n", "utf16le"), 1, "UTF-16"],
  [".json", Buffer.from("\ufeff[1]", "utf16le"), 1, "UTF-16"],
  [".json", "[1,\n2,\n{x}]", 3, "not JSON"],
  [".json", "[1]\n[2]", 2, "something follows the array"],
])("%s: line of fault %#", async (extension, text, line, what) => {
  await expect(read(extension, text)).rejects.toMatchObject({
    name: "InputError",
    line,
    message: expect.stringContaining(what),
  });
});

test("NDJSON: bare values, with empty lines, CRLF and a byte order mark", async () => {
  expect((await read(".ndjson", '\ufeff1\r\n\r\n{"x":"é\u2028"}\n[2]')).values).toEqual([
    { line: 1, value: 1, at: undefined, group: "" },
    { line: 3, value: { x: "é\u2028" }, at: undefined, group: "" },
    { line: 4, value: [2], at: undefined, group: "" },
  ]);
});

test("numbers that a double cannot hold stay, as text, in every format", async () => {
  const id = "9007199254740993";
  for (const [extension, text] of [
    [".csv", `id\n${id}\n1e400\n`],
    [".ndjson", `{"id":${id}}\n{"id":1e400}\n`],
    [".json", `[{"id":${id}},{"id":1e400}]`],
  ] as const) {
    const { values, notes } = await read(extension, text);
    expect(values.map(({ value }) => value)).toEqual([{ id }, { id: "1e400" }]);
    expect(notes.join()).toContain(id);
  }
});

describe("CSV", () => {
  test("rows are objects, and only what comes back is a number", async () => {
    expect(await valuesOf(".csv", 'a,b,c\n1,-2.5e3,"x,\ny"\n007,,0x1\n\n.5,1e400, 1\n')).toEqual([
      { a: 1, b: -2500, c: "x,\ny" },
      { a: "007", b: "", c: "0x1" },
      { a: 0.5, b: "1e400", c: " 1" },
    ]);
  });

  test("semicolons and tabs divide columns, and then a comma is a decimal one", async () => {
    expect(await valuesOf(".csv", "a;b\n1;2\n3;4\n")).toEqual([
      { a: 1, b: 2 },
      { a: 3, b: 4 },
    ]);
    expect(await valuesOf(".csv", '"a;x","b,y"\n1,2\n')).toEqual([{ "a;x": 1, "b,y": 2 }]);
    for (const [extension, text] of [
      [".csv", "a;b\n1,5;-0,25\n"],
      [".csv", "a\tb\n1,5\t-0,25\n"],
      [".tsv", "a\tb\n1,5\t-0,25\n"],
    ] as const) {
      const { values, notes } = await read(extension, text);
      expect(values[0]?.value).toEqual({ a: 1.5, b: -0.25 });
      expect(notes.join()).toMatch(/(semicolons|tabs) between.*decimal commas/);
    }
  });

  test("a decimal comma does not let a number change unnoticed", async () => {
    const long = "9".repeat(400);
    const { values, notes } = await read(".csv", `a;b\n9007199254740993,5;${long},5\n`);
    expect(values[0]?.value).toEqual({ a: 9007199254740994, b: `${long},5` });
    expect(notes.join("\n")).toContain("`9007199254740993,5` in `a` is rounded to 9007199254740994");
    expect(notes.join("\n")).toMatch(/`9{40}…` in `b` is kept as text/);
  });

  test("each line ends with LF or CRLF, whatever the others do", async () => {
    const rows = [
      { id: 1, v: 21.5 },
      { id: 2, v: "a\r\nb" },
      { id: 3, v: 21.7 },
    ];
    for (const text of ['id,v\n1,21.5\r\n2,"a\r\nb"\r\n3,21.7\n', 'id,v\r\n1,21.5\n\r\n2,"a\r\nb"\n3,21.7']) {
      const { values, notes } = await read(".csv", text);
      expect(values.map(({ value }) => value)).toEqual(rows);
      expect(notes).toEqual([]);
    }
  });

  test("a CR alone ends no line, and is told", async () => {
    const { values, notes } = await read(".csv", "id\n1\r2\n3\r\r\n");
    expect(values.map(({ value }) => value)).toEqual([{ id: "1\r2" }, { id: "3\r" }]);
    expect(notes).toEqual(["text: a field of `id` has a CR without LF, which ends no line"]);
  });

  test("a decimal comma between commas is named", async () => {
    expect((await read(".csv", 'a,b\n"1,5",2\n')).notes.join()).toContain("decimal commas");
    await expect(read(".csv", "a,b\n1,5,2\n")).rejects.toThrow("with decimal commas, put semicolons");
  });

  test("a column named __proto__ is a column", async () => {
    const [row] = await valuesOf(".csv", "__proto__\n1\n");
    expect(Object.keys(row as object)).toEqual(["__proto__"]);
  });
});

test("a JSON array is its elements, on one line or many", async () => {
  for (const text of ["[1,[2],{}]", "[\n1,\n[2] ,{}\n]\n"])
    expect(await valuesOf(".json", text)).toEqual([1, [2], {}]);
});

describe("a file without a telling name", () => {
  test.each([
    ['{"a":1}\n', [{ a: 1 }]],
    ["1\n2\n", [1, 2]],
    ["[1,2]\n[3]\n", [[1, 2], [3]]],
    ['[{"a":1},{"a":2}]', [{ a: 1 }, { a: 2 }]],
    ["[\n1,\n2]", [1, 2]],
    ["a,b\n1,2\n", [{ a: 1, b: 2 }]],
    ["\ufeffa;b\r\n1;2\r\n", [{ a: 1, b: 2 }]],
  ])("%j", async (text, values) => {
    expect(await valuesOf("", text)).toEqual(values);
  });

  test("--format says it", async () => {
    expect(await valuesOf("", "id\n1\n", { format: "csv" })).toEqual([{ id: 1 }]);
    expect(await valuesOf(".json", '{"a":1}\n{"a":2}\n')).toEqual([{ a: 1 }, { a: 2 }]);
  });
});

describe("times", () => {
  test("t is the time in ms, and v alone the value", async () => {
    expect((await read(".ndjson", '{"t":5,"v":1}\n{"v":{"t":1},"t":6.5}\n')).values).toMatchObject([
      { value: 1, at: 5 },
      { value: { t: 1 }, at: 6.5 },
    ]);
    expect((await read(".csv", "t,v\n2026-01-01T00:00:01Z,2\n")).values).toMatchObject([
      { value: 2, at: Date.UTC(2026, 0, 1, 0, 0, 1) },
    ]);
    expect((await read(".csv", "t,x\n1,2\n")).values).toMatchObject([{ value: { t: 1, x: 2 }, at: 1 }]);
  });

  test.each([
    ["time,x\n2026-01-02T03:04:05.5+01:00,1\n", Date.UTC(2026, 0, 2, 2, 4, 5, 500)],
    ["x,Timestamp\n1,2026-01-02 03:04\n", Date.UTC(2026, 0, 2, 3, 4)],
    ["date,x\n2012/01/31,1\n", Date.UTC(2012, 0, 31)],
    ["x,measured\n1,20260102T030405Z\n", undefined],
    ["x,measured\n1,2026-01-02T03:04:05Z\n", Date.UTC(2026, 0, 2, 3, 4, 5)],
    ["ts,x\n1767225600,1\n", 1_767_225_600_000],
    ["ts,x\n1767225600123,1\n", 1_767_225_600_123],
    ["__REALTIME_TIMESTAMP,x\n1767225600123456,1\n", 1_767_225_600_123.456],
    ["time_ns,x\n1767225600123456789,1\n", 1_767_225_600_123.456_789],
    ["time_s,x\n5,1\n", 5_000],
    ["created_at,x\n2026-01-02T24:00:00Z,1\n", Date.UTC(2026, 0, 3)],
    // Impossible times, and texts that are not times.
    ["time,x\n2026-02-30,1\n", undefined],
    ["time,x\n2026-01-02T25:00:00Z,1\n", undefined],
    ["time,x\nnoon,1\n", undefined],
    ["runtime_label,x\nabc,1\n", undefined],
  ])("%j", async (text, at) => {
    const times = await timesOf(".csv", text);
    if (at === undefined) expect(times).toEqual([undefined]);
    else expect(times[0]).toBeCloseTo(at, 2);
  });

  test("a time that cannot be read is told", async () => {
    expect((await read(".csv", "time,x\n24.12.2026 10:00,1\n")).notes.join()).toContain("24.12.2026 10:00");
  });

  test("a time that a double cannot hold is none", async () => {
    const long = "9".repeat(400);
    expect(await timesOf(".csv", `time,x\n${long},1\n`)).toEqual([undefined]);
    await expect(read(".csv", `time_s,x\n1,1\n1e308,1\n`)).rejects.toThrow("its time `time_s` is `1e+308`");
  });

  test("a container is no time, however deep", async () => {
    const { values, notes } = await read(".ndjson", `{"time":${DEEP}}\n`);
    expect(values[0]?.at).toBeUndefined();
    expect(notes.join()).toContain("no times: `time` is an array, neither");
  });

  test("--time, --no-time and --time-unit decide", async () => {
    const text = "time,x\n2026-01-01,5\n";
    expect(await timesOf(".csv", text, { time: "x" })).toEqual([5]);
    expect(await timesOf(".csv", text, { time: "x", timeUnit: "s" })).toEqual([5_000]);
    expect(await timesOf(".csv", text, { time: false })).toEqual([undefined]);
    await expect(read(".csv", text, { time: "y" })).rejects.toThrow("name one of `time`, `x`");
    await expect(read(".csv", "a\nb\n", { time: "a" })).rejects.toThrow("`a` is `b`");
    await expect(read(".ndjson", "1\n", { time: "a" })).rejects.toThrow("it has none");
  });
});

test("--group-by names the service of each value", async () => {
  const { values } = await read(".csv", "sensor,x\n1,5\nb,6\n", { groupBy: "sensor" });
  expect(values.map(({ group }) => group)).toEqual(["1", "b"]);
  await expect(read(".csv", "a\n1\n", { groupBy: "constructor" })).rejects.toThrow("`constructor`");
  for (const [group, is] of [
    [DEEP, "an array"],
    ["{}", "an object"],
  ])
    await expect(read(".ndjson", `{"a":${group}}\n`, { groupBy: "a" })).rejects.toMatchObject({
      ...{ code: "bad-input", line: 1 },
      what: `its group \`a\` is ${is}`,
    });
});
