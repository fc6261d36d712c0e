import { pipeline } from "node:stream/promises";
import { CsvError, parse } from "csv-parse";
import type { Value } from "@stanzapack/wire";
import { InputError } from "./input-error.js";
import { TIME, VALUE, type TimedValue } from "./timed-value.js";

/** Longest record, in characters. */
const MAX_RECORD_CHARS = 1_048_576;

interface CsvRecord {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/**
 * Rows under a header, as objects; what reads as a number is one. A column `t` is the time, and where the only other one is
 * `v`, that alone is the value. Throws `InputError`.
 */
export async function* readCsv(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TimedValue> {
  const parser = parse({
    ...{ bom: true, info: true, skip_empty_lines: true },
    max_record_size: MAX_RECORD_CHARS,
  });
  const fed = pipeline(chunks, parser);
  // What went wrong comes out of the parser, too.
  fed.catch(() => undefined);
  try {
    let header: readonly string[] | undefined;
    for await (const { record, info } of parser as AsyncIterable<CsvRecord>) {
      if (header === undefined) header = checkedHeader(record, info.lines);
      else yield createRow(header, record, info.lines);
    }
    await fed;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error["lines"] === "number" ? error["lines"] : 1;
    throw new InputError(
      line,
      error.message.replace(/( (on|at) line \d+)?\.?$/, ""),
      "mend the line, or write the rows as NDJSON",
    );
  }
}

function checkedHeader(names: readonly string[], line: number): readonly string[] {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new InputError(line, `the header names \`${twice}\` twice`, "name each column differently");
  return names;
}

function createRow(header: readonly string[], record: readonly string[], line: number): TimedValue {
  const fields = header.map((name, index) => [name, typed(record[index] ?? "")] as const);
  const row = Object.fromEntries(fields) as Record<string, Value>;
  const { [TIME]: at } = row;
  const alone = header.length === 2 && header.includes(TIME) && header.includes(VALUE);
  if (alone && typeof at !== "number")
    throw new InputError(line, "its `t` is no number", "write the time in ms");
  return {
    line,
    value: alone ? (row[VALUE] as Value) : row,
    at: typeof at === "number" ? at : undefined,
  };
}

/** `007` and `1e999` stay text: read as numbers they would not come back. */
function typed(field: string): Value {
  const decimal = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(field) && !/^[-+]?0\d/.test(field);
  return decimal && Number.isFinite(Number(field)) ? Number(field) : field;
}
