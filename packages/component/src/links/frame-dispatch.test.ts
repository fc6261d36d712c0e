import type { Frame } from "@stanzapack/wire";
import { pino } from "pino";
import { expect, it, vi } from "vitest";
import { createStats } from "../base/stats.js";
import type { Broker } from "../broker/broker.js";
import type { Service } from "../catalog/service.js";
import type { FrameRequests } from "../subscriptions/frame-requests.js";
import type { ClientLink } from "./client-link.js";
import { FrameDispatch } from "./frame-dispatch.js";

const NOW = 1_000;

/** Dispatch for a link with the service of alias 1, and with the retired alias 2. */
function setUp() {
  const calls = {
    ...{ publish: vi.fn(), set: vi.fn(), accept: vi.fn(), forget: vi.fn(), expectClose: vi.fn() },
    ...{ onBye: vi.fn(), raiseCredit: vi.fn() },
    ...{ take: vi.fn(), result: vi.fn(() => 40), stopped: vi.fn() },
  };
  const service = {} as Service;
  const subscription = { raiseCredit: calls.raiseCredit, link: { detached: new Set() } };
  const link = {
    ...{ jid: "bob@x/1", ended: false, closedAt: undefined, services: new Map([[1, service]]) },
    subscriptions: new Map([[1, subscription]]),
    inbox: { blockBytes: 100 },
    ...{ isRetired: (alias: number) => alias === 2, stream: { expectClose: calls.expectClose } },
  } as unknown as ClientLink;
  const broker = { publishing: calls, status: calls, calls } as unknown as Broker;
  const requests = { accept: calls.accept, resumption: calls } as unknown as FrameRequests;
  const stats = createStats();
  const dispatch = new FrameDispatch(broker, requests, stats, pino({ level: "silent" }), calls.onBye);
  const send = (frame: Partial<Frame>): void => dispatch.dispatch(link, frame as Frame, NOW);
  return { calls, service, link, stats, send };
}

it("gives DATA and STATUS to the service of their alias", () => {
  const { calls, service, stats, send } = setUp();
  const frames = [{ type: "data", alias: 1 } as const, { type: "coded", alias: 1 } as const];
  for (const frame of frames) send(frame);
  send({ type: "status", alias: 1 });
  expect(calls.publish.mock.calls).toEqual(frames.map((frame) => [service, frame, NOW]));
  expect(calls.set.mock.calls).toEqual([[service, { type: "status", alias: 1 }]]);
  expect(stats.framesReceived).toMatchObject({ data: 1, coded: 1, status: 1 });
});

it.each(["data", "coded", "status"] as const)(
  "drops %s of a retired alias, and refuses one that was never bound",
  (type) => {
    const { calls, send } = setUp();
    send({ type, alias: 2 });
    expect(calls.publish).not.toHaveBeenCalled();
    expect(() => send({ type, alias: 3 })).toThrow(
      expect.objectContaining({ code: "unknown-alias", origin: "peer" }),
    );
  },
);

it("starts no request on a link that its client closed, and reads its credit still", () => {
  const { calls, link, send } = setUp();
  const requests = (["subscribe", "change", "resume"] as const).map((type) => ({ type, request: 1 }));
  for (const frame of requests) send(frame);
  expect(calls.accept.mock.calls).toEqual(requests.map((frame) => [link, frame]));
  Object.assign(link, { closedAt: NOW });
  for (const frame of requests) send(frame);
  send({ type: "credit", alias: 1, total: 5 });
  expect(calls.accept).toHaveBeenCalledTimes(3);
  expect(calls.raiseCredit.mock.calls).toEqual([[5]]);
});

it("takes calls of a live link alone, and results at the cost of their callers", () => {
  const { calls, link, send } = setUp();
  const call = { type: "call", alias: 1 } as const;
  send(call);
  expect(calls.take.mock.calls).toEqual([[link, call]]);
  Object.assign(link, { closedAt: NOW });
  send(call);
  expect(calls.take).toHaveBeenCalledTimes(1);
  const result = { type: "result", call: 1 } as const;
  send(result);
  expect(calls.result.mock.calls).toEqual([[link, result]]);
  expect(link.inbox.blockBytes).toBe(60);
});

it("ends the link behind BYE, and forgets its token only where the client stopped", () => {
  for (const [code, forgets] of [
    ["stopped", 1],
    ["going-away", 0],
  ] as const) {
    const { calls, link, send } = setUp();
    send({ type: "bye", code: code as "stopped" });
    expect(calls.onBye.mock.calls).toEqual([[link, `the client said ${code}`]]);
    expect([calls.forget.mock.calls.length, calls.expectClose.mock.calls.length]).toEqual([forgets, 1]);
    expect(calls.stopped).toHaveBeenCalledTimes(forgets);
  }
});

it("refuses what only the component sends, and handles nothing of a link that has ended", () => {
  const { calls, link, stats, send } = setUp();
  for (const type of ["bind", "demand", "kept", "grant", "refused", "done"] as const)
    expect(() => send({ type })).toThrow(expect.objectContaining({ code: "protocol", origin: "peer" }));
  Object.assign(link, { ended: true });
  send({ type: "data", alias: 1 });
  send({ type: "bind" });
  expect(calls.publish).not.toHaveBeenCalled();
  expect(stats.framesReceived).toMatchObject({ data: 0, bind: 1 });
});
