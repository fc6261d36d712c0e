import { createReadStream, fstatSync } from "node:fs";
import { addAbortSignal, type Readable } from "node:stream";
import { InputError } from "./input-error.js";

/** File descriptor of stdin. */
const STDIN_FD = 0;

/** The bytes of a file. Throws `InputError` if the file cannot be read, and an `AbortError` at `signal`. */
export function readFileBytes(file: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  return readBytes(createReadStream(file), signal);
}

/** Like `readFileBytes`, for stdin. Throws `InputError` for a folder (`< /tmp`), which Node reads as an empty input. */
export async function* readStdin(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (fstatSync(STDIN_FD).isDirectory())
    throw new InputError(undefined, "it is a folder", "give it a file or a pipe");
  yield* readBytes(process.stdin, signal);
}

/** Like `readFileBytes`, for any stream. */
export async function* readBytes(stream: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  addAbortSignal(signal, stream);
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    throw signal.aborted ? error : unreadable(error);
  }
}

/** Turns the error of a failed system call into an `InputError`. Returns other errors unchanged. */
export function unreadable(error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  return new InputError(undefined, `it cannot be read (${code})`, "name a file that can be read", undefined, {
    cause: error,
  });
}
