import {
  codeOfCondition,
  codeOfPubsubCondition,
  ERRORS,
  StanzapackError,
  type ErrorCode,
} from "@stanzapack/wire";
import { NS, StanzaError, XmppError, type XmppErrorCode } from "@stanzapack/xmpp";
import { withOwnNames } from "./own-names.js";
import { textOf } from "./text-of.js";

const FROM_XMPP: Record<XmppErrorCode, ErrorCode> = {
  auth: "auth-failed",
  conflict: "conflict",
  timeout: "timeout",
  unreachable: "unreachable",
  tls: "tls-failed",
  unsupported: "unsupported",
  protocol: "protocol",
  "invalid-xml": "invalid-options",
  resource: "invalid-options",
  "insecure-context": "insecure-context",
  disconnected: "disconnected",
  stopped: "stopped",
  aborted: "aborted",
};

/** Faults of this program's input, or of the page it runs in. */
const LOCAL: ReadonlySet<XmppErrorCode> = new Set(["invalid-xml", "resource", "insecure-context"]);

/** Returns any failure as a `StanzapackError`. `doing` begins its text: "subscribing to `alice@…/temp`". */
export function toStanzapackError(error: unknown, doing: string): StanzapackError {
  if (error instanceof StanzapackError) return error;
  if (error instanceof XmppError)
    return new StanzapackError(FROM_XMPP[error.code], `${doing}: ${error.message}`, {
      origin: LOCAL.has(error.code) ? "local" : "transport",
      cause: error,
    });
  if (error instanceof StanzaError) return fromStanzaError(error, doing);
  return new StanzapackError("internal", `${doing}: ${textOf(error)}`, { cause: error });
}

function fromStanzaError(error: StanzaError, doing: string): StanzapackError {
  // The text of the component ends with the advice, which `StanzapackError` adds again.
  const text = withOwnNames(withoutMend(error.text === "" ? error.condition : error.text));
  const named = namedCode(error);
  const read = codeOfCondition(error.condition, error.type);
  const code = named ?? read.code;
  // RFC 6120 §8.3.2: after an error of type `wait` the request may be retried, whatever the condition is.
  const retryable = error.type === "wait" || (named === undefined ? read.retryable : ERRORS[named].retryable);
  const details = { origin: "peer", cause: error, retryable, ...retryAfter(error) } as const;
  if (code === "component-unavailable")
    return new StanzapackError(code, `${doing}: the server found no component (${error.condition})`, details);
  // A limit of the link ends the link with BYE, so a limit in a stanza error is of the subscription.
  const scope = code === "limit-exceeded" ? { scope: "subscription" as const } : {};
  return new StanzapackError(code, `${doing}: ${text}`, { ...details, ...scope });
}

/** Returns the code that the error itself names, by our element or by a condition of XEP-0060. */
function namedCode({ application }: StanzaError): ErrorCode | undefined {
  if (application?.xmlns === NS.PUBSUB_ERRORS) return codeOfPubsubCondition(application.name);
  const isOurs = application?.xmlns === NS.STANZAPACK && Object.hasOwn(ERRORS, application.name);
  return isOurs ? (application.name as ErrorCode) : undefined;
}

/** Longest pause before a retry that a peer may ask for, in ms. 600,000: twice the longest of our component. */
const MAX_RETRY_AFTER_MS = 600_000;

function retryAfter({ application }: StanzaError): { readonly retryAfterMs?: number } {
  const said = application?.xmlns === NS.STANZAPACK ? application.attrs?.["ms"] : undefined;
  const ms = Number(said);
  return said !== undefined && ms >= 0 ? { retryAfterMs: Math.min(ms, MAX_RETRY_AFTER_MS) } : {};
}

/** Returns the text without the advice of an error at its end. */
function withoutMend(text: string): string {
  for (const { mend } of Object.values(ERRORS))
    if (text.endsWith(`. ${mend}`)) return text.slice(0, -mend.length - 2);
  return text;
}
