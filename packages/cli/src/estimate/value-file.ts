import { stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { readFileBytes, readStdin, unreadable } from "../input/byte-source.js";
import { InputError } from "../input/input-error.js";
import { readText } from "../input/text.js";
import { readCsv } from "./csv.js";
import { delimiterOf, guessFormat, type Format } from "./file-format.js";
import { readJsonArray, readNdjson } from "./json-values.js";
import { peek } from "./peek.js";
import { TimeField, type TimeOptions } from "./time-field.js";
import {
  describeValue,
  fieldOf,
  isContainer,
  type Note,
  type ReadValue,
  type TimedValue,
} from "./timed-value.js";

/** A file of updates, which is read while `values` is iterated. */
export interface ValueFile {
  /** Name of the file without its extension. `stdin` for `-`. */
  readonly workload: string;
  /** 0 for stdin. */
  readonly sizeBytes: number;
  readonly values: AsyncIterable<TimedValue>;
  /** Bytes read so far. */
  readonly readBytes: number;
}

export interface ValueFileOptions extends TimeOptions {
  /** Undefined: chosen by the file's name, or by its beginning. */
  readonly format?: Format | undefined;
  /** The field that names the service of each update. Undefined: there is one service. */
  readonly groupBy?: string | undefined;
}

/** Opens a file, or stdin for `-`. The function and the iteration of `values` throw `InputError`. */
export async function openValueFile(
  file: string,
  options: ValueFileOptions,
  note: Note,
  signal: AbortSignal,
): Promise<ValueFile> {
  const isStdin = file === "-";
  const sizeBytes = isStdin ? 0 : await sizeOf(file);
  const bytes = isStdin ? readStdin(signal) : readFileBytes(file, signal);
  const extension = isStdin ? "" : extname(file);
  let readBytes = 0;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      readBytes += chunk.length;
      yield chunk;
    }
  }
  return {
    workload: isStdin ? "stdin" : basename(file, extension),
    sizeBytes,
    values: readValues(chunks(), extension, options, note),
    get readBytes() {
      return readBytes;
    },
  };
}

/** Reads values of any format, with their times and services. `extension` has its dot. Throws `InputError`. */
export async function* readValues(
  bytes: AsyncIterable<Uint8Array>,
  extension: string,
  options: ValueFileOptions,
  note: Note,
): AsyncGenerator<TimedValue> {
  const { head, chunks } = await peek(bytes);
  const format = options.format ?? guessFormat(extension, head);
  const read = {
    csv: (): AsyncIterable<ReadValue> => readCsv(readText(chunks), delimiterOf(extension, head), note),
    json: (): AsyncIterable<ReadValue> => readJsonArray(readText(chunks), note),
    ndjson: (): AsyncIterable<ReadValue> => readNdjson(chunks, note),
  }[format];
  const times = new TimeField(options, note);
  for await (const value of read()) {
    const group = groupOf(value, options.groupBy);
    yield { line: value.line, ...times.read(value), group };
  }
}

function groupOf({ line, value }: ReadValue, name: string | undefined): string {
  if (name === undefined) return "";
  const group = fieldOf(value, name);
  if (group === undefined)
    throw new InputError(
      line,
      `it has no field \`${name}\``,
      "name a field in --group-by that each value has",
    );
  if (isContainer(group))
    throw new InputError(
      line,
      `its group \`${name}\` is ${describeValue(group)}`,
      "name a field in --group-by that has texts or numbers",
    );
  return String(group);
}

async function sizeOf(file: string): Promise<number> {
  try {
    const stats = await stat(file);
    if (stats.isDirectory()) throw new InputError(undefined, "it is a folder", "name a file");
    return stats.size;
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(error);
  }
}
