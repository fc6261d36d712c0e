import { StanzapackError } from "../errors.js";
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

export function unencodable(text: string): StanzapackError {
  return new StanzapackError("unencodable", text);
}
