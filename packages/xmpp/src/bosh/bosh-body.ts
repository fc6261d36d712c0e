import { XmppError, type XmppErrorCode } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import { StreamParser } from "../xml/stream-parser.js";
import { escapeAttribute, type Element } from "../xml/xml.js";

/** The parts of an answer's `<body/>` (XEP-0124 §4). */
export interface BoshBody {
  readonly attrs: Readonly<Record<string, string | undefined>>;
  /** The elements in the body, as text. */
  readonly content: string;
}

/** Formats a `<body/>`. Leaves out attributes that are undefined. */
export function formatBody(
  attrs: Readonly<Record<string, string | number | undefined>>,
  content: string,
): string {
  let head = `<body xmlns='${NS.HTTP_BIND}'`;
  for (const [name, value] of Object.entries(attrs)) {
    if (value !== undefined) head += ` ${name}='${escapeAttribute(String(value))}'`;
  }
  return content === "" ? `${head}/>` : `${head}>${content}</body>`;
}

/** Longest start tag of a body, in characters: a dozen short attributes, and those that a connection manager adds. */
const MAX_TAG_CHARS = 8_192;

const CLOSING_TAG = "</body>";

/** Reads only the `<body/>` itself. The stream's parser reads the content. Throws `XmppError`. */
export function parseBody(text: string): BoshBody {
  const refuse = (why: string): XmppError =>
    new XmppError("protocol", `the answer is not a BOSH body: ${why}`);
  const end = findTagEnd(text);
  if (end < 0) throw refuse("it has no start tag");
  let root: Element | undefined;
  let selfClosed = false;
  const parser = new StreamParser({ maxStanzaChars: MAX_TAG_CHARS, maxDepth: 1, maxElements: 1 });
  parser.on("start", (element: Element) => (root = element));
  parser.on("end", () => (selfClosed = true));
  try {
    parser.write(text.slice(0, end));
  } catch (cause) {
    throw new XmppError("protocol", "the answer is not a BOSH body: its tag is broken", { cause });
  }
  if (root?.name !== "body" || root.attrs["xmlns"] !== NS.HTTP_BIND) throw refuse("it is another element");
  const attrs = root.attrs as Record<string, string>;
  const rest = text.slice(end).trimEnd();
  if (selfClosed) {
    if (rest !== "") throw refuse("something follows it");
    return { attrs, content: "" };
  }
  if (!rest.endsWith(CLOSING_TAG)) throw refuse("it does not end");
  return { attrs, content: rest.slice(0, -CLOSING_TAG.length) };
}

/** Position after the first tag that is no XML declaration; -1 when there is none. */
function findTagEnd(text: string): number {
  const head = text.slice(0, MAX_TAG_CHARS);
  const tag = /^\s*(?:<\?xml[^>]*\?>\s*)?<(?:[^<>"']|"[^"]*"|'[^']*')*>/.exec(head);
  return tag === null ? -1 : tag[0].length;
}

/** XEP-0124 §17.2: the error that each terminal condition means. */
const CONDITIONS = new Map<string, readonly [XmppErrorCode, string]>(
  Object.entries({
    "bad-request": ["protocol", "the server calls our request malformed"],
    "host-gone": ["unreachable", "the server does not serve the domain any more"],
    "host-unknown": ["unreachable", "the server does not serve the domain"],
    "improper-addressing": ["unreachable", "the server does not serve the domain"],
    "internal-server-error": ["disconnected", "the server failed"],
    "item-not-found": ["disconnected", "the server does not know the session any more"],
    "other-request": ["disconnected", "another request ended the session"],
    "policy-violation": ["protocol", "the server says that this client broke the session's rules"],
    "remote-connection-failed": ["disconnected", "the connection manager cannot reach the server"],
    "remote-stream-error": ["disconnected", "the server ended the stream"],
    "see-other-uri": ["disconnected", "the server names another address for the session"],
    "system-shutdown": ["disconnected", "the server shuts down"],
    "undefined-condition": ["disconnected", "the server ended the session"],
  }),
);

export function toConditionError(condition: string): XmppError {
  const [code, message] =
    CONDITIONS.get(condition) ?? (["disconnected", "the server ended the session"] as const);
  return new XmppError(code, `${message} (${condition.slice(0, 40)})`);
}

/** XEP-0124 §17.1: HTTP statuses by which old connection managers, and some current ones, name a condition. */
const STATUS_CONDITIONS: Readonly<Record<number, string>> = {
  400: "bad-request",
  403: "policy-violation",
  404: "item-not-found",
};

/**
 * Returns an error for a final status. Returns undefined for a temporary one, after which the request is sent again.
 */
export function toStatusError(status: number): XmppError | undefined {
  if (status >= 500 || status === 408 || status === 425 || status === 429) return undefined;
  const condition = STATUS_CONDITIONS[status];
  if (condition !== undefined) return toConditionError(condition);
  // Redirects are final too: they could lead away from TLS, and from the host that the certificate names.
  return toNoService(status);
}

export function toNoService(status: number): XmppError {
  return new XmppError("unreachable", `no BOSH service there: HTTP status ${String(status)}`);
}
