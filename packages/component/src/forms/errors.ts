import {
  ERRORS,
  isReadFromCondition,
  StanzapackError,
  type ErrorCode,
  type ErrorRow,
} from "@stanzapack/wire";
import { NS, StanzaError, type Element } from "@stanzapack/xmpp";

const RETRY_AFTER = "retry-after";
/** Longest text of an error, in UTF-16 code units. A text may quote the request. */
const MAX_TEXT_CHARS = 1_024;
/**
 * Longest answer, in bytes. It is half of what Prosody accepts from a component in one stanza (512 KiB of UTF-8).
 * Beyond, Prosody ends the stream, and everybody's link with it.
 */
export const MAX_ANSWER_BYTES = 262_144;

/** Returns the answer, if servers carry it. Throws `limit-exceeded`. */
export function assertAnswer(answer: Element | undefined): Element | undefined {
  const bytes = answer === undefined ? 0 : Buffer.byteLength(answer.toString());
  if (bytes > MAX_ANSWER_BYTES)
    throw new StanzapackError(
      "limit-exceeded",
      `the answer would have ${bytes} bytes, at most ${MAX_ANSWER_BYTES} are sent`,
    );
  return answer;
}

/**
 * Returns the stanza error that carries a fault to any XMPP client: the condition of RFC 6120, the application
 * condition, and the text with advice. Returns other errors as they are.
 */
export function toStanzaError(error: unknown): unknown {
  if (!(error instanceof StanzapackError)) return error;
  const row: ErrorRow = ERRORS[error.code];
  // RFC 6120 §8.3.2: `wait` says that the request may succeed later.
  const type = error.retryable && !row.retryable ? "wait" : row.type;
  const application = pubsubCondition(error.code, row) ?? ownCondition(error);
  return new StanzaError(row.condition, type, clip(error), application);
}

/** Returns the message, with its text cut to length. The advice at the end of the message stays. */
function clip({ text, message }: StanzapackError): string {
  return text.length <= MAX_TEXT_CHARS ? message : text.slice(0, MAX_TEXT_CHARS) + message.slice(text.length);
}

/**
 * Returns our application condition: the name of the code, if clients would read the condition alone as another code.
 * Otherwise `retry-after`. Both have the time to retry, in ms, if there is one. Undefined: neither is needed.
 */
function ownCondition({ code, retryAfterMs }: StanzapackError): StanzaError["application"] {
  const name = isReadFromCondition(code) ? RETRY_AFTER : code;
  if (name === RETRY_AFTER && retryAfterMs === undefined) return undefined;
  return {
    ...{ name, xmlns: NS.STANZAPACK },
    ...(retryAfterMs === undefined ? {} : { attrs: { ms: String(retryAfterMs) } }),
  };
}

/**
 * Returns the error for a missing feature. XEP-0060 §17.2: `<unsupported/>` names a feature of §16.3. `text` says
 * what the feature was for.
 */
export function unsupported(feature: string, text: string): StanzaError {
  return new StanzaError("feature-not-implemented", "cancel", text, {
    name: "unsupported",
    xmlns: NS.PUBSUB_ERRORS,
    attrs: { feature },
  });
}

function pubsubCondition(code: ErrorCode, row: ErrorRow): StanzaError["application"] {
  // Kinds and ways of delivery are ours: XEP-0060 has no feature to name.
  if (code === "unsupported") return undefined;
  return row.pubsub === undefined ? undefined : { name: row.pubsub, xmlns: NS.PUBSUB_ERRORS };
}
