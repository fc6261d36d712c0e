import { createRowCodec, DEFAULT_LIMITS, StanzapackError, type Frame } from "@stanzapack/wire";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LinkEnd } from "../link/link-end.js";
import type { Negotiation } from "../negotiation/negotiation.js";
import { OfferedService } from "../publish/offered-service.js";
import type { LinkPeer, ServiceHost } from "../publish/service-host.js";
import { Attempts } from "./attempts.js";
import type { CurrentLink, Links } from "./current-link.js";
import { FrameRouter, type Holdings } from "./frame-router.js";
import { ServiceRequests } from "./service-requests.js";

const NODE = "alice@x/l";
const codec = createRowCodec(DEFAULT_LIMITS);

/** A log that is bound on a link, where the test plays the component. */
function setUp() {
  const life = new AbortController();
  const peer = { readsCoded: false, sendsKept: true, hop: "plain" } as LinkPeer;
  const host = { ...{ book: () => undefined, sendFrame: () => undefined, ended: () => undefined } };
  const log = new OfferedService<number>(NODE, { kind: "log" }, host as unknown as ServiceHost, codec);
  const service = log as unknown as OfferedService;
  const events = { delayed: vi.fn(), ended: vi.fn() };
  log.on("delayed", ({ code, retryAfterMs }) => void events.delayed(code, retryAfterMs));
  log.on("ended", (error) => void events.ended(error?.code));

  let alias = 0;
  let kept = 0;
  const bind = (): void =>
    router.dispatch({
      ...{ type: "bind", role: "service", alias: ++alias, node: NODE, sequence: kept },
      incarnation: log.incarnation,
    });
  const offer = vi.fn(() => {
    bind();
    return Promise.resolve();
  });
  const holdings = {
    services: new Map([[NODE, service]]),
    subscriptions: new Map(),
    delayed: (delayed: OfferedService, error: StanzapackError) => requests.delay(delayed, error),
  } as unknown as Holdings;
  const router = new FrameRouter(holdings, codec, () => peer as never, 10_000);
  const state = { live: true, ask: () => Promise.resolve(), abandon: () => undefined };
  const current = { link: state, router, over: new LinkEnd() } as unknown as CurrentLink;
  const links = { current, reachable: true, untilUp: () => Promise.resolve(current) } satisfies Links;
  const attempts = new Attempts(links, 10_000, life.signal);
  const negotiation = { offer } as unknown as Negotiation;
  const requests = new ServiceRequests(links, attempts, negotiation, 10_000);
  bind();
  const dispatch = (frame: Frame): void => router.dispatch(frame);
  const refuse = (code: "busy" | "fenced" | "withdrawn", retryAfterMs: number | null): void =>
    dispatch({ type: "error", alias, code, text: "the test says so", retryAfterMs });
  const keep = (sequence: number): void => {
    kept = sequence;
    dispatch({ type: "kept", alias, incarnation: log.incarnation, sequence });
  };
  return { log, events, offer, refuse, keep, life };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("a service that the component refuses for a while waits, is offered again, and sends what was not stored", async () => {
  const { log, events, offer, refuse, keep, life } = setUp();
  for (const value of [1, 2, 3]) log.publish(value);
  expect(log.take(1_000, 10_000)).toHaveLength(1);
  keep(1);
  refuse("busy", 5_000);
  expect(events.delayed.mock.calls).toEqual([["busy", 5_000]]);
  expect([log.isBound, log.ended, log.unacknowledged]).toEqual([false, false, 2]);
  log.publish(4);
  expect(log.take(1_000, 10_000)).toEqual([]);
  await vi.advanceTimersByTimeAsync(4_999);
  expect(offer).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(offer.mock.calls).toEqual([[NODE, log.options, log.incarnation]]);
  expect([log.isBound, log.pending, log.unacknowledged]).toEqual([true, true, 3]);
  expect(log.take(1_000, 10_000)).toHaveLength(1);
  keep(4);
  expect([log.pending, log.unacknowledged, events.ended.mock.calls.length]).toEqual([false, 0, 0]);
  life.abort();
});

it("a service that is stopped meanwhile is not offered again", async () => {
  const { log, events, offer, refuse } = setUp();
  refuse("busy", 5_000);
  log.finish(undefined);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([offer.mock.calls.length, events.ended.mock.calls]).toEqual([0, [[undefined]]]);
});

it.each([
  ["fenced", null],
  ["withdrawn", null],
  // Without a time there is nothing to wait for.
  ["busy", null],
] as const)("an ERROR `%s` with the time %s ends a service", async (code, retryAfterMs) => {
  const { log, events, offer, refuse } = setUp();
  refuse(code, retryAfterMs);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(log.ended).toBe(true);
  expect([events.delayed.mock.calls, events.ended.mock.calls]).toEqual([[], [[code]]]);
  expect(offer).not.toHaveBeenCalled();
});

it("a final refusal of the later offer ends a service", async () => {
  const { log, events, offer, refuse } = setUp();
  offer.mockImplementation(() => Promise.reject(new StanzapackError("conflict", "another session has it")));
  refuse("busy", 1_000);
  await vi.advanceTimersByTimeAsync(3_000);
  expect([log.ended, events.ended.mock.calls]).toEqual([true, [["fenced"]]]);
});
