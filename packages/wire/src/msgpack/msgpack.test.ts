import { runInNewContext } from "node:vm";
import { decode, encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytes, value } from "../../test/arbitraries.js";
import { isSame } from "../../test/is-same.js";
import { StanzapackError } from "../base/errors.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { decodeMsgpack } from "./msgpack-reader.js";
import { measureValue } from "./msgpack-measure.js";
import { encodeUpdate } from "./update.js";

const LIMITS = DEFAULT_LIMITS;
const roundTrip = (given: unknown): unknown => decodeMsgpack(encodeUpdate(given, LIMITS));
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const codeOf = (run: () => unknown): string => {
  try {
    run();
    return "none";
  } catch (error) {
    if (error instanceof StanzapackError) return error.code;
    throw error;
  }
};
const encodeCode = (given: unknown): string => codeOf(() => encodeUpdate(given, LIMITS));

function transferred(): Uint8Array {
  const bytes = Uint8Array.of(1, 2);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

describe("encodeUpdate and decodeRow", () => {
  it("give back every value as it was, -0 and key order included", () => {
    fc.assert(
      fc.property(value, (given) => {
        const back = roundTrip(given);
        expect(Object.is(back, given) || isSame(back, given)).toBe(true);
      }),
    );
  });

  it("write what @msgpack/msgpack writes, wherever that loses nothing", () => {
    fc.assert(
      fc.property(value, (given) => {
        fc.pre(!isChangedElsewhere(given));
        expect(Buffer.from(encodeUpdate(given, LIMITS))).toEqual(Buffer.from(encode(given)));
      }),
    );
  });

  it("keep -0, as a float64", () => {
    expect(roundTrip({ a: [-0] })).toEqual({ a: [-0] });
    expect(Buffer.from(encodeUpdate(-0, LIMITS)).toString("hex")).toBe("cb8000000000000000");
  });

  it.each([
    ["a lone high surrogate", "a\ud800b"],
    ["a lone low surrogate", "\udc00"],
    ["a lone surrogate at the end", `${"x".repeat(100)}\ud800`],
    ["a key with a lone surrogate", { "\ud800": 1 }],
    ["the key __proto__", JSON.parse('{"a": 1, "__proto__": {"b": [2]}, "constructor": 3}')],
  ])("keep %s", (_, given) => {
    const back = roundTrip(given);
    expect(isSame(back, given)).toBe(true);
    if (typeof back === "object") expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });

  it("keep a leading byte order mark, also of long text", () => {
    const text = `\uFEFF${"x".repeat(300)}`;
    expect(roundTrip(text)).toBe(text);
  });

  it("write every integer boundary in its shortest form", () => {
    for (const power of [5, 7, 8, 15, 16, 31, 32, 52, 53])
      for (const offset of [-1, 0, 1])
        for (const sign of [1, -1]) {
          const number = sign * (2 ** power + offset);
          expect(Buffer.from(encodeUpdate(number, LIMITS))).toEqual(Buffer.from(encode(number)));
          expect(roundTrip(number)).toBe(number);
        }
  });

  it.each([
    ["a function", () => 1],
    ["a bigint", 1n],
    ["a symbol", Symbol("s")],
    ["a Date", new Date(0)],
    ["a Map", new Map()],
    ["a Set", new Set([1])],
    ["an Error", new Error("e")],
    ["a RegExp", /a/],
    ["a promise", Promise.resolve(1)],
    ["a boxed number", Object(1)],
    ["another typed array", new Float64Array(1)],
    ["a DataView", new DataView(new ArrayBuffer(1))],
    ["an ArrayBuffer", new ArrayBuffer(1)],
    [
      "an instance of a class",
      new (class Point {
        x = 1;
      })(),
    ],
    ["an instance with toJSON", new URL("http://a")],
    ["an object with a method", { toJSON: () => 1 }],
    ["fields that are inherited", Object.create({ a: 1 })],
    [
      "the same without Object's prototype",
      Object.create(Object.assign(Object.create(null) as object, { a: 1 })),
    ],
    ["bytes that were transferred", transferred()],
  ])("refuse %s as unencodable", (_, given) => {
    expect(encodeCode(given)).toBe("unencodable");
    expect(encodeCode([{ deep: given }])).toBe("unencodable");
  });

  it("name the place of what is refused", () => {
    expect(() => encodeUpdate({ a: [1, { b: 1n }] }, LIMITS)).toThrow("value.a[1].b is of type bigint");
    expect(() => encodeUpdate({ at: new Date(0) }, LIMITS)).toThrow(
      "value.at is a Date, not a plain object: publish what its `toJSON` returns",
    );
    expect(() => encodeUpdate([new Map()], LIMITS)).toThrow("value[0] is a Map, not a plain object");
  });

  it.each([
    ["an undefined field", { a: undefined, b: 1 }],
    ["nested ones", { a: { b: undefined }, c: [{ d: undefined, e: 2 }] }],
    ["undefined in an array", [undefined, 1]],
    ["holes of an array", [, 1, , { a: [,] }]],
    [
      "sixteen fields of which one is undefined",
      Object.fromEntries("abcdefghijklmnop".split("").map((key, i) => [key, i || undefined])),
    ],
    ["symbols as keys", { a: 1, [Symbol("s")]: 2 }],
    ["what an array has besides", Object.assign([1], { more: 2 })],
  ])("do with %s what JSON does", (_, given) => {
    expect(roundTrip(given)).toEqual(JSON.parse(JSON.stringify(given)));
    expect(Object.keys(roundTrip(given) as object)).toEqual(
      Object.keys(JSON.parse(JSON.stringify(given)) as object),
    );
  });

  it("refuse undefined alone, which JSON has no text for", () => {
    expect(encodeCode(undefined)).toBe("unencodable");
  });

  it("take objects and bytes of another realm, and views of a part of a buffer", () => {
    const given: unknown = runInNewContext("({ a: [1, { b: null }], c: new Uint8Array([1, 2]) })");
    expect(roundTrip(given)).toEqual({ a: [1, { b: null }], c: Uint8Array.of(1, 2) });
    const view = Uint8Array.of(9, 1, 2, 9).subarray(1, 3);
    expect(roundTrip(view)).toEqual(Uint8Array.of(1, 2));
    expect(roundTrip(Buffer.from([1, 2]))).toEqual(Uint8Array.of(1, 2));
  });

  it("say what a getter or a proxy threw, and go on", () => {
    const cause = new TypeError("mine");
    const fail = (): never => {
      throw cause;
    };
    const getter = Object.defineProperty({}, "a", { get: fail, enumerable: true });
    for (const given of [getter, [getter], new Proxy({}, { ownKeys: fail })])
      expect(() => encodeUpdate(given, LIMITS)).toThrow(
        expect.objectContaining({
          code: "unencodable",
          cause,
          text: "the value cannot be read: mine",
        }) as Error,
      );
    let reads = 0;
    const flickers = Object.defineProperty({}, "a", {
      get: () => (reads++ % 2 === 0 ? 1 : undefined),
      enumerable: true,
    });
    expect(encodeCode(flickers)).toBe("unencodable");
    expect(roundTrip({ a: 1 })).toEqual({ a: 1 });
  });

  it("refuse cycles without walking them for ever", () => {
    const once: unknown[] = [];
    once.push(once);
    expect(encodeCode(once)).toBe("unencodable");
    const often: unknown[] = [];
    often.push(1, ...Array.from({ length: 9 }, () => often));
    const wide: unknown[] = [1];
    for (let i = 0; i < 30; i++) wide.push([wide[i], wide[i], wide[i]]);
    expect(encodeCode(often)).toMatch(/unencodable|too-large/);
    expect(encodeCode(wide)).toBe("too-large");
  });

  it("hold the limits exactly", () => {
    const limits = { ...LIMITS, maxUpdateBytes: 10, maxItems: 3, maxDepth: 2 };
    const code = (given: unknown): string => codeOf(() => encodeUpdate(given, limits));
    expect(code("123456789")).toBe("none");
    expect(code("1234567890")).toBe("too-large");
    expect(code(0.5)).toBe("none");
    expect(code([0.5])).toBe("none");
    expect(code([0.5, 1])).toBe("too-large");
    expect(code("é".repeat(5))).toBe("too-large");
    expect(code(new Uint8Array(9))).toBe("too-large");
    expect(code([1, 2])).toBe("none");
    expect(code([1, 2, 3])).toBe("too-large");
    expect(code({ a: 1 })).toBe("none");
    expect(code({ a: 1, b: 2 })).toBe("too-large");
    expect(code([[]])).toBe("none");
    expect(code([[[]]])).toBe("unencodable");
  });

  it("may be called from a getter of the value being encoded", () => {
    const tricky = {
      get a() {
        return encodeUpdate([7, 8, 9], LIMITS).length;
      },
      b: 1,
    };
    expect(roundTrip(tricky)).toEqual({ a: 4, b: 1 });
  });
});

describe("measureValue", () => {
  it("finds the end of whatever encodeUpdate writes, wherever it stands", () => {
    fc.assert(
      fc.property(value, bytes(5), bytes(5), (given, before, after) => {
        const row = encodeUpdate(given, LIMITS);
        const all = Uint8Array.from([...before, ...row, ...after]);
        expect(measureValue(all, before.length, LIMITS)).toBe(before.length + row.length);
      }),
    );
  });

  it("accepts exactly what decodes, and nothing that another decoder refuses", () => {
    const lenient = { ...LIMITS, maxDepth: 255 };
    const headed = fc
      .tuple(fc.integer({ min: 0x80, max: 0xff }), bytes(40))
      .map(([head, rest]) => [head, ...rest]);
    fc.assert(
      fc.property(fc.oneof(bytes(40), headed), (random) => {
        const input = Uint8Array.from(random);
        let end: number | undefined;
        const measured = codeOf(() => (end = measureValue(input, 0, lenient)));
        expect(["none", "malformed"]).toContain(measured);
        if (end === undefined) {
          // No prefix of it decodes either.
          for (let cut = 0; cut <= input.length; cut++)
            expect(codeOf(() => decodeMsgpack(input.subarray(0, cut)))).toBe("malformed");
          return;
        }
        expect(end).toBeLessThanOrEqual(input.length);
        const exact = input.subarray(0, end);
        expect(isSame(decodeMsgpack(exact), decode(exact))).toBe(true);
        if (end > 0)
          expect(codeOf(() => measureValue(input.subarray(0, (end as number) - 1), 0, lenient))).toBe(
            "malformed",
          );
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ["nothing", ""],
    ["a string cut short", "a3 6162"],
    ["a length cut short", "c5 01"],
    ["a uint 32 cut short", "ce 000000"],
    ["an array cut short", "92 01"],
    ["an array that claims 4 Gi items", "dd ffffffff 01"],
    ["a map that claims 4 Gi entries", "df ffffffff 01"],
    ["binary that claims 4 GiB", "c6 ffffffff 01"],
    ["a map without its last value", "82 a161 01 a162"],
    ["the byte that msgpack never uses", "c1"],
    ["that byte inside", "93 01 c1 02"],
    ["fixext 1", "d4 01 00"],
    ["a timestamp", "d6 ff 00000000"],
    ["ext 8", "c7 01 05 00"],
    ["an integer as key", "81 01 02"],
    ["nil as key", "81 c0 02"],
    ["an array as key", "81 90 02"],
    ["binary as key", "81 c4 01 61 02"],
    ["2^53 as uint 64", "cf 0020000000000000"],
    ["2^64 − 1", "cf ffffffffffffffff"],
    ["−2^53 as int 64", "d3 ffe0000000000000"],
    ["a truncated character", "a2 61 c3"],
    ["a character that would reach into what follows", "92 a1 e2 a2 8282"],
    ["an overlong slash", "a2 c0af"],
    ["a pair of surrogates in three bytes each", "a6 eda080edb080"],
    ["a point past U+10FFFF", "a4 f4908080"],
    ["a stray continuation", "a1 80"],
  ])("and the decoder refuse %s", (_, text) => {
    const input = hex(text.replaceAll(" ", ""));
    expect(codeOf(() => measureValue(input, 0, LIMITS))).toBe("malformed");
    expect(codeOf(() => decodeMsgpack(input))).toBe("malformed");
  });

  it("takes long forms of short things, and the largest exact integers", () => {
    for (const [text, expected] of [
      ["cf0000000000000001", 1],
      ["cf001fffffffffffff", Number.MAX_SAFE_INTEGER],
      ["d3ffe0000000000001", -Number.MAX_SAFE_INTEGER],
      ["d3ffffffffffffffff", -1],
      ["d2ffffffff", -1],
      ["d1ffff", -1],
      ["d0ff", -1],
      ["db0000000161", "a"],
      ["ca3fc00000", 1.5],
    ] as const) {
      expect(measureValue(hex(text), 0, LIMITS)).toBe(text.length / 2);
      expect(decodeMsgpack(hex(text))).toBe(expected);
    }
  });

  it("holds maxDepth and maxItems exactly", () => {
    const nested = (depth: number): Uint8Array => Uint8Array.from([...Array<number>(depth).fill(0x91), 1]);
    expect(codeOf(() => measureValue(nested(32), 0, LIMITS))).toBe("none");
    expect(codeOf(() => measureValue(nested(33), 0, LIMITS))).toBe("limit-exceeded");
    const empty = Uint8Array.from([...Array<number>(32).fill(0x91), 0x90]);
    expect(codeOf(() => measureValue(empty, 0, LIMITS))).toBe("limit-exceeded");
    expect(codeOf(() => measureValue(empty.subarray(1), 0, LIMITS))).toBe("none");
    const limits = { ...LIMITS, maxItems: 4 };
    expect(codeOf(() => measureValue(hex("93010203"), 0, limits))).toBe("none");
    expect(codeOf(() => measureValue(hex("9401020304"), 0, limits))).toBe("limit-exceeded");
  });

  it("does not let unmeasured bytes exhaust the stack", () => {
    expect(codeOf(() => decodeMsgpack(new Uint8Array(60_000).fill(0x91)))).toBe("malformed");
  });
});

/** -0, and text with a lone surrogate. */
function isChangedElsewhere(given: unknown): boolean {
  if (typeof given === "string") return /\p{Surrogate}/u.test(given);
  if (typeof given !== "object" || given === null || given instanceof Uint8Array) return Object.is(given, -0);
  return Object.entries(given).flat().some(isChangedElsewhere);
}
