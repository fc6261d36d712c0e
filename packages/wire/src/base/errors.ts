// Over 400 lines: the closed set of errors is one table.
/** The side at fault: this program, the peer's program, or the transport between them. */
export type ErrorOrigin = "local" | "peer" | "transport";
/** The part that the error ends. */
export type ErrorScope = "update" | "call" | "subscription" | "link";

export interface ErrorRow {
  /** Number in ERROR and BYE frames. Never reused. */
  readonly wire: number;
  /** Stanza error condition (RFC 6120 §8.3.3), for an error that travels as a stanza. */
  readonly condition: string;
  readonly type: "auth" | "cancel" | "modify" | "wait";
  /** Application condition of XEP-0060 (`http://jabber.org/protocol/pubsub#errors`) beside `condition`. */
  readonly pubsub?: string;
  readonly scope: ErrorScope;
  /** The same call may succeed later, unchanged. */
  readonly retryable: boolean;
  /** Advice for the reader of the error. */
  readonly mend: string;
}

/**
 * The closed set of errors: code → wire number → XMPP condition → what to do. `docs/reference/errors.md` is
 * checked against it.
 */
export const ERRORS = {
  "auth-failed": {
    wire: 1,
    condition: "not-authorized",
    type: "auth",
    scope: "link",
    retryable: false,
    mend: "Check the JID and the password. The server refused them, and will refuse them again.",
  },
  unreachable: {
    wire: 2,
    condition: "remote-server-not-found",
    type: "cancel",
    scope: "link",
    retryable: true,
    mend: "Check host, port and network. A client that was online before keeps retrying by itself.",
  },
  timeout: {
    wire: 3,
    condition: "remote-server-timeout",
    type: "wait",
    scope: "link",
    retryable: true,
    mend: "Retry. If it happens again, read the logs of the server and of the component.",
  },
  disconnected: {
    wire: 4,
    condition: "recipient-unavailable",
    type: "wait",
    scope: "link",
    retryable: true,
    mend: "Do nothing: the client reconnects and subscribes again by itself.",
  },
  "tls-failed": {
    wire: 5,
    condition: "policy-violation",
    type: "cancel",
    scope: "link",
    retryable: false,
    mend: "Name the authority that signed the server's certificate (--ca FILE, component.tls.caFile), or correct the certificate.",
  },
  "component-unavailable": {
    wire: 6,
    condition: "service-unavailable",
    type: "cancel",
    scope: "link",
    retryable: true,
    mend: "Check the component's domain. Check that `stanzapack serve` runs and is connected to the server.",
  },
  stopped: {
    wire: 7,
    condition: "gone",
    type: "cancel",
    scope: "link",
    retryable: false,
    mend: "Do nothing: its owner closed it.",
  },
  aborted: {
    wire: 8,
    condition: "undefined-condition",
    type: "cancel",
    scope: "link",
    retryable: false,
    mend: "Do nothing: the caller's signal ended it.",
  },
  protocol: {
    wire: 9,
    condition: "bad-request",
    type: "modify",
    scope: "link",
    retryable: false,
    mend: "The peer broke the protocol: update the older of the two programs, or report it.",
  },
  malformed: {
    wire: 10,
    condition: "bad-request",
    type: "modify",
    scope: "link",
    retryable: false,
    mend: "A frame could not be decoded: update the older of the two programs, or report it with the vector.",
  },
  "limit-exceeded": {
    wire: 11,
    condition: "resource-constraint",
    type: "modify",
    scope: "link",
    retryable: false,
    mend: "Send less at once, or ask the operator to raise the limit that the text names.",
  },
  "version-mismatch": {
    wire: 12,
    condition: "not-acceptable",
    type: "cancel",
    scope: "link",
    retryable: false,
    mend: "Update the older of the two programs: they share no protocol version.",
  },
  gap: {
    wire: 13,
    condition: "unexpected-request",
    type: "cancel",
    scope: "link",
    retryable: true,
    mend: "Do nothing: blocks were lost. The client opens a new link and reports the missing range.",
  },
  "unknown-alias": {
    wire: 14,
    condition: "item-not-found",
    type: "cancel",
    scope: "link",
    retryable: false,
    mend: "A frame has an alias that this link never bound. Report this fault.",
  },
  "insecure-context": {
    wire: 18,
    condition: "policy-violation",
    type: "cancel",
    scope: "link",
    retryable: false,
    mend: "Load the page over https: or from localhost; browsers give no cryptography to other pages.",
  },
  "no-such-service": {
    wire: 20,
    condition: "item-not-found",
    type: "cancel",
    scope: "subscription",
    retryable: false,
    mend: "Check the node's spelling (`stanzapack services` lists all services), or wait until the service is offered.",
  },
  "not-allowed": {
    wire: 21,
    condition: "not-allowed",
    type: "cancel",
    pubsub: "closed-node",
    scope: "subscription",
    retryable: false,
    mend: "Ask the publisher to allow your JID: the service has a whitelist, or its publisher decides.",
  },
  forbidden: {
    wire: 22,
    condition: "forbidden",
    type: "auth",
    scope: "subscription",
    retryable: false,
    mend: "Only the JID in front of the node's `/` may do this: log in as that JID, or use a node of your own.",
  },
  conflict: {
    wire: 23,
    condition: "conflict",
    type: "cancel",
    scope: "subscription",
    retryable: false,
    mend: "Another session of this account offers this service: stop that session, take the service over (`takeOver`), or choose another name.",
  },
  "bad-name": {
    wire: 24,
    condition: "bad-request",
    type: "modify",
    pubsub: "nodeid-required",
    scope: "subscription",
    retryable: false,
    mend: "A node is `user@domain/name`; the name has 1 to 64 of a–z A–Z 0–9 . _ -",
  },
  "invalid-options": {
    wire: 25,
    condition: "bad-request",
    type: "modify",
    pubsub: "invalid-options",
    scope: "subscription",
    retryable: false,
    mend: "Mend the option that the text names.",
  },
  unsupported: {
    wire: 26,
    condition: "feature-not-implemented",
    type: "cancel",
    pubsub: "unsupported",
    scope: "subscription",
    retryable: false,
    mend: "Leave out the option or request: this version does not have it.",
  },
  "jid-mismatch": {
    wire: 27,
    condition: "bad-request",
    type: "modify",
    pubsub: "invalid-jid",
    scope: "subscription",
    retryable: false,
    mend: "Subscribe with the full JID that sends the request.",
  },
  "not-subscribed": {
    wire: 28,
    condition: "unexpected-request",
    type: "cancel",
    pubsub: "not-subscribed",
    scope: "subscription",
    retryable: false,
    mend: "Subscribe first; the subscription may have ended with its link.",
  },
  "bad-subid": {
    wire: 29,
    condition: "not-acceptable",
    type: "modify",
    pubsub: "invalid-subid",
    scope: "subscription",
    retryable: false,
    mend: "Use the subid that the subscribe answer gave.",
  },
  "link-required": {
    wire: 30,
    condition: "unexpected-request",
    type: "cancel",
    scope: "subscription",
    retryable: true,
    mend: "Open the In-Band Bytestream to the component first, then offer or subscribe.",
  },
  withdrawn: {
    wire: 31,
    condition: "gone",
    type: "cancel",
    scope: "subscription",
    retryable: false,
    mend: "The publisher deleted the service. Subscribe again when it is offered again.",
  },
  "not-resumable": {
    wire: 32,
    condition: "item-not-found",
    type: "cancel",
    scope: "link",
    retryable: false,
    mend: "Do nothing: the client subscribes again by itself.",
  },
  fenced: {
    wire: 33,
    condition: "conflict",
    type: "cancel",
    scope: "subscription",
    retryable: false,
    mend: "Another session of this account publishes this service now. Offer it again when that session has stopped, or with `takeOver`.",
  },
  pending: {
    wire: 35,
    condition: "not-authorized",
    type: "auth",
    pubsub: "pending-subscription",
    scope: "subscription",
    retryable: true,
    mend: "Wait: the component has asked the publisher, who has not decided yet.",
  },
  "too-large": {
    wire: 40,
    condition: "not-acceptable",
    type: "modify",
    pubsub: "payload-too-big",
    scope: "update",
    retryable: false,
    mend: "Publish smaller values, or split them.",
  },
  unencodable: {
    wire: 41,
    condition: "bad-request",
    type: "modify",
    pubsub: "invalid-payload",
    scope: "update",
    retryable: false,
    mend: "Publish JSON-like values: null, booleans, numbers, strings, bytes, arrays, plain objects.",
  },
  "publisher-offline": {
    wire: 42,
    condition: "recipient-unavailable",
    type: "wait",
    scope: "call",
    retryable: true,
    mend: "Call again when the publisher is online. The call did not run.",
  },
  "unknown-method": {
    wire: 43,
    condition: "feature-not-implemented",
    type: "cancel",
    scope: "call",
    retryable: false,
    mend: "Check the method's spelling. The publisher answers other methods, or none.",
  },
  "call-failed": {
    wire: 44,
    condition: "undefined-condition",
    type: "cancel",
    scope: "call",
    retryable: false,
    mend: "The publisher's program answered with this error: act on its text.",
  },
  "outcome-unknown": {
    wire: 45,
    condition: "undefined-condition",
    type: "cancel",
    scope: "call",
    retryable: false,
    mend: "The call may have run, or not. Find out what it did before you call again.",
  },
  busy: {
    wire: 50,
    condition: "resource-constraint",
    type: "wait",
    scope: "link",
    retryable: true,
    mend: "Wait as long as the answer says, then retry.",
  },
  usage: {
    wire: 60,
    condition: "bad-request",
    type: "modify",
    scope: "update",
    retryable: false,
    mend: "Mend the call as the text says.",
  },
  "store-failed": {
    wire: 62,
    condition: "internal-server-error",
    type: "cancel",
    scope: "subscription",
    retryable: false,
    mend: "Repair the store of the publisher's outbox as the text says. Nothing in the store was changed.",
  },
  internal: {
    wire: 61,
    condition: "internal-server-error",
    type: "cancel",
    scope: "link",
    retryable: true,
    mend: "Read the component's log. If it happens again, report it.",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

const BY_WIRE = new Map<number, ErrorCode>(
  (Object.keys(ERRORS) as ErrorCode[]).map((code) => [ERRORS[code].wire, code]),
);

/** The code of a wire number; a number from a newer peer reads as `internal`. */
export function errorCodeOf(wire: number): ErrorCode {
  return BY_WIRE.get(wire) ?? "internal";
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

export interface ErrorDetails {
  /** Default `local`. */
  readonly origin?: ErrorOrigin;
  /** Default: the code's own. */
  readonly scope?: ErrorScope;
  readonly retryable?: boolean;
  /** Least time to wait before the next try, in ms. */
  readonly retryAfterMs?: number;
  /** Advice in whole sentences. Default: that of the code. */
  readonly mend?: string;
  readonly cause?: unknown;
}

/** The one error class of Stanzapack. `message` says what happened and what to do. */
export class StanzapackError extends Error {
  override readonly name = "StanzapackError";
  readonly origin: ErrorOrigin;
  readonly scope: ErrorScope;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  /** The message without the advice. */
  readonly text: string;

  constructor(
    readonly code: ErrorCode,
    text: string,
    details: ErrorDetails = {},
  ) {
    const row: ErrorRow = ERRORS[code];
    super(
      `${text}. ${details.mend ?? row.mend}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.text = text;
    this.origin = details.origin ?? "local";
    this.scope = details.scope ?? row.scope;
    this.retryable = details.retryable ?? row.retryable;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** For the `default` of an exhaustive switch. */
export function assertNever(value: never): never {
  throw new StanzapackError("internal", `unreachable case ${JSON.stringify(value)}`);
}
