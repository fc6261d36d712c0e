import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frame } from "../../test/arbitraries.js";
import { StanzapackError } from "../base/errors.js";
import { encodeFrame } from "../frames/frame-codec.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { LinkSession } from "./link-session.js";
import { Position } from "./position.js";
import { createRawDeflate } from "../bodies/raw-deflate.js";
import { createRowCodec, decodeRow } from "../bodies/row-codec.js";
import { encodeUpdate } from "../msgpack/update.js";
import { encodeSnapshot, readSnapshot } from "../bodies/snapshot.js";
import { ColumnCodec, DEFAULT_CODEC_LIMITS } from "../codec/column-codec.js";
import { DataReader } from "../bodies/data-reader.js";
import { decodeMapUpdate, readMapUpdate } from "../msgpack/map-update.js";

const BLOCKS = 20_000;
const ALLOWED = new Set(["malformed", "limit-exceeded", "protocol", "version-mismatch"]);

/** A small, seeded generator (mulberry32). A failure names its round, and the same round fails again. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const HEADS = [0x80, 0x90, 0xa0, 0xc0, 0xc1, 0xc4, 0xc6, 0xcb, 0xcf, 0xd4, 0xdb, 0xdd, 0xdf, 0xff, 0x00];

function mutate(bytes: Uint8Array, below: (n: number) => number): Uint8Array {
  const out = [...bytes];
  for (let n = 1 + below(4); n > 0; n--) {
    const at = below(out.length + 1);
    switch (below(5)) {
      case 0:
        out[Math.min(at, out.length - 1)] = below(256);
        break;
      case 1:
        out[Math.min(at, out.length - 1)] = HEADS[below(HEADS.length)] as number;
        break;
      case 2:
        out.splice(at, 1 + below(4));
        break;
      case 3:
        out.splice(at, 0, ...out.slice(below(out.length + 1)).slice(0, 20));
        break;
      default:
        out.length = Math.max(1, at);
    }
    if (out.length === 0) out.push(below(256));
  }
  return Uint8Array.from(out);
}

describe("a link fed with damaged blocks", () => {
  it(`throws what ends a link and nothing else, ${BLOCKS} times`, () => {
    const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
    const rows = codec.encode(
      [[1, "x", null], { a: 1.5, b: [true] }].map((v) => encodeUpdate(v, DEFAULT_LIMITS)),
      "plain",
    );
    const hello = encodeFrame({
      type: "hello",
      version: 1,
      maxBlockBytes: 0,
      maxInflatedBytes: 0,
      maxStanzaBytes: 0,
      codecs: ["rows"],
      hop: "plain",
      token: null,
      lean: null,
    });
    const data = encodeFrame({ type: "data", alias: 1, epoch: 1, from: 1, to: 2, at: 0, spanMs: 1, ...rows });
    const entries = [1, 2, 3].map((n) => ({
      ...{ position: n, key: `key/${n}` },
      value: n === 2 ? undefined : encodeUpdate({ a: n / 4, b: "x" }, DEFAULT_LIMITS),
    }));
    const head = { epoch: 1, from: 1, to: 3, begins: true, left: 0 };
    const [coded, plain] = [true, false].map((isCoded) =>
      encodeFrame({
        ...{ type: "snapshot", alias: 1 },
        ...encodeSnapshot(head, entries, isCoded, DEFAULT_LIMITS),
      }),
    ) as [Uint8Array, Uint8Array];
    const update = encodeFrame({
      ...{ type: "data", alias: 1, epoch: 1, from: 1, to: 1, at: 0, spanMs: 0, form: "rows" },
      payload: encodeUpdate([["a", 1], ["b"], [], null], DEFAULT_LIMITS),
    });
    const mapKey = encodeFrame({
      ...{ type: "coded", form: "map", alias: 1, chain: 1, epoch: 1, from: 1 },
      payload: new ColumnCodec(DEFAULT_CODEC_LIMITS, "map").encode({
        rows: Array.from({ length: 30 }, (_, i) => [
          [`key/${i % 4}`, { a: i / 4, b: "x" }],
          [`key/${i}`],
          [],
        ]),
        ...{ conflated: 0, at: 0, spanMs: 0 },
      }),
    });
    const { form, payload } = encodeSnapshot(
      { ...head, to: 9 },
      entries.filter(({ value }) => value !== undefined),
      false,
      DEFAULT_LIMITS,
    );
    const repair = encodeFrame({
      ...{ type: "repair", role: "entries", alias: 1, epoch: 1, position: 9, range: 28, form, payload },
    });
    const seeds = [
      hello,
      data,
      ...Array.from({ length: 10 }, () => repair),
      ...Array.from({ length: 20 }, () => [coded, plain, update, mapKey]).flat(),
      ...fc.sample(frame, { numRuns: 300, seed: 7 }).map(encodeFrame),
      ...fc
        .sample(fc.array(frame, { maxLength: 4 }), { numRuns: 100, seed: 8 })
        .map((many) => Buffer.concat(many.map(encodeFrame))),
    ].map((bytes) => (bytes.length > 600 ? bytes.subarray(0, 600) : bytes));
    const below = randomFrom(1);
    const seen = new Set<string>();
    for (let round = 0; round < BLOCKS; round++) {
      const session = new LinkSession(DEFAULT_LIMITS);
      const block = mutate(below(4) === 0 ? data : (seeds[below(seeds.length)] as Uint8Array), below);
      try {
        if (below(10) > 0) session.receive(hello, 0);
        for (const one of session.receive(block, 0)) {
          if (one.type === "snapshot")
            readSnapshot(one, DEFAULT_LIMITS, DEFAULT_CODEC_LIMITS, session.budget);
          if (one.type === "repair" && one.role === "entries")
            readSnapshot(
              { ...one, from: 1, to: one.position },
              DEFAULT_LIMITS,
              DEFAULT_CODEC_LIMITS,
              session.budget,
            );
          if (one.type === "coded") {
            const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, codec);
            for (const row of reader.read(one, true, session.budget)?.rows ?? [])
              if (one.form === "map") readMapUpdate(row, DEFAULT_LIMITS);
          }
          if (one.type !== "data") continue;
          const decoded = codec.decode(one);
          decoded.forEach(decodeRow);
          if (below(2) === 0) for (const row of decoded) decodeMapUpdate(row, DEFAULT_LIMITS);
          new Position().advance({ ...one, rows: decoded }, 0);
        }
        seen.add("none");
      } catch (error) {
        const code = error instanceof StanzapackError ? error.code : String(error);
        if (!ALLOWED.has(code)) throw new Error(`round ${round}: ${code}`, { cause: error });
        seen.add(code);
      }
    }
    // Some rounds succeeded and some failed: otherwise the mutations test nothing.
    expect([...seen]).toEqual(expect.arrayContaining(["none", "malformed", "protocol"]));
  });
});
