import { describe, expect, it } from "vitest";
import { codeOfCondition, isReadFromCondition } from "./conditions.js";
import { ERRORS, type ErrorCode } from "./errors.js";

describe("stanza errors without a word of ours", () => {
  it.each([
    ["bad-request", "modify", "usage", false],
    ["conflict", "cancel", "conflict", false],
    ["feature-not-implemented", "cancel", "unsupported", false],
    ["forbidden", "auth", "forbidden", false],
    ["gone", "cancel", "withdrawn", false],
    ["internal-server-error", "cancel", "internal", true],
    ["internal-server-error", "wait", "internal", true],
    ["item-not-found", "cancel", "no-such-service", false],
    ["jid-malformed", "modify", "usage", false],
    ["not-acceptable", "modify", "unsupported", false],
    ["not-allowed", "cancel", "not-allowed", false],
    ["not-authorized", "auth", "not-allowed", false],
    ["payment-required", "auth", "not-allowed", false],
    ["policy-violation", "modify", "limit-exceeded", false],
    ["policy-violation", "wait", "busy", true],
    ["recipient-unavailable", "wait", "component-unavailable", true],
    ["redirect", "modify", "component-unavailable", true],
    ["registration-required", "auth", "not-allowed", false],
    ["remote-server-not-found", "cancel", "component-unavailable", true],
    ["remote-server-timeout", "wait", "component-unavailable", true],
    ["resource-constraint", "wait", "busy", true],
    ["resource-constraint", "modify", "limit-exceeded", false],
    ["service-unavailable", "cancel", "component-unavailable", true],
    ["subscription-required", "auth", "not-allowed", false],
    ["undefined-condition", "cancel", "internal", true],
    ["unexpected-request", "cancel", "link-required", true],
    // A condition of a later RFC, or of none: its type says whether the request may be repeated.
    ["out-of-tea", "cancel", "internal", false],
    ["out-of-tea", "wait", "internal", true],
    ["constructor", "cancel", "internal", false],
    // RFC 6120 §8.3.2: an error of type `wait` is temporary, whatever its condition.
    ["not-allowed", "wait", "not-allowed", true],
  ])("%s of type %s is %s, retryable: %s", (condition, type, code, retryable) => {
    expect(codeOfCondition(condition, type)).toEqual({ code, retryable });
  });

  it("are read as no code whose condition another one has: `store-failed` and others go by their name", () => {
    const named = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => !isReadFromCondition(code));
    expect(named).toEqual(expect.arrayContaining(["store-failed", "fenced", "timeout", "protocol"]));
    for (const code of ["internal", "busy", "no-such-service", "pending", "usage"] as const)
      expect(named).not.toContain(code);
  });
});
