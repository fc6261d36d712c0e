import { decodeFrame, DEFAULT_LIMITS, encodeLaneBody, measureValue, type LaneBody } from "@stanzapack/wire";
import { encodeBase64 } from "@stanzapack/xmpp";
import { expect, it } from "vitest";
import { ReadyBody } from "./ready-body.js";

const payload = Uint8Array.of(1, 2, 3, 4);
const bodies: LaneBody[] = [
  { form: "rows", epoch: 1, from: 1, to: 1, at: 0, spanMs: 0, payload: Uint8Array.of(7) },
  { form: "chained", payload },
  { form: "independent", epoch: 1, from: 9, payload },
];

it.each(bodies)("a ready $form body is the frame of whoever it is for, whatever was asked before", (body) => {
  const ready = new ReadyBody(body.form, encodeBase64(encodeLaneBody(body)), 0, 1, 1, undefined);
  for (const alias of [0, 0, 127, 128, 65_535, 0]) {
    const bytes = Buffer.from(ready.frameFor(alias), "base64");
    const frame = decodeFrame(bytes.subarray(0, measureValue(bytes, 0, DEFAULT_LIMITS)), DEFAULT_LIMITS);
    expect(frame).toMatchObject({ alias, form: body.form });
    expect("payload" in frame && Buffer.from(frame.payload)).toEqual(Buffer.from(body.payload));
  }
  expect(ready.frameFor(0)).toBe(ready.frameFor(0));
});
