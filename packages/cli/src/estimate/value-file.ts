import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { readCsv } from "./csv.js";
import { InputError } from "./input-error.js";
import { readNdjson } from "./ndjson.js";
import type { TimedValue } from "./timed-value.js";

/** A file of updates, read as it is used. */
export interface ValueFile {
  /** Its name without extension. */
  readonly workload: string;
  /** 0 where it is a pipe. */
  readonly sizeBytes: number;
  readonly values: AsyncIterable<TimedValue>;
  /** So far. */
  readonly readBytes: number;
}

/** `.csv` is CSV, everything else NDJSON. Throws `InputError`, and so do its values. */
export async function openValueFile(file: string, signal: AbortSignal): Promise<ValueFile> {
  const sizeBytes = await sizeOf(file);
  const stream = createReadStream(file, { signal });
  const chunks = stream as AsyncIterable<Buffer>;
  const extension = extname(file);
  return {
    workload: basename(file, extension),
    sizeBytes,
    values: extension.toLowerCase() === ".csv" ? readCsv(chunks) : readNdjson(chunks),
    get readBytes() {
      return stream.bytesRead;
    },
  };
}

async function sizeOf(file: string): Promise<number> {
  try {
    const stats = await stat(file);
    if (stats.isDirectory()) throw new InputError(undefined, "it is a folder", "name a file", file);
    return stats.size;
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new InputError(undefined, `it cannot be read (${code})`, "name a file that is there", file, {
      cause: error,
    });
  }
}
