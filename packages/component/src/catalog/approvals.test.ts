import { WHOLE } from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import { Approvals } from "./approvals.js";
import { Budgets } from "../budgets/budgets.js";
import type { ClientLink } from "../links/client-link.js";
import { configSchema } from "../config/config.js";
import type { Service } from "./service.js";
import { createService } from "../testing/create-service.js";
import { createStats } from "../base/stats.js";
import type { Subscription } from "../subscriptions/subscription.js";

const NOW = 1_700_000_000_000;
const limits = configSchema.parse({ component: { domain: "a.b", secret: "x" } }).limits;
const OPTIONS = { windowMs: 0, selection: WHOLE, since: undefined, credit: Infinity };

function setUp(own = limits) {
  const service = createService({ config: { access: "authorize" }, createdAt: NOW });
  const online = (): void => {
    service.publisher = { link: { jid: "alice@x/1" }, alias: 0 } as unknown as Service["publisher"];
  };
  online();
  const stats = createStats();
  const subscribe = vi.fn(() => ({ subid: "s" }) as Subscription);
  const approvals = new Approvals(own, stats, new Budgets(own, stats), subscribe);
  const messages = { ask: vi.fn(), tell: vi.fn() };
  approvals.messages = messages;
  const link = (jid: string): ClientLink =>
    ({ jid, bareJid: jid.slice(0, jid.indexOf("/")) }) as unknown as ClientLink;
  const ask = (from: ClientLink, now = NOW): string => {
    try {
      return approvals.ask(service, from, OPTIONS, now);
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { service, online, stats, subscribe, approvals, messages, link, ask };
}

describe("questions to publishers", () => {
  it("are one for all sessions of a JID, and asked again after 15, 30, 60 s while the publisher is there", () => {
    const { service, online, approvals, messages, link, ask, subscribe } = setUp();
    const [one, two] = [link("bob@x/1"), link("bob@x/2")];
    expect([ask(one), ask(two), ask(one)]).toEqual(["pending", "pending", "pending"]);
    expect(messages.ask).toHaveBeenCalledTimes(1);
    const asked: number[] = [];
    messages.ask.mockImplementation(() => asked.push(second));
    let second = 1;
    for (; second <= 100; second++) approvals.sweep(NOW + second * 1000);
    expect(asked).toEqual([15, 45]);
    service.publisher = undefined;
    for (; second <= 300; second++) approvals.sweep(NOW + second * 1000);
    expect(asked).toEqual([15, 45]);
    online();
    approvals.serviceOnline(service, NOW + 300_000);
    expect(asked.length).toBe(3);
    approvals.decide(service, "bob@x", undefined, true, NOW + 301_000);
    expect(subscribe.mock.calls.map(([who]: unknown[]) => who)).toEqual([one, two]);
    expect(approvals.size).toBe(0);
  });

  it("outlive their asker's link, are refused after their time, and a no is forgotten after its own", () => {
    const { service, approvals, messages, link, ask, stats } = setUp();
    const bob = link("bob@x/1");
    ask(bob);
    approvals.linkEnded(bob);
    expect([approvals.size, approvals.awaitedBy(bob)]).toEqual([1, []]);
    const again = link("bob@x/2");
    ask(again);
    approvals.sweep(NOW + limits.pendingSeconds * 1000);
    expect(messages.tell).toHaveBeenCalledExactlyOnceWith(
      again,
      service,
      expect.objectContaining({ code: "timeout" }),
    );
    expect(stats.pendingApprovals).toBe(0);
    ask(again);
    approvals.decide(service, "bob@x", undefined, false, NOW);
    expect(ask(again)).toBe("not-allowed");
    expect(ask(again, NOW + limits.denialSeconds * 1000)).toBe("pending");
  });

  it("are bounded in all and by how many are approved, and given up with the last that waits", () => {
    const { service, approvals, link, ask, stats } = setUp({ ...limits, maxPending: 2, maxMembers: 1 });
    const [bob, carol, dave] = [link("bob@x/1"), link("carol@x/1"), link("dave@x/1")];
    expect([ask(bob), ask(carol), ask(dave)]).toEqual(["pending", "pending", "busy"]);
    expect(stats.overQuota).toBe(1);
    expect(approvals.giveUp(bob, service)).toBe(true);
    expect(approvals.giveUp(bob, service)).toBe(false);
    expect(ask(dave)).toBe("pending");
    approvals.decide(service, "carol@x", undefined, true, NOW);
    expect(ask(bob)).toBe("limit-exceeded");
    expect(() => approvals.decide(service, "bob@x", undefined, true, NOW)).toThrow(
      expect.objectContaining({ code: "not-subscribed" }),
    );
    expect(service.record.mayTake("bob@x")).toBe(false);
  });
});
