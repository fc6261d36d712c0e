import {
  ERRORS,
  isReadFromCondition,
  StanzapackError,
  type ErrorCode,
  type ErrorRow,
} from "@stanzapack/wire";
import { NS, StanzaError, type Element } from "@stanzapack/xmpp";

const RETRY_AFTER = "retry-after";
/** Longest text of an error, in UTF-16 code units: it may quote what was asked. */
const MAX_TEXT_CHARS = 1_024;
/**
 * Longest answer, in bytes: half of what Prosody takes from a component in one stanza (512 KiB of UTF-8) before it ends the
 * stream, and everybody's link with it.
 */
export const MAX_ANSWER_BYTES = 262_144;

/** The answer, unless no server would carry it. Throws `limit-exceeded`. */
export function assertAnswer(answer: Element | undefined): Element | undefined {
  const bytes = answer === undefined ? 0 : Buffer.byteLength(answer.toString());
  if (bytes > MAX_ANSWER_BYTES)
    throw new StanzapackError(
      "limit-exceeded",
      `the answer would have ${bytes} bytes, at most ${MAX_ANSWER_BYTES} are sent`,
    );
  return answer;
}

/** The stanza error that carries a fault to any XMPP client: RFC 6120 condition, the application condition, and text with the mend. */
export function toStanzaError(error: unknown): unknown {
  if (!(error instanceof StanzapackError)) return error;
  const row: ErrorRow = ERRORS[error.code];
  // RFC 6120 §8.3.2: `wait` says that it may succeed later.
  const type = error.retryable && !row.retryable ? "wait" : row.type;
  const application = pubsubCondition(error.code, row) ?? ownCondition(error);
  return new StanzaError(row.condition, type, clip(error), application);
}

/** What is to be done about it stands at the end, and stays. */
function clip({ text, message }: StanzapackError): string {
  return text.length <= MAX_TEXT_CHARS ? message : text.slice(0, MAX_TEXT_CHARS) + message.slice(text.length);
}

/** The code by its name, where the condition alone would be read as another; and when to come again, in ms. */
function ownCondition({ code, retryAfterMs }: StanzapackError): StanzaError["application"] {
  const name = isReadFromCondition(code) ? RETRY_AFTER : code;
  if (name === RETRY_AFTER && retryAfterMs === undefined) return undefined;
  return {
    ...{ name, xmlns: NS.STANZAPACK },
    ...(retryAfterMs === undefined ? {} : { attrs: { ms: String(retryAfterMs) } }),
  };
}

/** XEP-0060 §17.2: `<unsupported/>` names a feature of §16.3; `text` says what it was for. */
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
