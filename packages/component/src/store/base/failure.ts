import { StanzapackError } from "@stanzapack/wire";

/** Returns a `store-failed` error. `text`: the failure. `mend`: advice for the operator, in whole sentences. */
export function storeFailed(text: string, mend: string, cause?: unknown): StanzapackError {
  return new StanzapackError("store-failed", text, { mend, cause });
}

/** After this time a publisher may try again what the store did not take, in ms. */
export const STORE_PAUSE_MS = 5_000;
