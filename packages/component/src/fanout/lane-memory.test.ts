import { createRowCodec, DEFAULT_LIMITS, encodeUpdate, WHOLE } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { configSchema } from "../config/config.js";
import { LaneMemory } from "./lane-memory.js";
import { Lane, type LaneContext, type LaneKey, type LaneMember } from "./lane.js";
import { createService } from "../testing/create-service.js";

const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });
const KEY = {
  ...{ delivery: "link", windowMs: 100, sizeClass: 65_535, coded: true, hop: "plain", selection: WHOLE },
} as const satisfies LaneKey;

function setUp(maxBytes: number, count: number): { memory: LaneMemory; lanes: Lane[] } {
  const memory = new LaneMemory({ maxLaneBytes: maxBytes });
  const rows = createRowCodec(DEFAULT_LIMITS);
  const context: LaneContext = { rows, limits, randomId: () => 7, memory };
  const service = createService();
  const lanes = Array.from({ length: count }, () => new Lane(service, KEY, context));
  for (const lane of lanes) lane.add({} as LaneMember);
  return { memory, lanes };
}

/** Sends a row of this many fields. Returns the form in which the row left. */
function send(lane: Lane, now: number, fields: number): string {
  const row = Object.fromEntries(Array.from({ length: fields }, (_, i) => [`field${i}`, now + i]));
  const to = lane.flushedTo + 1;
  lane.batch.push(to, to, [encodeUpdate(row, DEFAULT_LIMITS)], [now]);
  const [batch] = lane.encode(now);
  for (const subscription of lane.joining) {
    lane.joining.delete(subscription);
    lane.attached.add(subscription);
  }
  return batch?.body.form ?? "none";
}

describe("the memory of all lanes", () => {
  it("is what they hold, and goes with them", () => {
    const { memory, lanes } = setUp(1e9, 2);
    const [one, two] = lanes as [Lane, Lane];
    expect(memory.bytes).toBe(0);
    expect(send(one, 1_000, 5)).toBe("key");
    const small = memory.bytes;
    expect(small).toBeGreaterThan(10_000);
    expect(send(two, 1_000, 50)).toBe("key");
    // There are 50 places, each with a model of numbers.
    expect(memory.bytes - small).toBeGreaterThan(small + 40_000);
    two.strip();
    expect(memory.bytes).toBe(small);
    expect(send(one, 1_100, 5)).toBe("chained");
  });

  it("is within its bound: those idle longest send rows, and code again when there is room", () => {
    const probe = setUp(1e9, 1);
    send(probe.lanes[0] as Lane, 1_000, 50);
    const each = probe.memory.bytes;
    const { memory, lanes } = setUp(3.5 * each, 4);
    const [a, b, c, d] = lanes as [Lane, Lane, Lane, Lane];
    expect([send(a, 1_000, 50), send(b, 1_001, 50), send(c, 1_002, 50)]).toEqual(["key", "key", "key"]);
    // Three encoders hold more than three quarters of the bound, so no further lane begins to code.
    expect(send(d, 1_003, 50)).toBe("rows");
    // A lane that is on its chain may grow, and the two lanes that were idle longest make room.
    expect(send(c, 2_000, 120)).toBe("chained");
    expect(memory.bytes).toBeLessThanOrEqual(0.75 * 3.5 * each);
    expect(send(b, 2_001, 50)).toBe("key");
    expect(send(a, 2_002, 50)).toBe("rows");
    c.strip();
    expect(send(a, 2_003, 50)).toBe("key");
    expect(memory.bytes).toBeLessThanOrEqual(3.5 * each);
  });

  it("is made room in by the account that holds most; another one may begin to code though it is nearly used up", () => {
    const probe = setUp(1e9, 1);
    send(probe.lanes[0] as Lane, 1_000, 50);
    const { memory, lanes } = setUp(4.5 * probe.memory.bytes, 7);
    const [quiet, late, ...greedy] = lanes as [Lane, Lane, ...Lane[]];
    quiet.payer = { jid: "bob@x/1", bareJid: "bob@x" };
    late.payer = { jid: "carol@x/1", bareJid: "carol@x" };
    expect(send(quiet, 1_000, 50)).toBe("key");
    // These lanes are never idle, and belong to one account.
    for (let turn = 1; turn <= 5; turn++) for (const lane of greedy) send(lane, 1_000 + turn, 50);
    expect(send(quiet, 2_000, 50)).toBe("chained");
    expect(send(late, 2_001, 50)).toBe("key");
    expect(memory.bytes).toBeLessThanOrEqual(4.5 * probe.memory.bytes);
  });
});
