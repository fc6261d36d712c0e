import { encodeFrame, type Frame } from "@stanzapack/wire";
import { encodeBase64, leanBody } from "@stanzapack/xmpp";
import { expect, it } from "vitest";
import { BlockReader } from "./block-reader.js";

const base64Of = (...frames: Frame[]): string =>
  frames.map((frame) => encodeBase64(encodeFrame(frame))).join("");
const chained: Frame = { type: "coded", alias: 0, form: "chained", payload: Uint8Array.of(1, 2, 3) };

it("tells blocks with data, and those that ask for an acknowledgement", () => {
  const reader = new BlockReader();
  const data = base64Of(chained);
  expect(reader.read(data)).toMatchObject({ hasData: true, asksAck: false });
  expect(reader.read(data)).toBe(reader.read(data));
  const question = base64Of(chained, { type: "credit", alias: null, total: 7 });
  expect(reader.read(question)).toMatchObject({ hasData: true, asksAck: true });
  expect(reader.read(base64Of({ type: "done", request: 1 }))).toMatchObject({
    ...{ hasData: false, asksAck: false },
    frames: [{ type: "done", request: 1 }],
  });
  expect(() => reader.read("")).toThrow("without bytes");
});

it("reads lean stanzas: one body alone, and whole frames", () => {
  const reader = new BlockReader();
  // Three bytes: label 0, then the number 4,095, then the bytes.
  expect(leanBody("AQID")?.bytes).toBe(3);
  expect(reader.readLean("TA//AQID")).toMatchObject({ seq: 4_095, hasData: true, asksAck: false });
  const question = base64Of({ type: "credit", alias: null, total: 7 });
  expect(reader.readLean(`T/AB${question}`)).toMatchObject({ seq: 1, hasData: false, asksAck: true });
  expect(() => reader.readLean("T")).toThrow("not the id");
});
