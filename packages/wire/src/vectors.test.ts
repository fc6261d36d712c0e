import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { blocksOf, fromJson, readVectors, toJson, VECTORS, type Vector } from "../test/vectors.js";
import { decodeBlock } from "./session/block.js";
import { DEFAULT_CODEC_LIMITS } from "./codec/column-codec.js";
import { DataReader } from "./bodies/data-reader.js";
import { StanzapackError } from "./base/errors.js";
import { encodeFrame } from "./frames/frame-codec.js";
import type { Frame } from "./frames/frames.js";
import { readMapUpdate } from "./msgpack/map-update.js";
import { readSnapshot } from "./bodies/snapshot.js";
import type { ServiceKind } from "./options/service.js";
import { DEFAULT_LIMITS } from "./base/limits.js";
import { LinkSession } from "./session/link-session.js";
import { Position } from "./session/position.js";
import { createRawDeflate } from "./bodies/raw-deflate.js";
import { createRowCodec, decodeRow } from "./bodies/row-codec.js";

const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
const isVector = new Ajv({ strict: true, strictRequired: false, strictTypes: false }).compile(
  JSON.parse(readFileSync(`${VECTORS}schema.json`, "utf8")) as object,
);

/** Returns what this implementation makes of a vector, in the shape of the vector's `value`. */
function run(vector: Vector): unknown {
  const blocks = blocksOf(vector);
  switch (vector.layer) {
    case "frame": {
      const frames = decodeBlock(blocks[0] as Uint8Array, DEFAULT_LIMITS);
      return frames.length === 1 ? frames[0] : frames;
    }
    case "codec": {
      const { contiguous } = vector;
      if (typeof vector.hex !== "string") return readChain(blocks, contiguous ?? blocks.map(() => true));
      const frames = decodeBlock(blocks[0] as Uint8Array, DEFAULT_LIMITS);
      expect(frames.length).toBe(1);
      const frame = frames[0] as Frame;
      if (frame.type !== "data") throw new Error("a codec vector is a DATA frame");
      const rows = codec.decode(frame);
      new Position().advance({ ...frame, rows }, 0);
      return { form: frame.form, from: frame.from, to: frame.to, rows: rows.map(decodeRow) };
    }
    case "lean":
      throw new Error("no id is read here");
    case "session": {
      const session = new LinkSession(DEFAULT_LIMITS);
      const bound: Bound = new Map();
      return blocks.map((block, i) => {
        try {
          return session.receive(block, 0).flatMap((frame) => eventsOf(frame, bound));
        } catch (error) {
          expect(i).toBe(blocks.length - 1);
          throw error;
        }
      });
    }
  }
}

/** Returns what a reader makes of the bodies of one alias; null: refused. */
function readChain(blocks: readonly Uint8Array[], contiguous: readonly boolean[]): unknown[] {
  const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, codec);
  expect(contiguous.length).toBe(blocks.length);
  return blocks.map((block, i) => {
    const [frame, ...others] = decodeBlock(block, DEFAULT_LIMITS);
    expect(others).toEqual([]);
    if (frame?.type !== "coded") throw new Error("a body of a chain is a coded frame");
    try {
      return reader.read(frame, contiguous[i] as boolean) ?? null;
    } catch (error) {
      expect(i).toBe(blocks.length - 1);
      throw error;
    }
  });
}

/** The subscriptions of a session, by alias. */
type Bound = Map<
  number,
  { readonly baseAt: number; readonly kind: ServiceKind; readonly position: Position }
>;

function eventsOf(frame: Frame, bound: Bound): unknown[] {
  if (frame.type === "bind" && frame.role === "subscription") {
    const { alias, baseAt, kind } = frame;
    bound.set(alias, { baseAt, kind, position: new Position() });
  }
  if (frame.type === "snapshot") {
    const { alias, epoch, from, to, begins, left } = frame;
    const entries = readSnapshot(frame, DEFAULT_LIMITS, DEFAULT_CODEC_LIMITS);
    return [{ event: "entries", alias, epoch, from, to, begins, left, entries }];
  }
  if (frame.type !== "data") return [frame];
  const { alias } = frame;
  const { baseAt, kind, position } = bound.get(alias) as NonNullable<ReturnType<Bound["get"]>>;
  if (kind === "map") {
    const { epoch, to } = frame;
    const rows = codec.decode(frame);
    return rows.map((row, i) => ({
      ...{ event: "changes", alias, epoch, offset: to - rows.length + 1 + i },
      ...readMapUpdate(decodeRow(row), DEFAULT_LIMITS),
    }));
  }
  return position.advance({ ...frame, rows: codec.decode(frame) }, baseAt).map((event) => {
    if (event.event !== "row") return { ...event, alias };
    const { row, ...rest } = event;
    return { ...rest, alias, value: decodeRow(row) };
  });
}

function rowsOf(value: unknown): string {
  const batches = (Array.isArray(value) ? value : [value]) as ({ readonly rows: unknown } | null)[];
  return JSON.stringify(batches.map((batch) => toJson(batch?.rows)));
}

describe.each(["valid", "invalid"] as const)("vectors/%s", (kind) => {
  const all = readVectors(kind);
  // packages/xmpp tests the vectors of ids.
  const vectors = all.filter(({ vector }) => vector.layer !== "lean");

  it.each(all)("$path is by the schema", ({ path, vector }) => {
    expect(isVector(vector), JSON.stringify(isVector.errors)).toBe(true);
    expect(vector.name).toBe(path);
    expect(path.startsWith(`${vector.layer}/`)).toBe(true);
    expect(kind === "valid" ? vector.error : vector.value).toBeUndefined();
  });

  if (kind === "valid") {
    it.each(vectors)("$path: $vector.about", ({ vector }) => {
      const expected = fromJson(vector.value);
      const result = run(vector);
      expect(result).toEqual(expected);
      // The order of keys counts too, but `toEqual` ignores it. Keys outside the rows may have any order.
      if (vector.layer === "codec") expect(rowsOf(result)).toBe(rowsOf(expected));
      if (vector.layer !== "frame") return;
      const frames = (Array.isArray(expected) ? expected : [expected]) as Frame[];
      expect(Buffer.concat(frames.map(encodeFrame)).toString("hex")).toBe(vector.hex);
    });

    it("have every type of frame that there is", () => {
      const seen = vectors.flatMap(({ vector }) => (vector.layer === "frame" ? fromJson(vector.value) : []));
      const types: Record<Frame["type"], true> = {
        hello: true,
        bind: true,
        data: true,
        coded: true,
        snapshot: true,
        ack: true,
        kept: true,
        credit: true,
        demand: true,
        status: true,
        error: true,
        subscribe: true,
        change: true,
        resume: true,
        grant: true,
        refused: true,
        done: true,
        envelope: true,
        call: true,
        result: true,
        digest: true,
        repair: true,
        nodes: true,
        bye: true,
      };
      expect(new Set((seen as Frame[]).map(({ type }) => type))).toEqual(new Set(Object.keys(types)));
    });
  } else {
    it.each(vectors)("$path: $vector.about", ({ vector }) => {
      let thrown: unknown;
      try {
        run(vector);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(StanzapackError);
      expect((thrown as StanzapackError).code).toBe(vector.error);
      expect((thrown as StanzapackError).origin).toBe("peer");
    });
  }
});
