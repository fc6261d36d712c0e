import { createRowCodec, DEFAULT_LIMITS, type BindServiceFrame, type Value } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { OfferedService, type LinkPeer, type ServiceHost } from "./offered-service.js";

const PEER = { readsCoded: false, hop: "plain" } as LinkPeer;

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
