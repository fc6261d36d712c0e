import { StanzapackError } from "../../base/errors.js";
import type { BitCoder } from "./bit-coder.js";

/**
 * Returns the error of a message over a limit: `limit-exceeded` of the sender when decoding, `too-large` of the value
 * when encoding.
 */
export function over({ decoding }: BitCoder, text: string): StanzapackError {
  return decoding
    ? new StanzapackError("limit-exceeded", text, { origin: "peer" })
    : new StanzapackError("too-large", text);
}

/** Memory of the models of all places, in bytes, and its bound. */
export interface PlaceMemory {
  readonly maxPlaceBytes: number;
  placeBytes: number;
}

/** Counts a model of about `bytes` bytes. Call it before the model is made. Throws beyond `maxPlaceBytes`. */
export function claim(memory: PlaceMemory, coder: BitCoder, bytes: number): void {
  memory.placeBytes += bytes;
  if (memory.placeBytes > memory.maxPlaceBytes)
    throw over(coder, `models of places in the rows take more than ${memory.maxPlaceBytes} bytes`);
}

/**
 * This many kept values count as one coded value. Copying takes that much less time, and kept values were sent before.
 */
const KEPT_A_VALUE = 8;

/** Values that the present message may still have, and the weight of its present row. */
export interface ValueBudget {
  valuesLeft: number;
  /** Kept values that do not yet count as a coded value. */
  keptRest: number;
  /** Weight of the row that is being coded, in values. Texts count by their length too. */
  weight: number;
}

/** Counts `count` values. Call it before they are coded. Throws if the message then has too many. */
export function takeValues(budget: ValueBudget, coder: BitCoder, count: number): void {
  budget.valuesLeft -= count;
  if (budget.valuesLeft < 0) throw over(coder, "more values in one message than are taken");
}

/** Counts a part that stays as it was. */
export function takeKept(budget: ValueBudget, coder: BitCoder, weight: number): void {
  budget.weight += weight;
  const kept = budget.keptRest + weight;
  budget.keptRest = kept % KEPT_A_VALUE;
  takeValues(budget, coder, Math.floor(kept / KEPT_A_VALUE));
}

export function unencodable(text: string): StanzapackError {
  return new StanzapackError("unencodable", text);
}
