import { pipeline } from "node:stream/promises";
import { CsvError, parse } from "csv-parse";
import type { Value } from "@stanzapack/wire";
import { InputError } from "../input/input-error.js";
import { fateOf, shorten } from "../input/json-numbers.js";
import { DELIMITER_NAMES, type Delimiter } from "./delimiter.js";
import type { Note, ReadValue } from "./timed-value.js";

/** Longest record, in characters. */
const MAX_RECORD_CHARS = 1_048_576;

interface CsvRecord {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/**
 * Rows of CSV with a header, as objects. A field that reads as a number becomes a number. If semicolons or tabs
 * separate the columns, `1,5` is a number too. Throws `InputError`.
 */
export async function* readCsv(
  texts: AsyncIterable<string>,
  delimiter: Delimiter,
  note: Note,
): AsyncGenerator<ReadValue> {
  const parser = parse({
    ...{ info: true, skip_empty_lines: true, delimiter },
    // By default the parser expects the first line's ending at all lines.
    record_delimiter: ["\r\n", "\n"],
    max_record_size: MAX_RECORD_CHARS,
  });
  const fed = pipeline(texts, parser);
  // The parser throws the error of the pipeline too, so this rejection is not needed.
  fed.catch(() => undefined);
  const reader = new FieldReader(delimiter, note);
  if (delimiter !== ",") note(`columns: ${DELIMITER_NAMES[delimiter]} between them`);
  try {
    let header: readonly string[] | undefined;
    for await (const { record, info } of parser as AsyncIterable<CsvRecord>) {
      if (header === undefined) header = checkedHeader(record, info.lines);
      else {
        const fields = header.map((name, index) => [name, reader.read(record[index] ?? "", name)] as const);
        yield { line: info.lines, value: Object.fromEntries<Value>(fields) };
      }
    }
    await fed;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error["lines"] === "number" ? error["lines"] : 1;
    throw new InputError(
      line,
      error.message.replace(/( (on|at) line \d+)?\.?$/, ""),
      delimiter === ","
        ? "correct the line (with decimal commas, put semicolons or tabs between columns), or write the rows as NDJSON"
        : "correct the line, or write the rows as NDJSON",
    );
  }
}

/** A CR that is not part of a CRLF. */
const LONE_CR = /\r(?!\n)/;

function checkedHeader(names: readonly string[], line: number): readonly string[] {
  if (names.some((name) => LONE_CR.test(name)))
    throw new InputError(
      1,
      "the header has a CR, which ends no line",
      "end lines with LF or CRLF (`tr '\\r' '\\n'`)",
    );
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new InputError(line, `the header names \`${twice}\` twice`, "name each column differently");
  if (names.every((name) => DECIMAL.test(name)))
    throw new InputError(
      line,
      `the header \`${names.join(" ").slice(0, 40)}\` has only numbers`,
      "begin the file with a line that has the names of the columns",
    );
  return names;
}

const DECIMAL = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const DECIMAL_COMMA = /^[-+]?\d+,\d+$/;

class FieldReader {
  private readonly told = new Set<string>();

  constructor(
    private readonly delimiter: Delimiter,
    private readonly note: Note,
  ) {}

  /**
   * A field as a number or a text. `007` stays text, and so does a number that a double cannot hold (ids beyond 2⁵³,
   * `1e999`): as numbers they would lose digits.
   */
  read(field: string, name: string): Value {
    const hasZeros = /^[-+]?0\d/.test(field);
    if (DECIMAL_COMMA.test(field) && !hasZeros) {
      if (this.delimiter !== ",") {
        this.tell("comma", `numbers: decimal commas (\`${shorten(field)}\` in \`${name}\`)`);
        return this.toNumber(field, field.replace(",", "."), name);
      }
      this.tell(
        "quoted",
        `text: \`${shorten(field)}\` in \`${name}\` is not a number; decimal commas need semicolons or tabs between the columns`,
      );
    }
    if (LONE_CR.test(field))
      this.tell("cr", `text: a field of \`${name}\` has a CR without LF, which ends no line`);
    return DECIMAL.test(field) && !hasZeros ? this.toNumber(field, field, name) : field;
  }

  /** `decimal` is the field with a decimal point. A number that a double cannot hold stays text, as in the field. */
  private toNumber(field: string, decimal: string, name: string): Value {
    const fate = fateOf(decimal);
    if (fate === "rounded")
      this.tell("rounded", `numbers: \`${shorten(field)}\` in \`${name}\` is rounded to ${Number(decimal)}`);
    if (fate !== "changed") return Number(decimal);
    this.tell(
      "kept",
      `text: \`${shorten(field)}\` in \`${name}\` is kept as text, since a double cannot hold it`,
    );
    return field;
  }

  private tell(kind: string, text: string): void {
    if (this.told.has(kind)) return;
    this.told.add(kind);
    this.note(text);
  }
}
