import { PROTOCOL_VERSION, type HelloFrame } from "./frames.js";
import { DEFAULT_LIMITS, type Limits } from "../base/limits.js";

/**
 * Returns the HELLO of this implementation, within `limits`. A side that also reads deflated rows passes `codecs`. The
 * default leaves them out, because the columnar codec makes them needless.
 */
export function createHello(
  {
    hop = "plain",
    token = null,
    codecs = ["rows", "coded", "map"],
    lean = null,
    kept,
    maps,
    calls,
    digests,
    siblings,
  }: Partial<
    Omit<HelloFrame, "type" | "version" | "maxBlockBytes" | "maxInflatedBytes" | "maxStanzaBytes">
  > = {},
  { maxBlockBytes, maxInflatedBytes }: Limits = DEFAULT_LIMITS,
): HelloFrame {
  return {
    type: "hello",
    version: PROTOCOL_VERSION,
    maxBlockBytes,
    maxInflatedBytes,
    maxStanzaBytes: 0,
    codecs,
    hop,
    token,
    lean,
    ...(kept === true && { kept }),
    ...(maps === true && { maps }),
    ...(calls === true && { calls }),
    ...(digests === true && { digests }),
    ...(siblings !== undefined && { siblings }),
  };
}

/** The newest HELLO. */
let last: HelloFrame | undefined;

/**
 * Returns an equal HELLO. A component keeps the HELLO of each client, and most clients send equal ones. So equal HELLOs
 * that arrive one after another share one object.
 */
export function sharedHello(hello: HelloFrame): HelloFrame {
  return last !== undefined && isSame(last, hello) ? last : (last = hello);
}

function isSame(a: HelloFrame, b: HelloFrame): boolean {
  return (
    a.version === b.version &&
    a.maxBlockBytes === b.maxBlockBytes &&
    a.maxInflatedBytes === b.maxInflatedBytes &&
    a.maxStanzaBytes === b.maxStanzaBytes &&
    a.hop === b.hop &&
    a.token === null &&
    b.token === null &&
    a.lean?.tag === b.lean?.tag &&
    a.kept === b.kept &&
    a.maps === b.maps &&
    a.calls === b.calls &&
    a.digests === b.digests &&
    // No client names siblings.
    a.siblings === b.siblings &&
    a.codecs.length === b.codecs.length &&
    a.codecs.every((codec, i) => codec === b.codecs[i])
  );
}
