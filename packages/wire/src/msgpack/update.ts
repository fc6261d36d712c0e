import { StanzapackError } from "../base/errors.js";
import type { Limits } from "../base/limits.js";
import { MsgpackWriter } from "./msgpack-writer.js";

/**
 * A writer that is not in use, kept for its buffer. Undefined during a call: a getter of the value may publish another
 * value.
 */
let spare: MsgpackWriter | undefined;

function encodeWithin(value: unknown, maxBytes: number, maxItems: number, maxDepth: number): Uint8Array {
  const writer = spare ?? new MsgpackWriter();
  spare = undefined;
  try {
    return writer.encode(value, { maxBytes, maxItems, maxDepth });
  } catch (error) {
    if (error instanceof StanzapackError) throw error;
    // A getter or a proxy of the value threw.
    const text = `the value cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new StanzapackError("unencodable", text, { cause: error });
  } finally {
    spare = writer;
  }
}

/**
 * Returns the msgpack of one update (see `Value`). As in JSON, a field that is undefined is left out, and undefined and
 * holes in an array become null.
 *
 * Throws `unencodable` for everything else that would not arrive unchanged: undefined alone, functions, bigint, Date,
 * Map, instances of classes, cycles, a getter that throws. Throws `too-large` over the limit.
 */
export function encodeUpdate(value: unknown, limits: Limits): Uint8Array {
  return encodeWithin(value, limits.maxUpdateBytes, limits.maxItems, limits.maxDepth);
}

/** Returns the msgpack of a frame's elements. They need no bounds, because this package made them. */
export function encodeElements(elements: readonly unknown[]): Uint8Array {
  return encodeWithin(elements, Infinity, Infinity, 4);
}
