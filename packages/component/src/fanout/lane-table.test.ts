import { createRowCodec, DEFAULT_LIMITS, WHOLE, type Selection } from "@stanzapack/wire";
import { pino } from "pino";
import { expect, it, vi } from "vitest";
import { createStats } from "../base/stats.js";
import { Budgets } from "../budgets/budgets.js";
import { createService } from "../testing/create-service.js";
import { configSchema } from "../config/config.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { FanOut } from "./fan-out.js";
import type { Lane } from "./lane.js";
import type { Outlet } from "./outlet.js";
import { LaneMemory } from "./lane-memory.js";
import { LaneTable } from "./lane-table.js";

const FIELDS = (...fields: string[]): Partial<Selection> => ({ fields });

function setUp(changed: { maxSelectionsPerService?: number; maxSelectionsPerAccount?: number } = {}) {
  const own = configSchema.parse({ component: { domain: "a.b", secret: "x" } }).limits;
  const limits = { ...own, ...changed };
  const stats = createStats();
  const budgets = new Budgets(limits, stats);
  const count = vi.spyOn(budgets, "count");
  const fanOut = { watch: vi.fn(), unwatch: vi.fn() };
  const context = {
    ...{ limits, randomId: () => 7, memory: new LaneMemory({ maxLaneBytes: 1e9 }) },
    rows: createRowCodec(DEFAULT_LIMITS),
  };
  const log = pino({ level: "silent" });
  const lanes = new LaneTable(fanOut as unknown as FanOut, context, budgets, limits, stats, log);
  const service = createService();
  const open = (jid: string): Outlet => ({ jid, bareJid: jid.split("/")[0] }) as Outlet;
  const find = (
    outlet: Outlet,
    selection: Partial<Selection> = {},
    left?: Lane<Subscription>,
  ): Lane<Subscription> => {
    const key = { delivery: "link", windowMs: 0, sizeClass: 65_535, coded: false, hop: "plain" } as const;
    return lanes.laneFor(service, { ...key, selection: { ...WHOLE, ...selection } }, outlet, 0, left);
  };
  /** Joins a lane in the way that `Subscriptions` does. */
  const join = (outlet: Outlet, selection: Partial<Selection> = {}): Subscription => {
    const lane = find(outlet, selection);
    const subscription = { outlet, service, lane } as Subscription;
    lane.members++;
    lane.add(subscription);
    service.subscriptions.add(subscription);
    return subscription;
  };
  const leave = (subscription: Subscription): void => {
    service.subscriptions.delete(subscription);
    lanes.leave(subscription);
  };
  const paid = (): [string, number][] => count.mock.calls.splice(0).map(([jid, , by]) => [jid, by]);
  return { service, stats, fanOut, open, find, join, leave, paid };
}

it("begins a lane for the first of its members, in the budget of that one, and ends it with the last", () => {
  const { service, stats, fanOut, open, join, leave, paid } = setUp();
  const [bob, carol] = [open("bob@x/1"), open("carol@x/1")];
  const [first, second] = [join(bob), join(carol)];
  expect(second.lane).toBe(first.lane);
  expect([first.lane.payer, stats.lanes, paid()]).toEqual([bob, 1, [["bob@x/1", 1]]]);
  leave(second);
  expect([fanOut.unwatch.mock.calls.length, paid()]).toEqual([0, []]);
  leave(first);
  expect(fanOut.unwatch.mock.calls).toEqual([[first.lane]]);
  expect([service.lanes.size, stats.lanes, paid()]).toEqual([0, 0, [["bob@x/1", -1]]]);
});

it("makes a member that stays the payer, also where all that stay are detached", () => {
  const { open, join, leave, paid } = setUp();
  const [bob, carol, dave] = ["bob@x/1", "carol@x/1", "dave@x/1"].map(open) as [Outlet, Outlet, Outlet];
  const [first, second, third] = [join(bob), join(carol), join(dave)];
  paid();
  leave(first);
  expect(second.lane.payer).toBe(carol);
  third.lane.remove(third);
  leave(second);
  expect(third.lane.payer).toBe(dave);
  expect(paid()).toEqual([
    ["bob@x/1", -1],
    ["carol@x/1", 1],
    ["carol@x/1", -1],
    ["dave@x/1", 1],
  ]);
});

it("bounds selections by account and by service, but never whole values, nor what others have begun", () => {
  const { open, find, join } = setUp({ maxSelectionsPerAccount: 1, maxSelectionsPerService: 2 });
  const [bob, carol, dave] = ["bob@x/1", "carol@x/1", "dave@x/1"].map(open) as [Outlet, Outlet, Outlet];
  const of = (bound: string): unknown =>
    expect.objectContaining({ code: "limit-exceeded", text: expect.stringContaining(bound) as string });
  const first = join(bob, FIELDS("a"));
  expect(() => find(bob, FIELDS("b"))).toThrow(of("maxSelectionsPerAccount"));
  const second = join(carol, FIELDS("b"));
  expect(() => find(dave, FIELDS("c"))).toThrow(of("maxSelectionsPerService"));
  expect(find(dave, FIELDS("a"))).toBe(first.lane);
  expect(find(dave)).not.toBe(first.lane);
  // The last member of a lane may take its selection elsewhere.
  expect(find(carol, FIELDS("c"), second.lane).key.selection.fields).toEqual(["c"]);
});
