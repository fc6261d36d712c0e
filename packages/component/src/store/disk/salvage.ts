import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { unseal } from "./seal.js";

// Layout of a page of LMDB's format 2: number in 8 bytes, transaction in 8, padding in 2, flags in 2, bytes of node
// positions in 2, `upper` in 2. Then the positions of nodes, from the end of that header. All are little-endian.
const PAGE_HEAD_BYTES = 24;
const FLAGS_AT = 18;
const LOWER_AT = 20;
const LEAF = 0x02;
const META = 0x08;
/** In a meta page: a number that marks meta pages, and the size of pages. */
const MAGIC_AT = 24;
const MAGIC = 0xbeefc0de;
const PAGE_SIZE_AT = 48;
const DEFAULT_PAGE_BYTES = 4_096;
/** Layout of a node: size of the value in 4 bytes, flags in 2, size of the key in 2, key, value. */
const NODE_HEAD_BYTES = 8;
/** Flag: the value is on pages of its own, and the node has the number of the first. */
const BIG_VALUE = 0x01;
/** Number of pages that one read takes. */
const CHUNK_PAGES = 256;

/** Where the newest whole value of a key lies. */
interface Place {
  readonly commit: number;
  readonly at: number;
  readonly bytes: number;
}

/** The values in a damaged file that are whole. */
export interface Salvage {
  /** Keys in the order of their bytes, each as Latin-1 text. */
  readonly keys: readonly string[];
  /** Returns the value of one of `keys`. */
  valueOf(key: string): Uint8Array;
  close(): void;
}

/**
 * Finds all whole values in the file of a store. It reads each page alone, so that a damaged or missing page hides no
 * other page. If a key has several values, the value of the latest commit counts. A removed key may come back.
 */
export function salvage(file: string): Salvage {
  const fd = openSync(file, "r");
  const { size } = fstatSync(fd);
  const read = (at: number, length: number): Buffer => {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - at)));
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, at));
  };
  const pageBytes = pageSizeOf(read(0, DEFAULT_PAGE_BYTES));
  const places = new Map<string, Place>();
  const take = (key: Buffer, at: number, value: Buffer): void => {
    const commit = unseal(key, value)?.commit;
    if (commit === undefined) return;
    const name = key.toString("latin1");
    if ((places.get(name)?.commit ?? -1) < commit) places.set(name, { commit, at, bytes: value.length });
  };
  for (let start = 0; start < size; start += CHUNK_PAGES * pageBytes) {
    const chunk = read(start, CHUNK_PAGES * pageBytes);
    for (let at = 0; at < chunk.length; at += pageBytes) {
      const page = chunk.subarray(at, at + pageBytes);
      for (const { key, valueAt, bytes, overflow } of nodesOf(page)) {
        const place = overflow === undefined ? start + at + valueAt : overflow * pageBytes + PAGE_HEAD_BYTES;
        take(
          key,
          place,
          overflow === undefined ? page.subarray(valueAt, valueAt + bytes) : read(place, bytes),
        );
      }
    }
  }
  return {
    keys: [...places.keys()].sort(),
    valueOf: (key) => {
      const { at, bytes } = places.get(key) as Place;
      return unseal(Buffer.from(key, "latin1"), read(at, bytes))?.value as Uint8Array;
    },
    close: () => closeSync(fd),
  };
}

function pageSizeOf(meta: Buffer): number {
  if (meta.length < DEFAULT_PAGE_BYTES) return DEFAULT_PAGE_BYTES;
  const isMeta = (meta.readUInt16LE(FLAGS_AT) & META) !== 0 && meta.readUInt32LE(MAGIC_AT) === MAGIC;
  const bytes = isMeta ? meta.readUInt32LE(PAGE_SIZE_AT) : 0;
  return bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0 ? bytes : DEFAULT_PAGE_BYTES;
}

interface Node {
  readonly key: Buffer;
  /** Where the value begins in the page. */
  readonly valueAt: number;
  /** Size of the value. */
  readonly bytes: number;
  /** Number of the page on which the value begins. Undefined: the value is in this page. */
  readonly overflow: number | undefined;
}

/** Returns the nodes of a page, if the page is a leaf. */
function* nodesOf(page: Buffer): Iterable<Node> {
  if (page.length < PAGE_HEAD_BYTES || page.readUInt16LE(FLAGS_AT) !== LEAF) return;
  const count = page.readUInt16LE(LOWER_AT) >> 1;
  for (let i = 0; i < count; i++) {
    const pointer = PAGE_HEAD_BYTES + 2 * i;
    if (pointer + 2 > page.length) return;
    const at = page.readUInt16LE(pointer) + PAGE_HEAD_BYTES;
    const keyAt = at + NODE_HEAD_BYTES;
    if (keyAt > page.length) continue;
    const valueAt = keyAt + page.readUInt16LE(at + 6);
    const isBig = (page.readUInt16LE(at + 4) & BIG_VALUE) !== 0;
    if (valueAt + (isBig ? 8 : 0) > page.length) continue;
    yield {
      ...{ key: page.subarray(keyAt, valueAt), valueAt, bytes: page.readUInt32LE(at) },
      overflow: isBig ? page.readUInt32LE(valueAt) + page.readUInt32LE(valueAt + 4) * 2 ** 32 : undefined,
    };
  }
}
