import type { OutboxEntry } from "./outbox-store.js";

/** Checksum and time before the row of an update, in bytes. */
const ENTRY_HEAD_BYTES = 12;
const HEAD_BYTES = 20;

/** State of an outbox, apart from its updates. */
export interface Head {
  readonly incarnation: number;
  /** Sequence of the last update that was removed, 0 at first. */
  readonly before: number;
}

/** Layout: CRC-32 of the bytes behind it, the time as a double, the row. Numbers are big-endian. */
export function encodeEntry({ row, at }: OutboxEntry): Uint8Array {
  const bytes = new Uint8Array(ENTRY_HEAD_BYTES + row.length);
  new DataView(bytes.buffer).setFloat64(4, at);
  bytes.set(row, ENTRY_HEAD_BYTES);
  return seal(bytes);
}

/** Returns undefined if the bytes are damaged. */
export function decodeEntry(bytes: Uint8Array): OutboxEntry | undefined {
  if (bytes.length <= ENTRY_HEAD_BYTES || !isWhole(bytes)) return undefined;
  return { at: viewOf(bytes).getFloat64(4), row: new Uint8Array(bytes.subarray(ENTRY_HEAD_BYTES)) };
}

/** Layout: CRC-32 of the bytes behind it, incarnation and `before` as doubles. Numbers are big-endian. */
export function encodeHead({ incarnation, before }: Head): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES);
  const view = viewOf(bytes);
  view.setFloat64(4, incarnation);
  view.setFloat64(12, before);
  return seal(bytes);
}

/** Returns undefined if the bytes are damaged. */
export function decodeHead(bytes: Uint8Array): Head | undefined {
  if (bytes.length !== HEAD_BYTES || !isWhole(bytes)) return undefined;
  const view = viewOf(bytes);
  const head = { incarnation: view.getFloat64(4), before: view.getFloat64(12) };
  return Object.values(head).every(Number.isSafeInteger) ? head : undefined;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** Writes the checksum of the bytes behind it into the first four bytes. */
export function seal(bytes: Uint8Array): Uint8Array {
  viewOf(bytes).setUint32(0, crc32(bytes.subarray(4)));
  return bytes;
}

/** Whether the first four bytes are the checksum of those behind them. */
export function isWhole(bytes: Uint8Array): boolean {
  return viewOf(bytes).getUint32(0) === crc32(bytes.subarray(4));
}

/** Table of CRC-32 (ISO 3309). The database checks its log, but not the tables that it reads. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}
