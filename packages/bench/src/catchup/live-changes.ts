import { isDeepStrictEqual } from "node:util";
import { createLaneBatch, LaneReader, LaneRun } from "@stanzapack/estimate";
import type { Value } from "@stanzapack/wire";
import { below, lcg, type Random } from "../workloads/random.js";
import { keyOf } from "./data.js";
import type { CatchUpRow, LiveForm } from "./rows.js";

const SENSORS = 1_000;
/** Parts of the sensors that change in one message: one, ten and a hundred of them. */
const PARTS = [0.001, 0.01, 0.1] as const;
/** Changes of each sensor that are not counted, because both forms still learn, and then those that are counted. */
const LEARNED = 20;
const COUNTED = 20;

interface Sensor {
  t: number;
  h: number;
  p: number;
}

/** Changes of sensors in a random order. The three values of each sensor move by a random walk. */
class LiveChanges {
  private readonly random: Random = lcg(14);
  private readonly sensors = Array.from({ length: SENSORS }, (): Sensor => {
    const { random } = this;
    return { t: below(random, 451) - 100, h: below(random, 101), p: 98_000 + below(random, 5_000) };
  });

  next(): { readonly sensor: number; readonly value: Value } {
    const { random } = this;
    const sensor = below(random, SENSORS);
    const state = this.sensors[sensor] as Sensor;
    state.t += below(random, 9) - 4;
    state.h += below(random, 3) - 1;
    state.p += below(random, 31) - 15;
    return { sensor, value: { t: state.t / 10, h: state.h, p: state.p / 100 } };
  }
}

/** One chain, which is read back. */
class Chain {
  private readonly lane: LaneRun;
  private readonly reader = new LaneReader();
  private sent = 0;

  constructor(isMap: boolean) {
    this.lane = new LaneRun("plain", undefined, isMap);
  }

  /** Sends these rows in one message, and returns the bytes of its payload. */
  send(rows: readonly Value[]): number {
    // All times are equal, so they cost nothing in either form.
    const { body, frame } = this.lane.encode(createLaneBatch(rows, this.sent + 1, 0, 0), 0);
    this.sent += rows.length;
    if (!isDeepStrictEqual(this.reader.read(frame)?.rows, rows))
      throw new Error("the codec returned other values than it received");
    return body.payload.length;
  }
}

/**
 * Measures what live changes take: in a map of 1,000 sensors (`live`), or if each sensor is a service of its own
 * (`services`), whose message has one value. Bytes and ms are those of one message of the map, or of the messages that
 * stand for it. `parts`: which parts of the sensors change in one message. `counted`: how often each sensor changes
 * while bytes are counted.
 */
export function measureLive(
  form: LiveForm,
  signal: AbortSignal,
  { parts = PARTS, counted = COUNTED }: { parts?: readonly number[]; counted?: number } = {},
): CatchUpRow[] {
  return parts.map((changed) => {
    const changes = new LiveChanges();
    const count = Math.round(changed * SENSORS);
    const map = new Chain(true);
    const services = Array.from({ length: form === "live" ? 0 : SENSORS }, () => new Chain(false));
    const send = (): number => {
      const batch = Array.from({ length: count }, () => changes.next());
      if (form === "live") return map.send(batch.map(({ sensor, value }) => [[keyOf(sensor), value]]));
      return batch.reduce((sum, { sensor, value }) => sum + (services[sensor] as Chain).send([value]), 0);
    };
    for (let i = 0; i < (LEARNED * SENSORS) / count; i++) send();
    signal.throwIfAborted();
    const messages = (counted * SENSORS) / count;
    const startedAt = performance.now();
    let bytes = 0;
    for (let i = 0; i < messages; i++) bytes += send();
    const ms = (performance.now() - startedAt) / messages;
    return {
      ...{ form, keys: SENSORS, changed },
      bytes: Math.round((100 * bytes) / messages) / 100,
      ms: Math.round(100 * ms) / 100,
    };
  });
}
