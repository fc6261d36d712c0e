import { createLaneBatch } from "@stanzapack/estimate";
import type { LaneBatch, Value } from "@stanzapack/wire";

/** Window of a batch, in ms: ten batches a second. */
const BATCH_MS = 100;

export interface TimedBatch {
  readonly batch: LaneBatch;
  /** Time at which the batch is sent, in ms. */
  readonly nowMs: number;
}

/** Batches of `size` updates each, evenly spread over 100 ms. */
export function createBatches(rows: readonly Value[], size: number): TimedBatch[] {
  const batches: TimedBatch[] = [];
  for (let start = 0; start < rows.length; start += size) {
    const own = rows.slice(start, start + size);
    const at = batches.length * BATCH_MS;
    const spanMs = Math.round(((own.length - 1) / size) * BATCH_MS);
    batches.push({ batch: createLaneBatch(own, start + 1, at, spanMs), nowMs: at });
  }
  return batches;
}
