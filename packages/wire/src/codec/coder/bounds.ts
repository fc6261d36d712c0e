import { StanzapackError } from "../../base/errors.js";
import type { BitCoder } from "./bit-coder.js";

/** A limit that a message goes over: its sender's fault when it is read, the value's when it is written. */
export function over({ decoding }: BitCoder, text: string): StanzapackError {
  return decoding
    ? new StanzapackError("limit-exceeded", text, { origin: "peer" })
    : new StanzapackError("too-large", text);
}

/** What the models of all places may take together, in bytes. */
export interface PlaceMemory {
  readonly maxPlaceBytes: number;
  placeBytes: number;
}

/** Before a model of so many bytes, about, is made. */
export function claim(memory: PlaceMemory, coder: BitCoder, bytes: number): void {
  memory.placeBytes += bytes;
  if (memory.placeBytes > memory.maxPlaceBytes)
    throw over(coder, `models of places in the rows take more than ${memory.maxPlaceBytes} bytes`);
}

/** So many kept values count for one that is coded: copying takes so much less time, and they come from what was sent before. */
const KEPT_A_VALUE = 8;

/** What the message that is being coded may still have, and what its row has. */
export interface ValueBudget {
  valuesLeft: number;
  /** Kept values that are not yet a whole one. */
  keptRest: number;
  /** Of the row that is being coded, in values; texts count by their length too. */
  weight: number;
}

/** Before so many values are coded. */
export function takeValues(budget: ValueBudget, coder: BitCoder, count: number): void {
  budget.valuesLeft -= count;
  if (budget.valuesLeft < 0) throw over(coder, "more values in one message than are taken");
}

/** For a part that stays as it was. */
export function takeKept(budget: ValueBudget, coder: BitCoder, weight: number): void {
  budget.weight += weight;
  const kept = budget.keptRest + weight;
  budget.keptRest = kept % KEPT_A_VALUE;
  takeValues(budget, coder, Math.floor(kept / KEPT_A_VALUE));
}

export function unencodable(text: string): StanzapackError {
  return new StanzapackError("unencodable", text);
}
