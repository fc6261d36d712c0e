import { StanzapackError } from "../base/errors.js";
import { uint } from "./frame-elements.js";
import type { FrameFields } from "./frame-fields.js";
import { PROTOCOL_VERSION, type HelloFrame } from "./frames.js";

/** Capabilities of HELLO: what a peer can beyond the rest of its version. A number is never used for another. */
const CAPABILITY = { LEAN: 1 } as const;
/** Most of them in one HELLO, known or not. */
const MAX_CAPABILITIES = 32;
/** A tag is one character of 64. */
const MAX_TAG = 63;

/** The list that HELLO ends with. */
export function capabilityElements({ lean }: HelloFrame): readonly unknown[] {
  return lean === null ? [] : [[CAPABILITY.LEAN, lean.tag === null ? null : uint(lean.tag, "tag", MAX_TAG)]];
}

/** Reads that list. What this program does not know is skipped. */
export function readCapabilities(f: FrameFields): Pick<HelloFrame, "lean"> {
  const found: { lean: HelloFrame["lean"] } = { lean: null };
  f.pairs(MAX_CAPABILITIES, (number) => {
    if (number !== CAPABILITY.LEAN) return false;
    found.lean = { tag: f.pairUintOrNil(MAX_TAG) };
    return true;
  });
  return found;
}

/** Another version may have other elements: nothing more is read of it. Throws `version-mismatch`. */
export function assertVersion(version: number): void {
  if (version === PROTOCOL_VERSION) return;
  const text = `the peer speaks version ${version} of the protocol, this program version ${PROTOCOL_VERSION}`;
  throw new StanzapackError("version-mismatch", text, { origin: "peer" });
}
