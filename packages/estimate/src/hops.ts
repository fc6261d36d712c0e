import { gzipSync } from "node:zlib";
import type { HopClass } from "@stanzapack/wire";
import { ACK_REQUEST, formatBoshAnswer, namespaced } from "./envelope.js";
import { SyncFlushMeter } from "./sync-flush-meter.js";

export type Transport = "tcp" | "websocket" | "bosh";
export type Compression = "none" | "zlib" | "gzip";

/** Bytes of stanzas on one hop. */
export interface HopMeter {
  /** Counts a stanza. Await the promise, if any, before the next call. */
  add(stanza: string): Promise<unknown> | undefined;
  /** Returns the bytes of all stanzas. No stanza can be added afterwards. */
  finish(): Promise<number>;
}

export interface Hop {
  readonly transport: Transport;
  readonly compression: Compression;
  /** Class of the hop as a client reports it: only stream compression counts. */
  readonly hopClass: HopClass;
  readonly createMeter: () => HopMeter;
}

/** Bytes of the head and the frames of an answer, over HTTP/2 through nginx as docker/README.md sets it up. */
const ANSWER_HEAD_BYTES = 86;
/** Further bytes in the head of a compressed answer. */
const GZIP_HEAD_BYTES = 13;
/** nginx's `gzip_min_length` and `gzip_comp_level` in docker/nginx/stanzapack.conf. */
const GZIP_MIN_BYTES = 220;
const GZIP_LEVEL = 6;

/**
 * Hops from the server to the subscriber. They count the acknowledgement requests of Stream Management, which BOSH does
 * not have. Like the meters of a connection, they do not count TLS and TCP/IP.
 */
export const HOPS: readonly Hop[] = [
  {
    ...{ transport: "tcp", compression: "none", hopClass: "plain" },
    createMeter: () => new SumMeter((stanza) => Buffer.byteLength(stanza) + ACK_REQUEST.length),
  },
  {
    ...{ transport: "tcp", compression: "zlib", hopClass: "compressed" },
    createMeter: () => new AskingMeter(new SyncFlushMeter()),
  },
  {
    ...{ transport: "websocket", compression: "none", hopClass: "plain" },
    createMeter: () => new SumMeter((stanza) => Buffer.byteLength(namespaced(stanza)) + ACK_REQUEST.length),
  },
  {
    ...{ transport: "bosh", compression: "none", hopClass: "plain" },
    createMeter: () =>
      new SumMeter((stanza) => ANSWER_HEAD_BYTES + Buffer.byteLength(formatBoshAnswer(stanza))),
  },
  {
    ...{ transport: "bosh", compression: "gzip", hopClass: "plain" },
    createMeter: () => new SumMeter(gzippedAnswerBytes),
  },
];

function gzippedAnswerBytes(stanza: string): number {
  const answer = Buffer.from(formatBoshAnswer(stanza));
  if (answer.length < GZIP_MIN_BYTES) return ANSWER_HEAD_BYTES + answer.length;
  return ANSWER_HEAD_BYTES + GZIP_HEAD_BYTES + gzipSync(answer, { level: GZIP_LEVEL }).length;
}

/** Counts an acknowledgement request after each stanza. Both servers flush the request by itself. */
class AskingMeter implements HopMeter {
  constructor(private readonly meter: HopMeter) {}

  add(stanza: string): Promise<unknown> | undefined {
    const waits = [this.meter.add(stanza), this.meter.add(ACK_REQUEST)].filter((wait) => wait !== undefined);
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  finish(): Promise<number> {
    return this.meter.finish();
  }
}

class SumMeter implements HopMeter {
  private total = 0;

  constructor(private readonly bytesOf: (stanza: string) => number) {}

  add(stanza: string): undefined {
    this.total += this.bytesOf(stanza);
  }

  async finish(): Promise<number> {
    return this.total;
  }
}
