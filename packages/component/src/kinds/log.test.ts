import { describe, expect, it, vi } from "vitest";
import type { Since } from "@stanzapack/wire";
import type { Service } from "../catalog/service.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { Lane } from "../fanout/lane.js";
import { Arrival } from "../fanout/selector.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { CatchUp } from "./catch-up.js";
import { LogKind } from "./log.js";

const EPOCH = 7;

/** A log whose newest offset is 9. Its journal has the updates from 4 on. */
function setUp() {
  const journal = { first: 4, read: vi.fn(), since: vi.fn(() => ({ offset: 6, whole: false })) };
  const shelf = { journal, append: vi.fn(), trim: vi.fn(), clear: vi.fn() };
  const catchUp = { begin: vi.fn(), add: vi.fn() };
  const fanOut = { setAside: vi.fn(() => [] as Subscription[]) };
  const onWithdrawn = vi.fn();
  const kind = new LogKind(shelf, {
    ...{ fanOut: fanOut as unknown as FanOut, catchUp: catchUp as unknown as CatchUp, onWithdrawn },
  });
  const service = { record: { epoch: EPOCH, offset: 9 }, lanes: new Map(), kind } as unknown as Service;
  const subscribe = (fields: object = {}) => ({ service, ...fields }) as unknown as Subscription;
  return { kind, service, shelf, journal, catchUp, fanOut, onWithdrawn, subscribe };
}

describe("a subscription to a log", () => {
  it.each<[string, Since | undefined, number, boolean | undefined]>([
    ["nothing", undefined, 9, undefined],
    ["the first", "first", 3, true],
    ["a time", { time: 5 }, 5, false],
    ["a position", { epoch: EPOCH, offset: 7 }, 7, true],
    ["the position before the first", { epoch: EPOCH, offset: 3 }, 3, true],
    ["a position that is gone", { epoch: EPOCH, offset: 2 }, 2, false],
    ["a position that was never reached", { epoch: EPOCH, offset: 12 }, 9, false],
    ["a position of another life", { epoch: EPOCH + 1, offset: 7 }, 3, false],
  ])("since %s begins there, and catches up", async (_, since, position, recovered) => {
    const { kind, journal, catchUp, subscribe } = setUp();
    const subscription = subscribe();
    const timed = typeof since === "object" && "time" in since ? await kind.seek(since.time) : undefined;
    kind.begin(subscription, { since, timed, standing: undefined, isLive: true, now: 0 });
    expect(subscription).toMatchObject({ position, begun: { epoch: EPOCH, offset: position } });
    expect(subscription.recovered).toBe(recovered);
    expect(catchUp.begin.mock.calls).toEqual([[subscription, expect.objectContaining({ journal })]]);
  });

  it("catches up when it comes back, and when its lane is set aside", () => {
    const { kind, journal, catchUp, fanOut, subscribe } = setUp();
    const [one, two] = [subscribe(), subscribe()];
    kind.comeBack(one);
    fanOut.setAside.mockReturnValue([one, two]);
    kind.setAside({} as Lane<Subscription>);
    const source: unknown = expect.objectContaining({ journal });
    expect(catchUp.add.mock.calls).toEqual([one, one, two].map((it) => [it, source]));
  });

  it("goes on after the withdrawal only where it is detached and has not got everything", () => {
    const { kind, subscribe } = setUp();
    expect(kind.hasRest(subscribe({ detached: true, position: 8 }))).toBe(true);
    expect(kind.hasRest(subscribe({ detached: true, position: 9 }))).toBe(false);
    expect(kind.hasRest(subscribe({ detached: false, position: 0 }))).toBe(false);
  });
});

it("appends to its shelf, and sets aside each lane that the updates do not fit in", () => {
  const { kind, service, shelf, fanOut } = setUp();
  const overflows = vi.fn(() => true);
  const [full, free] = [{ overflows }, { overflows: () => false }] as unknown as [
    Lane<Subscription>,
    Lane<Subscription>,
  ];
  service.lanes.set("full", full);
  service.lanes.set("free", free);
  const arrival = new Arrival(10, 11, [Uint8Array.of(1, 2), Uint8Array.of(3, 4, 5)], [1, 2]);
  void kind.keep(service, arrival);
  expect(shelf.append.mock.calls).toEqual([[service, arrival]]);
  expect(overflows).not.toHaveBeenCalled();
  kind.kept(service, arrival);
  expect(overflows.mock.calls).toEqual([[2, 5]]);
  expect(fanOut.setAside.mock.calls).toEqual([[full]]);
});

it("hands its shelf over when it is withdrawn", () => {
  const { kind, service, shelf, onWithdrawn } = setUp();
  kind.withdraw(service, 5);
  expect(onWithdrawn.mock.calls).toEqual([[service, shelf, 5]]);
});
