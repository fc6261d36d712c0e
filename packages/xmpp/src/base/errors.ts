import type { Element } from "@xmpp/xml";

/** What can go wrong below the stanzas. */
export type XmppErrorCode =
  | "auth" // credentials refused: final
  | "conflict" // the server replaced our session by another one: final for a client
  | "timeout" // no answer before the deadline
  | "unreachable" // no connection could be made
  | "tls" // certificate refused, or TLS required and not offered
  | "unsupported" // the caller requires compression, and the server or the transport does not offer it
  | "protocol" // the peer broke XML or the stream's rules
  | "invalid-xml" // what the caller wants to send is not well-formed XML: final
  | "resource" // the server refused or replaced the requested resource: final before the first session
  | "insecure-context" // the page was not loaded over `https:`, so it has no WebCrypto to log in with: final
  | "disconnected" // the stream ended before the operation did
  | "stopped" // the caller called `stop`: final
  | "aborted"; // the caller's signal aborted: final

const FINAL: ReadonlySet<XmppErrorCode> = new Set([
  "auth",
  "conflict",
  "invalid-xml",
  "insecure-context",
  "stopped",
  "aborted",
]);

export class XmppError extends Error {
  override readonly name = "XmppError";
  /** Condition of the stream error that the server sent (RFC 6120 §4.9.3); undefined when it sent none. */
  readonly condition: string | undefined;
  constructor(
    readonly code: XmppErrorCode,
    message: string,
    options?: { cause?: unknown; condition?: string },
  ) {
    super(message, options);
    this.condition = options?.condition;
  }
  /** Another attempt with the same options would fail too. */
  get final(): boolean {
    return FINAL.has(this.code);
  }
}

/** RFC 6120 §8.3.2. */
export type StanzaErrorType = "auth" | "cancel" | "continue" | "modify" | "wait";

/** A stanza error (RFC 6120 §8.3), received or to be sent. */
export class StanzaError extends Error {
  override readonly name = "StanzaError";
  constructor(
    readonly condition: string,
    readonly type: StanzaErrorType,
    readonly text = "",
    /**
     * An application condition: element name and namespace, with optional attributes and text (for example XEP-0060's
     * `unsupported`).
     */
    readonly application?: {
      readonly name: string;
      readonly xmlns: string;
      readonly attrs?: Readonly<Record<string, string>>;
      readonly text?: string;
    },
    /**
     * Element that the iq's answer has before the `<error/>`: for example the entries that a request could not change.
     */
    readonly payload?: Element,
    /** Text of the condition's element: the other address of `redirect` or `gone` (RFC 6120 §8.3.3). */
    readonly address?: string,
  ) {
    super(text === "" ? condition : `${condition}: ${text}`);
  }
}
