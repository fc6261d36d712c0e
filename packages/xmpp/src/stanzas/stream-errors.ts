import { XmppError, type XmppErrorCode } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import { ParseError } from "../xml/parse-error.js";
import { childElements, type Element } from "../xml/xml.js";

/** RFC 6120 §4.9.3: conditions that say that we, or the peer, broke the stream's rules. */
const PROTOCOL_CONDITIONS = new Set([
  "bad-format",
  "bad-namespace-prefix",
  "invalid-from",
  "invalid-namespace",
  "invalid-xml",
  "not-well-formed",
  "policy-violation",
  "restricted-xml",
  "unsupported-encoding",
  "unsupported-feature",
  "unsupported-stanza-type",
  "unsupported-version",
  "undefined-condition",
]);

/** RFC 6120 §6.5: failures of the server's moment, not of the credentials. */
const TRANSIENT_SASL = new Set(["temporary-auth-failure", "aborted"]);

/** An inbound `<stream:error/>`. `onNotAuthorized`: what `not-authorized` means at this stage. */
export function parseStreamError(element: Element, onNotAuthorized: "auth" | "protocol"): XmppError {
  const children = childElements(element);
  const cause = children.find((child) => child.name !== "text");
  const condition = cause?.name ?? "undefined-condition";
  const text = children.find((child) => child.name === "text")?.text() ?? "";
  // RFC 6120 §4.9.3.19: where to; nobody goes there unasked.
  const elsewhere = condition === "see-other-host" ? `: ${cause?.text() ?? ""}` : "";
  const message = `the server closed the stream: ${condition}${elsewhere}${text === "" ? "" : ` (${text})`}`;
  return new XmppError(streamErrorCode(condition, onNotAuthorized), message, { condition });
}

function streamErrorCode(condition: string, onNotAuthorized: "auth" | "protocol"): XmppErrorCode {
  if (condition === "conflict") return "conflict";
  if (condition === "not-authorized") return onNotAuthorized;
  if (condition === "host-unknown" || condition === "host-gone") return "unreachable";
  return PROTOCOL_CONDITIONS.has(condition) ? "protocol" : "disconnected";
}

/** A `<failure/>` of SASL (RFC 6120 §6.4.5) or SASL2 (XEP-0388 §2.6.2). */
export function parseSaslFailure(element: Element): XmppError {
  const children = childElements(element);
  const condition = children.find((child) => child.getNS() === NS.SASL)?.name ?? children[0]?.name ?? "";
  if (TRANSIENT_SASL.has(condition)) {
    return new XmppError("unreachable", `the server cannot check credentials now: ${condition}`);
  }
  const text = element.getChildText("text") ?? "";
  return new XmppError(
    "auth",
    `the server refused the credentials: ${condition}${text === "" ? "" : ` (${text})`}`,
  );
}

/** Codes of Node's and OpenSSL's that name a network fault; any other error while TLS is set up is TLS's. */
const NETWORK_CODE = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EADDR|ENOTFOUND|EAI_|EACCES|EPERM|EMFILE)/;

export function toXmppError(error: unknown, stage: "connect" | "tls" | "stream"): XmppError {
  if (error instanceof XmppError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  if (cause instanceof ParseError) {
    return new XmppError("protocol", `the peer's XML was refused: ${cause.message}`, { cause });
  }
  const code = (cause as { code?: unknown }).code;
  const network = typeof code !== "string" || NETWORK_CODE.test(code);
  // Node reports a failure of every address as an AggregateError without a message.
  const message = cause.message === "" && typeof code === "string" ? code : cause.message;
  if (stage === "tls" && !network) return new XmppError("tls", `TLS failed: ${message}`, { cause });
  if (stage === "stream")
    return new XmppError("disconnected", `the connection was lost: ${message}`, { cause });
  return new XmppError("unreachable", `no connection: ${message}`, { cause });
}

/** A whole stream error; the stream's end belongs after it. */
export function formatStreamError(condition: string): string {
  return `<stream:error><${condition} xmlns='${NS.STREAM_ERRORS}'/></stream:error>`;
}
