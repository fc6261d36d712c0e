/** Condition of the stream error with which to answer (RFC 6120 §4.9.3). */
export type ParseCondition =
  "bad-namespace-prefix" | "not-well-formed" | "policy-violation" | "restricted-xml" | "unsupported-encoding";

export class ParseError extends Error {
  override readonly name = "ParseError";
  constructor(
    readonly condition: ParseCondition,
    message: string,
  ) {
    super(message);
  }
}
