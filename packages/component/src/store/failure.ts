import { StanzapackError } from "@stanzapack/wire";

/** Returns a `store-failed` error. `text`: the failure. `mend`: advice for the operator, in whole sentences. */
export function storeFailed(text: string, mend: string, cause?: unknown): StanzapackError {
  return new StanzapackError("store-failed", text, { mend, cause });
}
