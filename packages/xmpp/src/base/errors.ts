import type { Element } from "@xmpp/xml";

/** What can go wrong below the stanzas. */
export type XmppErrorCode =
  | "auth" // credentials refused: final
  | "conflict" // the server gave our place to another session: final
  | "timeout" // no answer before the deadline
  | "unreachable" // no connection could be made
  | "tls" // certificate refused, or TLS required and not offered
  | "unsupported" // the server does not offer what was asked for: compression
  | "protocol" // the peer broke XML or the stream's rules
  | "invalid-xml" // what the caller wants to send is not well-formed XML: final
  | "resource" // the server refused or replaced the resource that was asked for: final before the first session
  | "insecure-context" // a page that was not loaded over https: has no WebCrypto to log in with: final
  | "disconnected" // the stream went away meanwhile
  | "stopped" // by our own `stop`
  | "aborted"; // by the caller's signal

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
  /** Condition of the stream error that the server sent (RFC 6120 §4.9.3); undefined where it sent none. */
  readonly condition: string | undefined;
  constructor(
    readonly code: XmppErrorCode,
    message: string,
    options?: { cause?: unknown; condition?: string },
  ) {
    super(message, options);
    this.condition = options?.condition;
  }
  /** Nothing is gained by trying again with the same options. */
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
    /** An application condition: element name and namespace, with optional attributes and text (for example XEP-0060's `unsupported`). */
    readonly application?: {
      readonly name: string;
      readonly xmlns: string;
      readonly attrs?: Readonly<Record<string, string>>;
      readonly text?: string;
    },
    /** What stands in an iq's answer before the `<error/>`: for example the entries that a request could not change. */
    readonly payload?: Element,
  ) {
    super(text === "" ? condition : `${condition}: ${text}`);
  }
}
