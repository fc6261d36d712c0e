import { isUtf8 } from "node:buffer";
import { checkBeginning, HAS_NUL, NOT_UTF8, type Fault } from "./encoding.js";

/** Longest line, in bytes. A value has at most 48 KiB of msgpack, and escapes and spaces of JSON may make it longer. */
export const MAX_LINE_BYTES = 1_048_576;

const TOO_LONG: Fault = {
  what: `it is longer than ${MAX_LINE_BYTES} bytes`,
  mend: "write one value a line; `jq -c '.[]'` makes lines of an array",
};

/** The text of a line, or its fault. Numbers begin at 1. */
export type Line =
  | { readonly number: number; readonly text: string; readonly fault?: undefined }
  | { readonly number: number; readonly text?: undefined; readonly fault: Fault };

/**
 * Lines of UTF-8 bytes, without their LF or CRLF. Only LF and CRLF end a line. A byte order mark before the first line
 * is left out. A line with a fault is yielded once, without its text. The reader keeps at most `MAX_LINE_BYTES`. Throws
 * `InputError` if the whole input has another encoding or is packed, and throws the errors of `chunks`.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  let number = 1;
  const take = (): Line => {
    const bytes = pieces.length === 1 ? asBuffer(pieces[0] as Uint8Array) : Buffer.concat(pieces);
    return readLine(bytes, number);
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, start);
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end);
      if (size <= MAX_LINE_BYTES) {
        size += piece.length;
        pieces.push(piece);
        if (size > MAX_LINE_BYTES) {
          if (number === 1) checkBeginning(Buffer.concat(pieces).subarray(0, 8));
          pieces = [];
          yield { number, fault: TOO_LONG };
        }
      }
      if (end === -1) break;
      if (size <= MAX_LINE_BYTES) yield take();
      pieces = [];
      size = 0;
      number++;
      start = end + 1;
    }
  }
  if (size > 0 && size <= MAX_LINE_BYTES) yield take();
}

function readLine(bytes: Buffer, number: number): Line {
  if (number === 1) checkBeginning(bytes);
  const fault = faultOf(bytes);
  if (fault !== undefined) return { number, fault };
  const text = bytes.toString("utf8", 0, bytes.at(-1) === 0x0d ? bytes.length - 1 : bytes.length);
  return { number, text: number === 1 && text.startsWith("\ufeff") ? text.slice(1) : text };
}

/** The fault of bytes that are not text, or undefined. */
export function faultOf(bytes: Uint8Array): Fault | undefined {
  if (bytes.includes(0)) return HAS_NUL;
  return isUtf8(bytes) ? undefined : NOT_UTF8;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether a line has only JSON's whitespace (RFC 8259 §2). A line of other spaces is a text. */
export function isBlank(text: string): boolean {
  return /^[ \t\r]*$/.test(text);
}
