import { WHOLE } from "@stanzapack/wire";
import type { Connection } from "@stanzapack/xmpp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ClientState } from "./client-state.js";
import { resolveConnectOptions, type InactivePolicy } from "../options/connect-options.js";
import { SharedSubscription } from "../subscribe/shared-subscription.js";
import type { StatusEvent } from "../subscribe/subscription-events.js";

const INACTIVE = "<inactive xmlns='urn:xmpp:csi:0'/>";
const ACTIVE = "<active xmlns='urn:xmpp:csi:0'/>";

function setUp(policy: InactivePolicy, { offered = true } = {}) {
  const log: string[] = [];
  const connection = {
    state: "online",
    offers: () => offered,
    send: (text: string, count: number) => log.push(`${text} ${count}`) > 0,
  } as unknown as Connection;
  const subscription = new SharedSubscription(
    "alice@example.test/temp",
    { windowMs: 100 },
    {
      change: (_, windowMs, selection) => Promise.resolve({ subid: "1", windowMs, selection }),
      stop: () => Promise.resolve(),
      credit: () => undefined,
    },
  );
  subscription.applyGrant({ subid: "1", windowMs: 100, selection: WHOLE });
  const statuses: StatusEvent[] = [];
  subscription.join({}).on("status", (event) => statuses.push(event));
  const link = { up: true };
  const keeper = {
    async settleAll() {
      await Promise.resolve();
      if (!link.up) return false;
      if (!subscription.settled) {
        log.push(subscription.paused ? "unsubscribe" : `window ${subscription.wantedWindowMs}`);
        if (subscription.paused) subscription.resting();
        else subscription.applyGrant({ subid: "2", windowMs: subscription.wantedWindowMs, selection: WHOLE });
      }
      return true;
    },
  };
  /** `answer` is the result of `quiet`. */
  const envelope = {
    answer: true as boolean | Promise<boolean>,
    quiet: vi.fn(() => envelope.answer),
    welcomeLean: vi.fn(),
  };
  const services = { size: 0 };
  const state = new ClientState(
    connection,
    keeper,
    envelope,
    new Map([[subscription.node, subscription]]),
    services,
    policy,
  );
  return { state, services, subscription, statuses, log, link, envelope };
}

describe("client state (XEP-0352)", () => {
  it("asks for less before it tells the server, and tells the server before it asks for more (§4.2)", async () => {
    const { state, statuses, log, subscription } = setUp({ windowMs: 60_000 });
    await state.set(false);
    expect(state.active).toBe(false);
    expect(log).toEqual(["window 60000", `${INACTIVE} 0`]);
    expect(statuses).toEqual([{ status: "slowed", by: "client", windowMs: 60_000 }]);
    await state.set(false);
    await state.set(true);
    expect(log.slice(2)).toEqual([`${ACTIVE} 0`, "window 100"]);
    expect(statuses[1]).toEqual({ status: "online", by: "publisher", windowMs: 100 });
    expect(subscription.windowMs).toBe(100);
  });

  it("pauses, and the subscription goes on", async () => {
    const { state, statuses, log, subscription } = setUp("pause");
    await state.set(false);
    expect(log).toEqual(["unsubscribe", `${INACTIVE} 0`]);
    expect(subscription).toMatchObject({ status: "paused", ended: false });
    expect(statuses).toEqual([{ status: "paused", by: "client", windowMs: 100 }]);
    expect(await subscription.change({ windowMs: 150 })).toEqual({ windowMs: 200 });
    await expect(subscription.change({ windowMs: -1 })).rejects.toMatchObject({ code: "invalid-options" });
    await state.set(true);
    expect(log.slice(2)).toEqual([`${ACTIVE} 0`, "window 200"]);
    expect(subscription.status).toBe("online");
  });

  it("keeps a window that is wider, and grants the wider of two while inactive", async () => {
    const { state, subscription, log, statuses } = setUp({ windowMs: 100 });
    await state.set(false);
    expect(log).toEqual([`${INACTIVE} 0`]);
    expect(statuses).toEqual([]);
    expect(await subscription.change({ windowMs: 0 })).toEqual({ windowMs: 100 });
    expect(subscription.status).toBe("slowed");
  });

  it("is not told while a service is offered, whose demand the server would hold", async () => {
    const { state, services, log } = setUp({ windowMs: 1_000 });
    services.size = 1;
    state.onServices();
    await state.set(false);
    expect(log).toEqual(["window 1000"]);
    services.size = 0;
    state.onServices();
    await state.set(false);
    expect(log.slice(1)).toEqual([`${INACTIVE} 0`]);
    services.size = 1;
    state.onServices();
    expect(log.slice(2)).toEqual([`${ACTIVE} 0`]);
    await state.set(true);
    expect(log.slice(3)).toEqual(["window 100"]);
  });

  it("tells a server nothing that it does not offer (§4.1)", async () => {
    const { state, log } = setUp({ windowMs: 1_000 }, { offered: false });
    await state.set(false);
    await state.set(true);
    expect(log).toEqual(["window 1000", "window 100"]);
  });

  it("tells it again after a resumption: 'stream resumption does not affect the current CSI state' (§5.2)", async () => {
    const { state, log } = setUp({ windowMs: 1_000 });
    await state.set(false);
    log.length = 0;
    state.onStream(true);
    await state.set(false);
    expect(log).toEqual([`${INACTIVE} 0`]);
  });

  it("tells it with a new link, when everything on it is restored", async () => {
    const { state, log, link } = setUp({ windowMs: 1_000 });
    link.up = false;
    await state.set(false);
    expect(log).toEqual([]);
    state.onStream(false);
    await state.set(false);
    expect(log).toEqual([]);
    state.onRestored();
    expect(log).toEqual([`${INACTIVE} 0`]);
  });

  it("does what was said last, when calls come quickly", async () => {
    const { state, log, subscription } = setUp({ windowMs: 1_000 });
    await Promise.all([state.set(false), state.set(true), state.set(false), state.set(true)]);
    expect(log).toEqual([]);
    expect(subscription.windowMs).toBe(100);
    await Promise.all([state.set(true), state.set(false)]);
    expect(log).toEqual(["window 1000", `${INACTIVE} 0`]);
  });

  it("takes a subscription made meanwhile along", async () => {
    const { state, subscription, log } = setUp("pause");
    await state.set(false);
    subscription.setInactive(undefined);
    subscription.applyGrant({ subid: "3", windowMs: 100, selection: WHOLE });
    log.length = 0;
    state.adopt(subscription);
    expect(subscription.paused).toBe(false);
    await state.adopted(subscription);
    expect(log).toEqual(["unsubscribe"]);
  });
});

describe("client state with lean stanzas, of which a server keeps only the newest for an inactive client", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function waiting() {
    const played = setUp({ windowMs: 1_000 });
    let confirm: (isQuiet: boolean) => void = () => undefined;
    played.envelope.answer = new Promise((resolve) => (confirm = resolve));
    return { ...played, confirm };
  }

  it("tells the server once the component has confirmed that it sends none", async () => {
    const { state, log, envelope, confirm } = waiting();
    const set = state.set(false);
    await vi.advanceTimersByTimeAsync(5_000);
    expect([log, envelope.quiet.mock.calls.length]).toEqual([["window 1000"], 1]);
    confirm(true);
    await set;
    expect(log).toEqual(["window 1000", `${INACTIVE} 0`]);
    expect(envelope.welcomeLean).not.toHaveBeenCalled();
    await state.set(true);
    expect(envelope.welcomeLean).toHaveBeenCalled();
  });

  it("does not wait for ever, and tells the server however late the confirmation comes", async () => {
    const { state, log, confirm } = waiting();
    const set = state.set(false);
    await vi.advanceTimersByTimeAsync(10_000);
    await set;
    expect(log).toEqual(["window 1000"]);
    confirm(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(log).toEqual(["window 1000", `${INACTIVE} 0`]);
  });

  it("tells it nothing where the client is active again before, or its link has ended", async () => {
    const { state, log, envelope, confirm } = waiting();
    const set = state.set(false);
    await vi.advanceTimersByTimeAsync(0);
    const back = state.set(true);
    expect(envelope.welcomeLean).toHaveBeenCalledOnce();
    confirm(true);
    await Promise.all([set, back]);
    expect(log).toEqual(["window 1000", "window 100"]);
    const { state: other, log: otherLog, confirm: refuse } = waiting();
    const otherSet = other.set(false);
    refuse(false);
    await otherSet;
    expect(otherLog).toEqual(["window 1000"]);
  });

  it("asks nothing of a component whose server does not offer it", async () => {
    const { state, envelope } = setUp({ windowMs: 1_000 }, { offered: false });
    await state.set(false);
    expect(envelope.quiet).not.toHaveBeenCalled();
  });
});

describe("the option `inactive`", () => {
  const base = { jid: "bob@example.test", password: "x", component: "c.test" };
  it("is 60 s, a window rounded up, or a pause", () => {
    expect(resolveConnectOptions(base).inactive).toEqual({ windowMs: 100_000 });
    expect(resolveConnectOptions({ ...base, inactive: { windowMs: 150 } }).inactive).toEqual({
      windowMs: 200,
    });
    expect(resolveConnectOptions({ ...base, inactive: "pause" }).inactive).toBe("pause");
    expect(() => resolveConnectOptions({ ...base, inactive: { windowMs: -1 } })).toThrow(/inactive/);
  });
});
