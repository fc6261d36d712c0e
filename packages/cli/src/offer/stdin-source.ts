import { readStdin } from "../input/byte-source.js";
import { InputError } from "../input/input-error.js";
import { isBlank, readLines } from "../input/lines.js";
import type { ValuePublisher } from "./value-publisher.js";

const SOURCE = "stdin";

/**
 * Publishes each line of stdin, until its end or `signal`. Empty lines are left out: NDJSON allows them. Throws
 * `InputError` if stdin cannot be read.
 */
export async function publishLines(
  publisher: ValuePublisher,
  signal: AbortSignal,
  bytes: AsyncIterable<Uint8Array> = readStdin(signal),
): Promise<void> {
  if (signal.aborted) return;
  try {
    for await (const { number, text, fault } of readLines(bytes)) {
      if (signal.aborted) return;
      const place = { source: SOURCE, line: number };
      if (fault !== undefined) publisher.fail(fault, place);
      else if (!isBlank(text)) await publisher.publish(text, place);
    }
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof InputError ? error.in(SOURCE) : error;
  }
}
