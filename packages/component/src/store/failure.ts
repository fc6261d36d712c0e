import { StanzapackError } from "@stanzapack/wire";

/** Returns the error of a store that cannot do something. `mend`: advice in whole sentences. */
export function storeFailed(text: string, mend: string, cause?: unknown): StanzapackError {
  return new StanzapackError("store-failed", text, { mend, cause });
}
