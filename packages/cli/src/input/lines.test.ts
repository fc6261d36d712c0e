import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { isBlank, MAX_LINE_BYTES, readLines, type Line } from "./lines.js";
import { readText } from "./text.js";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const item of items) got.push(item);
  return got;
}

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

/** Chunks of one byte, three bytes and very many bytes: the cuts must make no difference. */
async function lines(input: string | Uint8Array): Promise<Line[]> {
  const bytes = Buffer.from(input);
  const runs = await Promise.all([1, 3, 1 << 20].map((size) => all(readLines(cut(bytes, size)))));
  expect(runs[1]).toEqual(runs[0]);
  expect(runs[2]).toEqual(runs[0]);
  return runs[0] ?? [];
}

const texts = async (input: string | Uint8Array): Promise<unknown[]> =>
  (await lines(input)).map(({ text, fault }) => text ?? fault);

test("LF and CRLF end a line, and nothing else does", async () => {
  const odd = "a\u2028b\u2029c\u0085d\vf\fg\rh";
  expect(await texts(`${odd}\r\n${odd}\n\nend`)).toEqual([odd, odd, "", "end"]);
  expect(await texts("")).toEqual([]);
  expect((await lines("\n\nx\n")).map(({ number }) => number)).toEqual([1, 2, 3]);
});

test("only JSON's whitespace is blank", () => {
  expect(["", " \t\r", "\u2028", "\u00a0"].map(isBlank)).toEqual([true, true, false, false]);
});

test("a byte order mark is left out at the beginning alone", async () => {
  expect(await texts("\ufeff{}\n\ufeff{}")).toEqual(["{}", "\ufeff{}"]);
  expect(await texts("\ufeff")).toEqual([""]);
});

test("bytes that are no UTF-8, and NUL, are the fault of their line alone", async () => {
  for (const bad of ["\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "caf\xe9"])
    expect(await texts(Buffer.concat([latin1(`ok\n${bad}\n`), Buffer.from("é😀\n")]))).toEqual([
      "ok",
      expect.objectContaining({ what: "it has bytes that are not UTF-8" }),
      "é😀",
    ]);
  expect(await texts("one\na\0b\ntwo")).toEqual([
    "one",
    expect.objectContaining({ what: "it has a NUL byte" }),
    "two",
  ]);
});

test("a line that is too long is told once and skipped, however long it is", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("1\n");
    const part = Buffer.alloc(1 << 20, "x");
    for (let i = 0; i < 700; i++) yield part;
    yield Buffer.from("\n3");
  }
  const before = process.memoryUsage().rss;
  const got = await all(readLines(endless()));
  expect(got).toEqual([
    { number: 1, text: "1" },
    { number: 2, fault: expect.objectContaining({ what: `it is longer than ${MAX_LINE_BYTES} bytes` }) },
    { number: 3, text: "3" },
  ]);
  expect(process.memoryUsage().rss - before).toBeLessThan(300 << 20);
  const longest = "x".repeat(MAX_LINE_BYTES);
  expect(await all(readLines(cut(Buffer.from(`${longest}\n${longest}`), 1 << 16)))).toHaveLength(2);
});

test("what `chunks` throws comes through", async () => {
  const broken = new Readable({ read: () => undefined });
  broken.destroy(new Error("EIO"));
  await expect(all(readLines(broken))).rejects.toThrow("EIO");
});

describe("another encoding, or something packed, is named", () => {
  const utf16be = Buffer.from('{"a":1}\n', "utf16le").swap16();
  test.each([
    ["UTF-16", Buffer.from('\ufeff{"a":1}\n', "utf16le")],
    ["UTF-16", Buffer.concat([Buffer.of(0xfe, 0xff), utf16be])],
    ["UTF-16 without", Buffer.from('{"a":1}\n', "utf16le")],
    ["UTF-16 without", utf16be],
    ["UTF-32", Buffer.of(0xff, 0xfe, 0, 0, 0x31, 0, 0, 0, 0x0a, 0, 0, 0)],
    ["UTF-32", Buffer.of(0, 0, 0xfe, 0xff, 0, 0, 0, 0x31)],
    ["gzip", Buffer.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0)],
    ["gzip", Buffer.concat([Buffer.of(0x1f, 0x8b, 8), Buffer.alloc(MAX_LINE_BYTES + 5, 1)])],
  ])("%s %#", async (name, bytes) => {
    const wanted = { name: "InputError", line: 1, what: expect.stringContaining(name) };
    for (const size of [1, 1 << 20]) {
      if (bytes.length > 100 && size === 1) continue;
      await expect(all(readLines(cut(bytes, size)))).rejects.toMatchObject(wanted);
      await expect(all(readText(cut(bytes, size)))).rejects.toMatchObject(wanted);
    }
  });
});

describe("text for formats that span lines", () => {
  test("characters that are cut come out whole, without the byte order mark", async () => {
    const text = "\ufeffa,é\n€,😀\r\nlast";
    for (const size of [1, 2, 3, 100])
      expect((await all(readText(cut(Buffer.from(text), size)))).join("")).toBe(text.slice(1));
    for (const size of [1, 9]) expect(await all(readText(cut(Buffer.from("1"), size)))).toEqual(["1"]);
  });

  test.each([
    ["a\nb\nc\xff\n", 3, "not UTF-8"],
    ["a\nb\0\n", 2, "NUL"],
    [`${"a\n".repeat(9)}\xe2\x82`, 10, "not UTF-8"],
  ])("a fault has its line %#", async (text, line, what) => {
    for (const size of [1, 2, 3, 100])
      await expect(all(readText(cut(latin1(text), size)))).rejects.toMatchObject({
        line,
        what: expect.stringContaining(what),
      });
  });
});
