import { malformed } from "./msgpack.js";

/** Every runtime has it (WHATWG Encoding); declared here because `wire` compiles without any runtime's types. */
declare class TextDecoder {
  constructor(label: "utf-8", options: { readonly fatal: boolean; readonly ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}

// ignoreBOM: without it a leading U+FEFF would silently vanish from the text.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Up to this many bytes, building a string byte by byte is quicker than a call of the decoder. */
const SHORT_BYTES = 24;

/** First byte of each surrogate, and the least second byte of a high surrogate and of a low one, which ends a pair. */
const SURROGATE_LEAD = 0xed;
const SECOND_OF_HIGH = 0xa0;
const SECOND_OF_LOW = 0xb0;

/**
 * Returns the number of bytes of `text` as WTF-8 (S. Sapin, "The WTF-8 encoding"). WTF-8 is UTF-8 (RFC 3629) that also
 * allows a lone surrogate, because a JavaScript string may contain one. A lone surrogate takes three bytes, like any
 * other character of its size.
 */
export function wtf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    length += unit < 0x800 ? 1 : 2;
    // Two units become four bytes.
    if (isPair(unit, text.charCodeAt(i + 1))) i++;
  }
  return length;
}

function isPair(high: number, low: number): boolean {
  return high >= 0xd800 && high <= 0xdbff && low >= 0xdc00 && low <= 0xdfff;
}

/** Writes `text` at `at`, where there is room for its `wtf8Length`; returns the end. */
export function writeWtf8(text: string, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) {
    let point = text.charCodeAt(i);
    if (point < 0x80) {
      bytes[at++] = point;
      continue;
    }
    if (point < 0x800) bytes[at++] = 0xc0 | (point >> 6);
    else {
      const next = text.charCodeAt(i + 1);
      if (isPair(point, next)) {
        point = 0x10000 + ((point & 0x3ff) << 10) + (next & 0x3ff);
        i++;
        bytes[at++] = 0xf0 | (point >> 18);
        bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
      } else bytes[at++] = 0xe0 | (point >> 12);
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
    }
    bytes[at++] = 0x80 | (point & 0x3f);
  }
  return at;
}

/**
 * Whether `start`..`end` is well-formed UTF-8 (RFC 3629 §4: no overlong forms, no surrogates, nothing past U+10FFFF).
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  return endOfUtf8(bytes, start, end) === end;
}

/** Whether `start`..`end` is well-formed WTF-8: a pair of surrogates is one character, and never stands as two. */
export function isWtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let afterHigh = -1;
  for (let at = start; ;) {
    at = endOfUtf8(bytes, at, end);
    if (at === end) return true;
    if (!isSurrogate(bytes, at, end)) return false;
    const isLow = (bytes[at + 1] as number) >= SECOND_OF_LOW;
    if (isLow && at === afterHigh) return false;
    at += 3;
    afterHigh = isLow ? -1 : at;
  }
}

function isSurrogate(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 3 > end || bytes[at] !== SURROGATE_LEAD) return false;
  const second = bytes[at + 1] as number;
  return second >= SECOND_OF_HIGH && second <= 0xbf && ((bytes[at + 2] as number) & 0xc0) === 0x80;
}

/** Returns where well-formed UTF-8 ends: `end`, or the first character that is not well-formed. */
function endOfUtf8(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const lead = bytes[at] as number;
    if (lead < 0x80) {
      at++;
      continue;
    }
    if (lead < 0xc2 || lead > 0xf4) return at;
    const next = at + (lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
    if (next > end) return at;
    const second = bytes[at + 1] as number;
    if (lead === 0xe0 && second < 0xa0) return at;
    if (lead === SURROGATE_LEAD && second >= SECOND_OF_HIGH) return at;
    if (lead === 0xf0 && second < 0x90) return at;
    if (lead === 0xf4 && second > 0x8f) return at;
    for (let i = at + 1; i < next; i++) if (((bytes[i] as number) & 0xc0) !== 0x80) return at;
    at = next;
  }
  return end;
}

/** The text of `start`..`end`. Throws `malformed` when it is not well-formed WTF-8. */
export function readWtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT_BYTES) {
    let text = "";
    let at = start;
    while (at < end) {
      const byte = bytes[at] as number;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
      at++;
    }
    if (at === end) return text;
  }
  try {
    return decoder.decode(bytes.subarray(start, end));
  } catch {
    // Not UTF-8: it has lone surrogates, or is no text.
  }
  if (!isWtf8(bytes, start, end)) throw malformed("text is not WTF-8");
  let text = "";
  for (let at = start; at < end;) {
    const valid = endOfUtf8(bytes, at, end);
    text += decoder.decode(bytes.subarray(at, valid));
    if (valid === end) break;
    const low = (((bytes[valid + 1] as number) & 0x3f) << 6) | ((bytes[valid + 2] as number) & 0x3f);
    text += String.fromCharCode(0xd000 | low);
    at = valid + 3;
  }
  return text;
}
