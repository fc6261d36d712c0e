import { decodeBlock, DEFAULT_LIMITS, type LaneBody } from "@stanzapack/wire";
import { decodeBase64 } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import { readyData, readyFrame, type ReadyFrame } from "./ready-frame.js";

const decode = ({ base64 }: ReadyFrame): unknown =>
  decodeBlock(decodeBase64(base64) as Uint8Array, DEFAULT_LIMITS);

describe("a frame ready to be sent", () => {
  it("is data only where it is DATA: nothing else is acknowledged", () => {
    const status = { type: "status", alias: 3, status: "online", windowMs: 100 } as const;
    const ready = readyFrame(status);
    expect(ready).toMatchObject({ data: false, body: undefined, label: 0 });
    expect(decode(ready)).toEqual([status]);
  });

  it("has a short form where it is a chained body", () => {
    for (const length of [0, 1, 2, 3, 700]) {
      const body: LaneBody = { form: "chained", payload: new Uint8Array(length).fill(7) };
      const ready = readyData(300, body);
      expect(ready).toMatchObject({ data: true, label: 300, body: { bytes: length } });
      expect(decode(ready)).toMatchObject([{ type: "coded", alias: 300, ...body }]);
    }
    const large: LaneBody = { form: "chained", payload: new Uint8Array(2_000) };
    expect(readyData(0, large).body).toBeUndefined();
    const other: LaneBody = { form: "independent", epoch: 1, from: 1, payload: Uint8Array.of(1) };
    expect(readyData(0, other)).toMatchObject({ data: true, body: undefined });
  });
});
