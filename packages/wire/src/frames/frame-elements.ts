import { StanzapackError } from "../base/errors.js";
import { DEFAULT_LIMITS } from "../base/limits.js";

export const MAX_UINT32 = 0xffffffff;
/** A bare JID (RFC 7622 §3.1: two parts of 1,023 octets and an `@`), a slash and a service name. */
export const MAX_NODE_CHARS = 2_047 + 1 + 64;
export const MAX_TOKEN_BYTES = 64;
/** Id of a call: as long as a UUID. */
export const MAX_CALL_ID_BYTES = 16;

/**
 * Returns `value`. Throws `internal` for a number that the peer would refuse: the error is thrown where the mistake is.
 */
export function uint(value: number, what: string, max: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new StanzapackError("internal", `${what} of ${value} is not an integer from 0 to ${max}`);
  return value + 0; // -0 would travel as a float
}

/** Returns a time rounded to whole ms, at least 0. The clock may have stepped back, or may count fractions. */
export function millis(value: number): number {
  return Math.max(0, Math.round(value)) + 0;
}

export function utf8(text: string, what: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new StanzapackError("internal", `${what} has a lone surrogate`);
  return text;
}

/**
 * Cuts a text of ERROR or BYE to what every peer accepts, and replaces lone surrogates: the text may quote a user's
 * input.
 */
export function clip(text: string): string {
  return text.slice(0, DEFAULT_LIMITS.maxTextChars).replace(/\p{Surrogate}/gu, "\ufffd");
}
