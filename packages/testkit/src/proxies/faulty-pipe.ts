import type { Socket } from "node:net";

/** What happens to the bytes of one direction; may be changed at any time, for bytes that come from then on. */
export interface PipeFaults {
  /** Bytes arrive so many ms later. Default 0. */
  delayMs: number;
  /** And up to so many ms more, drawn for each read; the order of the bytes is kept. Default 0. */
  jitterMs: number;
  /** Bytes that pass in a second. Default Infinity. */
  bytesPerSecond: number;
  /**
   * Bytes vanish, and so does the news that their sender is gone. A connection that has lost bytes is of no use when this is
   * false again: cut it. Default false.
   */
  drop: boolean;
}

export const NO_FAULTS: Readonly<PipeFaults> = {
  delayMs: 0,
  jitterMs: 0,
  bytesPerSecond: Infinity,
  drop: false,
};

/** Most bytes on their way in one direction of one connection; then the sender must wait. 1 MiB: 10 MB/s at 100 ms. */
export const MAX_QUEUED_BYTES = 1_048_576;

/** A slow pipe gives what it may in so many ms in one piece: small enough to be even, large enough for Node's timers. */
const SLICE_MS = 10;

type Parcel = { readonly dueAt: number } & ({ bytes: Buffer } | { readonly last: "end" | "reset" });

/** Carries one direction of a connection from one socket to another. */
export interface FaultyPipe {
  readonly queuedBytes: number;
  /** Nothing goes in any more, and what is on its way vanishes. */
  stop(): void;
}

/** `isLost`: whether what comes now vanishes. */
export function createFaultyPipe(
  from: Socket,
  to: Socket,
  faults: Readonly<PipeFaults>,
  isLost: () => boolean,
): FaultyPipe {
  const queue: Parcel[] = [];
  let queuedBytes = 0;
  let lastDueAt = 0;
  /** When the bytes that have gone have passed the narrowest place. */
  let freeAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let draining = false;
  let stopped = false;
  let ended = false;

  const put = (part: { bytes: Buffer } | { last: "end" | "reset" }): void => {
    if (stopped || ended || isLost()) return;
    if ("last" in part) ended = true;
    else queuedBytes += part.bytes.length;
    // Never before what came earlier: these are bytes of a stream.
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

  /** False when the receiver has no room for more. */
  const pass = (parcel: { bytes: Buffer }): boolean => {
    const rate = faults.bytesPerSecond;
    const most = Number.isFinite(rate) ? Math.max(1, Math.floor((rate * SLICE_MS) / 1_000)) : Infinity;
    const part = parcel.bytes.subarray(0, Math.min(most, parcel.bytes.length));
    if (part.length === parcel.bytes.length) queue.shift();
    else parcel.bytes = parcel.bytes.subarray(part.length);
    queuedBytes -= part.length;
    // A timer that fires late is made up for within one slice, not for a whole pause.
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
  // Without an end before it: a reset.
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
      // What still comes is read and thrown away.
      if (!from.destroyed) from.resume();
    },
  };
}
