import { describe, expect, it } from "vitest";
import { errorCodeOf, ERRORS, StanzapackError, type ErrorCode, type ErrorRow } from "./errors.js";

const codes = Object.keys(ERRORS) as ErrorCode[];

describe("the table of errors", () => {
  it("gives every code a wire number of its own, in one byte of msgpack", () => {
    const numbers = codes.map((code) => ERRORS[code].wire);
    expect(new Set(numbers).size).toBe(codes.length);
    for (const number of numbers) expect(number > 0 && number < 128).toBe(true);
    for (const code of codes) expect(errorCodeOf(ERRORS[code].wire)).toBe(code);
  });

  it("reads numbers it does not know as internal", () => {
    expect([0, 19, 9_999].map(errorCodeOf)).toEqual(["internal", "internal", "internal"]);
  });

  it("says what to do, in a sentence", () => {
    for (const code of codes) expect(ERRORS[code].mend).toMatch(/^[A-Z].{20,}\S$/);
  });
});

describe("StanzapackError", () => {
  it("takes scope and retryable from the table, unless told otherwise", () => {
    const row: ErrorRow = ERRORS["too-large"];
    const plain = new StanzapackError("too-large", "it is big");
    expect(plain).toMatchObject({
      origin: "local",
      scope: row.scope,
      retryable: false,
      retryAfterMs: undefined,
    });
    expect(plain.message).toBe(`it is big. ${row.mend}`);
    const told = new StanzapackError("too-large", "x", {
      origin: "peer",
      scope: "link",
      retryable: true,
      retryAfterMs: 5,
    });
    expect(told).toMatchObject({ origin: "peer", scope: "link", retryable: true, retryAfterMs: 5 });
  });
});
