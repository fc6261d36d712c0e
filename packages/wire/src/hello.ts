import { PROTOCOL_VERSION, type HelloFrame } from "./frames.js";
import { DEFAULT_LIMITS, type Limits } from "./limits.js";

/** HELLO of this implementation, within `limits`. A side that reads deflated rows too names `codecs`: the columnar codec makes them needless. */
export function createHello(
  {
    hop = "plain",
    token = null,
    codecs = ["rows", "coded"],
    lean = null,
  }: Partial<Pick<HelloFrame, "hop" | "token" | "codecs" | "lean">> = {},
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
  };
}
