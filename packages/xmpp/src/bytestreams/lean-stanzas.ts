import { decodeBase64 } from "../base/base64.node.js";
import type { OutBlock } from "./in-band-bytestreams.js";

/** Longest id of a lean stanza, in characters. 1,024: every tested server passed it on, and it bounds one attribute. */
export const MAX_LEAN_CHARS = 1_024;
/** Largest block in a lean stanza, in bytes: the tag, three characters of header and 1,020 of base64. */
export const MAX_LEAN_BYTES = 765;
/** The id of the first probe, in characters: the tag, the mark and each character of the alphabet. */
export const SHORT_PROBE_CHARS = 66;
/** Number of tags. A tag is one character. */
export const TAG_COUNT = 64;
/**
 * Most stanzas of one direction that are sent and not known to have arrived while lean stanzas are sent. The bound is
 * 2,047, because a lean stanza has the low 12 bits of its number. So a receiver can distinguish a number up to 2,047
 * ahead from one up to 2,048 behind.
 */
export const MAX_OUTSTANDING = 2_047;

/** RFC 4648 §4. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CHARS = [...ALPHABET];
/** The two characters of each 12-bit number. */
const PAIRS = CHARS.flatMap((first) => CHARS.map((second) => first + second));
/** End of a stanza after the last character of its id. */
const END = "'/>";
const ENDS = CHARS.map((char) => char + END);
/** Value of each character, by its code. 255: the character is not in the alphabet. */
const VALUES = new Uint8Array(128).fill(255);
for (const [value, char] of CHARS.entries()) VALUES[char.charCodeAt(0)] = value;

/** Label that means whole frames, by the length of the block modulo 3. */
const FRAMES_LABEL = [63, 15, 255] as const;
/** Characters of the header, by the length of the block modulo 3. */
const HEADER_CHARS = [3, 2, 3] as const;
/** Length of the block modulo 3, by the length of the id modulo 4. -1: no id of a lean stanza has that length. */
const REST_BY_LENGTH = [0, 1, -1, 2] as const;
/** Follows the tag in a probe. Not in the alphabet, so that no other id has it. */
const PROBE_MARK = ".";

type Rest = 0 | 1 | 2;

/** A block that is prepared once for all its receivers. Only its last character differs between them. */
export interface LeanBody {
  /** Length of the block, in bytes. */
  readonly bytes: number;
  /** Base64 of the block without `=`, and without the last character when that one has spare bits. */
  readonly head: string;
  /** Value of that last character; 0 when there is none. */
  readonly last: number;
}

/** Makes a body of canonical base64, with or without `=`. Returns undefined when it is too long for a lean stanza. */
export function leanBody(base64: string): LeanBody | undefined {
  let end = base64.length;
  while (end > 0 && base64.charCodeAt(end - 1) === 61 /* = */) end--;
  return bodyOf(base64, end, 0);
}

/** Makes a body of a block of whole frames: base64 in groups of four, of which the last `pad` bytes are padding. */
export function leanFrames(base64: string, pad: number): LeanBody | undefined {
  return bodyOf(base64, base64.length, pad);
}

/** Makes a body of the first `end` characters, without the last `pad` bytes in them. */
function bodyOf(base64: string, end: number, pad: number): LeanBody | undefined {
  const kept = end - pad;
  const bytes = (kept * 3) >> 2;
  if (bytes > MAX_LEAN_BYTES) return undefined;
  const rest = bytes % 3;
  if (rest === 0) return { bytes, head: base64.slice(0, kept), last: 0 };
  const value = VALUES[base64.charCodeAt(kept - 1)] as number;
  return { bytes, head: base64.slice(0, kept - 1), last: value & (rest === 1 ? 0x30 : 0x3c) };
}

/** Whether a body may have this label. One label of each length means whole frames. */
export function fitsLabel({ bytes }: LeanBody, label: number): boolean {
  return label < FRAMES_LABEL[(bytes % 3) as Rest];
}

/** The label of a block of whole frames. */
export function framesLabel({ bytes }: LeanBody): number {
  return FRAMES_LABEL[(bytes % 3) as Rest];
}

/** Length of the id, in characters. */
export function leanChars({ bytes }: LeanBody): number {
  return 1 + HEADER_CHARS[(bytes % 3) as Rest] + Math.ceil((bytes * 4) / 3);
}

/** The rest of a lean stanza after its tag. `label` must fit. Only the low 12 bits of `seq` are used. */
export function leanEnd({ bytes, head, last }: LeanBody, label: number, seq: number): string {
  switch ((bytes % 3) as Rest) {
    case 0:
      return `${CHARS[label]}${PAIRS[seq & 0xfff]}${head}${END}`;
    case 1:
      return `${PAIRS[(label << 8) | ((seq >> 4) & 0xff)]}${head}${ENDS[last | (seq & 0xf)]}`;
    case 2:
      return `${CHARS[label >> 2]}${PAIRS[((label & 3) << 10) | ((seq >> 2) & 0x3ff)]}${head}${ENDS[last | (seq & 3)]}`;
  }
}

/** The character of a tag. */
export function tagChar(tag: number): string {
  return CHARS[tag] as string;
}

/** The tag of an id; undefined when its first character is no tag. */
export function tagOf(id: string): number | undefined {
  const value = VALUES[id.charCodeAt(0)];
  return value === 255 ? undefined : value;
}

/** Whether a text has only characters of the alphabet, and is not longer than the id of a lean stanza may be. */
export function isLeanText(id: string): boolean {
  return id.length <= MAX_LEAN_CHARS && /^[A-Za-z0-9+/]+$/.test(id);
}

/** The header in the id of a lean stanza, which is read before the block. */
export interface LeanHeader {
  /** The low 12 bits of the number. */
  readonly seq: number;
  /** Undefined: whole frames. */
  readonly label: number | undefined;
}

/** Reads the header of an id. Returns undefined when the id is not of a lean stanza. */
export function readLeanHeader(id: string): LeanHeader | undefined {
  const { length } = id;
  const rest = REST_BY_LENGTH[length & 3] as Rest | -1;
  if (rest === -1 || length > MAX_LEAN_CHARS || length < 1 + HEADER_CHARS[rest] + (rest === 0 ? 0 : rest + 1))
    return undefined;
  let bits = 0;
  for (let at = 1; at <= HEADER_CHARS[rest]; at++) {
    const value = valueAt(id, at);
    if (value === 255) return undefined;
    bits = (bits << 6) | value;
  }
  const last = valueAt(id, length - 1);
  if (last === 255) return undefined;
  switch (rest) {
    case 0:
      return headerOf(bits >> 12, bits & 0xfff, rest);
    case 1:
      return headerOf(bits >> 8, ((bits & 0xff) << 4) | (last & 0xf), rest);
    case 2:
      return headerOf(bits >> 10, ((bits & 0x3ff) << 2) | (last & 3), rest);
  }
}

function headerOf(label: number, seq: number, rest: Rest): LeanHeader {
  return { seq, label: label === FRAMES_LABEL[rest] ? undefined : label };
}

/** The block of an id whose header was read; undefined when a character is not in the alphabet. */
export function readLeanBlock(id: string): Uint8Array | undefined {
  const { length } = id;
  const rest = REST_BY_LENGTH[length & 3] as Rest;
  if (rest === 0) return decodeBase64(id.slice(1 + HEADER_CHARS[0]));
  const last = valueAt(id, length - 1) & (rest === 1 ? 0x30 : 0x3c);
  const whole = id.slice(1 + HEADER_CHARS[rest], -1) + tagChar(last);
  return decodeBase64(whole + (rest === 1 ? "==" : "="));
}

function valueAt(id: string, at: number): number {
  return VALUES[id.charCodeAt(at)] ?? 255;
}

/** The id of a probe: the tag, a mark, and the alphabet again and again. */
export function formatProbe(tag: number, chars: number): string {
  return tagChar(tag) + PROBE_MARK + ALPHABET.repeat(Math.ceil(chars / ALPHABET.length)).slice(0, chars - 2);
}

/** Whether an id is of a probe, even when the rest of the id has changed. */
export function isProbe(id: string): boolean {
  return id.charAt(1) === PROBE_MARK && tagOf(id) !== undefined;
}

/**
 * Length of a probe that arrived unchanged, in characters. Undefined when the probe has changed, or has a length that
 * no probe has.
 */
export function readProbe(id: string): number | undefined {
  const { length } = id;
  if (length !== SHORT_PROBE_CHARS && length !== MAX_LEAN_CHARS) return undefined;
  return id === formatProbe(tagOf(id) ?? 0, length) ? length : undefined;
}

/**
 * The id of one block, as a stream with this tag and number sends it; undefined when a lean stanza is too short for it.
 */
export function formatLeanId(
  { base64, pad, body, label }: OutBlock,
  tag: number,
  seq: number,
): string | undefined {
  const isShort = body !== undefined && fitsLabel(body, label);
  const lean = isShort ? body : leanFrames(base64, pad);
  if (lean === undefined) return undefined;
  const end = leanEnd(lean, isShort ? label : framesLabel(lean), seq);
  return tagChar(tag) + end.slice(0, -END.length);
}

/** The content of an id; undefined when the id is not of a lean stanza. */
export function readLeanId(id: string): (LeanHeader & { readonly block: Uint8Array }) | undefined {
  const header = readLeanHeader(id);
  const block = header && readLeanBlock(id);
  return block && { ...header, block };
}
