import {
  createRawDeflate,
  createRowCodec,
  DEFAULT_LIMITS,
  decodeFrame,
  encodeUpdate,
  measureValue,
  WHOLE,
  type Selection,
} from "@stanzapack/wire";
import { monotonicNow, type Connection } from "@stanzapack/xmpp";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { configSchema } from "../config/config.js";
import { FanOut } from "./fan-out.js";
import { LaneMemory } from "./lane-memory.js";
import { Lane } from "./lane.js";
import type { Outlet } from "./outlet.js";
import type { SharedFrame } from "./shared-frame.js";
import { Arrival } from "./selector.js";
import { createService } from "../testing/create-service.js";
import { createStats } from "../base/stats.js";
import { Subscription } from "../subscriptions/subscription.js";

const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });

/** A time that is a boundary of every window up to 100 s. */
let start = 0;
function begin(): void {
  vi.advanceTimersByTime(100_000 - (monotonicNow() % 100_000));
  start = monotonicNow();
}

/** A lane with one subscriber. `log` lists what left, and when, in ms since the start. */
function setUp(selection: Partial<Selection>, windowMs = 0) {
  const log: string[] = [];
  const note = (text: string): void => void log.push(`${monotonicNow() - start} ${text}`);
  const connection = { state: "online", writable: true, on: () => () => undefined, send: () => true };
  const fanOut = new FanOut(connection as unknown as Connection, createStats(), pino({ level: "silent" }));
  const service = createService({ createdAt: start });
  const context = {
    ...{ limits, randomId: () => 7, memory: new LaneMemory({ maxLaneBytes: 1e9 }) },
    rows: createRowCodec(DEFAULT_LIMITS, createRawDeflate()),
  };
  const key = { delivery: "link", windowMs, sizeClass: 65_535, coded: false, hop: "plain" } as const;
  const lane = new Lane<Subscription>(service, { ...key, selection: { ...WHOLE, ...selection } }, context);
  const outlet = {
    maySendAt: () => true,
    send: () => note("data"),
    sendShared: (frame: SharedFrame) => note(statusIn(frame.textFor(0))),
  } as unknown as Outlet;
  lane.members++;
  lane.add(new Subscription(outlet, service, "0", lane));
  fanOut.watch(lane, monotonicNow());
  let offset = 0;
  return {
    log,
    lane,
    fanOut,
    connection,
    publish(value: number): void {
      offset++;
      const arrival = new Arrival(offset, offset, [encodeUpdate(value, DEFAULT_LIMITS)], [monotonicNow()]);
      lane.push(arrival, monotonicNow());
      fanOut.book(lane, monotonicNow(), false);
    },
  };
}

/** Returns the status of the one frame in a block, or the frame's type if it is no STATUS. */
function statusIn(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  const frame = decodeFrame(bytes.subarray(0, measureValue(bytes, 0, DEFAULT_LIMITS)), DEFAULT_LIMITS);
  return frame.type === "status" ? frame.status : frame.type;
}

beforeEach(() => {
  vi.useFakeTimers();
  begin();
});
afterEach(() => void vi.useRealTimers());

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("what leaves when", () => {
  it("the first after idle at once, the next with its window", async () => {
    const { publish, log } = setUp({}, 1_000);
    await pass(333);
    publish(1);
    await pass(100);
    publish(2);
    await pass(2_000);
    publish(3);
    await pass(100);
    expect(log).toEqual(["350 data", "1025 data", "2450 data"]);
  });

  it("at a rate: the first at once, the newest a tick after its time, in a window with the window", async () => {
    const plain = setUp({ maxRate: 5 });
    for (const ms of [0, 40, 40, 40]) {
      await pass(ms);
      plain.publish(ms);
    }
    await pass(1_000);
    expect(plain.log).toEqual(["0 data", "200 data"]);

    begin();
    const windowed = setUp({ maxRate: 5 }, 100);
    for (const ms of [0, 40, 40, 40]) {
      await pass(ms);
      windowed.publish(ms);
    }
    await pass(1_000);
    expect(windowed.log).toEqual(["0 data", "225 data"]);
  });

  it("what a blocked stream held back has its time afterwards", async () => {
    const { publish, log, connection, fanOut, lane } = setUp({ maxRate: 5 });
    publish(1);
    await pass(10);
    connection.writable = false;
    publish(2);
    await pass(1_000);
    expect(log).toEqual(["0 data"]);
    connection.writable = true;
    publish(3);
    await pass(100);
    publish(4);
    await pass(1_000);
    expect(log).toEqual(["0 data", "1010 data", "1225 data"]);
    fanOut.unwatch(lane);
  });
});

describe("a heartbeat", () => {
  it("is a word in silence, and nothing while data flows", async () => {
    const { publish, log } = setUp({ heartbeatMs: 1_000 });
    for (let i = 0; i < 10; i++) {
      publish(i);
      await pass(300);
    }
    expect(log.every((line) => line.endsWith("data"))).toBe(true);
    log.length = 0;
    await pass(3_000);
    expect(log).toEqual(["3675 offline", "4650 offline", "5625 offline"]);
  });

  it("is the newest value when the deadband held it back, and never late", async () => {
    const { publish, log } = setUp({ heartbeatMs: 1_000, deadband: 1 });
    publish(1);
    await pass(0);
    publish(1.5);
    await pass(4_900);
    expect(log).toEqual([
      "0 data",
      "975 data",
      "1950 offline",
      "2925 offline",
      "3900 offline",
      "4875 offline",
    ]);
  });

  it("leaves the lane's window alone", async () => {
    const { publish, log } = setUp({ heartbeatMs: 1_000 }, 1_000);
    for (let i = 0; i < 50; i++) {
      publish(i);
      await pass(100);
    }
    expect(log).toEqual(["0 data", "1025 data", "2025 data", "3025 data", "4025 data"]);
  });

  it("ends with the lane, and holds no timer afterwards", async () => {
    const { log, fanOut, lane, connection } = setUp({ heartbeatMs: 1_000 });
    connection.writable = false;
    await pass(3_000);
    expect(log).toEqual([]);
    fanOut.unwatch(lane);
    connection.writable = true;
    await pass(3_000);
    expect(log).toEqual([]);
    fanOut.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
