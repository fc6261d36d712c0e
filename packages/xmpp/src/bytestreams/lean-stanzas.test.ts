import { describe, expect, it } from "vitest";
import { encodeBase64 } from "../base/base64.node.js";
import {
  fitsLabel,
  formatProbe,
  framesLabel,
  isLeanText,
  isProbe,
  leanBody,
  leanChars,
  leanEnd,
  leanFrames,
  MAX_LEAN_BYTES,
  MAX_LEAN_CHARS,
  readLeanBlock,
  readLeanHeader,
  readProbe,
  SHORT_PROBE_CHARS,
  tagChar,
  tagOf,
  type LeanBody,
} from "./lean-stanzas.js";

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 73 + 41) & 0xff);
const bodyOf = (bytes: Uint8Array): LeanBody => leanBody(encodeBase64(bytes)) as LeanBody;
/** The id of a stanza. */
const idOf = (body: LeanBody, label: number, seq: number, tag = 17): string =>
  tagChar(tag) + leanEnd(body, label, seq).slice(0, -"'/>".length);

describe("a lean stanza", () => {
  it("has five characters of id for one byte", () => {
    const id = idOf(bodyOf(Uint8Array.of(0xa5)), 1, 0x123);
    // The tag; label 1 and bits 11 to 4 of seq; the byte, and bits 3 to 0.
    expect(id).toBe("RESpT");
    expect(readLeanHeader(id)).toEqual({ seq: 0x123, label: 1 });
    expect([...(readLeanBlock(id) as Uint8Array)]).toEqual([0xa5]);
  });

  it("comes back, whatever its length, label and number", () => {
    for (let length = 0; length <= 70; length++) {
      const bytes = bytesOf(length);
      const body = bodyOf(bytes);
      const most = framesLabel(body);
      for (const label of [0, 1, most - 1, most])
        for (const seq of [0, 1, 15, 16, 63, 64, 1_000, 4_095, 4_096, 65_535]) {
          const id = idOf(body, label, seq);
          expect(id.length).toBe(leanChars(body));
          expect(isLeanText(id)).toBe(true);
          expect(readLeanHeader(id)).toEqual({
            seq: seq & 0xfff,
            label: label === most ? undefined : label,
          });
          expect([...(readLeanBlock(id) as Uint8Array)]).toEqual([...bytes]);
        }
    }
  });

  it("takes labels below the one that means frames", () => {
    expect([0, 1, 2].map((length) => framesLabel(bodyOf(bytesOf(length))))).toEqual([63, 15, 255]);
    const one = bodyOf(bytesOf(1));
    expect([fitsLabel(one, 14), fitsLabel(one, 15), fitsLabel(one, 100)]).toEqual([true, false, false]);
  });

  it("holds up to 765 bytes in 1,024 characters", () => {
    expect(leanChars(bodyOf(bytesOf(MAX_LEAN_BYTES)))).toBe(MAX_LEAN_CHARS);
    expect(leanBody(encodeBase64(bytesOf(MAX_LEAN_BYTES + 1)))).toBeUndefined();
    const id = idOf(bodyOf(bytesOf(MAX_LEAN_BYTES)), 5, 9);
    expect(readLeanHeader(id)).toEqual({ seq: 9, label: 5 });
    expect(readLeanBlock(id)).toHaveLength(MAX_LEAN_BYTES);
  });

  it("leaves the padding of a block of frames out", () => {
    const frames = Buffer.from("920401c0c0c0", "hex");
    const base64 = encodeBase64(frames);
    for (const pad of [0, 1, 2]) {
      const body = leanFrames(base64, pad) as LeanBody;
      const id = idOf(body, framesLabel(body), 4_095);
      expect(readLeanHeader(id)).toEqual({ seq: 4_095, label: undefined });
      expect(Buffer.from(readLeanBlock(id) as Uint8Array)).toEqual(frames.subarray(0, 6 - pad));
    }
    expect(leanFrames("", 0)).toEqual({ bytes: 0, head: "", last: 0 });
  });

  it("keeps what changes together at the end, or at the beginning of the block", () => {
    const body = bodyOf(bytesOf(4));
    const ids = [32, 33, 34].map((seq) => idOf(body, 3, seq));
    expect(new Set(ids.map((id) => id.slice(0, -1))).size).toBe(1);
    expect(new Set(ids).size).toBe(3);
  });

  it.each([
    ["nothing", ""],
    ["a tag alone", "A"],
    ["two characters", "AA"],
    ["three characters", "AAA"],
    ["a length of no form", "AAAAAA"],
    ["a length of no form, long", "A".repeat(1_022)],
    ["more than 1,024 characters", "A".repeat(1_025)],
    ["far more", "A".repeat(100_000)],
    ["a header that is no base64", "A-AAA"],
    ["a header with a character beyond ASCII", "A\u00e9AAA"],
    ["a header with a surrogate", "A\ud83dAAA"],
    ["a last character that is no base64", "AAAA="],
  ])("is not %s", (_, id) => {
    expect(readLeanHeader(id)).toBeUndefined();
  });

  it.each(["AAAA=AAA", "AAAAA.AA", "AAAA AAA", "AAAA'A'A", "AAA\u00e9A", "AAAA-AAAA"])(
    "has no block: %j",
    (id) => {
      expect(readLeanHeader(id)).toBeDefined();
      expect(readLeanBlock(id)).toBeUndefined();
    },
  );

  it("means one thing, and only one id means it, whatever came", () => {
    // mulberry32, so that a failure can be repeated.
    let state = 12;
    const below = (n: number): number => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) % n;
    };
    const odd = [..."AZaz09+/=-_.' <&\u00e9\ud83d\0"];
    let read = 0;
    for (let round = 0; round < 20_000; round++) {
      let id = "";
      for (let n = below(40); n > 0; n--) id += below(60) === 0 ? odd[below(odd.length)] : tagChar(below(64));
      const header = readLeanHeader(id);
      const block = header && readLeanBlock(id);
      if (header === undefined || block === undefined) continue;
      read++;
      const body = bodyOf(block);
      expect(idOf(body, header.label ?? framesLabel(body), header.seq, tagOf(id) ?? 0).slice(1)).toBe(
        id.slice(1),
      );
    }
    expect(read).toBeGreaterThan(5_000);
  });
});

describe("a probe", () => {
  it.each([SHORT_PROBE_CHARS, MAX_LEAN_CHARS])("of %d characters is known as it was sent", (chars) => {
    const id = formatProbe(42, chars);
    expect(id.length).toBe(chars);
    expect([isProbe(id), readProbe(id), readLeanHeader(id)]).toEqual([true, chars, undefined]);
    expect(tagOf(id)).toBe(42);
  });

  it("is known to have changed", () => {
    const id = formatProbe(42, SHORT_PROBE_CHARS);
    for (const changed of [
      id.toLowerCase(),
      id.slice(0, -1),
      `${id}A`,
      id.replace("+", "%2B"),
      id.replace("/", "_"),
    ])
      expect([isProbe(changed), readProbe(changed)]).toEqual([true, undefined]);
    expect([isProbe("q."), isProbe("."), isProbe(""), isProbe("-.A")]).toEqual([true, false, false, false]);
  });
});
