import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { value } from "../../test/arbitraries.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { ReadBudget } from "../codec/coder/read-budget.js";
import { DEFAULT_CODEC_LIMITS } from "../codec/column-codec.js";
import { encodeSnapshotBody, padOfBody } from "../frames/data-codec.js";
import { decodeFrame, encodeFrame } from "../frames/frame-codec.js";
import type { SnapshotFrame } from "../frames/frames.js";
import type { Value } from "../msgpack/msgpack.js";
import { encodeUpdate } from "../msgpack/update.js";
import {
  ENTRY_HEAD_BYTES,
  encodeSnapshot,
  readSnapshot,
  SNAPSHOT_HEADER_BYTES,
  type MapEntry,
} from "./snapshot.js";

const read = (frame: Pick<SnapshotFrame, "from" | "to" | "form" | "payload">) =>
  readSnapshot(frame, DEFAULT_LIMITS, DEFAULT_CODEC_LIMITS, new ReadBudget(1_048_576));
const pack = (entries: readonly MapEntry<Value>[]): MapEntry<Uint8Array>[] =>
  entries.map(({ value, ...rest }) => ({
    ...{ ...rest, value: value === undefined ? undefined : encodeUpdate(value, DEFAULT_LIMITS) },
  }));

const entries = fc
  .tuple(
    fc.integer({ min: 1, max: 2 ** 50 }),
    fc.array(
      fc.tuple(
        fc.nat(3),
        fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
        fc.option(value, { nil: undefined }),
      ),
      { maxLength: 30 },
    ),
  )
  .map(([from, list]) => {
    let position = from;
    return {
      ...{
        from,
        of: list.map(([step, key, it]): MapEntry<Value> => ({
          position: (position += step),
          key,
          value: it,
        })),
      },
    };
  });

describe("SNAPSHOT", () => {
  it("has its entries again, coded or in rows", () => {
    fc.assert(
      fc.property(entries, fc.boolean(), fc.boolean(), ({ from, of }, coded, ahead) => {
        const to = (of.at(-1)?.position ?? from) - (ahead ? 1 : 0);
        const head = { epoch: 7, from, to, begins: false, left: 3 };
        const body = encodeSnapshot(head, pack(of), coded, DEFAULT_LIMITS);
        expect(body).toMatchObject(head);
        if (!coded) expect(body.form).toBe("rows");
        const bytes = encodeFrame({ type: "snapshot", alias: 300, ...body });
        const frame = decodeFrame(
          bytes.subarray(0, bytes.length - padOfBody("snapshot", encodeSnapshotBody(body))),
          DEFAULT_LIMITS,
        );
        expect(read(frame as SnapshotFrame)).toEqual(of);
      }),
      { numRuns: 200 },
    );
  });

  it("takes no more bytes in its head, and beside an entry, than is reckoned with", () => {
    const max = Number.MAX_SAFE_INTEGER;
    const head = { epoch: max, from: max - 300, to: max, begins: false, left: max };
    const key = "k".repeat(300);
    const entry = { position: max, key, value: new Uint8Array(300).fill(1) };
    const body = encodeSnapshot(head, [entry], false, DEFAULT_LIMITS);
    const bytes = encodeFrame({ type: "snapshot", alias: 65_535, ...body });
    expect(bytes.length - body.payload.length).toBeLessThanOrEqual(SNAPSHOT_HEADER_BYTES);
    const far = encodeSnapshot({ ...head, from: 1, to: max }, [entry], false, DEFAULT_LIMITS);
    expect(far.payload.length - 303 - 300).toBeLessThanOrEqual(ENTRY_HEAD_BYTES);
  });

  it("is coded where that is smaller, and a fraction of the rows for many like entries", () => {
    const many = Array.from({ length: 1_000 }, (_, i) => ({
      ...{ position: i + 1, key: `sensor/${String(i).padStart(5, "0")}` },
      value: { t: 20 + (i % 50) / 10, h: 40 + (i % 20), ok: true },
    }));
    const head = { epoch: 1, from: 1, to: 1_000, begins: true, left: 0 };
    const [coded, plain] = [true, false].map((it) => encodeSnapshot(head, pack(many), it, DEFAULT_LIMITS));
    expect(coded?.form).toBe("coded");
    expect((coded?.payload.length ?? 0) * 8).toBeLessThan(plain?.payload.length ?? 0);
    const noise = pack([{ position: 1, key: "a", value: null }]);
    expect(encodeSnapshot(head, noise, true, DEFAULT_LIMITS).form).toBe("rows");
    expect(encodeSnapshot(head, [], true, DEFAULT_LIMITS)).toMatchObject({
      form: "rows",
      payload: new Uint8Array(0),
    });
  });

  it("travels as rows where the codec would refuse its entries", () => {
    // Each value fits an update, but all of them are more text than one message of the codec may have.
    const text = (n: number): string => Array.from({ length: 48_000 }, (_, i) => (i * n) % 10).join("");
    const large = [3, 7, 9].map((n, i) => ({ position: i + 1, key: `${i}`, value: text(n) }));
    const head = { epoch: 1, from: 1, to: 3, begins: true, left: 0 };
    const noise = Array.from({ length: 48_000 }, (_, i) =>
      String.fromCharCode(33 + (((i * i * 7_919) % 9_973) % 90)),
    );
    const noisy = large.map((it, i) => ({ ...it, value: noise.slice(i).join("") }));
    for (const of of [large, noisy]) {
      const body = encodeSnapshot(head, pack(of), true, DEFAULT_LIMITS);
      expect(read({ ...head, ...body })).toEqual(of);
    }
    const values = Array.from({ length: 30 }, (_, i) => ({
      ...{
        position: i + 1,
        key: `${i}`,
        value: Array.from({ length: 5_000 }, (__, n) => (n * n * (i + 3)) % 9_973),
      },
    }));
    const body = encodeSnapshot({ ...head, to: 30 }, pack(values), true, DEFAULT_LIMITS);
    expect(body.form).toBe("rows");
    expect(read(body)).toEqual(values);
  });

  it.each<[string, Value[], string]>([
    ["that is no array", [1], "malformed"],
    ["without a key", [[0]], "malformed"],
    ["of four elements", [[0, "a", 1, 2]], "malformed"],
    ["with a key that is no text", [[0, 1, 2]], "malformed"],
    ["with an empty key", [[0, "", 2]], "malformed"],
    ["with a long key", [[0, "x".repeat(513), 2]], "limit-exceeded"],
    ["before the range", [[-1, "a", 2]], "malformed"],
    ["behind the range", [[4, "a", 2]], "malformed"],
    ["with half a position", [[0.5, "a", 2]], "malformed"],
    [
      "before the one before",
      [
        [2, "a", 2],
        [1, "b", 2],
      ],
      "malformed",
    ],
  ])("is refused with an entry %s", (_, rows, code) => {
    const payload = Buffer.concat(rows.map((row) => encodeUpdate(row, DEFAULT_LIMITS)));
    expect(() => read({ from: 10, to: 12, form: "rows", payload })).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it("is refused with too many entries, and with a payload that cannot be read", () => {
    const row = encodeUpdate([0, "a"], DEFAULT_LIMITS);
    const payload = Buffer.concat(Array.from({ length: 4_097 }, () => row));
    expect(() => read({ from: 1, to: 9, form: "rows", payload })).toThrow("over the limit of 4096");
    expect(() => read({ from: 1, to: 9, form: "rows", payload: row.subarray(0, 3) })).toThrow("ends beyond");
  });

  it.each([
    { from: 0, to: 1, begins: false },
    { from: 3, to: 1, begins: false },
    { from: 2, to: 3, begins: true },
  ])("is not made for the range %o", (range) => {
    const body = { ...range, epoch: 1, left: 0, form: "rows", payload: new Uint8Array(0) } as const;
    expect(() => encodeSnapshotBody(body)).toThrow("cannot have the range");
  });
});
