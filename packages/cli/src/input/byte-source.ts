import { createReadStream, fstatSync } from "node:fs";
import { addAbortSignal, type Readable } from "node:stream";
import { InputError } from "./input-error.js";

/** Of stdin. */
const STDIN_FD = 0;

/** The bytes of a file. Throws `InputError` where it cannot be read; ends with an `AbortError` at `signal`. */
export function readFileBytes(file: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  return readBytes(createReadStream(file), signal);
}

/** As `readFileBytes`, of stdin. Node takes a folder (`< /tmp`) for an empty input. */
export async function* readStdin(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (fstatSync(STDIN_FD).isDirectory())
    throw new InputError(undefined, "it is a folder", "give it a file or a pipe");
  yield* readBytes(process.stdin, signal);
}

/** As `readFileBytes`, of any stream. */
export async function* readBytes(stream: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  addAbortSignal(signal, stream);
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    throw signal.aborted ? error : unreadable(error);
  }
}

/** What a system call failed with, for people; other errors as they are. */
export function unreadable(error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  return new InputError(undefined, `it cannot be read (${code})`, "name what can be read", undefined, {
    cause: error,
  });
}
