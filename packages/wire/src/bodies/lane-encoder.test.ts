import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { DataReader } from "./data-reader.js";
import type { CodedBody, CodedFrame, DataFrame, HopClass } from "../frames/frames.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import type { Value } from "../msgpack/msgpack.js";
import { createRowCodec } from "./row-codec.js";
import { encodeUpdate } from "../msgpack/update.js";
import { DEFAULT_CODEC_LIMITS } from "../codec/column-codec.js";
import {
  beginsAnew,
  DEFAULT_LANE_POLICY,
  LaneEncoder,
  type LaneBatch,
  type LaneBody,
} from "./lane-encoder.js";

const rows = createRowCodec(DEFAULT_LIMITS);
const noise = Uint8Array.from(
  deflateRawSync(Buffer.from(Array.from({ length: 60_000 }, (_, i) => (i * i * 31) >>> (i % 11)))),
);

function lane(hop: HopClass = "plain"): LaneEncoder {
  return new LaneEncoder({ limits: DEFAULT_CODEC_LIMITS, rows, hop });
}

/** Makes batches of consecutive positions from the given values. */
function batches(): (values: readonly Value[]) => LaneBatch {
  let to = 0;
  return (values) => {
    const from = to + 1;
    to += values.length;
    const packed = values.map((value) => encodeUpdate(value, DEFAULT_LIMITS));
    return { epoch: 7, from, to, rows: values, packed, at: to * 10, spanMs: 10 };
  };
}

function frameOf(body: LaneBody): DataFrame | CodedFrame {
  if (body.form === "rows" || body.form === "deflated") return { type: "data", alias: 1, ...body };
  return { type: "coded", alias: 1, ...(body as CodedBody) };
}

describe("a lane's encoder", () => {
  it("begins with a key, goes on from it, and says where it is after 16 bodies and 10 s", () => {
    const encoder = lane();
    const next = batches();
    const forms = Array.from({ length: 200 }, (_, i) => encoder.encode(next([i]), i * 100, 1).form);
    const wides = forms.flatMap((form, i) => (form === "wide" ? [i] : []));
    expect(forms[0]).toBe("key");
    // A wide body comes 10 s after the key, which is 100 bodies, and then 100 bodies after the wide one.
    expect(wides).toEqual([100]);
    expect(forms.filter((form) => form === "chained")).toHaveLength(198);
    const slow = lane();
    const slowForms = Array.from({ length: 40 }, (_, i) => slow.encode(next([i]), i * 1_000, 1).form);
    expect(slowForms.flatMap((form, i) => (form === "wide" ? [i] : []))).toEqual([17, 34]);
  });

  it("lets those who wait join with the next slot of its schedule, and not before", () => {
    const encoder = lane();
    const next = batches();
    const formAt = (now: number): string => encoder.encode(next([now]), now, 1).form;
    expect([formAt(0), formAt(100)]).toEqual(["key", "chained"]);
    encoder.wantKey();
    expect([formAt(200), formAt(9_999)]).toEqual(["chained", "chained"]);
    expect([formAt(10_000), formAt(10_100)]).toEqual(["key", "chained"]);
    // No subscriber waits any more.
    expect(formAt(20_000)).toBe("chained");
  });

  it("begins anew after a gap in positions, another epoch, and when told to", () => {
    const encoder = lane();
    const next = batches();
    encoder.encode(next([1]), 0, 1);
    next([2]);
    expect(encoder.encode(next([3]), 0, 2)).toMatchObject({ form: "key", chain: 2, from: 3 });
    expect(encoder.encode({ ...next([4]), epoch: 8 }, 0, 3)).toMatchObject({ form: "key", epoch: 8 });
    encoder.breakOff();
    expect(encoder.encode({ ...next([5]), epoch: 8 }, 0, 4)).toMatchObject({ form: "key", chain: 4 });
  });

  it.each(["plain", "compressed"] as const)("changes to rows while they are smaller, hop %s", (hop) => {
    const encoder = lane(hop);
    const next = batches();
    const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, rows);
    const forms: string[] = [];
    const send = (value: Value): void => {
      const batch = next([value]);
      const body = encoder.encode(batch, forms.length, 1);
      forms.push(body.form);
      expect(reader.read(frameOf(body), true)?.rows).toStrictEqual([value]);
    };
    // First values that the codec predicts, then noise, then predictable values again.
    for (let i = 0; i < 100; i++) send(i);
    expect(new Set(forms.slice(1))).toEqual(new Set(["chained"]));
    const plainFrom = forms.length;
    for (let i = 0; i < 100; i++) send(noise.subarray((i * 37) % 20_000, ((i * 37) % 20_000) + 1_500));
    const plainForms = forms.slice(plainFrom);
    expect(new Set(plainForms)).toContain("rows");
    for (let i = 0; i < 300; i++) send(i);
    expect(forms.at(-1)).toBe("chained");
    // Forms do not alternate: at most one change to rows and one back. Noise that falls back by itself may add some.
    const changes = forms.slice(plainFrom + 100).filter((form, i, all) => i > 0 && form !== all[i - 1]);
    expect(changes.length).toBeLessThan(6);
  });

  it("sends as rows what goes over a limit of the codec, and goes on after it", () => {
    const encoder = lane();
    const next = batches();
    const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, rows);
    const late = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, rows);
    const wide = Array.from({ length: 40 }, (_, i) => new Array<number>(2_000).fill(i));
    const sent = [[1], wide, [2], [3]].map((values) => {
      const batch = next(values);
      const body = encoder.encode(batch, 0, 1);
      expect(reader.read(frameOf(body), true)?.rows).toStrictEqual(values);
      expect(late.read(frameOf(encoder.encodeIndependent(batch)), true)?.rows).toStrictEqual(values);
      return body.form;
    });
    expect(sent).toEqual(["key", "rows", "key", "chained"]);
  });

  it("sends no body that is larger than its rows and would not fit their block", () => {
    const encoder = lane();
    const next = batches();
    for (let i = 0; i < 3; i++) {
      const body = encoder.encode(next([noise.subarray(i * 10_000, i * 10_000 + 9_000)]), 0, 1);
      expect(body.payload.length).toBeLessThanOrEqual(9_003);
    }
  });

  it("keeps what came independently apart from the chain", () => {
    const encoder = lane();
    const next = batches();
    const [first, second, third] = [next([1, 2]), next([3]), next([4])];
    const onLane = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, rows);
    const late = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, rows);
    onLane.read(frameOf(encoder.encode(first, 0, 1)), true);
    const body = encoder.encode(second, 0, 1);
    expect(beginsAnew(body)).toBe(false);
    expect(late.read(frameOf(encoder.encodeIndependent(second)), true)?.rows).toEqual([3]);
    expect(onLane.read(frameOf(body), true)).toMatchObject({ from: 3, to: 3, rows: [3] });
    const chained = frameOf(encoder.encode(third, 0, 1));
    expect(late.read(chained, true)).toBeUndefined();
    expect(onLane.read(chained, true)).toMatchObject({ from: 4, rows: [4] });
  });

  it("has a schedule whose parts fit", () => {
    const { keyEveryMs, wideEveryMs } = DEFAULT_LANE_POLICY;
    expect(keyEveryMs % wideEveryMs).toBe(0);
  });

  it.each(["plain", "compressed"] as const)(
    "never takes more than the rows, which fit their block, on a %s hop",
    (hop) => {
      for (const size of [900, 3_900, 16_000, 65_000]) {
        const next = batches();
        const values = Array.from({ length: Math.ceil(size / 100) }, (_, i) =>
          noise.slice(i * 98, i * 98 + 98),
        );
        const batch = next(values);
        const packed = batch.packed.reduce((sum, row) => sum + row.length, 0);
        for (const body of [lane(hop).encodeIndependent(batch), lane(hop).encode(batch, 0, 1)])
          expect(body.payload.length).toBeLessThanOrEqual(Math.max(1_024, packed));
      }
    },
  );
});
