import { PROTOCOL_VERSION, type HelloFrame } from "./frames.js";
import { DEFAULT_LIMITS, type Limits } from "./limits.js";

/** HELLO of this implementation: it reads every form, within `limits`. */
export function createHello(
  { hop = "plain", token = null, lean = null }: Partial<Pick<HelloFrame, "hop" | "token" | "lean">> = {},
  { maxBlockBytes, maxInflatedBytes }: Limits = DEFAULT_LIMITS,
): HelloFrame {
  return {
    type: "hello",
    version: PROTOCOL_VERSION,
    maxBlockBytes,
    maxInflatedBytes,
    maxStanzaBytes: 0,
    codecs: ["rows", "deflated", "coded"],
    hop,
    token,
    lean,
  };
}
