import { describe, expect, it, vi } from "vitest";
import { OpenAdmission } from "./open-admission.js";
import { configSchema } from "../config/config.js";
import { createStats } from "../base/stats.js";
import { Budgets } from "./budgets.js";
import { spend, standingOf } from "./meter.js";

const limits = {
  ...configSchema.parse({ component: { domain: "a.b", secret: "x" } }).limits,
  ...{ updatesPerSecond: 100, publishedBytesPerSecond: 10_000, requestsPerSecond: 10 },
  ...{ burstSeconds: 2, cutOffDebtSeconds: 5, cutOffSeconds: 60 },
  ...{ bareJidShare: 3, domainShare: 4, remotePercent: 50 },
};

function setUp(own = limits) {
  const clock = { now: 1_000 };
  const stats = createStats();
  const budgets = new Budgets(
    own,
    stats,
    (domain) => domain === "us",
    () => clock.now,
    () => 0,
  );
  const onCut = vi.fn();
  budgets.onCut = onCut;
  const request = (jid: string): number | undefined => {
    try {
      budgets.request(jid);
      return undefined;
    } catch (error) {
      expect(error).toMatchObject({ code: "busy" });
      return (error as { retryAfterMs: number }).retryAfterMs;
    }
  };
  const admitted = (jids: readonly string[], count: number): number =>
    Array.from({ length: count }, (_, i) => request(jids[i % jids.length] as string)).filter(
      (wait) => wait === undefined,
    ).length;
  return { clock, stats, budgets, onCut, request, admitted };
}

describe("a meter", () => {
  it("fills up at its rate to its burst, and owes no more than it may", () => {
    expect(standingOf(0, 2, 0)).toBe(2);
    const some = spend(0, 50, 10, 2, 9, 0);
    expect(standingOf(some, 2, 0)).toBe(-3);
    expect(standingOf(some, 2, 1_000)).toBe(-2);
    const much = spend(some, 500, 10, 2, 9, 1_000);
    expect(standingOf(much, 2, 1_000)).toBe(-9);
    expect(standingOf(much, 2, 60_000)).toBe(2);
    // The same holds for a clock that counts from 1970.
    const late = 1_795_939_254_919.123;
    for (let now = late; now < late + 50; now += 0.777)
      expect(standingOf(spend(0, 500, 10, 2, 9, now), 2, now)).toBe(-9);
    // Another rate applies to later uses.
    expect(standingOf(spend(much, 50, 100, 2, 9, 60_000), 2, 60_000)).toBe(1.5);
  });
});

describe("budgets of requests", () => {
  it("are one for a full JID, more for its bare JID, and smaller for other domains, which have one as well", () => {
    const many = (domain: string, users: number, each: number): string[] =>
      Array.from({ length: users * each }, (_, i) => `u${i % users}@${domain}/${i}`);
    expect(setUp().admitted(["u@us/1"], 100)).toBe(20);
    expect(setUp().admitted(many("us", 1, 9), 900)).toBe(60);
    expect(setUp().admitted(many("us", 9, 9), 900)).toBe(540);
    expect(setUp().admitted(["u@them/1"], 100)).toBe(10);
    expect(setUp().admitted(many("them", 1, 9), 900)).toBe(30);
    expect(setUp().admitted(many("them", 9, 9), 900)).toBe(120);
  });

  it("cut off who does not keep to what it is told, and let it back by itself", () => {
    const { clock, stats, request, admitted, onCut } = setUp();
    admitted(["u@us/1"], 69);
    expect(onCut).not.toHaveBeenCalled();
    expect(request("u@us/1")).toBe(60_000);
    expect(onCut).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ name: "u@us/1", kind: "full" }),
      expect.objectContaining({ code: "busy", retryAfterMs: 60_000 }),
    );
    clock.now += 59_000;
    expect(request("u@us/1")).toBe(1_000);
    expect(request("u@us/2")).toBeUndefined();
    clock.now += 1_000;
    expect(request("u@us/1")).toBeUndefined();
    expect(stats).toMatchObject({ cutOffs: 1, throttled: 50 });
  });

  it("never cut off who comes when it was told to", () => {
    const { clock, stats, request, onCut } = setUp();
    // The SDK restores with this many requests at once, and each worker makes one request after another.
    const workers = Array.from({ length: 32 }, () => ({ dueAt: clock.now, left: 20 }));
    for (;;) {
      const [next] = workers.filter(({ left }) => left > 0).sort((x, y) => x.dueAt - y.dueAt);
      if (next === undefined) break;
      clock.now = next.dueAt;
      const wait = request("u@us/1");
      if (wait === undefined) next.left--;
      next.dueAt += wait ?? 5;
    }
    expect(clock.now).toBeLessThan(70_000);
    expect(stats.throttled).toBeLessThan(32 * 20 * 2);
    expect(onCut).not.toHaveBeenCalled();
  });
});

describe("what requests cost", () => {
  it("is charged to the three that asked, a request for each fifth of a ms beyond the first, and owed for a burst at most", () => {
    const { clock, budgets, request, admitted } = setUp();
    expect(request("u@them/1")).toBeUndefined();
    budgets.chargeWork("u@them/1", 0.2);
    expect(admitted(["u@them/1"], 1)).toBe(1);
    // The bare JID has 30 left, its domain 120.
    budgets.chargeWork("u@them/1", 2);
    expect(admitted(["u@them/1"], 1)).toBe(0);
    expect(admitted(["u@them/2", "u@them/3"], 100)).toBe(19);
    budgets.chargeWork("u@them/1", 60_000);
    expect(admitted(["v@them/1"], 1)).toBe(0);
    clock.now += 4_000;
    expect(admitted(["v@them/1", "v@them/2"], 2)).toBe(2);
  });

  it("makes no accounts, and is nothing for little", () => {
    const { stats, budgets, admitted } = setUp();
    budgets.chargeWork("u@us/1", 60_000);
    expect(stats.accounts).toBe(0);
    expect(admitted(["u@us/1"], 100)).toBe(20);
  });
});

describe("opens of links", () => {
  const all = (): OpenAdmission => new OpenAdmission({ perSecond: 1_000_000, burst: 1_000_000 });
  const opened = ({ budgets }: ReturnType<typeof setUp>, jids: readonly string[]): number =>
    jids.filter((jid) => {
      try {
        budgets.open(jid, all());
        return true;
      } catch (error) {
        expect(error).toMatchObject({ code: "busy", retryAfterMs: expect.any(Number) as number });
        return false;
      }
    }).length;
  const sessions = (count: number, jid: (i: number) => string): string[] =>
    Array.from({ length: count }, (_, i) => jid(i));

  it("are shared: no bare JID, and no other domain, has more than its part of a burst and of the rate", () => {
    const own = { ...limits, opensPerSecond: 40, opensBurst: 80, opensSharePercent: 25 };
    const played = setUp(own);
    expect(
      opened(
        played,
        sessions(100, (i) => `u@us/${i}`),
      ),
    ).toBe(20);
    expect(
      opened(
        played,
        sessions(100, (i) => `u${i}@us/1`),
      ),
    ).toBe(100);
    expect(
      opened(
        played,
        sessions(100, (i) => `u${i}@them/1`),
      ),
    ).toBe(20);
    expect(
      opened(
        played,
        sessions(100, (i) => `u${i}@others/1`),
      ),
    ).toBe(20);
    played.clock.now += 1_000;
    expect(
      opened(
        played,
        sessions(100, (i) => `u@us/${i}`),
      ),
    ).toBe(10);
  });

  it("that come when they were told to are admitted by all that share", () => {
    const few = new OpenAdmission({ perSecond: 10, burst: 10 });
    const played = setUp({ ...limits, opensPerSecond: 10, opensBurst: 10, opensSharePercent: 25 });
    const moments: { jid: string; at: number }[] = [];
    const ask = (jid: string): boolean => {
      try {
        played.budgets.open(jid, few);
        return true;
      } catch (error) {
        moments.push({ jid, at: played.clock.now + (error as { retryAfterMs: number }).retryAfterMs });
        return false;
      }
    };
    for (let i = 0; i < 40; i++) ask(`u${i % 8}@us/${i}`);
    const told = moments.splice(0).sort((a, b) => a.at - b.at);
    expect(told.length).toBeGreaterThan(20);
    for (const { jid, at } of told) {
      played.clock.now = at;
      expect(ask(jid), `${jid} at ${at}`).toBe(true);
    }
  });

  it("leave a moment as it was told, however often one asks before it, and others' as they are", () => {
    const played = setUp({ ...limits, opensPerSecond: 10, opensBurst: 5, opensSharePercent: 40 });
    const all = new OpenAdmission({ perSecond: 10, burst: 5 });
    const ask = (jid: string): number | undefined => {
      try {
        played.budgets.open(jid, all);
        return undefined;
      } catch (error) {
        return (error as { retryAfterMs: number }).retryAfterMs;
      }
    };
    for (let i = 0; i < 2; i++) expect(ask("mallory@us/1")).toBeUndefined();
    const told = Array.from({ length: 500 }, () => ask("mallory@us/1"));
    expect(Math.max(...told.map(Number))).toBeLessThanOrEqual(500);
    for (let i = 0; i < 2; i++) expect(ask(`alice@us/${i}`)).toBeUndefined();
    expect(ask("alice@us/2")).toBeLessThanOrEqual(500);
    played.clock.now += Number(told.at(-1));
    expect(ask("mallory@us/1")).toBeUndefined();
  });

  it("always are one at least", () => {
    const played = setUp({ ...limits, opensPerSecond: 1, opensBurst: 1, opensSharePercent: 1 });
    expect(opened(played, ["u@us/1", "u@us/2", "v@us/1"])).toBe(2);
  });
});

describe("budgets of publishing", () => {
  it("count a stanza for all three at once, and cut off by far or for long", () => {
    const { clock, budgets, onCut } = setUp();
    const accounts = budgets.of("u@us/1");
    expect(budgets.spend(accounts, 150, 0)).toBe(0.5);
    expect(budgets.spend(accounts, 100, 0)).toBe(-0.5);
    clock.now += 10_000;
    expect(budgets.standing(accounts)).toBe(2);
    expect(budgets.spend(accounts, 0, 30_000)).toBe(-1);
    // At a tenth over the rate, the account is cut off after this time.
    const start = (clock.now += 60_000);
    while (onCut.mock.calls.length === 0 && clock.now - start < 100_000) {
      clock.now += 100;
      budgets.spend(accounts, 11, 0);
    }
    expect(clock.now - start).toBeGreaterThan(60_000);
    expect(clock.now - start).toBeLessThan(75_000);
  });

  it("only slow a domain down, and not for ever", () => {
    const { clock, budgets, onCut } = setUp();
    const crowd = Array.from({ length: 40 }, (_, i) => budgets.of(`u${i}@them/1`));
    for (const accounts of crowd) for (let i = 0; i < 2; i++) budgets.spend(accounts, 100, 0);
    expect(budgets.standing(budgets.of("other@them/1"))).toBe(-5);
    expect(budgets.standing(budgets.of("other@us/1"))).toBe(2);
    expect(onCut).not.toHaveBeenCalled();
    clock.now += 7_000;
    expect(budgets.standing(budgets.of("other@them/1"))).toBe(2);
  });

  it("hold as soon as they change", () => {
    const own = { ...limits };
    const { budgets } = setUp(own);
    const accounts = budgets.of("u@us/1");
    own.updatesPerSecond = 1_000;
    expect(budgets.spend(accounts, 1_000, 0)).toBe(1);
  });
});

describe("counts and the table", () => {
  it("bound what a bare JID and another domain have, and count it back", () => {
    const { budgets, stats } = setUp({ ...limits, maxSubscriptionsPerJid: 4, maxPendingPerAsker: 2 });
    const take = (jid: string): boolean => {
      try {
        budgets.checkRoom(jid, "subscriptions");
      } catch (error) {
        expect(error).toMatchObject({ code: "limit-exceeded", scope: "subscription" });
        return false;
      }
      budgets.count(jid, "subscriptions", 1);
      return true;
    };
    const taken = (jids: string[]): number => jids.filter(take).length;
    expect(taken(Array.from({ length: 9 }, (_, i) => `u@us/${i}`))).toBe(4);
    expect(taken(Array.from({ length: 9 }, (_, i) => `u@them/${i}`))).toBe(2);
    expect(taken(Array.from({ length: 30 }, (_, i) => `u${i}@them/1`))).toBe(6);
    budgets.count("u@us/0", "subscriptions", -1);
    expect(taken(["u@us/10", "u@us/11"])).toBe(1);
    budgets.count("u@us", "pending", 1);
    budgets.count("u@us", "pending", 1);
    expect(() => budgets.checkRoom("u@us", "pending")).toThrow(
      expect.objectContaining({ code: "busy", retryAfterMs: 60_000 }),
    );
    expect(stats.overQuota).toBeGreaterThan(0);
  });

  it("forget who is idle, make room for others, and keep who has something or is cut off", () => {
    const { budgets, stats, clock, request, admitted } = setUp({ ...limits, maxLinks: 4 });
    budgets.count("held@us/1", "links", 1);
    admitted(["cut@us/1"], 71);
    for (let i = 0; i < 100; i++) expect(request(`u${i}@us/1`)).toBeUndefined();
    expect(stats.accounts).toBeLessThanOrEqual(12);
    expect(request("cut@us/1")).toBe(60_000);
    clock.now += 30_000;
    budgets.sweep();
    expect(stats.accounts).toBe(3);
    for (let i = 0; i < 9; i++) budgets.count(`held${i}@us`, "links", 1);
    expect(() => budgets.count("more@us", "links", 1)).toThrow(expect.objectContaining({ code: "busy" }));
    clock.now += 100_000;
    budgets.sweep();
    expect(stats.accounts).toBe(11);
  });
});
