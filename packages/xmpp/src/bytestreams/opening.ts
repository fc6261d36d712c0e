import { monotonicNow } from "../base/clock.js";
import { StanzaError } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import type { Connection } from "../connection/connection.js";
import { xml } from "../xml/xml.js";
import type { OpenRequest } from "./in-band-bytestreams.js";

/**
 * Smallest block size to offer, in bytes. A peer that wants smaller blocks does not say how small (XEP-0047 §2.1). So
 * each offer is a quarter of the one before.
 */
const SMALLEST_BLOCK_SIZE_BYTES = 256;

/**
 * Opens a bytestream, with smaller and smaller blocks until the peer accepts (XEP-0047 §2.1). Returns the accepted
 * size. Rejects with the error of the last request.
 */
export async function offer(
  connection: Connection,
  request: OpenRequest,
  blockSizeBytes: number,
  endAt: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { from: peer, to: own, sid, stanza } = request;
  const open = xml("open", { xmlns: NS.IBB, "block-size": String(blockSizeBytes), sid, stanza });
  const iq = xml("iq", { type: "set", to: peer }, open);
  if (connection.kind === "component") iq.attrs["from"] = own;
  try {
    const timeoutMs = Math.max(0, endAt - monotonicNow());
    await connection.request(iq, { timeoutMs, ...(signal !== undefined && { signal }) });
    return blockSizeBytes;
  } catch (error) {
    const smaller =
      error instanceof StanzaError && error.condition === "resource-constraint" && error.type === "modify";
    const next = blockSizeBytes >> 2;
    if (!smaller || next < SMALLEST_BLOCK_SIZE_BYTES) throw error;
    return offer(connection, request, next, endAt, signal);
  }
}
