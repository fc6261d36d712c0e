import { StanzapackError } from "../base/errors.js";
import type { Limits } from "../base/limits.js";
import { MsgpackWriter } from "./msgpack-writer.js";

/** Its buffer is worth keeping. Taken while in use: a getter of the value may publish another. */
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
 * msgpack of one update, itself a msgpack value (see `Value`). As in JSON, a field that is undefined is left out, and in an array undefined
 * and holes become null. Throws `unencodable` for what else would not arrive as it was given (undefined alone, functions, bigint, Date, Map,
 * instances of classes, cycles, a getter that throws) and `too-large` over the limit.
 */
export function encodeUpdate(value: unknown, limits: Limits): Uint8Array {
  return encodeWithin(value, limits.maxUpdateBytes, limits.maxItems, limits.maxDepth);
}

/** msgpack of a frame's elements, which this package made itself. */
export function encodeElements(elements: readonly unknown[]): Uint8Array {
  return encodeWithin(elements, Infinity, Infinity, 3);
}
