import { ERRORS, StanzapackError, type ErrorRow } from "@stanzapack/wire";
import { NS, StanzaError } from "@stanzapack/xmpp";

const RETRY_AFTER = "retry-after";

/** The stanza error that carries a fault to any XMPP client: RFC 6120 condition, XEP-0060 condition, and text with the mend. */
export function toStanzaError(error: unknown): unknown {
  if (!(error instanceof StanzapackError)) return error;
  const row: ErrorRow = ERRORS[error.code];
  return new StanzaError(row.condition, row.type, error.message, pubsubCondition(row) ?? retryAfter(error));
}

/** When to come again, in ms. */
function retryAfter({ retryAfterMs }: StanzapackError): StanzaError["application"] {
  return retryAfterMs === undefined
    ? undefined
    : { name: RETRY_AFTER, xmlns: NS.STANZAPACK, attrs: { ms: String(retryAfterMs) } };
}

/** XEP-0060 `unsupported` must name the feature. */
export function unsupported(feature: string, text: string): StanzaError {
  return new StanzaError("feature-not-implemented", "cancel", text, {
    name: "unsupported",
    xmlns: NS.PUBSUB_ERRORS,
    attrs: { feature },
  });
}

function pubsubCondition(row: ErrorRow): StanzaError["application"] {
  return row.pubsub === undefined ? undefined : { name: row.pubsub, xmlns: NS.PUBSUB_ERRORS };
}
