import { createHello, StanzapackError, type CallFrame, type Frame, type ResultFrame } from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import { createStats } from "../base/stats.js";
import { Budgets } from "../budgets/budgets.js";
import type { Service } from "../catalog/service.js";
import { configSchema, type ComponentLimits } from "../config/config.js";
import type { ClientLink } from "../links/client-link.js";
import { createService } from "../testing/create-service.js";
import { fakeLink } from "../testing/fake-link.js";
import { Calls } from "./calls.js";

const defaults = configSchema.parse({ component: { domain: "a.b", secret: "x" } }).limits;
const NULL = Uint8Array.of(0xc0);
const idOf = (number: number): Uint8Array => Uint8Array.of(1, 2, 3, number);

/** A link of a client that lists calls, or not, with the frames that it was sent. */
interface TestLink extends ClientLink {
  readonly frames: Frame[];
  /** Sending a frame of this type throws, as a frame does that fits no block. */
  full: Frame["type"] | undefined;
  assertOpen: () => void;
}

function createLink(jid: string, calls = true): TestLink {
  const frames: Frame[] = [];
  const sendFrame = (frame: Frame): void => {
    if (link.full === frame.type && (frame.type !== "result" || frame.ok))
      throw new StanzapackError("limit-exceeded", "a frame of 9 bytes is over the block size of 6");
    frames.push(frame);
  };
  const link = fakeLink(jid, {
    ...{ frames, sendFrame, full: undefined },
    session: { peerHello: createHello(calls ? { calls } : {}) },
    isRetired: (alias: number) => alias === 90,
  }) as TestLink;
  return link;
}

function subscribe(link: ClientLink, service: Service, alias = 5): void {
  link.subscriptions.set(alias, { service } as never);
}

function publish(service: Service, link: ClientLink, alias = 2): void {
  service.publisher = { link, alias, reader: undefined as never, incarnation: undefined };
}

const callOf = (call: number, fields: Partial<CallFrame> = {}): CallFrame =>
  ({
    ...{ type: "call", alias: 5, call, id: idOf(call), timeoutMs: 30_000, caller: null },
    ...(fields.again === true ? {} : { again: false, method: "reset", args: NULL }),
    ...fields,
  }) as CallFrame;
const resultOf = (call: number): ResultFrame => ({ type: "result", call, ok: true, result: NULL });
const failure = (call: number, code: string): object =>
  expect.objectContaining({ type: "result", call, ok: false, code }) as object;

function setUp(own: Partial<ComponentLimits> = {}) {
  const limits = { ...defaults, ...own };
  const stats = createStats();
  let now = 1_000;
  const clock = (): number => now;
  const budgets = new Budgets(limits, stats, undefined, clock, () => 0.5);
  const calls = new Calls(budgets, limits, stats, clock);
  const service = createService();
  const [bob, alice] = [createLink("bob@x/1"), createLink("alice@x/1")];
  subscribe(bob, service);
  publish(service, alice);
  const pass = (ms: number): void => {
    now += ms;
    calls.sweep();
  };
  return { limits, stats, budgets, calls, service, bob, alice, pass };
}

describe("a call", () => {
  it("goes to the publisher with its caller and another number, and its result comes back", () => {
    const { calls, bob, alice, stats } = setUp();
    calls.take(bob, callOf(7));
    expect(alice.frames).toEqual([
      {
        ...{ type: "call", alias: 2, call: 0, id: idOf(7), timeoutMs: 30_000, caller: "bob@x" },
        ...{ again: false, method: "reset", args: NULL },
      },
    ]);
    expect(stats.calls).toBe(1);
    expect(calls.result(alice, resultOf(0))).toBe(1);
    expect(bob.frames).toEqual([resultOf(7)]);
    expect(stats.calls).toBe(0);
    // Repeated: nobody waits for it.
    expect(calls.result(alice, resultOf(0))).toBe(0);
    expect(bob.frames.length).toBe(1);
  });

  it("gives the caller the publisher's error", () => {
    const { calls, bob, alice } = setUp();
    calls.take(bob, callOf(1));
    const error = { ok: false, code: "unknown-method", text: "no `reset` here", retryAfterMs: null } as const;
    calls.result(alice, { type: "result", call: 0, ...error });
    expect(bob.frames).toEqual([{ type: "result", call: 1, ...error }]);
  });

  it("is refused where it certainly does not run", () => {
    const { calls, service, bob, alice } = setUp();
    const refusals: [string, () => void, Partial<CallFrame>?][] = [
      ["timeout", () => undefined, { timeoutMs: 0 }],
      ["not-subscribed", () => undefined, { alias: 90 }],
      ["publisher-offline", () => (alice.assertOpen = () => expect.fail("closed"))],
      ["publisher-offline", () => (service.publisher = undefined)],
      ["unsupported", () => publish(service, createLink("alice@x/old", false))],
      ["withdrawn", () => (service.withdrawn = true)],
    ];
    for (const [i, [code, change, fields]] of refusals.entries()) {
      change();
      calls.take(bob, callOf(i, fields));
      expect(bob.frames.at(-1)).toEqual(failure(i, code));
    }
    bob.services.set(8, service);
    calls.take(bob, callOf(50, { alias: 8 }));
    expect(bob.frames.at(-1)).toEqual(failure(50, "not-subscribed"));
    expect(alice.frames).toEqual([]);
  });

  it.each([
    ["an alias that was never bound", callOf(1, { alias: 91 }), "unknown-alias"],
    ["a caller named by itself", callOf(1, { caller: "carol@x" }), "protocol"],
  ])("with %s ends the link", (_, frame, code) => {
    const { calls, bob } = setUp();
    expect(() => calls.take(bob, frame)).toThrow(expect.objectContaining({ code, origin: "peer" }));
  });

  it("of a client that lists no calls ends the link, and so does a result of no call", () => {
    const { calls, service, alice, bob } = setUp();
    const old = createLink("bob@x/old", false);
    subscribe(old, service);
    const broken = expect.objectContaining({ code: "protocol", origin: "peer" }) as object;
    expect(() => calls.take(old, callOf(1))).toThrow(broken);
    expect(() => calls.result(alice, resultOf(0))).toThrow(broken);
    calls.take(bob, callOf(1));
    expect(() => calls.result(alice, resultOf(1))).toThrow(broken);
  });

  it("that fits no block of the publisher, or whose result fits none of the caller, is too large", () => {
    const { calls, bob, alice, stats } = setUp();
    alice.full = "call";
    calls.take(bob, callOf(1));
    expect(bob.frames).toEqual([failure(1, "too-large")]);
    alice.full = undefined;
    calls.take(bob, callOf(2));
    bob.full = "result";
    calls.result(alice, resultOf(0));
    expect(bob.frames[1]).toEqual(failure(2, "too-large"));
    expect(stats.calls).toBe(0);
  });
});

describe("a call runs at most once", () => {
  it("where the caller's link breaks and the result comes later", () => {
    const { calls, service, bob, alice, stats } = setUp();
    calls.take(bob, callOf(7));
    calls.callerGone(bob);
    const again = createLink("bob@x/2");
    subscribe(again, service, 9);
    calls.take(again, callOf(1, { alias: 9, id: idOf(7), again: true, timeoutMs: 10_000 }));
    expect(alice.frames.length).toBe(1);
    calls.result(alice, resultOf(0));
    expect([bob.frames, again.frames]).toEqual([[], [resultOf(1)]]);
    expect(stats.calls).toBe(0);
  });

  it("where the result came while the caller was away: the publisher remembers it", () => {
    const { calls, bob, alice } = setUp();
    calls.take(bob, callOf(7));
    calls.callerGone(bob);
    calls.result(alice, resultOf(0));
    expect(bob.frames).toEqual([]);
    calls.take(bob, callOf(8, { id: idOf(7), again: true }));
    expect(alice.frames[1]).toMatchObject({ call: 1, id: idOf(7), again: true, caller: "bob@x" });
    calls.result(alice, resultOf(1));
    expect(bob.frames).toEqual([resultOf(8)]);
  });

  it("where a new call has the id of one in flight", () => {
    const { calls, bob, alice } = setUp();
    calls.take(bob, callOf(7));
    calls.take(bob, callOf(8, { id: idOf(7) }));
    expect(alice.frames.length).toBe(1);
    calls.result(alice, resultOf(0));
    expect(bob.frames).toEqual([resultOf(8)]);
  });

  it("and two accounts may have equal ids", () => {
    const { calls, service, bob, alice } = setUp();
    const carol = createLink("carol@x/1");
    subscribe(carol, service);
    calls.take(bob, callOf(7));
    calls.take(carol, callOf(7));
    expect(alice.frames).toMatchObject([{ caller: "bob@x" }, { caller: "carol@x" }]);
    calls.result(alice, resultOf(1));
    expect([bob.frames, carol.frames]).toEqual([[], [resultOf(7)]]);
  });

  it("where the publisher's link breaks: only the id is sent to its next link", () => {
    const { calls, service, bob, alice, pass } = setUp();
    calls.take(bob, callOf(7));
    service.publisher = undefined;
    calls.publisherGone(alice);
    pass(5_000);
    const again = createLink("alice@x/2");
    publish(service, again, 4);
    calls.publisherCame(service);
    calls.publisherCame(service);
    expect(again.frames).toEqual([
      {
        ...{ type: "call", alias: 4, call: 0, id: idOf(7), timeoutMs: 25_000, caller: "bob@x" },
        again: true,
      },
    ]);
    calls.result(again, resultOf(0));
    expect(bob.frames).toEqual([resultOf(7)]);
  });

  it("where another session takes the service over while the first one runs the call", () => {
    const { calls, service, bob, alice } = setUp();
    calls.take(bob, callOf(7));
    calls.take(bob, callOf(8));
    const other = createLink("alice@x/2");
    publish(service, other);
    calls.publisherCame(service);
    calls.result(alice, resultOf(0));
    expect([bob.frames, other.frames]).toEqual([[resultOf(7)], []]);
    calls.publisherGone(alice);
    expect(other.frames).toMatchObject([{ call: 0, id: idOf(8), again: true }]);
  });

  it("where another session takes the service over: whether the first one lives is asked at once", () => {
    const { calls, service, bob, alice } = setUp();
    const doubted: string[] = [];
    calls.onDoubt = (jid) => doubted.push(jid);
    calls.publisherCame(service);
    calls.take(bob, callOf(7));
    calls.take(bob, callOf(8));
    calls.publisherCame(service);
    expect(doubted).toEqual([]);
    publish(service, createLink("alice@x/2"));
    calls.publisherCame(service);
    expect(doubted).toEqual([alice.jid]);
  });
});

describe("the outcome is unknown", () => {
  it("where the publisher does not return within the call's time", () => {
    const { calls, service, bob, alice, stats, pass } = setUp();
    calls.take(bob, callOf(7));
    service.publisher = undefined;
    calls.publisherGone(alice);
    pass(29_000);
    expect(bob.frames).toEqual([]);
    pass(1_000);
    expect(bob.frames).toEqual([failure(7, "outcome-unknown")]);
    expect(stats.calls).toBe(0);
  });

  it("where no result comes within the call's time, which has a bound", () => {
    const { calls, bob, alice, pass } = setUp({ callSeconds: 60 });
    calls.take(bob, callOf(1));
    calls.take(bob, callOf(2, { timeoutMs: Number.MAX_SAFE_INTEGER }));
    expect(alice.frames).toMatchObject([{ timeoutMs: 30_000 }, { timeoutMs: 60_000 }]);
    pass(30_000);
    expect(bob.frames).toEqual([failure(1, "outcome-unknown")]);
    pass(30_000);
    expect(bob.frames).toEqual([failure(1, "outcome-unknown"), failure(2, "outcome-unknown")]);
    // Late results are dropped.
    expect(calls.result(alice, resultOf(0))).toBe(0);
    expect(bob.frames.length).toBe(2);
  });

  it("at once where the service is withdrawn, its publisher stops, or the subscription ends", () => {
    const { calls, service, bob, alice, stats } = setUp();
    const ends = [
      () => calls.withdrawn(service),
      () => calls.stopped(alice),
      () => calls.subscriptionEnded(service, "bob@x/1"),
    ];
    for (const [i, end] of ends.entries()) {
      calls.take(bob, callOf(i));
      calls.subscriptionEnded(service, "bob@x/other");
      expect(bob.frames.length).toBe(i);
      end();
      expect(bob.frames[i]).toEqual(failure(i, "outcome-unknown"));
    }
    expect(stats.calls).toBe(0);
  });

  it("where a repeated call meets a bound, a publisher without calls, or no service", () => {
    const { calls, service, bob } = setUp({ maxCallsPerService: 1 });
    service.publisher = undefined;
    // The publisher is expected back: a restarted component does not know when.
    calls.take(bob, callOf(1, { again: true }));
    expect(bob.frames).toEqual([]);
    calls.take(bob, callOf(2, { again: true }));
    publish(service, createLink("alice@x/old", false));
    calls.publisherCame(service);
    service.withdrawn = true;
    calls.take(bob, callOf(3, { again: true }));
    const unknown = [2, 1, 3].map((call) => failure(call, "outcome-unknown"));
    expect(bob.frames).toEqual(unknown);
  });

  it("and a caller that stops is told nothing", () => {
    const { calls, bob, stats } = setUp();
    calls.take(bob, callOf(1));
    calls.stopped(bob);
    expect([bob.frames, stats.calls]).toEqual([[], 0]);
  });
});

describe("bounds", () => {
  it.each([
    ["in all", { maxCalls: 2 }, true],
    ["of one account", { maxCallsPerJid: 2 }, true],
    ["to one service", { maxCallsPerService: 2 }, true],
    // These wait for one program, and say nothing about the component.
    ["to one publisher", { maxCallsPerPublisher: 2 }, false],
    ["of bytes to one publisher", { maxCallBytesPerPublisher: 2 }, false],
  ])("%s", (_, own, isQuota) => {
    const { calls, bob, alice, stats } = setUp(own);
    for (const call of [1, 2, 3]) calls.take(bob, callOf(call));
    expect(bob.frames).toEqual([failure(3, "busy")]);
    expect(bob.frames[0]).toMatchObject({ retryAfterMs: 1_000 });
    expect(stats.overQuota).toBe(Number(isQuota));
    calls.result(alice, resultOf(0));
    calls.take(bob, callOf(4));
    expect(alice.frames.length).toBe(3);
  });

  it("one account's flood leaves the calls of others alone", () => {
    const { calls, service, bob, alice } = setUp();
    const carol = createLink("carol@x/1");
    subscribe(carol, service);
    for (let call = 0; call < 2_000; call++)
      calls.take(bob, callOf(call, { id: Uint8Array.of(call >> 8, call) }));
    expect(alice.frames.length).toBe(defaults.maxCallsPerJid);
    calls.take(carol, callOf(1));
    expect(alice.frames.at(-1)).toMatchObject({ caller: "carol@x" });
    expect(carol.frames).toEqual([]);
  });

  it("arguments and results cost their caller requests by their bytes", () => {
    const { calls, budgets, bob, alice } = setUp();
    const charge = vi.spyOn(budgets, "charge");
    calls.take(bob, callOf(1, { args: new Uint8Array(5_000) }));
    calls.result(alice, { type: "result", call: 0, ok: true, result: new Uint8Array(40_000) });
    expect(charge.mock.calls).toEqual([
      ["bob@x/1", 4],
      ["bob@x/1", 39],
    ]);
  });

  it("a caller over its budget is refused, and then cut off", () => {
    const { calls, budgets, bob } = setUp({ requestsPerSecond: 1, burstSeconds: 1, maxCallsPerJid: 1_000 });
    const onCut = (budgets.onCut = vi.fn());
    for (let call = 0; call < 100; call++) calls.take(bob, callOf(call));
    expect(bob.frames[0]).toEqual(failure(1, "busy"));
    expect(onCut).toHaveBeenCalled();
  });
});
