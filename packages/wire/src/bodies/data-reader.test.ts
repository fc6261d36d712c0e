import { describe, expect, it } from "vitest";
import { ColumnCodec, DEFAULT_CODEC_LIMITS } from "../codec/column-codec.js";
import { DataReader } from "./data-reader.js";
import type { StanzapackError } from "../base/errors.js";
import { encodeFrame } from "../frames/frame-codec.js";
import { PROTOCOL_VERSION, type CodedFrame, type Frame } from "../frames/frames.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { LinkSession } from "../session/link-session.js";
import type { Value } from "../msgpack/msgpack.js";
import { createRowCodec } from "./row-codec.js";

const rows = createRowCodec(DEFAULT_LIMITS);

const HELLO: Frame = {
  type: "hello",
  version: PROTOCOL_VERSION,
  maxBlockBytes: 65_535,
  maxInflatedBytes: 1_048_576,
  maxStanzaBytes: 0,
  codecs: ["rows", "deflated", "coded"],
  hop: "plain",
  token: null,
  lean: null,
};

function independent(values: readonly Value[]): CodedFrame {
  const batch = { rows: values, conflated: 0, at: 0, spanMs: 0 };
  const payload = new ColumnCodec(DEFAULT_CODEC_LIMITS).encode(batch);
  return { type: "coded", alias: 1, form: "independent", epoch: 1, from: 1, payload };
}

/** Returns a block with as many copies of the frame as fit. */
function blockOf(frame: CodedFrame): Uint8Array {
  const one = encodeFrame(frame);
  const count = Math.floor(DEFAULT_LIMITS.maxBlockBytes / one.length);
  const block = new Uint8Array(count * one.length);
  for (let i = 0; i < count; i++) block.set(one, i * one.length);
  return block;
}

/** Returns how many of a block's frames are read, and the code of the error that ends it. */
function readAll(block: Uint8Array): {
  readonly read: number;
  readonly frames: number;
  readonly code: string;
} {
  const session = new LinkSession(DEFAULT_LIMITS);
  session.receive(encodeFrame(HELLO), 0);
  const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, rows);
  const frames = session.receive(block, 0) as CodedFrame[];
  let read = 0;
  try {
    for (const frame of frames) {
      reader.read(frame, true, session.budget);
      read++;
    }
    return { read, frames: frames.length, code: "none" };
  } catch (error) {
    return { read, frames: frames.length, code: (error as StanzapackError).code };
  }
}

describe("what one block may cost its reader", () => {
  it.each([
    // 61,440 values in some hundred bytes.
    ["predictable values", independent(Array<Value>(4_096).fill(Array<Value>(14).fill(0)))],
    ["text that repeats", independent([..."abcdefgh"].map((letter) => letter.repeat(16_000)))],
  ])("is bounded for %s", (_, frame) => {
    const { read, frames, code } = readAll(blockOf(frame));
    expect([code, read < frames]).toEqual(["limit-exceeded", true]);
  });

  it("is enough for a block full of frames with next to nothing in them", () => {
    expect(readAll(blockOf(independent([0])))).toMatchObject({ code: "none" });
  });

  it("is enough for a block of many small frames, and anew for each block", () => {
    const session = new LinkSession(DEFAULT_LIMITS);
    session.receive(encodeFrame(HELLO), 0);
    const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, rows);
    const block = blockOf(independent([{ temperature: 21.5, unit: "C" }]));
    for (let i = 0; i < 3; i++)
      for (const frame of session.receive(block, 0) as CodedFrame[])
        expect(reader.read(frame, true, session.budget)?.rows).toHaveLength(1);
  });
});
