import { ERRORS, type ErrorCode, type ErrorRow } from "./errors.js";

/**
 * What a stanza error means that has no application condition of ours or of XEP-0060: every condition of RFC 6120 §8.3.3. A server, or
 * another program on the way, may have made it.
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

/** Both say that a limit is reached: of type `wait` it passes. */
const PASSING_LIMITS: ReadonlySet<string> = new Set(["resource-constraint", "policy-violation"]);
/** Faults of a program, which say nothing of the request: they may pass, whatever their type. */
const FAULTS: ReadonlySet<string> = new Set(["internal-server-error", "undefined-condition"]);

/** XEP-0060's own conditions: those of the table, and others that say the same. */
const BY_PUBSUB: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ...(Object.entries(ERRORS) as [ErrorCode, ErrorRow][]).flatMap(([code, { pubsub }]) =>
    pubsub === undefined ? [] : [[pubsub, code] as const],
  ),
  ["unsupported-access-model", "unsupported"],
  ["jid-required", "jid-mismatch"],
]);

/**
 * The code that a stanza error's condition and type stand for, and whether the same request may succeed later: by RFC 6120 §8.3.2 what is
 * of type `wait` may, whatever the condition.
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

/** The code of an application condition of XEP-0060; undefined: none of ours. */
export function codeOfPubsubCondition(name: string): ErrorCode | undefined {
  return BY_PUBSUB.get(name);
}

/** Whether the code's condition, and XEP-0060's beside it, say which code it is. Otherwise its name goes along. */
export function isReadFromCondition(code: ErrorCode): boolean {
  const { condition, type, pubsub }: ErrorRow = ERRORS[code];
  return pubsub !== undefined || codeOfCondition(condition, type).code === code;
}
