import { XmppError, type XmppErrorCode } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import { ParseError } from "../xml/parse-error.js";
import { childElements, type Element } from "../xml/xml.js";

/** RFC 6120 §4.9.3: conditions which mean that we, or the peer, broke the stream's rules. */
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

/** RFC 6120 §6.5: failures that the server may not have later. They say nothing about the credentials. */
const TRANSIENT_SASL = new Set(["temporary-auth-failure", "aborted"]);

/** Reads an inbound `<stream:error/>`. `onNotAuthorized` is the code of `not-authorized` at this stage. */
export function parseStreamError(element: Element, onNotAuthorized: "auth" | "protocol"): XmppError {
  const children = childElements(element);
  const cause = children.find((child) => child.name !== "text");
  const condition = cause?.name ?? "undefined-condition";
  const text = children.find((child) => child.name === "text")?.text() ?? "";
  // RFC 6120 §4.9.3.19: the host to connect to. The message names the host, and no code connects to it.
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

/** Reads a `<failure/>` of SASL (RFC 6120 §6.4.5) or SASL2 (XEP-0388 §2.6.2). */
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

/** Error codes that name a network fault. An error with any other code during the TLS handshake is a fault of TLS. */
const NETWORK_CODE = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EADDR|ENOTFOUND|EAI_|EACCES|EPERM|EMFILE)/;

export function toXmppError(error: unknown, stage: "connect" | "tls" | "stream"): XmppError {
  if (error instanceof XmppError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  if (cause instanceof ParseError) {
    return new XmppError("protocol", `the peer's XML was refused: ${cause.message}`, { cause });
  }
  const code = (cause as { code?: unknown }).code;
  const network = typeof code !== "string" || NETWORK_CODE.test(code);
  // When all addresses fail, Node reports an AggregateError without a message.
  const message = cause.message === "" && typeof code === "string" ? code : cause.message;
  if (stage === "tls" && !network) return new XmppError("tls", `TLS failed: ${message}`, { cause });
  if (stage === "stream")
    return new XmppError("disconnected", `the connection was lost: ${message}`, { cause });
  return new XmppError("unreachable", `no connection: ${message}`, { cause });
}

/** Makes a whole stream error. The caller sends the stream's end after it. */
export function formatStreamError(condition: string): string {
  return `<stream:error><${condition} xmlns='${NS.STREAM_ERRORS}'/></stream:error>`;
}
