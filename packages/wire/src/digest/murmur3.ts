const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

/** The first two of the four words of a hash, each as an integer of 32 bits with a sign. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

function finish(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Four bytes in little-endian order. Bytes beyond `end` count as 0. */
function word(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = Math.min(end, at + 4) - 1; i >= at; i--) value = (value << 8) | (bytes[i] as number);
  return value;
}

/**
 * MurmurHash3_x86_128 of a part of `bytes`: its words h1 (`high`) and h2 (`low`). It is fast with integers of 32 bits,
 * and each bit of its input changes half of the bits. It does not resist people who look for collisions.
 *
 * Source: Austin Appleby, https://github.com/aappleby/smhasher, MurmurHash3.cpp.
 */
export function murmur3(bytes: Uint8Array, start = 0, end = bytes.length, seed = 0): Hash64 {
  let [h1, h2, h3, h4] = [seed | 0, seed | 0, seed | 0, seed | 0];
  const length = end - start;
  const tail = start + (length & ~15);
  let at = start;
  for (; at < tail; at += 16) {
    h1 ^= Math.imul(rotate(Math.imul(word(bytes, at, end), C1), 15), C2);
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotate(Math.imul(word(bytes, at + 4, end), C2), 16), C3);
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotate(Math.imul(word(bytes, at + 8, end), C3), 17), C4);
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotate(Math.imul(word(bytes, at + 12, end), C4), 18), C1);
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  // A word without bytes is 0, and changes nothing.
  h4 ^= Math.imul(rotate(Math.imul(word(bytes, at + 12, end), C4), 18), C1);
  h3 ^= Math.imul(rotate(Math.imul(word(bytes, at + 8, end), C3), 17), C4);
  h2 ^= Math.imul(rotate(Math.imul(word(bytes, at + 4, end), C2), 16), C3);
  h1 ^= Math.imul(rotate(Math.imul(word(bytes, at, end), C1), 15), C2);
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  [h1, h2, h3, h4] = [finish(h1), finish(h2), finish(h3), finish(h4)];
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  return { high: h1, low: h2 };
}
