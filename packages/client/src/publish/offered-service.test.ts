import { createRowCodec, DEFAULT_LIMITS, type BindServiceFrame, type Value } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { OfferedService } from "./offered-service.js";
import type { LinkPeer, ServiceHost } from "./service-host.js";

const PEER = { readsCoded: false, sendsKept: false, hop: "plain" } as LinkPeer;

/** A log with updates that wait, on a link whose room for them the test gives. */
function setUp(updates: number) {
  const room = { bytes: 0 };
  const withdraw = vi.fn(() => Promise.resolve());
  const host = {
    ...{ book: () => undefined, sendFrame: () => undefined, ended: () => undefined },
    ...{ settle: () => Promise.resolve(), withdraw },
    flush: (service: OfferedService<never>) => {
      if (room.bytes > 0) service.take(1_000, room.bytes);
      room.bytes = 0;
    },
  } as unknown as ServiceHost;
  const log = new OfferedService<Value>("alice@x/l", { kind: "log" }, host, createRowCodec(DEFAULT_LIMITS));
  log.bound(
    { type: "bind", role: "service", alias: 0, incarnation: 0, sequence: 0 } as BindServiceFrame,
    PEER,
  );
  for (let i = 0; i < updates; i++) log.publish(i);
  return { log, room, withdraw };
}

describe("stopping a log", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("waits for a slow link as long as something leaves", async () => {
    const { log, room, withdraw } = setUp(5);
    const stopped = log.stop();
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(4_900);
      expect(withdraw).not.toHaveBeenCalled();
      // One more leaves.
      room.bytes = 1;
    }
    await vi.advanceTimersByTimeAsync(100);
    await stopped;
    expect(withdraw).toHaveBeenCalledOnce();
  });

  it("gives up 5 s after the last one that left, and tells how many did not", async () => {
    const { log, room, withdraw } = setUp(5);
    const stopped = expect(log.stop()).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining("3 updates of `alice@x/l` could not be sent") as string,
    });
    await vi.advanceTimersByTimeAsync(3_000);
    room.bytes = 2;
    await vi.advanceTimersByTimeAsync(4_900);
    expect(withdraw).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    await stopped;
    expect(withdraw).toHaveBeenCalledOnce();
  });

  it("gives up after a minute in any case", async () => {
    const { log, room, withdraw } = setUp(100);
    const stopped = expect(log.stop()).rejects.toMatchObject({ code: "timeout" });
    for (let i = 0; i < 29; i++) {
      await vi.advanceTimersByTimeAsync(2_000);
      room.bytes = 1;
    }
    expect(withdraw).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(5_000);
    await stopped;
    expect(withdraw).toHaveBeenCalledOnce();
  });
});

const DEMAND = { subscribers: 1, windowMs: 0 };
const NO_DEMAND = { subscribers: 0, windowMs: null };
const BIND = {
  ...{ type: "bind", role: "service", node: "alice@x/s", alias: 0, incarnation: 0, sequence: 0 },
} as const satisfies BindServiceFrame;

/** What happens to a service, and what it sends when it is asked right after that. */
const EVENTS = {
  bound: (service: OfferedService) => service.bound({ ...BIND, incarnation: service.incarnation }, PEER),
  demand: (service: OfferedService) => service.setDemand(DEMAND),
  "no demand": (service: OfferedService) => service.setDemand(NO_DEMAND),
  publish: (service: OfferedService) => service.publish(1),
  interrupt: (service: OfferedService) => service.interrupt(),
  take: (service: OfferedService) => service.take(1_000, 1_000),
  finish: (service: OfferedService) => service.finish(undefined),
};

type EventName = keyof typeof EVENTS;

describe("a service", () => {
  function after(kind: "value" | "log", events: readonly EventName[]) {
    const host = {
      ...{ book: () => undefined, sendFrame: () => undefined, ended: () => undefined },
    } as unknown as ServiceHost;
    const service = new OfferedService("alice@x/s", { kind }, host, createRowCodec(DEFAULT_LIMITS));
    for (const event of events) EVENTS[event](service);
    const { pending, isBound, established, ended } = service;
    return { pending, isBound, established, ended, frames: service.take(1_000, 1_000).length };
  }
  const BEFORE = { pending: false, isBound: false, established: false, ended: false, frames: 0 };
  const BOUND = { ...BEFORE, isBound: true, established: true };
  const SENDS = { ...BOUND, pending: true, frames: 1 };
  const INTERRUPTED = { ...BEFORE, established: true };

  it.each<[EventName[], object, object]>([
    [[], BEFORE, BEFORE],
    [["publish"], BEFORE, { ...BEFORE, pending: true }],
    [["bound", "publish"], BOUND, SENDS],
    [["bound", "publish", "demand"], SENDS, SENDS],
    [["bound", "demand"], BOUND, BOUND],
    [["bound", "demand", "publish"], SENDS, SENDS],
    [["bound", "demand", "publish", "take"], BOUND, BOUND],
    // New demand receives the newest value once more.
    [["bound", "demand", "publish", "take", "no demand", "demand"], SENDS, BOUND],
    [["bound", "demand", "publish", "no demand"], BOUND, SENDS],
    [
      ["bound", "demand", "publish", "interrupt"],
      { ...INTERRUPTED, pending: true },
      { ...INTERRUPTED, pending: true },
    ],
    [["bound", "demand", "publish", "take", "interrupt", "bound", "demand"], SENDS, SENDS],
    [
      ["bound", "demand", "publish", "finish"],
      { ...INTERRUPTED, ended: true },
      { ...INTERRUPTED, ended: true, pending: true },
    ],
  ])("after %j sends what its kind lets it", (events, value, log) => {
    expect(after("value", events), "value").toEqual(value);
    expect(after("log", events), "log").toEqual(log);
  });
});

describe("a log's updates", () => {
  function sendThree(sendsKept: boolean) {
    const host = { book: () => undefined } as unknown as ServiceHost;
    const service = new OfferedService("alice@x/s", { kind: "log" }, host, createRowCodec(DEFAULT_LIMITS));
    service.bound({ ...BIND, incarnation: service.incarnation }, { ...PEER, sendsKept });
    service.setDemand(DEMAND);
    for (const value of [1, 2, 3]) service.publish(value);
    service.take(1_000, 1_000);
    service.wasSent(1);
    return service;
  }

  it("stay until the component keeps them, whatever it acknowledges", () => {
    const service = sendThree(true);
    service.acknowledged(1);
    expect(service.unacknowledged).toBe(3);
    service.kept(service.incarnation + 1, 3);
    expect(service.unacknowledged).toBe(3);
    service.kept(service.incarnation, 2);
    expect(service.unacknowledged).toBe(1);
    service.interrupt();
    service.kept(service.incarnation, 3);
    expect(service.unacknowledged).toBe(1);
  });

  it("stay until they are acknowledged by a component that sends no KEPT", () => {
    const service = sendThree(false);
    service.acknowledged(1);
    expect(service.unacknowledged).toBe(0);
  });
});
