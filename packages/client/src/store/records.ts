import type { OutboxEntry } from "./outbox-store.js";

/** Check and time in front of an update. */
const ENTRY_HEAD_BYTES = 12;
const HEAD_BYTES = 20;

/** How an outbox stands. */
export interface Head {
  readonly incarnation: number;
  /** Sequence of the last update that is no more there. */
  readonly before: number;
}

/** CRC-32 of what follows it, the time as a double, the row; numbers big-endian. */
export function encodeEntry({ row, at }: OutboxEntry): Uint8Array {
  const bytes = new Uint8Array(ENTRY_HEAD_BYTES + row.length);
  new DataView(bytes.buffer).setFloat64(4, at);
  bytes.set(row, ENTRY_HEAD_BYTES);
  return seal(bytes);
}

/** Undefined: it is damaged. */
export function decodeEntry(bytes: Uint8Array): OutboxEntry | undefined {
  if (bytes.length <= ENTRY_HEAD_BYTES || !isWhole(bytes)) return undefined;
  return { at: viewOf(bytes).getFloat64(4), row: new Uint8Array(bytes.subarray(ENTRY_HEAD_BYTES)) };
}

/** CRC-32 of what follows it, incarnation and `before` as doubles. */
export function encodeHead({ incarnation, before }: Head): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES);
  const view = viewOf(bytes);
  view.setFloat64(4, incarnation);
  view.setFloat64(12, before);
  return seal(bytes);
}

/** Undefined: it is damaged. */
export function decodeHead(bytes: Uint8Array): Head | undefined {
  if (bytes.length !== HEAD_BYTES || !isWhole(bytes)) return undefined;
  const view = viewOf(bytes);
  const head = { incarnation: view.getFloat64(4), before: view.getFloat64(12) };
  return Object.values(head).every(Number.isSafeInteger) ? head : undefined;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function seal(bytes: Uint8Array): Uint8Array {
  viewOf(bytes).setUint32(0, crc32(bytes.subarray(4)));
  return bytes;
}

function isWhole(bytes: Uint8Array): boolean {
  return viewOf(bytes).getUint32(0) === crc32(bytes.subarray(4));
}

/** ISO 3309; the database checks what it logs, not what it reads from its tables. */
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
