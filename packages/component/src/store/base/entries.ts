import { wallAheadMs } from "@stanzapack/xmpp";
import type { NewRows } from "../store.js";

/** An update in a journal. Times are in ms since 1970. */
export interface JournalRow {
  /** Less than `offset` if the publisher left out the positions between. */
  readonly from: number;
  readonly offset: number;
  readonly at: number;
  /** When the update arrived at the component. Never less than the `cameAt` of the update before. */
  readonly cameAt: number;
  readonly row: Uint8Array;
}

/** Consecutive updates of a journal that are stored as one value. */
export interface JournalEntry {
  /** The last offset in the journal before this entry. Offsets in between were never given, or are lost. */
  readonly before: number;
  readonly rows: readonly JournalRow[];
}

/** Most bytes of an entry's rows, if it has several. 16,384: to read one row, a reader decodes the whole entry. */
const MAX_ENTRY_BYTES = 16_384;
const MAX_ENTRY_ROWS = 256;
/** Bytes on the disk that a row costs beside its own: its share of keys, numbers and half-empty pages. */
const ROW_BYTES = 40;

/** Returns the bytes of a row, as they count for the bounds of journals. */
export function weigh(row: Uint8Array): number {
  return ROW_BYTES + row.length;
}

/** Returns new rows as a journal keeps them. `earliest`: when the update before them arrived. */
export function toRows({ from, to, rows, ats, cameAt }: NewRows, earliest: number): JournalRow[] {
  const ahead = wallAheadMs();
  const firstRow = to - rows.length + 1;
  const arrived = Math.max(Math.round(cameAt), earliest);
  return rows.map((row, i) => {
    const offset = firstRow + i;
    return { from: i === 0 ? from : offset, offset, at: (ats[i] as number) + ahead, cameAt: arrived, row };
  });
}

/** Splits rows into entries. `before`: last offset in the journal before them. */
export function intoEntries(rows: readonly JournalRow[], before: number): JournalEntry[] {
  const entries: JournalEntry[] = [];
  let [start, bytes, last] = [0, 0, before];
  const end = (i: number): void => {
    if (i === start) return;
    entries.push({ before: last, rows: rows.slice(start, i) });
    last = (rows[i - 1] as JournalRow).offset;
    [start, bytes] = [i, 0];
  };
  for (const [i, { row }] of rows.entries()) {
    if (bytes + row.length > MAX_ENTRY_BYTES || i - start >= MAX_ENTRY_ROWS) end(i);
    bytes += row.length;
  }
  end(rows.length);
  return entries;
}

/** Most bytes of one number: 53 bits, 7 bits a byte. */
const MAX_NUMBER_BYTES = 8;
/** Numbers of each row: `from`, `offset`, `at`, `cameAt`, length. */
const NUMBERS = 5;

/**
 * Layout: numbers of 7 bits a byte, the lowest bits first: `before`, count of rows; for each row `from` − the offset
 * before, `offset` − `from`, `at` − the `at` before, `cameAt` − the `cameAt` before, length of the row. Then the rows.
 * `at` − the `at` before may be negative: a difference n ≥ 0 is written as 2n, and n < 0 as −2n − 1. The first row's
 * times are differences to 0.
 */
export function encodeEntry({ before, rows }: JournalEntry): Uint8Array {
  const size = rows.reduce((sum, { row }) => sum + row.length, 0);
  const bytes = Buffer.allocUnsafe(2 * MAX_NUMBER_BYTES + rows.length * NUMBERS * MAX_NUMBER_BYTES + size);
  let at = 0;
  const put = (number: number): void => {
    let rest = number;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) + 128;
    bytes[at++] = rest;
  };
  put(before);
  put(rows.length);
  let previous = { offset: before, at: 0, cameAt: 0 };
  for (const row of rows) {
    put(row.from - previous.offset);
    put(row.offset - row.from);
    put(zigzag(Math.round(row.at) - previous.at));
    put(row.cameAt - previous.cameAt);
    put(row.row.length);
    previous = { offset: row.offset, at: Math.round(row.at), cameAt: row.cameAt };
  }
  for (const { row } of rows) {
    bytes.set(row, at);
    at += row.length;
  }
  return bytes.subarray(0, at);
}

/** Decodes the bytes of `encodeEntry`. The rows are views of the bytes. */
export function decodeEntry(bytes: Uint8Array): JournalEntry {
  let at = 0;
  const take = (): number => {
    let [number, factor] = [0, 1];
    for (;;) {
      const byte = bytes[at++] as number;
      number += (byte & 127) * factor;
      if (!(byte >= 128)) return number;
      factor *= 128;
    }
  };
  const before = take();
  const heads = Array.from({ length: take() }, () => [take(), take(), take(), take(), take()] as const);
  let previous = { offset: before, at: 0, cameAt: 0 };
  const rows = heads.map(([skipped, leftOut, atStep, cameStep, length]) => {
    const from = previous.offset + skipped;
    previous = {
      offset: from + leftOut,
      at: previous.at + unzigzag(atStep),
      cameAt: previous.cameAt + cameStep,
    };
    const row = bytes.subarray(at, at + length);
    at += length;
    return { from, ...previous, row };
  });
  return { before, rows };
}

function zigzag(number: number): number {
  return number < 0 ? -2 * number - 1 : 2 * number;
}

function unzigzag(number: number): number {
  return number % 2 === 1 ? -(number + 1) / 2 : number / 2;
}
