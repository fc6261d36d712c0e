import type { Hunk } from "./alignment.js";

/** Approximate cost of a hunk, in units of new text. */
const HUNK_UNITS = 4;
/** A patch may cost at most one eighth of the text. Otherwise the text model, which finds more, does better. */
const LEAST_GAIN = 8;
/** Fewer equal units between two changes count as changed too. */
const LEAST_BETWEEN = 4;
/** A change of at most this many units is not searched for equal parts. */
const SMALL_UNITS = 48;
/** Length of the blocks of the old text that are searched in the new one. */
const BLOCK_UNITS = 16;

/**
 * Number of hashes. `hasHash` says which of them blocks have. So most parts that are no block are found without making
 * a string of them.
 */
const HASHES = 1 << 10;
const hasHash = new Uint8Array(HASHES);

/** Texts, or bytes, by their units. */
export type Units = string | Uint8Array;

/**
 * Returns which parts of `next` replace which parts of `old`. Returns undefined if so much changed that the text is
 * better coded as a whole.
 */
export function findEdits(old: Units, next: Units): Hunk[] | undefined {
  const before = textOf(old);
  const after = textOf(next);
  const most = Math.floor(after.length / LEAST_GAIN);
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  let end = 0;
  while (
    end < shorter - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  )
    end++;
  const removed = before.length - start - end;
  const inserted = after.length - start - end;
  if (removed === 0 && inserted === 0) return [];
  const whole = [{ at: start, removed, inserted }];
  if (removed === 0 || inserted === 0 || removed + inserted <= SMALL_UNITS)
    return inserted + HUNK_UNITS <= most ? whole : undefined;
  const places =
    removed === inserted ? comparePlaces(before, after, start, start + removed, most) : undefined;
  if (places !== undefined) return places;
  return findBlocks(before, after, start, end, most) ?? (inserted + HUNK_UNITS <= most ? whole : undefined);
}

/** Returns bytes as a text with one character for each byte. */
function textOf(units: Units): string {
  if (typeof units === "string") return units;
  let text = "";
  for (let i = 0; i < units.length; i++) text += String.fromCharCode(units[i] as number);
  return text;
}

/** Returns where two texts of equal length differ, or undefined if the cost is over `most`. */
function comparePlaces(
  before: string,
  after: string,
  start: number,
  end: number,
  most: number,
): Hunk[] | undefined {
  const hunks: Hunk[] = [];
  let cost = 0;
  for (let i = start; i < end; i++) {
    if (before.charCodeAt(i) === after.charCodeAt(i)) continue;
    const at = i;
    for (let same = 0; i < end && same < LEAST_BETWEEN; i++)
      same = before.charCodeAt(i) === after.charCodeAt(i) ? same + 1 : 0;
    let length = i - at;
    while (before.charCodeAt(at + length - 1) === after.charCodeAt(at + length - 1)) length--;
    hunks.push({ at, removed: length, inserted: length });
    cost += length + HUNK_UNITS;
    if (cost > most) return undefined;
    i--;
  }
  return hunks;
}

/**
 * Returns the parts between blocks of the old text that the new text has in the same order. Returns undefined if the
 * cost is over `most`.
 */
function findBlocks(
  before: string,
  after: string,
  start: number,
  end: number,
  most: number,
): Hunk[] | undefined {
  const beforeEnd = before.length - end;
  const afterEnd = after.length - end;
  const blocks = new Map<string, number>();
  hasHash.fill(0);
  for (let at = start; at + BLOCK_UNITS <= beforeEnd; at += BLOCK_UNITS) {
    const block = before.slice(at, at + BLOCK_UNITS);
    if (blocks.has(block)) continue;
    blocks.set(block, at);
    hasHash[hashOfBlock(before, at)] = 1;
  }
  const hunks: Hunk[] = [];
  let cost = 0;
  let [from, to] = [start, start];
  for (let i = start; i + BLOCK_UNITS <= afterEnd;) {
    const mayBeOne = hasHash[hashOfBlock(after, i)] === 1;
    const found = mayBeOne ? (blocks.get(after.slice(i, i + BLOCK_UNITS)) ?? -1) : -1;
    if (found < from) {
      i++;
      if (cost + i - to > most) return undefined;
      continue;
    }
    let [x, y] = [found, i];
    while (x > from && y > to && before.charCodeAt(x - 1) === after.charCodeAt(y - 1)) {
      x--;
      y--;
    }
    cost += add(hunks, { at: from, removed: x - from, inserted: y - to });
    [x, y] = [found + BLOCK_UNITS, i + BLOCK_UNITS];
    while (x < beforeEnd && y < afterEnd && before.charCodeAt(x) === after.charCodeAt(y)) {
      x++;
      y++;
    }
    [from, to, i] = [x, y, y];
  }
  cost += add(hunks, { at: from, removed: beforeEnd - from, inserted: afterEnd - to });
  return cost <= most ? hunks : undefined;
}

/** Hash of a block, by four of its units. */
function hashOfBlock(text: string, at: number): number {
  let hash = 0;
  for (let i = 0; i < BLOCK_UNITS; i += 5) hash = Math.imul(hash, 31) + text.charCodeAt(at + i);
  return hash & (HASHES - 1);
}

/** Adds a hunk that is not empty, and returns its cost. */
function add(hunks: Hunk[], hunk: Hunk): number {
  if (hunk.removed === 0 && hunk.inserted === 0) return 0;
  hunks.push(hunk);
  return hunk.inserted + HUNK_UNITS;
}
