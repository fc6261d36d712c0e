import { createLaneBatch } from "@stanzapack/estimate";
import type { LaneBatch, Value } from "@stanzapack/wire";

/** Ten batches a second: 100 ms each. */
const BATCH_MS = 100;

export interface TimedBatch {
  readonly batch: LaneBatch;
  /** When it leaves, in ms. */
  readonly nowMs: number;
}

/** `size` updates each, evenly spread over their 100 ms. */
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
