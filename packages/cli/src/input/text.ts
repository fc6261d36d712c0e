import { isUtf8 } from "node:buffer";
import { checkBeginning, HAS_NUL, NOT_UTF8 } from "./encoding.js";
import { InputError } from "./input-error.js";

/**
 * UTF-8 bytes as text, for formats whose values may span lines. A byte order mark at the beginning is left out. Throws
 * `InputError` with the line if bytes are not UTF-8, if there is a NUL, or if the input has another encoding.
 */
export async function* readText(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let number = 1;
  /** Bytes of a character that ends in the next chunk. */
  let rest = Buffer.alloc(0);
  let begun = false;
  for await (const chunk of chunks) {
    const bytes = Buffer.concat([rest, chunk]);
    // A signature has at most five bytes. A first chunk may be shorter, so wait for more bytes.
    if (!begun && bytes.length < 8) {
      rest = bytes;
      continue;
    }
    if (!begun) checkBeginning(bytes);
    begun = true;
    const whole = bytes.subarray(0, bytes.length - unfinished(bytes));
    rest = bytes.subarray(whole.length);
    check(whole, number);
    number += countLines(whole);
    yield decoder.decode(whole, { stream: true });
  }
  if (!begun) checkBeginning(rest);
  check(rest, number);
  yield decoder.decode(rest);
}

function check(bytes: Buffer, firstNumber: number): void {
  if (isUtf8(bytes) && !bytes.includes(0)) return;
  let number = firstNumber;
  for (let start = 0; start <= bytes.length; number++) {
    const end = bytes.indexOf(0x0a, start);
    const line = bytes.subarray(start, end === -1 ? bytes.length : end);
    if (!isUtf8(line)) throw new InputError(number, NOT_UTF8.what, NOT_UTF8.mend);
    if (line.includes(0)) throw new InputError(number, HAS_NUL.what, HAS_NUL.mend);
    start += line.length + 1;
  }
}

/** Number of bytes at the end that begin a character and do not finish it (RFC 3629 §3). */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) count++;
  return count;
}
