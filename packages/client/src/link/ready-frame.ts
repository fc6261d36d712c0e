import {
  encodeFrame,
  encodeLaneBody,
  encodeLanePrefix,
  padOf,
  padOfBody,
  type Frame,
  type LaneBody,
} from "@stanzapack/wire";
import { encodeBase64, leanBody, type LeanBody } from "@stanzapack/xmpp";

/** One frame that is ready to be sent, in a lean stanza or by IBB. */
export interface ReadyFrame {
  readonly base64: string;
  /** Whether it is DATA. The component acknowledges a stanza with DATA. */
  readonly data: boolean;
  /** Number of padding bytes at its end. */
  readonly pad: number;
  /**
   * Payload of a chained body, ready for a lean stanza of its own. Undefined if the frame is no chained body, or is too
   * long for a lean stanza.
   */
  readonly body: LeanBody | undefined;
  /** Alias of DATA. 0 for other frames. */
  readonly label: number;
}

/** Takes a frame that is no DATA. */
export function readyFrame(frame: Frame): ReadyFrame {
  return ofBytes(encodeFrame(frame));
}

/** Takes an encoded frame that is no DATA. */
export function ofBytes(bytes: Uint8Array): ReadyFrame {
  return { base64: encodeBase64(bytes), data: false, pad: padOf(bytes), body: undefined, label: 0 };
}

/** Returns DATA with this alias and body. */
export function readyData(alias: number, body: LaneBody): ReadyFrame {
  const bytes = encodeLaneBody(body);
  return {
    base64: encodeBase64(encodeLanePrefix(body.form, alias)) + encodeBase64(bytes),
    data: true,
    pad: padOfBody(body.form, bytes),
    body: body.form === "chained" ? leanBody(encodeBase64(body.payload)) : undefined,
    label: alias,
  };
}
