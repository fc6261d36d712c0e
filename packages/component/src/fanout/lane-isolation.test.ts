import {
  createRawDeflate,
  createRowCodec,
  DataReader,
  decodeBlock,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeLanePrefix,
  encodeUpdate,
  Position,
  WHOLE,
  type Value,
} from "@stanzapack/wire";
import { decodeBase64, encodeBase64 } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import { configSchema } from "../config/config.js";
import { LaneMemory } from "./lane-memory.js";
import { Lane, type LaneKey, type LaneMember, type ReadyBatch } from "./lane.js";
import type { ReadyBody } from "./ready-body.js";
import { createService } from "../testing/create-service.js";
import type { ServiceConfig } from "../options/service-config.js";

const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });
const CODED = {
  ...{ delivery: "link", windowMs: 100, sizeClass: 65_535, coded: true, hop: "plain", selection: WHOLE },
} as const satisfies LaneKey;
const ROWS = { ...CODED, coded: false, deflates: true } as const;

/** A lane with a subscriber, and functions that send values and read the bodies. */
function setUp(config: Partial<ServiceConfig>, key: LaneKey = CODED) {
  const memory = new LaneMemory({ maxLaneBytes: 1e9 });
  const context = {
    ...{ limits, randomId: () => 7, memory, rows: createRowCodec(DEFAULT_LIMITS) },
    deflatedRows: createRowCodec(DEFAULT_LIMITS, createRawDeflate()),
  };
  const service = createService({ config });
  const lane = new Lane(service, key, context);
  lane.add({} as LaneMember);
  const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, context.deflatedRows);
  const position = new Position();
  let offset = 0;
  const send = (...values: Value[]): ReadyBody[] => {
    const rows = values.map((value) => encodeUpdate(value, DEFAULT_LIMITS));
    const from = offset + 1;
    offset += rows.length;
    const ats = rows.map((_, i) => 1_000_000 + (from + i) * 10);
    lane.batch.push(from, offset, rows, ats);
    const batches: ReadyBatch[] = lane.encode(offset);
    for (const subscription of lane.joining) {
      lane.joining.delete(subscription);
      lane.attached.add(subscription);
    }
    return batches.map(({ body }) => body);
  };
  /** Returns the values in the bodies, with their offsets. */
  const read = (bodies: readonly ReadyBody[]): [number, Value][] =>
    bodies.flatMap(({ form, base64 }) => {
      const block = decodeBase64(encodeBase64(encodeLanePrefix(form, 1)) + base64) as Uint8Array;
      const [frame] = decodeBlock(block, DEFAULT_LIMITS);
      if (frame?.type !== "data" && frame?.type !== "coded") throw new Error("no DATA");
      const batch = reader.read(frame, true);
      if (batch === undefined) throw new Error("it needs what did not come");
      return position.advance(batch, 0).map((event): [number, Value] => {
        if (event.event !== "row") throw new Error(event.event);
        return [event.offset, event.row];
      });
    });
  return { lane, service, memory, send, read };
}

const chat = (seed: number): string =>
  Array.from({ length: 40 }, (_, i) => `word${(seed * (i + 7)) % 101}`).join(" ");

describe("a lane of an isolated service", () => {
  it("sends large updates in bodies of their own, and runs of small ones as rows, in order", () => {
    const { send, read, memory } = setUp({ compression: "isolated" });
    const values = [1, 2, chat(1), chat(2), { small: true }, 3];
    const bodies = send(...values);
    expect(bodies.map(({ form, rows }) => `${form} ${rows}`)).toEqual([
      "rows 2",
      "independent 1",
      "independent 1",
      "rows 2",
    ]);
    expect(read(bodies)).toEqual(values.map((value, i) => [i + 1, value]));
    expect(memory.bytes).toBe(0);
  });

  it("makes no update smaller for what came before it", () => {
    const { send } = setUp({ compression: "isolated" });
    const [alone] = send(chat(5));
    for (const before of [chat(5), chat(6), "", null]) {
      const sizes = send(before, chat(5)).map(({ base64 }) => base64.length);
      // A position or a time sometimes takes a byte more.
      expect(Math.abs((sizes.at(-1) as number) - (alone as ReadyBody).base64.length)).toBeLessThanOrEqual(4);
    }
    const shared = setUp({});
    const first = shared.send(chat(5))[0] as ReadyBody;
    expect((shared.send(chat(5))[0] as ReadyBody).base64.length).toBeLessThan(first.base64.length / 4);
  });

  it("begins a chain when it may share again, and none while it may not", () => {
    const { send, read, service, memory } = setUp({});
    const forms = (): (string | undefined)[] => {
      const bodies = [...send({ a: 1 }), ...send({ a: 2 })];
      read(bodies);
      return bodies.map(({ form }) => form);
    };
    expect(forms()).toEqual(["key", "chained"]);
    service.record.config = { ...service.config, compression: "isolated" };
    expect(forms().some((form) => form === "key" || form === "chained")).toBe(false);
    expect(memory.bytes).toBe(0);
    service.record.config = { ...service.config, compression: "shared" };
    expect(forms()).toEqual(["key", "chained"]);
  });

  it("deflates no rows, for those who read rows alone", () => {
    const many = Array.from({ length: 20 }, () => chat(3));
    expect(setUp({}, ROWS).send(...many)[0]?.form).toBe("deflated");
    const { send, read } = setUp({ compression: "isolated" }, ROWS);
    const bodies = send(...many);
    expect(bodies.map(({ form }) => form)).toEqual(["rows"]);
    expect(read(bodies)).toHaveLength(20);
  });

  it("gives one who joins or comes back nothing else", () => {
    const { lane } = setUp({ compression: "isolated" });
    const [small, large] = [1, chat(1)].map((value) => encodeUpdate(value, DEFAULT_LIMITS)) as [
      Uint8Array,
      Uint8Array,
    ];
    const slice = { from: 1, to: 2, firstAt: 0, lastAt: 0 };
    expect(lane.encodeAlone({ ...slice, to: 1, rows: [large] }).form).toBe("independent");
    expect(lane.encodeAlone({ ...slice, rows: [small, large] }).form).toBe("rows");
  });
});

describe("a lane of an opaque service", () => {
  const bytes = (seed: number): Uint8Array => Uint8Array.from({ length: 300 }, (_, i) => (i >> 4) * seed);

  it.each([
    ["who read the codec", CODED],
    ["who read deflated rows", ROWS],
  ])("passes bytes as they are, to those %s", (_, key) => {
    const { send, read, memory } = setUp({ opaque: true, compression: "isolated" }, key);
    const bodies = [...send(bytes(1), bytes(1)), ...send(bytes(2))];
    expect(bodies.map(({ form, rows }) => `${form} ${rows}`)).toEqual(["rows 2", "rows 1"]);
    expect(read(bodies)).toEqual([
      [1, bytes(1)],
      [2, bytes(1)],
      [3, bytes(2)],
    ]);
    expect(memory.bytes).toBe(0);
  });
});
