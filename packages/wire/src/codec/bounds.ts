import { StanzapackError } from "../errors.js";
import type { BitCoder } from "./bit-coder.js";

/** A limit that a message goes over: its sender's fault when it is read, the value's when it is written. */
export function over({ decoding }: BitCoder, text: string): StanzapackError {
  return decoding
    ? new StanzapackError("limit-exceeded", text, { origin: "peer" })
    : new StanzapackError("too-large", text);
}

export function unencodable(text: string): StanzapackError {
  return new StanzapackError("unencodable", text);
}
