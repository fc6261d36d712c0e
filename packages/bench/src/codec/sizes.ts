import { isDeepStrictEqual } from "node:util";
import { formatJsonStanza, LaneReader, LaneRun, LINK_ENVELOPE, SyncFlushMeter } from "@stanzapack/estimate";
import type { HopClass, Value } from "@stanzapack/wire";
import type { TimedBatch } from "./batches.js";
import { LinkStanzas, type StanzaEnvelope } from "./stanza.js";

export interface OurSizes {
  readonly payloadBytes: number;
  readonly frameBytes: number;
  readonly frameZlibBytes: number;
  readonly keyframes: number;
  /** Envelope of most stanzas, if the stream is not compressed. */
  readonly envelope: StanzaEnvelope;
}

export interface RivalSizes {
  readonly rivalBytes: number;
  readonly rivalZlibBytes: number;
}

/** Encodes every batch as a whole stanza, reads it back and compares. Throws if the values differ. */
export async function measureOurs(batches: readonly TimedBatch[]): Promise<OurSizes> {
  // Two lanes, since a lane chooses its forms by whether the hop is compressed.
  const plain = createSender("plain");
  const compressed = createSender("compressed");
  const meter = new SyncFlushMeter();
  let frameBytes = 0;
  for (const batch of batches) {
    frameBytes += Buffer.byteLength(plain.send(batch));
    await meter.add(compressed.send(batch));
  }
  const { payloadBytes, keyframes } = plain;
  const envelope = plain.leanCount * 2 > batches.length ? "lean" : "ibb";
  return { payloadBytes, keyframes, envelope, frameBytes, frameZlibBytes: await meter.finish() };
}

export async function measureRival(batches: readonly TimedBatch[]): Promise<RivalSizes> {
  const meter = new SyncFlushMeter();
  let rivalBytes = 0;
  for (const { batch } of batches) {
    const stanza = formatJsonStanza(JSON.stringify(batch.rows), LINK_ENVELOPE);
    rivalBytes += Buffer.byteLength(stanza);
    await meter.add(stanza);
  }
  return { rivalBytes, rivalZlibBytes: await meter.finish() };
}

interface Sender {
  payloadBytes: number;
  keyframes: number;
  leanCount: number;
  send(batch: TimedBatch): string;
}

function createSender(hop: HopClass): Sender {
  const lane = new LaneRun(hop);
  const reader = new LaneReader();
  const stanzas = new LinkStanzas();
  return {
    payloadBytes: 0,
    keyframes: 0,
    leanCount: 0,
    send({ batch, nowMs }) {
      const sent = lane.encode(batch, nowMs);
      const { body } = sent;
      this.payloadBytes += body.payload.length;
      if (body.form === "key") this.keyframes++;
      const stanza = stanzas.next(sent);
      if (stanza.envelope === "lean") this.leanCount++;
      const came = stanzas.read(stanza);
      verify(batch.rows, came && reader.read(came.block, came.label)?.rows);
      return stanza.text;
    },
  };
}

/** Compares the order of keys too. */
function verify(sent: readonly Value[], came: readonly Value[] | undefined): void {
  if (!isDeepStrictEqual(came, sent) || JSON.stringify(came) !== JSON.stringify(sent))
    throw new Error("the codec returned other values than it received");
}
