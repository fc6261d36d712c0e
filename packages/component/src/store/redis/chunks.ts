import { monotonicNow } from "@stanzapack/xmpp";
import type { JournalRow } from "../base/entries.js";

/** How long a chunk is kept for the reader that asked for it, in ms. Then the reader has probably gone. */
const KEPT_MS = 2_000;
/** Memory that a row takes beside its bytes, approximately. */
const ROW_BYTES = 200;

/** Rows of one journal, in order, as they were read from Redis. */
export interface Chunk {
  /** The chunk has all rows from this offset on. */
  readonly from: number;
  /** The chunk has all rows up to this offset. */
  readonly to: number;
  readonly rows: readonly JournalRow[];
}

interface Kept {
  readonly chunk: Chunk;
  readonly bytes: number;
  readonly at: number;
  readonly drop: () => void;
  isRead: boolean;
}

/** The chunks of all journals, within a bound. A chunk that nobody has read yet stays for a while. */
export class ChunkCache {
  private readonly kept = new Map<Chunk, Kept>();
  private bytes = 0;
  /** Bytes of chunks that are being loaded, at most. */
  private reserved = 0;

  constructor(private readonly maxBytes: number) {}

  /**
   * Makes room for a chunk of at most `bytes`. Returns false if all chunks still wait for their readers: the caller
   * then asks again later.
   */
  reserve(bytes: number): boolean {
    const now = monotonicNow();
    for (const [chunk, { isRead, at }] of this.kept) {
      if (this.bytes + this.reserved + bytes <= this.maxBytes) break;
      if (isRead || now - at > KEPT_MS) this.drop(chunk);
    }
    // One chunk is always possible, however large the bound.
    const fits = this.bytes + this.reserved + bytes <= this.maxBytes || this.bytes + this.reserved === 0;
    if (fits) this.reserved += bytes;
    return fits;
  }

  /** Gives back what `reserve` has reserved. */
  release(bytes: number): void {
    this.reserved -= bytes;
  }

  /** `drop` is called when the chunk is no longer kept. */
  keep(chunk: Chunk, drop: () => void): void {
    const bytes = chunk.rows.reduce((sum, { row }) => sum + ROW_BYTES + row.length, ROW_BYTES);
    this.kept.set(chunk, { chunk, bytes, at: monotonicNow(), drop, isRead: false });
    this.bytes += bytes;
  }

  /** A reader has used the chunk: it is the last to go. */
  touch(chunk: Chunk): void {
    const kept = this.kept.get(chunk);
    if (kept === undefined) return;
    kept.isRead = true;
    this.kept.delete(chunk);
    this.kept.set(chunk, kept);
  }

  drop(chunk: Chunk): void {
    const kept = this.kept.get(chunk);
    if (kept === undefined) return;
    this.kept.delete(chunk);
    this.bytes -= kept.bytes;
    kept.drop();
  }
}
