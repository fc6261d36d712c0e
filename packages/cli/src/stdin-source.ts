import { addAbortSignal, type Readable } from "node:stream";
import { InputError } from "./input/input-error.js";
import { isBlank, readLines } from "./input/lines.js";
import type { ValuePublisher } from "./value-publisher.js";

const SOURCE = "stdin";

/**
 * Publishes each line until the end of `input` or `signal`. Empty lines are left out: NDJSON allows them. Throws `InputError` where
 * `input` cannot be read.
 */
export async function publishLines(
  input: Readable,
  publisher: ValuePublisher,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  addAbortSignal(signal, input);
  try {
    for await (const { number, text, fault } of readLines(input as AsyncIterable<Buffer>)) {
      if (signal.aborted) return;
      const place = { source: SOURCE, line: number };
      if (fault !== undefined) publisher.fail(fault, place);
      else if (!isBlank(text)) await publisher.publish(text, place);
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof InputError) throw error.line === undefined ? error : error.in(SOURCE);
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    throw new InputError(undefined, `it cannot be read (${code})`, "give it a file or a pipe", SOURCE, {
      cause: error,
    });
  }
}
