import { ERRORS, type ErrorCode, type ErrorRow } from "./errors.js";

/**
 * The code for each condition of RFC 6120 §8.3.3. It applies to a stanza error without an application condition of
 * ours or of XEP-0060. A server, or another program on the way, may have made such an error.
 */
const BY_CONDITION: ReadonlyMap<string, ErrorCode> = new Map(
  Object.entries({
    "bad-request": "usage",
    conflict: "conflict",
    "feature-not-implemented": "unsupported",
    forbidden: "forbidden",
    gone: "withdrawn",
    "internal-server-error": "internal",
    "item-not-found": "no-such-service",
    "jid-malformed": "usage",
    "not-acceptable": "unsupported",
    "not-allowed": "not-allowed",
    "not-authorized": "not-allowed",
    "payment-required": "not-allowed",
    "policy-violation": "limit-exceeded",
    "recipient-unavailable": "component-unavailable",
    redirect: "component-unavailable",
    "registration-required": "not-allowed",
    "remote-server-not-found": "component-unavailable",
    "remote-server-timeout": "component-unavailable",
    "resource-constraint": "limit-exceeded",
    "service-unavailable": "component-unavailable",
    "subscription-required": "not-allowed",
    "undefined-condition": "internal",
    "unexpected-request": "link-required",
  } satisfies Record<string, ErrorCode>),
);

/** Conditions that report a reached limit. With type `wait` the limit is temporary. */
const PASSING_LIMITS: ReadonlySet<string> = new Set(["resource-constraint", "policy-violation"]);
/**
 * Conditions that report a fault of a program, not of the request. The same request may succeed later, whatever the
 * type.
 */
const FAULTS: ReadonlySet<string> = new Set(["internal-server-error", "undefined-condition"]);

/** Codes of XEP-0060's application conditions: those in `ERRORS`, and two others with the same meaning. */
const BY_PUBSUB: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ...(Object.entries(ERRORS) as [ErrorCode, ErrorRow][]).flatMap(([code, { pubsub }]) =>
    pubsub === undefined ? [] : [[pubsub, code] as const],
  ),
  ["unsupported-access-model", "unsupported"],
  ["jid-required", "jid-mismatch"],
]);

/**
 * Returns the code for a stanza error's condition and type, and whether the same request may succeed later. An error of
 * type `wait` is retryable, whatever its condition (RFC 6120 §8.3.2).
 */
export function codeOfCondition(
  condition: string,
  type: string,
): { readonly code: ErrorCode; readonly retryable: boolean } {
  const isWait = type === "wait";
  const code = isWait && PASSING_LIMITS.has(condition) ? "busy" : (BY_CONDITION.get(condition) ?? "internal");
  const isOther = code === "internal" && !FAULTS.has(condition);
  return { code, retryable: isWait || (ERRORS[code].retryable && !isOther) };
}

/** Returns the code of an application condition of XEP-0060; undefined for a condition that is not in the table. */
export function codeOfPubsubCondition(name: string): ErrorCode | undefined {
  return BY_PUBSUB.get(name);
}

/**
 * Whether a receiver can tell the code from its condition and its XEP-0060 condition. If not, the error also carries
 * the code's name.
 */
export function isReadFromCondition(code: ErrorCode): boolean {
  const { condition, type, pubsub }: ErrorRow = ERRORS[code];
  return pubsub !== undefined || codeOfCondition(condition, type).code === code;
}

/** The code of a link that a fault in its bytestream ended. `condition`: that of the fault (XEP-0047 §2.2). */
export function linkCodeOf(condition: string): ErrorCode {
  switch (condition) {
    case "unexpected-request":
      return "gap";
    case "bad-request":
      return "malformed";
    case "resource-constraint":
      return "limit-exceeded";
    case "internal-server-error":
      return "internal";
    default:
      return "protocol";
  }
}
