import type { Random } from "../base/random.js";

// Makes and reads lean stanzas as docs/reference/protocol.md describes them, without the code under test.

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/**
 * Three tables by the block's length modulo 3: bits of the number in the last character, bits of the label, characters
 * of the header.
 */
const SPARE_BITS = [0, 4, 2] as const;
const LABEL_BITS = [6, 4, 8] as const;
const HEADER_CHARS = [3, 2, 3] as const;

export const PROBE_CHARS = 66;
/** Largest block that a lean stanza can hold, in bytes. */
const MAX_BYTES = 765;

type Rest = 0 | 1 | 2;

/**
 * Id of a lean stanza. Without `label` the block is whole frames. Undefined: the block is too large for any lean
 * stanza.
 */
export function leanId(
  tag: number,
  label: number | undefined,
  seq: number,
  block: Uint8Array,
): string | undefined {
  if (block.length > MAX_BYTES) return undefined;
  const rest = (block.length % 3) as Rest;
  const [spare, labels] = [SPARE_BITS[rest], 2 ** LABEL_BITS[rest]];
  const number = seq % 4_096;
  const bits = Math.min(label ?? labels, labels - 1) * 2 ** (12 - spare) + (number >> spare);
  const header = Array.from(
    { length: HEADER_CHARS[rest] },
    (_, i) => ALPHABET[(bits >> (6 * (HEADER_CHARS[rest] - 1 - i))) & 63],
  );
  const base64 = Buffer.from(block).toString("base64").replaceAll("=", "");
  const start = `${ALPHABET[tag]}${header.join("")}`;
  if (spare === 0) return start + base64;
  const last = ALPHABET.indexOf(base64.slice(-1)) | (number & (2 ** spare - 1));
  return `${start}${base64.slice(0, -1)}${ALPHABET[last]}`;
}

/** The frames of a correct id. Undefined: the id holds one body alone, or is a probe. */
export function framesOf(id: string): Uint8Array | undefined {
  if (id[1] === ".") return undefined;
  const rest = ([0, 1, undefined, 2] as const)[id.length % 4];
  if (rest === undefined) return undefined;
  const header = id.slice(1, 1 + HEADER_CHARS[rest]);
  let bits = 0;
  for (const char of header) bits = bits * 64 + ALPHABET.indexOf(char);
  if (bits >> (12 - SPARE_BITS[rest]) !== 2 ** LABEL_BITS[rest] - 1) return undefined;
  return Buffer.from(id.slice(1 + HEADER_CHARS[rest]), "base64");
}

export function probeId(tag: number): string {
  return `${ALPHABET[tag]}.${ALPHABET}`;
}

/** An id that does not belong to this link, or is not the next one. */
export function oddLeanId(random: Random, tag: number, seq: number, block: Uint8Array): string {
  const right = leanId(tag, undefined, seq, block.subarray(0, MAX_BYTES)) as string;
  const at = random.below(right.length);
  return random.pick<() => string>([
    // An id of another link, an id out of turn, or an id with an unknown label.
    () => leanId((tag + 1 + random.below(63)) % 64, undefined, seq, block.subarray(0, 300)) as string,
    () => leanId(tag, undefined, seq + 1 + random.below(9), block.subarray(0, 300)) as string,
    () => leanId(tag, undefined, seq + 2_000 + random.below(200), block.subarray(0, 300)) as string,
    () => leanId(tag, undefined, Math.max(0, seq - 1), block.subarray(0, 300)) as string,
    () => leanId(tag, random.below(300), seq, block.subarray(0, 300)) as string,
    // Cut, damaged, or too long.
    () => right.slice(0, at),
    () => right.slice(0, at) + random.pick(["=", ".", "-", "é", " ", "&", "'"]) + right.slice(at + 1),
    () => right.slice(0, at) + random.pick([...ALPHABET]) + right.slice(at + 1),
    () => right.padEnd(random.pick([1_024, 1_025, 1_026, 1_028, 20_000]), "A"),
    () => ALPHABET[tag] as string,
    () => probeId(tag).slice(0, random.below(PROBE_CHARS + 1)),
    () => `${probeId(tag)}${ALPHABET.repeat(random.pick([0, 14, 15]))}`,
  ])();
}
