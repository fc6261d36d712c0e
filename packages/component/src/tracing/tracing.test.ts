import { monotonicNow } from "@stanzapack/xmpp";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { Service } from "../catalog/service.js";
import { createOtlpSink } from "./otlp.js";
import { Tracing } from "./tracing.js";
import { STAGES, UpdateTrace } from "./update-trace.js";

const SERVICE = {
  node: "alice@example/t",
  config: { kind: "log", durability: "sync" },
} as unknown as Service;
const lane = (windowMs: number, active = true) => ({ windowMs, members: 3, active });

function create(share: number, chance: () => number = () => 0.5) {
  const ended: UpdateTrace[] = [];
  return { ended, tracing: new Tracing(share, (trace) => ended.push(trace), chance) };
}

describe("tracing", () => {
  it("follows the part of the updates that it is asked for", () => {
    expect(create(0.5).tracing.begin(SERVICE)).toBeUndefined();
    expect(create(0.51).tracing.begin(SERVICE)).toBeDefined();
    expect(create(1, () => 0.999_999).tracing.begin(SERVICE)).toBeDefined();
  });

  it("follows an update through one lane, from its arrival to the write", () => {
    const { tracing, ended } = create(1);
    const [slow, quick] = [lane(1_000), lane(0)];
    const trace = tracing.begin(SERVICE) as UpdateTrace;
    trace.pass("read");
    trace.pass("store");
    tracing.delivered(trace, [slow, quick]);
    // The first lane follows the update before.
    const second = tracing.begin(SERVICE) as UpdateTrace;
    tracing.delivered(second, [slow, quick]);
    expect(tracing.leave(slow)).toBe(trace);
    expect(tracing.leave(slow)).toBeUndefined();
    tracing.written();
    expect(ended).toEqual([]);
    tracing.passed(trace);
    tracing.written();
    tracing.written();
    expect(ended).toEqual([trace]);
    expect(trace.stages.map(({ stage }) => stage)).toEqual(STAGES);
    expect(trace.attributes).toEqual({
      "stanzapack.node": "alice@example/t",
      ...{ "stanzapack.kind": "log", "stanzapack.durability": "sync" },
      ...{ "stanzapack.window_ms": 1_000, "stanzapack.subscribers": 3 },
    });
    expect(second.attributes["stanzapack.window_ms"]).toBe(0);
    for (const [i, { from }] of trace.stages.entries())
      expect(from).toBe(i === 0 ? trace.startedAt : trace.stages[i - 1]?.to);
  });

  it("does not wait in a lane whose members all catch up", () => {
    const { tracing, ended } = create(1);
    const trace = tracing.begin(SERVICE) as UpdateTrace;
    tracing.delivered(trace, [lane(100, false), lane(1_000)]);
    expect(trace.attributes["stanzapack.window_ms"]).toBe(1_000);
    tracing.delivered(tracing.begin(SERVICE) as UpdateTrace, [lane(100, false)]);
    expect(ended).toHaveLength(1);
  });

  it("ends with the store if no lane takes the update, or all follow others", () => {
    const { tracing, ended } = create(1);
    const only = lane(100);
    for (const lanes of [[], [only], [only]]) {
      const trace = tracing.begin(SERVICE) as UpdateTrace;
      trace.pass("read");
      tracing.delivered(trace, lanes);
    }
    expect(ended).toHaveLength(2);
  });
});

describe("the sink for a collector", () => {
  it("logs a collector that is away once, and stops all the same", async () => {
    const lines: string[] = [];
    const log = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
    const sink = createOtlpSink("http://127.0.0.1:1/v1/traces", "streams.example", log);
    const trace = new UpdateTrace(monotonicNow(), {});
    trace.pass("read");
    sink.take(trace);
    await sink.stop();
    await expect.poll(() => lines.filter((line) => line.includes("does not take them"))).toHaveLength(1);
  });
});
