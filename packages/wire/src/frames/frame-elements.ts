import { StanzapackError } from "../base/errors.js";
import { DEFAULT_LIMITS } from "../base/limits.js";

export const MAX_UINT32 = 0xffffffff;
/** A bare JID (RFC 7622 §3.1: two parts of 1,023 octets and an `@`), a slash and a service name. */
export const MAX_NODE_CHARS = 2_047 + 1 + 64;
export const MAX_TOKEN_BYTES = 64;

/** What a peer would refuse is refused here, where the mistake is. */
export function uint(value: number, what: string, max: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new StanzapackError("internal", `${what} of ${value} is not an integer from 0 to ${max}`);
  return value + 0; // -0 would travel as a float
}

/** Times may come from a clock that stepped back or counts fractions: rounded, and never below 0. */
export function millis(value: number): number {
  return Math.max(0, Math.round(value)) + 0;
}

export function utf8(text: string, what: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new StanzapackError("internal", `${what} has a lone surrogate`);
  return text;
}

/** Text of ERROR and BYE may quote what a user gave: cut to what every peer takes, lone surrogates replaced. */
export function clip(text: string): string {
  return text.slice(0, DEFAULT_LIMITS.maxTextChars).replace(/\p{Surrogate}/gu, "\ufffd");
}
