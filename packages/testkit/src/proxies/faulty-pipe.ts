import type { Socket } from "node:net";

/** Faults for the bytes of one direction. They may change at any time, for bytes that arrive from then on. */
export interface PipeFaults {
  /** Delay of all bytes, in ms. Default 0. */
  delayMs: number;
  /** Largest additional delay, in ms, drawn for each read. The order of the bytes is kept. Default 0. */
  jitterMs: number;
  /** Bytes that pass in a second. Default Infinity. */
  bytesPerSecond: number;
  /**
   * Whether bytes are lost, and with them the news that their sender has closed. After this is false again, a
   * connection that has lost bytes cannot be used: cut it. Default false.
   */
  drop: boolean;
}

export const NO_FAULTS: Readonly<PipeFaults> = {
  delayMs: 0,
  jitterMs: 0,
  bytesPerSecond: Infinity,
  drop: false,
};

/** Most bytes under way in one direction of one connection; then the sender must wait. 1 MiB: 10 MB/s at 100 ms. */
export const MAX_QUEUED_BYTES = 1_048_576;

/**
 * A slow pipe passes the bytes of this time in one piece, in ms. It is short enough for an even flow, and long enough
 * for Node's timers.
 */
const SLICE_MS = 10;

type Parcel = { readonly dueAt: number } & ({ bytes: Buffer } | { readonly last: "end" | "reset" });

/** Carries one direction of a connection from one socket to another. */
export interface FaultyPipe {
  readonly queuedBytes: number;
  /** Takes no more bytes, and drops those under way. */
  stop(): void;
}

/** Creates a pipe. `isLost` says whether bytes that arrive now are lost. */
export function createFaultyPipe(
  from: Socket,
  to: Socket,
  faults: Readonly<PipeFaults>,
  isLost: () => boolean,
): FaultyPipe {
  const queue: Parcel[] = [];
  let queuedBytes = 0;
  let lastDueAt = 0;
  /** Time at which the bytes passed so far have used up the permitted rate. */
  let freeAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let draining = false;
  let stopped = false;
  let ended = false;

  const put = (part: { bytes: Buffer } | { last: "end" | "reset" }): void => {
    if (stopped || ended || isLost()) return;
    if ("last" in part) ended = true;
    else queuedBytes += part.bytes.length;
    // Never before earlier bytes: this is one stream.
    lastDueAt = Math.max(lastDueAt, performance.now() + faults.delayMs + faults.jitterMs * Math.random());
    queue.push({ ...part, dueAt: lastDueAt });
    if (queuedBytes >= MAX_QUEUED_BYTES) from.pause();
    pump();
  };

  const pump = (): void => {
    if (stopped || draining) return;
    clearTimeout(timer);
    for (let head = queue[0]; head !== undefined; head = queue[0]) {
      const waitMs = Math.max(head.dueAt, freeAt) - performance.now();
      if (waitMs > 0) {
        timer = setTimeout(pump, Math.ceil(waitMs));
        return;
      }
      if ("last" in head) {
        queue.shift();
        if (head.last === "end") to.end();
        else to.resetAndDestroy();
        return;
      }
      if (!pass(head)) return;
    }
  };

  /** Passes a part. Returns false if the receiver has no room for more. */
  const pass = (parcel: { bytes: Buffer }): boolean => {
    const rate = faults.bytesPerSecond;
    const most = Number.isFinite(rate) ? Math.max(1, Math.floor((rate * SLICE_MS) / 1_000)) : Infinity;
    const part = parcel.bytes.subarray(0, Math.min(most, parcel.bytes.length));
    if (part.length === parcel.bytes.length) queue.shift();
    else parcel.bytes = parcel.bytes.subarray(part.length);
    queuedBytes -= part.length;
    // A late timer catches up at most one slice, not a whole pause.
    freeAt = Math.max(freeAt, performance.now() - SLICE_MS) + (part.length / rate) * 1_000;
    if (queuedBytes < MAX_QUEUED_BYTES) from.resume();
    if (to.destroyed || to.write(part)) return true;
    draining = true;
    to.once("drain", () => {
      draining = false;
      pump();
    });
    return false;
  };

  from.on("data", (bytes: Buffer) => {
    put({ bytes });
  });
  from.on("end", () => {
    put({ last: "end" });
  });
  // A close without an end before it is a reset.
  from.on("close", () => {
    put({ last: "reset" });
  });
  return {
    get queuedBytes() {
      return queuedBytes;
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      queue.length = queuedBytes = 0;
      // Bytes that still arrive are read and dropped.
      if (!from.destroyed) from.resume();
    },
  };
}
