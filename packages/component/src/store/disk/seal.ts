import { crc32 } from "node:zlib";

/** Checksum and commit number in front of each value, in bytes. */
const SEAL_BYTES = 10;

/** A value with its commit. */
export interface Unsealed {
  /** Number of the commit that wrote the value. Of two values of one key, the later has the greater number. */
  readonly commit: number;
  /** A view of the sealed bytes. */
  readonly value: Uint8Array;
}

/**
 * Returns a value with its checksum, because LMDB has none. Layout: CRC-32 of the key and of all bytes that follow, the
 * number of the commit in 6 bytes, the value. Numbers are big-endian. The checksum covers the key, so that a value at a
 * wrong key is found. The commit shows which of several copies in a damaged file is the newest.
 */
export function seal(key: Uint8Array, value: Uint8Array, commit: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(SEAL_BYTES + value.length);
  bytes.writeUIntBE(commit, 4, 6);
  bytes.set(value, SEAL_BYTES);
  bytes.writeUInt32BE(crc32(bytes.subarray(4), crc32(key)));
  return bytes;
}

/** Returns the value of sealed bytes. Undefined: the bytes are damaged. */
export function unseal(key: Uint8Array, bytes: Uint8Array): Unsealed | undefined {
  if (bytes.length < SEAL_BYTES) return undefined;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.readUInt32BE() !== crc32(buffer.subarray(4), crc32(key))) return undefined;
  return { commit: buffer.readUIntBE(4, 6), value: bytes.subarray(SEAL_BYTES) };
}
