import {
  Z_FINISH,
  Z_OK,
  Z_STREAM_END,
  ZStream,
  zlibDeflate,
  zlibDeflateInit2,
  zlibDeflateReset,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateReset,
} from "pako";
import { StanzapackError } from "../base/errors.js";

/**
 * Raw deflate (RFC 1951), each call without context. One instance reuses its tables (about 200 KB): making them costs
 * more than using them. No call affects a later one, even if it threw. So one instance serves any number of links.
 */
export interface RawDeflate {
  /** Undefined when the result would not be smaller than `bytes`. */
  deflate(bytes: Uint8Array): Uint8Array | undefined;
  /** Throws `malformed`, or `limit-exceeded` when it would inflate to more than `maxBytes`. */
  inflate(bytes: Uint8Array, maxBytes: number): Uint8Array;
}

const RAW = -15;
const METHOD_DEFLATED = 8;
const LEVEL = 6;
/**
 * 8 KB of hash instead of 128. A payload is at most one block, and for small payloads clearing the hash is the main
 * cost.
 */
const MEM_LEVEL = 5;

export function createRawDeflate(): RawDeflate {
  let packer: ZStream | undefined;
  let unpacker: ZStream | undefined;
  return {
    deflate(bytes) {
      if (packer === undefined) {
        packer = new ZStream();
        zlibDeflateInit2(packer, LEVEL, METHOD_DEFLATED, RAW, MEM_LEVEL, 0);
      } else {
        zlibDeflateReset(packer);
        forget(packer);
      }
      const output = new Uint8Array(bytes.length);
      feed(packer, bytes, output);
      const status = zlibDeflate(packer, Z_FINISH);
      const size = packer.next_out;
      release(packer);
      // No room left means that the result is not smaller.
      return status === Z_STREAM_END && size < bytes.length ? output.subarray(0, size) : undefined;
    },
    inflate(bytes, maxBytes) {
      if (unpacker === undefined) {
        unpacker = new ZStream();
        zlibInflateInit2(unpacker, RAW);
      } else zlibInflateReset(unpacker);
      try {
        return inflateWithin(unpacker, bytes, maxBytes);
      } finally {
        release(unpacker);
      }
    },
  };
}

function inflateWithin(unpacker: ZStream, bytes: Uint8Array, maxBytes: number): Uint8Array {
  // The buffer grows with the data, so that a small payload never claims the whole bound.
  let output = new Uint8Array(Math.min(maxBytes, Math.max(256, bytes.length * 4)));
  feed(unpacker, bytes, output);
  for (;;) {
    const status = zlibInflate(unpacker, Z_FINISH);
    if (status === Z_STREAM_END) break;
    if (unpacker.avail_out > 0) {
      const why = unpacker.msg === "" || status === Z_OK ? "data ends early" : unpacker.msg;
      throw new StanzapackError("malformed", `raw deflate: ${why}`, { origin: "peer" });
    }
    if (output.length >= maxBytes)
      throw new StanzapackError("limit-exceeded", `deflated data inflates to more than ${maxBytes} bytes`, {
        origin: "peer",
      });
    const larger = new Uint8Array(Math.min(maxBytes, output.length * 4));
    larger.set(output);
    unpacker.output = larger;
    unpacker.avail_out = larger.length - output.length;
    output = larger;
  }
  if (unpacker.avail_in > 0)
    throw new StanzapackError("malformed", "raw deflate: bytes follow its end", { origin: "peer" });
  // Callers may keep views of the result for long. A view must not keep a much larger buffer alive.
  const size = unpacker.next_out;
  return size * 2 < output.length ? output.slice(0, size) : output.subarray(0, size);
}

/**
 * Clears the window. pako hashes four bytes where three match. At the end of the input the fourth would be one of an
 * earlier call.
 */
function forget(packer: ZStream): void {
  const { state } = packer as unknown as { readonly state: { readonly window: Uint8Array } };
  state.window.fill(0);
}

const NOTHING = new Uint8Array(0);

/** Drops input and output: between calls the stream keeps no caller's data. */
function release(stream: ZStream): void {
  stream.input = NOTHING;
  stream.output = NOTHING;
}

function feed(stream: ZStream, input: Uint8Array, output: Uint8Array<ArrayBuffer>): void {
  stream.input = input;
  stream.next_in = 0;
  stream.avail_in = input.length;
  stream.output = output;
  stream.next_out = 0;
  stream.avail_out = output.length;
}
