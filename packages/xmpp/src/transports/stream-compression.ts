import { concatBytes } from "@stanzapack/wire";
import {
  Z_BUF_ERROR,
  Z_OK,
  Z_PARTIAL_FLUSH,
  Z_SYNC_FLUSH,
  Z_STREAM_END,
  ZStream,
  zlibDeflate,
  zlibDeflateInit2,
  zlibInflate,
  zlibInflateInit2,
} from "pako";
import { XmppError } from "../base/errors.js";

/** Both directions of one compressed stream (XEP-0138, method zlib: RFC 1950). */
export interface StreamCompression {
  /** Compresses text and flushes, so that the peer can read all of it. */
  deflate(text: string): Uint8Array<ArrayBuffer>;
  /**
   * Inflates `bytes` and calls `onSlice` with one slice at a time. A slice is overwritten after `onSlice` returns.
   * Inflation ends for good when `onSlice` returns false. Throws `XmppError` (`protocol`) for data that are no zlib
   * stream, and for a bomb. After either end, every further call throws.
   */
  inflate(bytes: Uint8Array, onSlice: (slice: Uint8Array) => boolean): void;
}

export interface StreamCompressionOptions {
  /**
   * Default `partial`, as XEP-0138 §5.1 asks. A partial flush ends with ten bits, a sync flush with five bytes. Any
   * inflater reads both.
   */
  readonly flush?: "partial" | "sync";
  /** Most bytes that one call of `inflate` may produce. Default 8 MiB. */
  readonly maxInflatedBytes?: number;
}

/** Levels differ by a hundredth of a byte per stanza, because repeated text has its earlier copy close by. */
const LEVEL = 6;
const METHOD_DEFLATED = 8;
/** A window of 32 KB, as servers have it. With 4 KB, a stream of several services takes 2 to 4 % more bytes. */
const WINDOW_BITS = 15;
const MEM_LEVEL = 8;

/** Sizes of the working buffers, in bytes. A stream keeps one of each for its life. */
const DEFLATE_SLICE = 4_096;
const INFLATE_SLICE = 16_384;

/**
 * Bound of one call of `inflate`, in bytes. A read is at most 64 KiB. Stanzas that differ only in a number shrink to a
 * hundredth at best. So no server needs 8 MiB in one read. A bomb, which shrinks to a thousandth, reaches 8 MiB with
 * 8 KB.
 */
const MAX_INFLATED_BYTES = 8_388_608;

export function createStreamCompression(options: StreamCompressionOptions = {}): StreamCompression {
  const flush = options.flush === "sync" ? Z_SYNC_FLUSH : Z_PARTIAL_FLUSH;
  const maxInflatedBytes = options.maxInflatedBytes ?? MAX_INFLATED_BYTES;
  const encoder = new TextEncoder();
  const deflater = new ZStream();
  zlibDeflateInit2(deflater, LEVEL, METHOD_DEFLATED, WINDOW_BITS, MEM_LEVEL, 0);
  deflater.output = new Uint8Array(DEFLATE_SLICE);
  const inflater = new ZStream();
  zlibInflateInit2(inflater, WINDOW_BITS);
  inflater.output = new Uint8Array(INFLATE_SLICE);
  let ended = false;

  const refuse = (message: string): never => {
    ended = true;
    throw new XmppError("protocol", `the server's compressed stream was refused: ${message}`);
  };

  return {
    deflate(text) {
      deflater.input = encoder.encode(text);
      deflater.next_in = 0;
      deflater.avail_in = deflater.input.length;
      const parts: Uint8Array[] = [];
      do {
        deflater.next_out = 0;
        deflater.avail_out = DEFLATE_SLICE;
        const result = zlibDeflate(deflater, flush);
        // `Z_BUF_ERROR`: the slice before was exactly full, and nothing is left to do.
        if (result !== Z_OK && result !== Z_BUF_ERROR) throw new Error(`deflate failed: ${String(result)}`);
        parts.push(deflater.output.slice(0, deflater.next_out));
      } while (deflater.avail_out === 0);
      deflater.input = EMPTY;
      return concatBytes(parts);
    },
    inflate(bytes, onSlice) {
      if (ended) refuse("it had ended");
      inflater.input = bytes;
      inflater.next_in = 0;
      inflater.avail_in = bytes.length;
      let total = 0;
      do {
        inflater.next_out = 0;
        inflater.avail_out = INFLATE_SLICE;
        const result = zlibInflate(inflater, Z_SYNC_FLUSH);
        const given = inflater.next_out;
        total += given;
        if (total > maxInflatedBytes) {
          refuse(`${String(bytes.length)} bytes inflate to more than ${String(maxInflatedBytes)}`);
        }
        if (given > 0 && !onSlice(inflater.output.subarray(0, given))) {
          ended = true;
          return;
        }
        if (result === Z_STREAM_END) {
          ended = true;
          if (inflater.avail_in > 0) refuse("something follows its end");
        } else if (result !== Z_OK && result !== Z_BUF_ERROR) {
          refuse(inflater.msg === "" ? "not zlib" : inflater.msg);
        }
      } while (!ended && (inflater.avail_in > 0 || inflater.avail_out === 0));
      inflater.input = EMPTY;
    },
  };
}

const EMPTY = new Uint8Array(0);
