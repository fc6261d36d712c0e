import { constants, createDeflateRaw, type DeflateRaw } from "node:zlib";
import { describe, expect, it } from "vitest";
import { encodeCodedBody, encodeDataBody } from "../frames/data-codec.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import type { Value } from "../msgpack/msgpack.js";
import { createRawDeflate } from "./raw-deflate.js";
import { createRowCodec } from "./row-codec.js";
import { encodeUpdate } from "../msgpack/update.js";
import { hopCost } from "./hop-cost.js";

const STANZAS = 200;
/** Stanzas that are not counted: they fill the window of zlib. */
const WARM_UP = 20;
const rowCodec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());

function random(seed: number): () => number {
  return () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

function flush(zlib: DeflateRaw): Promise<void> {
  return new Promise((resolve) => zlib.flush(constants.Z_SYNC_FLUSH, resolve));
}

/** Returns the average bytes of a stanza with such a body in a compressed stream. */
async function measure(bodies: readonly Uint8Array[]): Promise<number> {
  const zlib = createDeflateRaw();
  let [total, warm] = [0, 0];
  zlib.on("data", (chunk: Buffer) => (total += chunk.length));
  for (const [i, body] of bodies.entries()) {
    const data = Buffer.from([0x96, 18, 5, ...body]).toString("base64");
    zlib.write(
      `<message type='headline' from='streams.example.org' to='alice@example.org/desk'>` +
        `<data xmlns='http://jabber.org/protocol/ibb' sid='aB3x' seq='${i}'>${data}</data></message>`,
    );
    await flush(zlib);
    if (i === WARM_UP - 1) warm = total;
  }
  return (total - warm) / (bodies.length - WARM_UP);
}

const next = random(1);
/** Bytes of a stanza with an empty body, which has a prefix alone. */
const floor = await measure(Array.from({ length: STANZAS }, () => new Uint8Array(0)));

const WORKLOADS: Record<string, (i: number) => Value> = {
  counter: (i) => i,
  wave: (i) => Math.round(2_000 + 300 * Math.sin(i / 9)) / 100,
  doubles: () => next() + next() / 2 ** 21,
  objects: (i) => ({
    id: i,
    name: `sensor-${i % 7}`,
    temp: Math.round(next() * 1_000) / 10,
    ok: next() > 0.2,
  }),
  chat: (i) => `user${i % 5} says ${Math.floor(next() * 1e6)}`,
};

describe("the cost of a body on a compressed hop", () => {
  it.each([1, 3, 10, 30, 90, 300, 1_000])(
    "of %d coded bytes is within 1 byte and 5 percent of zlib's",
    async (n) => {
      const bodies = Array.from({ length: STANZAS }, () =>
        encodeCodedBody({ form: "chained", payload: Uint8Array.from({ length: n }, () => next() * 256) }),
      );
      const added = (await measure(bodies)) - floor;
      expect(Math.abs(hopCost("chained", n, "compressed") - added)).toBeLessThan(1 + 0.05 * added);
    },
  );

  it.each(Object.keys(WORKLOADS).flatMap((name) => [1, 10, 50].map((n) => [name, n] as const)))(
    "of rows, %s, %d a stanza, is at most a third below zlib's, and seldom far above",
    async (name, n) => {
      let [to, estimated] = [0, 0];
      const bodies = Array.from({ length: STANZAS }, () => {
        const from = to + 1;
        to += n;
        const values = Array.from({ length: n }, (_, i) =>
          (WORKLOADS[name] as (i: number) => Value)(from + i),
        );
        const { encoded, cost } = rowCodec.weigh(
          values.map((value) => encodeUpdate(value, DEFAULT_LIMITS)),
          "compressed",
        );
        estimated += cost / STANZAS;
        return encodeDataBody({ ...encoded, epoch: 3_735_928_559, from, to, at: to * 100, spanMs: n * 100 });
      });
      const added = (await measure(bodies)) - floor;
      expect(estimated).toBeGreaterThan(0.66 * added - 4);
      // A stream knows most of a lone row from earlier stanzas. There the columnar codec is smaller anyway.
      expect(estimated).toBeLessThan((n === 1 ? 4 : 2.5) * added + 4);
    },
  );
});

describe("the cost of a body on a plain hop", () => {
  it("is its base64, within a stanza's rounding", () => {
    const range = { epoch: 3_735_928_559, from: 10_000, to: 10_009, at: 5_000_000, spanMs: 900 };
    const base = encodeCodedBody({ form: "chained", payload: new Uint8Array(30) }).length;
    const bodies = {
      rows: encodeDataBody({ ...range, form: "rows", payload: new Uint8Array(30) }),
      key: encodeCodedBody({
        ...range,
        form: "key",
        chain: 9e8,
        payload: new Uint8Array(30),
      }),
      wide: encodeCodedBody({ ...range, form: "wide", chain: 9e8, check: 3e9, payload: new Uint8Array(30) }),
      independent: encodeCodedBody({ ...range, form: "independent", payload: new Uint8Array(30) }),
    } as const;
    for (const form of ["rows", "key", "wide", "independent"] as const) {
      const more = (4 / 3) * (bodies[form].length - base);
      const told = hopCost(form, 30, "plain") - hopCost("chained", 30, "plain");
      expect(Math.abs(told - more), form).toBeLessThanOrEqual(4);
    }
  });
});
