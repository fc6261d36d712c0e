import { malformed } from "../msgpack.js";
import { isUtf8, readUtf8, utf8Length, writeUtf8 } from "../utf8.js";

/**
 * UTF-8 that has a lone surrogate as any other character of its size, in three bytes (WTF-8): JavaScript's strings may
 * have them.
 */
export function wtf8Length(text: string): number {
  const length = utf8Length(text);
  if (length >= 0) return length;
  let bytes = 0;
  for (const character of text) bytes += lengthOf(character.codePointAt(0) as number);
  return bytes;
}

function lengthOf(point: number): number {
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

export function writeWtf8(text: string, bytes: Uint8Array, at: number): void {
  if (utf8Length(text) >= 0) {
    writeUtf8(text, bytes, at);
    return;
  }
  for (const character of text) {
    const point = character.codePointAt(0) as number;
    if (point < 0xd800 || point > 0xdfff) {
      at = writeUtf8(character, bytes, at);
      continue;
    }
    bytes[at++] = 0xe0 | (point >> 12);
    bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
    bytes[at++] = 0x80 | (point & 0x3f);
  }
}

/** The text of the first `length` bytes. Throws `malformed`. */
export function readWtf8(bytes: Uint8Array, length: number): string {
  if (isUtf8(bytes, 0, length)) return readUtf8(bytes, 0, length);
  let text = "";
  let start = 0;
  for (let at = 0; at < length; at++) {
    if (bytes[at] !== 0xed || (bytes[at + 1] as number) < 0xa0) continue;
    const [second, third] = [bytes[at + 1] as number, bytes[at + 2] as number];
    if (at + 3 > length || second > 0xbf || (third & 0xc0) !== 0x80)
      throw malformed("coded text is not WTF-8");
    text +=
      readPart(bytes, start, at) + String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f));
    at += 2;
    start = at + 1;
  }
  return text + readPart(bytes, start, length);
}

function readPart(bytes: Uint8Array, start: number, end: number): string {
  if (!isUtf8(bytes, start, end)) throw malformed("coded text is not WTF-8");
  return readUtf8(bytes, start, end);
}
