import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dataFrame, frame } from "../../test/arbitraries.js";
import { decodeBlock } from "../session/block.js";
import { type StanzapackError } from "../base/errors.js";
import { encodeCodedBody, encodeDataBody, encodeDataPrefix, padOfBody } from "./data-codec.js";
import { decodeFrame, encodeFrame, padOf } from "./frame-codec.js";
import type { Frame } from "./frames.js";
import { createHello } from "./hello.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { measureValue } from "../msgpack/msgpack-measure.js";
import { encodeElements } from "../msgpack/update.js";

const LIMITS = DEFAULT_LIMITS;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const decodeElements = (...elements: unknown[]): Frame => decodeFrame(encodeElements(elements), LIMITS);
const refusal = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as StanzapackError).code;
  }
  return "none";
};

describe("frames", () => {
  it("come back as they were, each on a multiple of three bytes", () => {
    fc.assert(
      fc.property(frame, (given) => {
        const bytes = encodeFrame(given);
        expect(bytes.length % 3).toBe(0);
        expect(decodeBlock(bytes, LIMITS)).toEqual([given]);
        // `measureValue` finds the end of the frame. The rest is padding.
        const end = measureValue(bytes, 0, LIMITS);
        expect(decodeFrame(bytes.subarray(0, end), LIMITS)).toEqual(given);
        expect(bytes.subarray(end).every((byte) => byte === 0xc0)).toBe(true);
      }),
    );
  });

  it("make a block by concatenation, as bytes and as base64", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (given) => {
        const parts = given.map(encodeFrame);
        const block = Buffer.concat(parts);
        expect(parts.map(base64).join("")).toBe(base64(block));
        expect(decodeBlock(block, LIMITS)).toEqual(given);
      }),
    );
  });

  it("of DATA are a prefix of 3 or 6 bytes and a shared body", () => {
    fc.assert(
      fc.property(dataFrame, (given) => {
        const prefix = encodeDataPrefix(given.form, given.alias);
        const body = encodeDataBody(given);
        expect(prefix.length).toBe(given.alias < 128 ? 3 : 6);
        expect(body.length % 3).toBe(0);
        expect(base64(prefix) + base64(body)).toBe(base64(encodeFrame(given)));
      }),
    );
  });

  it("tell how much of them is padding, also where the last element is nil, or ends like padding", () => {
    fc.assert(
      fc.property(frame, (given) => {
        const bytes = encodeFrame(given);
        const pad = padOf(bytes);
        expect(pad).toBeLessThan(3);
        expect(decodeFrame(bytes.subarray(0, bytes.length - pad), LIMITS)).toEqual(given);
        if (given.type !== "data" && given.type !== "coded") return;
        const body = given.type === "data" ? encodeDataBody(given) : encodeCodedBody(given);
        expect(padOfBody(given.form, body)).toBe(pad);
      }),
    );
    expect(padOf(encodeFrame({ type: "status", alias: 1, status: "online", windowMs: null }))).toBe(1);
    const payload = new Uint8Array(3).fill(0xc0);
    expect(padOf(encodeFrame({ type: "coded", form: "chained", alias: 1, payload }))).toBe(1);
  });

  it("take a payload of any length that a block can hold", () => {
    for (const length of [0, 1, 255, 256, 65_000]) {
      const given = {
        type: "data",
        alias: 1,
        form: "rows",
        epoch: 1,
        from: 1,
        to: 1,
        at: 0,
        spanMs: 0,
      } as const;
      const payload = new Uint8Array(length).fill(7);
      expect(decodeBlock(encodeFrame({ ...given, payload }), LIMITS)).toEqual([{ ...given, payload }]);
    }
  });
});

describe("encodeFrame", () => {
  const data = {
    epoch: 1,
    from: 1,
    to: 1,
    at: 0,
    spanMs: 0,
    payload: new Uint8Array(1),
    form: "rows",
  } as const;

  it("refuses what a peer would refuse", () => {
    expect(refusal(() => encodeDataPrefix("rows", 65_536))).toBe("internal");
    expect(refusal(() => encodeDataPrefix("rows", -1))).toBe("internal");
    expect(refusal(() => encodeDataBody({ ...data, from: 0 }))).toBe("internal");
    expect(refusal(() => encodeDataBody({ ...data, from: 2 }))).toBe("internal");
    expect(refusal(() => encodeDataBody({ ...data, to: 2 ** 53 }))).toBe("internal");
    expect(refusal(() => encodeDataBody({ ...data, epoch: 0.5 }))).toBe("internal");
    expect(refusal(() => encodeDataBody({ ...data, payload: new Uint8Array(65_536) }))).toBe(
      "limit-exceeded",
    );
    expect(refusal(() => encodeFrame({ type: "demand", alias: 1, subscribers: -1, windowMs: 0 }))).toBe(
      "internal",
    );
  });

  it("never lets a clock that stepped back or counts fractions break the link", () => {
    const bytes = encodeFrame({ ...data, type: "data", alias: 1, at: -5, spanMs: 1.4 });
    expect(decodeBlock(bytes, LIMITS)).toMatchObject([{ at: 0, spanMs: 1 }]);
  });

  it("cuts text to what every peer takes, and leaves no half of a surrogate pair", () => {
    const bytes = encodeFrame({ type: "bye", code: "busy", text: `${"x".repeat(1_023)}😀` });
    expect(decodeBlock(bytes, LIMITS)).toEqual([
      { type: "bye", code: "busy", text: `${"x".repeat(1_023)}\ufffd` },
    ]);
  });

  it("writes ACK totals modulo 2^32", () => {
    expect(decodeBlock(encodeFrame({ type: "ack", stanzas: 2 ** 32 + 5 }), LIMITS)).toEqual([
      { type: "ack", stanzas: 5 },
    ]);
  });
});

describe("decodeFrame", () => {
  it("reads integers in any width", () => {
    expect(decodeFrame(Uint8Array.of(0x92, 0xcf, 0, 0, 0, 0, 0, 0, 0, 4, 0xd1, 0, 5), LIMITS)).toEqual({
      type: "ack",
      stanzas: 5,
    });
  });

  it("skips codecs it does not know, and reads an unknown error number as internal", () => {
    expect(decodeElements(1, 1, [0, 0, 0], [16, 18, 22, 99], 0, null, [])).toMatchObject({
      codecs: ["rows", "coded"],
    });
    expect(decodeElements(15, 9_999, "")).toEqual({ type: "bye", code: "internal", text: "" });
  });

  it("skips capabilities it does not know, whatever their values", () => {
    const unknown = [
      [2, null],
      [300, "x"],
      [2 ** 40, 1.5],
      [4, new Uint8Array(40)],
    ];
    const hello = (...more: unknown[]): Frame =>
      decodeElements(1, 1, [0, 0, 0], [], 0, null, [...unknown, ...more]);
    expect(hello()).toMatchObject({ lean: null });
    expect(hello([1, null])).toMatchObject({ lean: { tag: null } });
    expect(hello([1, 63], [5, 1])).toMatchObject({ lean: { tag: 63 } });
  });

  it("reads the siblings that a component names, and nil as none", () => {
    const hello = (value: unknown): Frame => decodeElements(1, 1, [0, 0, 0], [], 0, null, [[7, value]]);
    const siblings = [
      { domain: "b.example", weight: 100 },
      { domain: "c.example", weight: 0 },
    ];
    expect(hello(["b.example", 100, "c.example", 0])).toMatchObject({ siblings });
    expect(decodeFrame(encodeFrame(createHello({ siblings })), DEFAULT_LIMITS)).toMatchObject({ siblings });
    expect(hello([])).toMatchObject({ siblings: [] });
    expect(hello(null)).toMatchObject({ siblings: null });
    for (const wrong of [5, ["b"], ["b", "c"], [1, 2], ["b", -1], ["b", 10_001]])
      expect(refusal(() => hello(wrong))).toBe("malformed");
    const tooMany = Array.from({ length: 65 }, () => ["b", 1]).flat();
    for (const wrong of [tooMany, ["b".repeat(1_024), 1]])
      expect(refusal(() => hello(wrong))).toBe("limit-exceeded");
  });

  it.each([0, 2, 255])("refuses HELLO of version %d, whatever else it has", (version) => {
    expect(refusal(() => decodeElements(1, version, [0, 0, 0], [], 0, null))).toBe("version-mismatch");
    expect(refusal(() => decodeElements(1, version, "other", 1, 2, 3, 4, 5))).toBe("version-mismatch");
  });

  it.each<[string, unknown[]]>([
    ["an empty array", []],
    ["a type of text", ["hello"]],
    ["a type that is a float", [4.5, 1]],
    ["type 0", [0]],
    ["a reserved type", [8, 1]],
    ["a reserved DATA form", [22, 1, [1, 1, 1], 0, 0, new Uint8Array(1)]],
    ["too few elements", [4]],
    ["too many elements", [4, 1, 1]],
    ["a negative number", [4, -1]],
    ["-0, which is a float", [4, -0]],
    ["an ACK over 2^32", [4, 2 ** 32]],
    ["an alias over 65,535", [7, 65_536, 0, null]],
    ["a CREDIT of the link over 2^32", [5, null, 2 ** 32]],
    ["a CREDIT without a total", [5, 1]],
    ["a nil alias in STATUS", [7, null, 0, null]],
    ["a status out of its set", [7, 1, 3, null]],
    ["a range from 0", [16, 1, [1, 0, 1], 0, 0, new Uint8Array(1)]],
    ["a range that ends before it begins", [16, 1, [1, 3, 2], 0, 0, new Uint8Array(1)]],
    ["a range of two", [16, 1, [1, 3], 0, 0, new Uint8Array(1)]],
    ["a range of four", [16, 1, [1, 1, 1, 1], 0, 0, new Uint8Array(1)]],
    ["a payload of text", [16, 1, [1, 1, 1], 0, 0, "text"]],
    ["a payload of nil", [16, 1, [1, 1, 1], 0, 0, null]],
    ["more codecs than 32", [1, 1, [0, 0, 0], Array(33).fill(16), 0, null, []]],
    ["a codec that is text", [1, 1, [0, 0, 0], ["16"], 0, null, []]],
    ["a hop out of its set", [1, 1, [0, 0, 0], [], 2, null, []]],
    ["a token of text", [1, 1, [0, 0, 0], [], 0, "token", []]],
    ["a HELLO without capabilities", [1, 1, [0, 0, 0], [], 0, null]],
    ["capabilities that are no list", [1, 1, [0, 0, 0], [], 0, null, null]],
    ["a capability that is no pair", [1, 1, [0, 0, 0], [], 0, null, [[1]]]],
    ["a capability of three", [1, 1, [0, 0, 0], [], 0, null, [[1, 2, 3]]]],
    ["a capability without a number", [1, 1, [0, 0, 0], [], 0, null, [["1", 2]]]],
    ["a capability that comes twice", [1, 1, [0, 0, 0], [], 0, null, [[1, 2], [1, 2]]]], // prettier-ignore
    ["an unknown capability that comes twice", [1, 1, [0, 0, 0], [], 0, null, [[9, 2], [9, 2]]]], // prettier-ignore
    ["a tag over 63", [1, 1, [0, 0, 0], [], 0, null, [[1, 64]]]],
    ["a tag of text", [1, 1, [0, 0, 0], [], 0, null, [[1, "A"]]]],
    ["elements behind the capabilities", [1, 1, [0, 0, 0], [], 0, null, [], 0]],
    ["an ENVELOPE with a word out of its set", [29, 4, 0]],
    ["an ENVELOPE without a value", [29, 1]],
    ["an ENVELOPE with a value over 2^32", [29, 1, 2 ** 32]],
    ["a role out of its set", [2, 1, 2, "a@b/c", 1, 1]],
    ["a node that is binary", [2, 1, 1, new Uint8Array(3), 1, 1]],
    ["an incarnation over 2^53", [2, 1, 1, "a@b/c", 2 ** 53, 1]],
  ])("refuses %s as malformed", (_, elements) => {
    expect(refusal(() => decodeElements(...elements))).toBe("malformed");
  });

  it.each<[string, Uint8Array]>([
    ["a map", Uint8Array.of(0x80)],
    ["an integer", Uint8Array.of(4)],
    ["a float where an integer belongs", Uint8Array.of(0x92, 4, 0xca, 0x3f, 0x80, 0, 0)],
    ["bytes after the array", Uint8Array.of(0x92, 4, 1, 1)],
    ["nothing", Uint8Array.of()],
    ["an array that ends early", Uint8Array.of(0x92, 4)],
  ])("refuses %s as malformed", (_, bytes) => {
    expect(refusal(() => decodeFrame(bytes, LIMITS))).toBe("malformed");
  });

  it.each<[string, unknown[]]>([
    ["a token over 64 bytes", [1, 1, [0, 0, 0], [], 0, new Uint8Array(65), []]],
    ["a subid over 64 characters", [2, 1, 0, "a@b/c", "s".repeat(65), 0, 0]],
    ["a node over 2,112 characters", [2, 1, 1, "n".repeat(2_113), 1, 1]],
    [
      "more capabilities than 32",
      [1, 1, [0, 0, 0], [], 0, null, Array.from({ length: 33 }, (_, i) => [i + 2, 0])],
    ],
    ["a text over 1,024 characters", [15, 1, "t".repeat(1_025)]],
  ])("refuses %s as limit-exceeded", (_, elements) => {
    expect(refusal(() => decodeElements(...elements))).toBe("limit-exceeded");
  });
});
