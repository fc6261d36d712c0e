import { StanzapackError } from "../base/errors.js";
import { uint } from "./frame-elements.js";
import type { FrameFields } from "./frame-fields.js";
import { PROTOCOL_VERSION, type HelloFrame, type Sibling } from "./frames.js";

/** Numbers of the capabilities in HELLO: features of a peer beyond its version. No number is reused. */
const CAPABILITY = { LEAN: 1, KEPT: 3, MAPS: 4, CALLS: 5, DIGESTS: 6, SIBLINGS: 7 } as const;
interface Capabilities {
  lean: HelloFrame["lean"];
  kept?: true;
  maps?: true;
  calls?: true;
  digests?: true;
  siblings?: readonly Sibling[] | null;
}

/** Most capabilities in one HELLO, known or unknown. */
const MAX_CAPABILITIES = 32;
/** A tag is one character of 64. */
const MAX_TAG = 63;
/** Most siblings in one HELLO. */
export const MAX_SIBLINGS = 64;
/** Characters of a domain (RFC 7622 §3.2). */
const MAX_DOMAIN_CHARS = 1_023;
/** Largest weight of a node. */
export const MAX_WEIGHT = 10_000;

/** Returns the list of capabilities, the last element of HELLO. */
export function capabilityElements({
  lean,
  kept,
  maps,
  calls,
  digests,
  siblings,
}: HelloFrame): readonly unknown[] {
  const tag = lean?.tag ?? null;
  return [
    ...(lean === null ? [] : [[CAPABILITY.LEAN, tag === null ? null : uint(tag, "tag", MAX_TAG)]]),
    ...(kept === true ? [[CAPABILITY.KEPT, null]] : []),
    ...(maps === true ? [[CAPABILITY.MAPS, null]] : []),
    ...(calls === true ? [[CAPABILITY.CALLS, null]] : []),
    ...(digests === true ? [[CAPABILITY.DIGESTS, null]] : []),
    ...(siblings === undefined ? [] : [[CAPABILITY.SIBLINGS, siblings && siblingElements(siblings)]]),
  ];
}

/** Returns the domains of siblings, each with its weight behind it. */
export function siblingElements(siblings: readonly Sibling[]): readonly unknown[] {
  return siblings.flatMap(({ domain, weight }) => [domain, uint(weight, "weight", MAX_WEIGHT)]);
}

/** Reads siblings as an array. `read` is of the fields of the frame. */
export function readSiblings(
  read: (maxGroups: number, maxChars: number, max: number) => readonly (readonly [string, number])[],
): Sibling[] {
  const pairs = read(MAX_SIBLINGS, MAX_DOMAIN_CHARS, MAX_WEIGHT);
  return pairs.map(([domain, weight]) => ({ domain, weight }));
}

/** Reads the list of capabilities. Skips those that this program does not know. */
export function readCapabilities(f: FrameFields): Capabilities {
  const found: Capabilities = { lean: null };
  f.pairs(MAX_CAPABILITIES, (number) => {
    if (number === CAPABILITY.LEAN) {
      found.lean = { tag: f.pairUintOrNil(MAX_TAG) };
      return true;
    }
    if (number === CAPABILITY.SIBLINGS) {
      found.siblings = f.pairOrNil(() => readSiblings((...bounds) => f.nestedTextsAndUints(...bounds)));
      return true;
    }
    // The values of the others say nothing: they are skipped, whatever they are.
    if (number === CAPABILITY.KEPT) found.kept = true;
    if (number === CAPABILITY.MAPS) found.maps = true;
    if (number === CAPABILITY.CALLS) found.calls = true;
    if (number === CAPABILITY.DIGESTS) found.digests = true;
    return false;
  });
  return found;
}

/**
 * Throws `version-mismatch` for another version. Call it before other elements are read: they may differ in that
 * version.
 */
export function assertVersion(version: number): void {
  if (version === PROTOCOL_VERSION) return;
  const text = `the peer speaks version ${version} of the protocol, this program version ${PROTOCOL_VERSION}`;
  throw new StanzapackError("version-mismatch", text, { origin: "peer" });
}
