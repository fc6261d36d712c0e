import { Readable } from "node:stream";
import type { OfferedService } from "@stanzapack/client";
import { DEFAULT_LIMITS, encodeUpdate, StanzapackError, type Value } from "@stanzapack/wire";
import { describe, expect, test } from "vitest";
import { runEvery } from "./command-source.js";
import { readBytes } from "../input/byte-source.js";
import { applyMapLine, mapLineOf, NO_ENTRY } from "../map/map-lines.js";
import { PacedPublisher } from "./paced-publisher.js";
import { publishLines } from "./stdin-source.js";
import { ValuePublisher, type TextRules } from "./value-publisher.js";

interface Outcome {
  readonly published: Value[];
  readonly told: string[];
  readonly values: ValuePublisher;
  readonly error: unknown;
}

const ending = new AbortController();

/** Records what a service publishes. The fake service refuses the values that a real service refuses. */
async function offer(
  source: (values: ValuePublisher) => Promise<void>,
  rules: Partial<TextRules>,
): Promise<Outcome> {
  const published: Value[] = [];
  const told: string[] = [];
  const service = {
    pending: false,
    unacknowledged: 0,
    ended: false,
    stores: false,
    publish: (value: Value) => {
      encodeUpdate(value, DEFAULT_LIMITS);
      published.push(value);
    },
  } as unknown as OfferedService;
  const publisher = new PacedPublisher(service, ending.signal);
  const values = new ValuePublisher(
    publisher,
    { asText: false, strictJson: false, onError: "skip", ...rules },
    (line) => told.push(line),
  );
  const error = await source(values).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  values.summarize();
  return { published, told, values, error };
}

const lines = (input: string | Buffer | Readable, rules: Partial<TextRules> = {}): Promise<Outcome> =>
  offer(async (values) => {
    const stream = input instanceof Readable ? input : Readable.from([Buffer.from(input)]);
    const { signal } = new AbortController();
    await publishLines(values, signal, readBytes(stream, signal));
  }, rules);

test("a line is its JSON value, or text; only what begins like JSON and is none is told", async () => {
  const { published, told, values, error } = await lines(
    '\ufeff{"a":1}\r\n\n007\nNaN\na\u2028b\n{x}\n[INFO] up\n\ufeff{"a":2}\n-0\n "s" \n',
  );
  expect(published).toEqual([
    ...[{ a: 1 }, "007", "NaN", "a\u2028b", "{x}", "[INFO] up", '\ufeff{"a":2}', -0, "s"],
  ]);
  expect(told.map((line) => /^warning: (stdin:\d+): begins like JSON/.exec(line)?.[1])).toEqual([
    ...["stdin:6", "stdin:7", "stdin:8"],
  ]);
  expect([values.failure, error]).toEqual([undefined, undefined]);
});

test("a number that a double cannot hold is published as text, and told", async () => {
  const { published, told } = await lines(
    '12345678901234567890\n{"id":9007199254740993}\n1e400\n0.1234567890123456789\n',
  );
  expect(published).toEqual([
    "12345678901234567890",
    { id: "9007199254740993" },
    "1e400",
    0.12345678901234568,
  ]);
  expect(told.map((line) => /^warning: (stdin:\d): (numbers|fractions)/.exec(line)?.slice(1))).toEqual([
    ["stdin:1", "numbers"],
    ["stdin:2", "numbers"],
    ["stdin:3", "numbers"],
    ["stdin:4", "fractions"],
  ]);
});

test("warnings of one kind are told ten times, and then counted", async () => {
  const { told } = await lines("{x}\n".repeat(25));
  expect(told).toHaveLength(11);
  expect(told.at(-1)).toMatch(/^15 more: begins like JSON/);
});

describe("a line that cannot be published", () => {
  const deep = `${"[".repeat(33)}${"]".repeat(33)}`;
  const bottomless = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  test.each([
    ["too large", `"${"x".repeat(50_000)}"`, "too-large", {}],
    ["too deep", deep, "unencodable", {}],
    ["without bound in depth", bottomless, "unencodable", {}],
    ["longer than a line may be", "x".repeat(1_100_000), "bad-input", {}],
    ["no UTF-8", Buffer.from("caf\xe9", "latin1"), "bad-input", {}],
    ["with a NUL", "a\0b", "bad-input", { asText: true }],
    ["no JSON", "plain", "bad-input", { strictJson: true }],
    ["NaN", '{"v":NaN}', "bad-input", { strictJson: true }],
    ["a large number", '{"v":1e400}', "bad-input", { strictJson: true }],
  ])("%s: is skipped, or ends it, and its number is told", async (_, line, code, rules) => {
    const input = Buffer.concat([Buffer.from("1\n"), Buffer.from(line), Buffer.from("\n3\n")]);
    const skipping = await lines(input, rules);
    expect(skipping.published.map(String)).toEqual(["1", "3"]);
    expect(skipping.told).toEqual([expect.stringMatching(/^stdin:2 is skipped: /)]);
    expect(skipping.values.failure?.message).toContain("1 of 3 values were skipped, first stdin:2");
    const stopping = await lines(input, { ...rules, onError: "stop" });
    expect(stopping.published.map(String)).toEqual(["1"]);
    expect(stopping.error).toMatchObject({ code, message: expect.stringMatching(/^stdin:2: /) });
  });
});

test("lines of a map: what is no JSON, no entry or beyond a bound is skipped, and told", async () => {
  const changes: string[] = [];
  const told: string[] = [];
  const map = {
    set: (key: string) => {
      if (changes.length > 0) throw new StanzapackError("limit-exceeded", "2 keys, and 1 is allowed");
      changes.push(`set ${key}`);
    },
    delete: (key: string) => void changes.push(`delete ${key}`),
  };
  const sink = {
    publish: (value: Value) => {
      const line = mapLineOf(value);
      if (line === undefined) throw new StanzapackError("unencodable", NO_ENTRY.what);
      applyMapLine(map, line);
      return Promise.resolve();
    },
  };
  const rules = { asText: false, strictJson: false, jsonOnly: NO_ENTRY.mend, onError: "skip" } as const;
  const values = new ValuePublisher(sink, rules, (line) => told.push(line));
  const text = '{"key":"a","value":1}\nno\n{"key":"b","value":1}\n[1]\n{"key":"a","removed":true}\n';
  const { signal } = new AbortController();
  await publishLines(values, signal, readBytes(Readable.from([Buffer.from(text)]), signal));
  expect(changes).toEqual(["set a", "delete a"]);
  expect(told).toEqual([
    expect.stringMatching(/^stdin:2 is skipped: it is not JSON .*write \{"key"/),
    "stdin:3 is skipped: 2 keys, and 1 is allowed",
    "stdin:4 is skipped: it is no entry of a map",
  ]);
  expect(values.failure?.message).toContain("3 of 5 values were skipped, first stdin:2");
});

test("another encoding, and an input that cannot be read, end it", async () => {
  const encoded = await lines(Buffer.from("\ufeff1\n2\n", "utf16le"));
  expect(encoded.error).toMatchObject({
    code: "bad-input",
    message: expect.stringMatching(/^stdin:1: .*UTF-16/),
  });
  const broken = new Readable({ read: () => undefined });
  broken.destroy(Object.assign(new Error("EISDIR: read"), { code: "EISDIR", syscall: "read" }));
  expect((await lines(broken)).error).toMatchObject({
    code: "bad-input",
    message: expect.stringContaining("cannot be read (EISDIR)"),
  });
});

test("what a command prints is judged like a line", async () => {
  const stop = new AbortController();
  let runs = 0;
  const { published, told } = await offer(async (values) => {
    const counting = {
      publish: (...args: Parameters<ValuePublisher["publish"]>) => values.publish(...args),
      fail: (...args: Parameters<ValuePublisher["fail"]>) => {
        values.fail(...args);
        if (++runs === 2) stop.abort();
      },
    } as ValuePublisher;
    await runEvery(1, ["printf", "caf\\351"], counting, stop.signal);
  }, {});
  expect(published).toEqual([]);
  expect(told[0]).toBe(
    "run 1 of `printf` is skipped: it has bytes that are not UTF-8; convert the input (`iconv -f ENCODING -t UTF-8`)",
  );
});
