import { describe, expect, it } from "vitest";
import { createBlockWriter, decodeBlock } from "./block.js";
import { type StanzapackError } from "../base/errors.js";
import { encodeFrame } from "../frames/frame-codec.js";
import type { Frame } from "../frames/frames.js";
import { DEFAULT_LIMITS, type Limits } from "../base/limits.js";

const ack: Frame = { type: "ack", stanzas: 1 };
const data: Frame = {
  type: "data",
  alias: 1,
  form: "rows",
  epoch: 1,
  from: 1,
  to: 1,
  at: 0,
  spanMs: 0,
  payload: Uint8Array.of(7),
};
const code = (block: Uint8Array, limits: Partial<Limits> = {}): string => {
  try {
    decodeBlock(block, { ...DEFAULT_LIMITS, ...limits });
    return "none";
  } catch (error) {
    return (error as StanzapackError).code;
  }
};
const decode = (block: Uint8Array): Frame[] => decodeBlock(block, DEFAULT_LIMITS);

describe("decodeBlock", () => {
  it("ignores C0 before, between and after frames", () => {
    expect(decode(Uint8Array.of(0xc0, 0x92, 4, 1, 0xc0, 0xc0, 0xc0, 0xc0, 0x92, 4, 1, 0xc0))).toEqual([
      ack,
      ack,
    ]);
    expect(decode(new Uint8Array(9).fill(0xc0))).toEqual([]);
    expect(decode(new Uint8Array())).toEqual([]);
  });

  it("gives plain views, also of a Node Buffer, whose slice would not copy", () => {
    const [frame] = decode(Buffer.from(encodeFrame(data)));
    expect((frame as { payload: Uint8Array }).payload.constructor).toBe(Uint8Array);
  });

  it("holds the limits of block, frame and frames", () => {
    expect(code(new Uint8Array(65_535).fill(0xc0))).toBe("none");
    expect(code(new Uint8Array(65_536).fill(0xc0))).toBe("limit-exceeded");
    expect(code(encodeFrame(ack), { maxFrameBytes: 2 })).toBe("limit-exceeded");
    const acks = Buffer.concat(Array<Uint8Array>(21_845).fill(encodeFrame(ack)));
    expect(acks.length).toBe(65_535);
    expect(code(acks)).toBe("none");
    expect(code(acks, { maxFramesPerBlock: 21_844 })).toBe("limit-exceeded");
  });

  it("refuses what is no frame, also after good ones", () => {
    expect(code(Uint8Array.of(0x92, 4, 1, 5))).toBe("malformed");
    expect(code(Uint8Array.of(0x92, 4, 1, 0xc1))).toBe("malformed");
    expect(code(Uint8Array.of(0xc1, 0x92, 4, 1))).toBe("malformed");
    expect(code(Uint8Array.of(0x92, 4, 1, 0x92, 4))).toBe("malformed");
  });
});

/** No padding and no short form. */
const LONG = { pad: 0, body: undefined, label: 0 };

describe("createBlockWriter", () => {
  it("fills blocks up to the block size rounded down to a multiple of three", () => {
    const writer = createBlockWriter(10);
    expect(writer.empty).toBe(true);
    for (let i = 0; i < 7; i++) writer.append("AAAA", i === 4);
    expect(writer.empty).toBe(false);
    expect(writer.take()).toEqual([
      { base64: "AAAA".repeat(3), data: false, ...LONG },
      { base64: "AAAA".repeat(3), data: true, ...LONG },
      { base64: "AAAA", data: false, ...LONG },
    ]);
    expect(writer.empty).toBe(true);
    expect(writer.take()).toEqual([]);
  });

  it("keeps the short form of a frame that is alone, and the padding of the last", () => {
    const writer = createBlockWriter<string>(6);
    writer.append("AAAA", true, 2, "short", 9);
    expect(writer.take()).toEqual([{ base64: "AAAA", data: true, pad: 2, body: "short", label: 9 }]);
    writer.append("AAAA", true, 2, "short", 9);
    writer.append("BBBB", false, 1);
    writer.append("CCCC", true, 0, "other", 3);
    expect(writer.take()).toEqual([
      { base64: "AAAABBBB", data: true, pad: 1, body: undefined, label: 0 },
      { base64: "CCCC", data: true, pad: 0, body: "other", label: 3 },
    ]);
  });

  it("keeps the order, and refuses a frame that fits no block", () => {
    const writer = createBlockWriter(6);
    writer.append("AAAABBBB", false);
    writer.append("CCCC", false);
    writer.append("DDDDEEEE", false);
    expect(() => writer.append("AAAABBBBCCCC", false)).toThrow(
      "a frame of 9 bytes is over the block size of 6",
    );
    expect(writer.take().map(({ base64 }) => base64)).toEqual(["AAAABBBB", "CCCC", "DDDDEEEE"]);
  });
});
