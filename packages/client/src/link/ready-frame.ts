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

/** One frame ready to be sent, by either kind of stanza. */
export interface ReadyFrame {
  readonly base64: string;
  /** It is DATA: the stanza that holds it is acknowledged. */
  readonly data: boolean;
  /** So many of its last bytes are padding. */
  readonly pad: number;
  /** Of a chained body: its payload, ready for a lean stanza of its own; undefined: none holds it. */
  readonly body: LeanBody | undefined;
  /** The alias of that; else 0. */
  readonly label: number;
}

/** Of a frame that is no DATA. */
export function readyFrame(frame: Frame): ReadyFrame {
  return ofBytes(encodeFrame(frame));
}

/** Of a frame that is encoded, and no DATA. */
export function ofBytes(bytes: Uint8Array): ReadyFrame {
  return { base64: encodeBase64(bytes), data: false, pad: padOf(bytes), body: undefined, label: 0 };
}

/** DATA of one alias. */
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
