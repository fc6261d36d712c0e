import {
  createRawDeflate,
  createRowCodec,
  DEFAULT_LIMITS,
  encodeFrame,
  WHOLE,
  type Frame,
  type OptionFields,
} from "@stanzapack/wire";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Broker } from "../broker/broker.js";
import type { ClientLink } from "../links/client-link.js";
import { fakeLink } from "../testing/fake-link.js";
import { configSchema } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import { FrameRequests } from "./frame-requests.js";
import { MIN_BLOCK_BYTES } from "../fanout/size-classes.js";
import type { Service } from "../catalog/service.js";
import type { ServiceConfig } from "../options/service-config.js";
import { createStats } from "../base/stats.js";

const NOW = 1_700_000_000_000;
const parsed = configSchema.parse({ component: { domain: "a.b", secret: "x" } }).limits;

interface TestLink {
  readonly link: ClientLink;
  readonly sent: Frame[];
}

function setUp(own: Partial<typeof parsed> = {}) {
  const limits = { ...parsed, ...own };
  const nothing = new Proxy({}, { get: () => vi.fn() }) as FanOut;
  const stats = createStats();
  const log = pino({ level: "silent" });
  const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
  let id = 6;
  const broker = new Broker(nothing, codec, limits, stats, () => ++id, log);
  const host = { open: true };
  const work = { ms: 0 };
  const requests = new FrameRequests(broker, host, limits, stats, log, () => work.ms);
  const open = (jid: string): TestLink => {
    const sent: Frame[] = [];
    const format = { delivery: "link", sizeClass: 65_535, coded: true, deflates: false, hop: "plain" };
    // The link accepts no data, so subscriptions to logs wait.
    const link = fakeLink(jid, {
      ...{ format, maySendData: false },
      sendFrame: (frame: Frame) => sent.push(frame),
    });
    return { link, sent };
  };
  const publisher = open("alice@x/1");
  const offer = (name: string, members?: readonly string[], other: Partial<ServiceConfig> = {}): void => {
    const access = members === undefined ? "open" : "whitelist";
    const config = {
      kind: "value",
      access,
      members: new Set(members),
      title: "",
    } as const;
    void broker.offers.offer(publisher.link, `alice@x/${name}`, { ...config, ...other }, NOW);
  };
  return { broker, requests, host, stats, open, offer, work };
}

const ofType = <T extends Frame["type"]>({ sent }: TestLink, type: T): Extract<Frame, { type: T }>[] =>
  sent.filter((frame): frame is Extract<Frame, { type: T }> => frame.type === type);
const subscribe = (
  request: number,
  nodes: readonly string[],
  options: OptionFields = [],
): Extract<Frame, { type: "subscribe" }> => ({ type: "subscribe", request, nodes, options });
/** Runs turns until this many requests are done, or nothing more happens. */
const runUntilDone = (link: TestLink, count = 1): void => {
  while (ofType(link, "done").length < count && vi.getTimerCount() > 0) vi.advanceTimersToNextTimer();
};
/** Returns fields of this many bytes. */
const fields = (bytes: number): [string, string][] =>
  Array.from({ length: 64 }, (_, i) => ["fields", `${i}`.padStart(bytes / 64 - 9, "f")]);

describe("requests by frame", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  it("of one link hold up no other: the short one is done while the long one is worked on", () => {
    const { requests, open, offer } = setUp();
    offer("a");
    const [long, short] = [open("bob@x/1"), open("carol@x/1")];
    const nowhere = Array.from({ length: 10_000 }, (_, i) => `alice@x/n${i}`);
    requests.accept(long.link, subscribe(1, nowhere));
    requests.accept(short.link, subscribe(1, ["alice@x/a"]));
    // How many turns that takes depends on how busy the machine is.
    runUntilDone(short);
    expect(ofType(short, "grant")).toMatchObject([{ request: 1, aliases: [0] }]);
    expect(ofType(short, "done").length).toBe(1);
    expect(ofType(long, "done").length).toBe(0);
    runUntilDone(long);
    const refused = ofType(long, "refused").flatMap(({ targets }) => targets);
    expect(refused).toEqual(nowhere.map((_, i) => i));
    // Equal refusals share one frame in each share of a turn, not one frame for each node.
    expect(ofType(long, "refused").length).toBeLessThan(1_000);
  });

  it("wait while the stream to the server takes nothing, and end with their link", () => {
    const { requests, open, offer, host, broker } = setUp();
    offer("a");
    const [bob, carol] = [open("bob@x/1"), open("carol@x/1")];
    host.open = false;
    requests.accept(bob.link, subscribe(1, ["alice@x/a"]));
    requests.accept(carol.link, subscribe(1, ["alice@x/a", "alice@x/*"]));
    vi.advanceTimersByTime(1_000);
    expect([...bob.sent, ...carol.sent]).toEqual([]);
    requests.linkEnded(bob.link);
    host.open = true;
    vi.advanceTimersByTime(1_000);
    expect(bob.sent).toEqual([]);
    expect(carol.sent.map(({ type }) => type)).toEqual(["bind", "grant", "done"]);
    requests.linkEnded(carol.link);
    broker.linkEnded(carol.link, NOW);
    offer("b");
    vi.advanceTimersByTime(1_000);
    expect(carol.sent.length).toBe(3);
  });

  it("are bounded: so many not done, so many patterns, and a number in use is not given again", () => {
    const { requests, open } = setUp({ maxRequestsPerLink: 2, maxPatternsPerLink: 1 });
    const bob = open("bob@x/1");
    requests.accept(bob.link, subscribe(1, ["alice@x/*", "carol@x/*"]));
    expect(() => requests.accept(bob.link, subscribe(1, []))).toThrow("request 1 is still in use");
    requests.accept(bob.link, subscribe(2, []));
    expect(() => requests.accept(bob.link, subscribe(3, []))).toThrow("2 requests of the link");
    vi.advanceTimersByTime(100);
    expect(ofType(bob, "refused")).toMatchObject([{ request: 1, targets: [1], code: "limit-exceeded" }]);
    expect(() => requests.accept(bob.link, subscribe(1, []))).toThrow("request 1 is still in use");
    requests.accept(bob.link, { type: "change", request: 3, aliases: [], patterns: [1], options: null });
    vi.advanceTimersByTime(100);
    requests.accept(bob.link, subscribe(1, []));
    vi.advanceTimersByTime(100);
    expect(ofType(bob, "done").map(({ request }) => request)).toEqual([1, 2, 3, 1]);
  });

  it("subscribe to what a pattern means later, by the same rules, until it ends", () => {
    const { requests, open, offer, broker } = setUp({ maxSubscriptionsPerLink: 2 });
    const bob = open("bob@x/1");
    offer("a");
    const options = [["pubsub#digest_frequency", "1000"]] as const;
    requests.accept(bob.link, { type: "subscribe", request: 1, nodes: ["alice@x/*"], options });
    vi.advanceTimersByTime(100);
    offer("hidden", ["carol@x"]);
    offer("b");
    requests.accept(bob.link, {
      ...{ type: "change", request: 2, aliases: [], patterns: [1] },
      options: [["pubsub#digest_frequency", "5000"]],
    });
    offer("c");
    vi.advanceTimersByTime(100);
    expect(ofType(bob, "bind").map(({ node }) => node)).toEqual(["alice@x/a", "alice@x/b"]);
    expect(ofType(bob, "grant").map(({ request }) => request)).toEqual([1, 1]);
    // The link is told that it may have no more, without a place.
    expect(ofType(bob, "refused")).toMatchObject([{ request: 1, targets: [], code: "limit-exceeded" }]);
    broker.subscriptions.unsubscribe([...bob.link.subscriptions.values()][0] as never);
    offer("d");
    vi.advanceTimersByTime(100);
    expect(ofType(bob, "grant").at(-1)).toMatchObject({
      aliases: [2],
      options: expect.arrayContaining([["pubsub#digest_frequency", "5000"]]),
    });
    requests.accept(bob.link, { type: "change", request: 3, aliases: [], patterns: [1], options: null });
    vi.advanceTimersByTime(100);
    broker.subscriptions.unsubscribe([...bob.link.subscriptions.values()][0] as never);
    const before = bob.sent.length;
    offer("e");
    vi.advanceTimersByTime(100);
    expect(bob.sent.length).toBe(before);
  });

  it("forget what was offered and withdrawn again before its turn", () => {
    const { requests, open, offer, broker, host } = setUp({ maxServicesPerOwner: 3 });
    const bob = open("bob@x/1");
    requests.accept(bob.link, subscribe(1, ["alice@x/*"]));
    vi.advanceTimersByTime(100);
    host.open = false;
    for (let i = 0; i < 50; i++) {
      offer(`t${i}`);
      broker.offers.withdraw(broker.catalog.find(`alice@x/t${i}`));
    }
    offer("kept");
    host.open = true;
    vi.advanceTimersByTime(1_000);
    expect(ofType(bob, "bind").map(({ node }) => node)).toEqual(["alice@x/kept"]);
  });

  it("are one each of the budget, and told when to come again beyond it", () => {
    const { requests, open, stats } = setUp({ requestsPerSecond: 1, burstSeconds: 2 });
    const bob = open("bob@x/1");
    for (const request of [1, 2, 3]) requests.accept(bob.link, subscribe(request, ["alice@x/*", "/a"]));
    vi.advanceTimersByTime(100);
    expect(ofType(bob, "refused")).toMatchObject([
      { request: 1, targets: [1], code: "no-such-service" },
      { request: 2, targets: [1], code: "no-such-service" },
      { request: 3, targets: [], code: "busy", retryAfterMs: expect.any(Number) },
    ]);
    expect(ofType(bob, "done").length).toBe(3);
    expect(stats.throttled).toBe(1);
  });

  it("are charged the time that they take, and what others bring about later is not", () => {
    const { broker, requests, open, offer, work } = setUp({ requestsPerSecond: 10, burstSeconds: 2 });
    const bob = open("bob@x/1");
    const { subscribeTo: real } = broker.subscriptions;
    broker.subscriptions.subscribeTo = (...args) => {
      // The budget has 20 requests of 0.2 ms. Each subscription uses five of them.
      work.ms++;
      return real.apply(broker.subscriptions, args);
    };
    requests.accept(bob.link, subscribe(1, ["alice@x/*"]));
    vi.advanceTimersByTime(100);
    for (const name of ["a", "b", "c", "d"]) offer(name);
    vi.advanceTimersByTime(100);
    expect([ofType(bob, "grant").flatMap(({ aliases }) => aliases).length, work.ms]).toEqual([4, 4]);
    expect(() => broker.budgets.request("bob@x/1")).not.toThrow();
    requests.accept(bob.link, subscribe(2, ["alice@x/a", "/b", "/c", "/d"]));
    vi.advanceTimersByTime(100);
    expect(() => broker.budgets.request("bob@x/1")).toThrow("retry in");
  });

  it("ask a publisher for its approval, but for no pattern's sake", () => {
    const { requests, open, offer, broker, stats } = setUp();
    offer("a", [], { access: "authorize" });
    const bob = open("bob@x/1");
    requests.accept(bob.link, subscribe(1, ["alice@x/*"]));
    vi.advanceTimersByTime(100);
    expect(bob.sent.map(({ type }) => type)).toEqual(["done"]);
    expect(stats.pendingApprovals).toBe(0);
    requests.accept(bob.link, subscribe(2, ["alice@x/a"], [["credit", "9"]]));
    vi.advanceTimersByTime(100);
    expect(ofType(bob, "refused")).toMatchObject([{ request: 2, targets: [0], code: "pending" }]);
    expect(stats).toMatchObject({ pendingApprovals: 1, refusals: 0 });
    broker.approvals.decide(broker.catalog.find("alice@x/a"), "bob@x", undefined, true, NOW);
    expect(ofType(bob, "bind").map(({ node }) => node)).toEqual(["alice@x/a"]);
    expect(bob.link.subscriptions.get(0)?.options).toMatchObject({ credit: 9 });
  });

  it("give what a pattern means as much of its selection as it can do, and change it by what they name", () => {
    const { requests, open, offer } = setUp();
    offer("value");
    offer("log", undefined, { kind: "log" });
    const bob = open("bob@x/1");
    const options: OptionFields = [
      ["deadband", "2"],
      ["fields", "a"],
      ["since", "first"],
      ["credit", "5"],
    ];
    requests.accept(bob.link, subscribe(1, ["alice@x/*"], options));
    vi.advanceTimersByTime(100);
    const selections = (): unknown[] =>
      ofType(bob, "grant").map((frame) => [
        frame.aliases,
        frame.options.filter(([name]) => ["deadband", "fields"].includes(name)).map((pair) => pair.join("=")),
      ]);
    expect(selections()).toEqual([
      [[0], ["fields=a", "deadband=2"]],
      [[1], ["fields=a"]],
    ]);
    requests.accept(bob.link, {
      ...{ type: "change", request: 2, aliases: [0, 1], patterns: [1] },
      options: [["deadband", "3"]],
    });
    offer("later");
    vi.advanceTimersByTime(100);
    expect(selections().slice(2)).toEqual([
      [[0], ["deadband=3"]],
      [[2], ["deadband=3"]],
    ]);
    // A log that the request names can refuse.
    expect(ofType(bob, "refused")).toMatchObject([{ request: 2, targets: [1], code: "invalid-options" }]);
    expect(bob.link.subscriptions.get(2)?.options).toMatchObject({ credit: 5 });
  });

  it("restore by token the selection and the credit that was asked for, but not what no frame carries", () => {
    const { requests, open, offer, broker } = setUp();
    for (const name of ["a", "b"]) offer(name);
    const [before, after] = [open("bob@x/1"), open("bob@x/2")];
    const token = requests.resumption.issue(before.link);
    requests.accept(
      before.link,
      subscribe(
        1,
        ["alice@x/a"],
        [
          ["pubsub#digest_frequency", "200"],
          ["max_rate", "4"],
          ["credit", "50"],
        ],
      ),
    );
    vi.advanceTimersByTime(100);
    before.link.subscriptions.get(0)?.raiseCredit(700);
    const selection = { ...WHOLE, fields: fields(4_096).map(([, name]) => name) };
    void broker.subscriptions.subscribe(
      before.link,
      "alice@x/b",
      { windowMs: 0, selection, since: undefined, credit: Infinity },
      NOW,
    );
    requests.linkEnded(before.link);
    broker.linkEnded(before.link, NOW);
    const positions = [0, 1].map((alias) => ({ alias, epoch: 0, offset: 0 }));
    requests.accept(after.link, { type: "resume", request: 1, token, more: false, positions });
    vi.advanceTimersByTime(100);
    expect(ofType(after, "grant")).toMatchObject([
      { aliases: [0], options: expect.arrayContaining([["max_rate", "4"]]) },
    ]);
    expect(after.link.subscriptions.get(0)?.options).toEqual({
      ...{ windowMs: 200, since: undefined, credit: 50 },
      selection: { ...WHOLE, maxRate: 4 },
    });
    expect(ofType(after, "refused")).toMatchObject([{ targets: [1], code: "not-subscribed" }]);
  });

  it("restore what is left of a log that was withdrawn, and patterns take what is offered by its name now", () => {
    const { requests, open, offer, broker } = setUp();
    const log = (): Service => {
      offer("a", undefined, { kind: "log" });
      return broker.catalog.find("alice@x/a");
    };
    const old = log();
    old.record.offset = 3;
    const [before, after] = [open("bob@x/1"), open("bob@x/2")];
    const token = requests.resumption.issue(before.link);
    requests.accept(before.link, subscribe(1, ["alice@x/a"]));
    vi.advanceTimersByTime(100);
    requests.linkEnded(before.link);
    broker.linkEnded(before.link, NOW);
    broker.offers.withdraw(old);
    const now = log();
    const positions = [{ alias: 0, epoch: old.record.epoch, offset: 1 }];
    requests.accept(after.link, { type: "resume", request: 1, token, more: false, positions });
    const since: OptionFields = [["since", `${old.record.epoch}:1`]];
    requests.accept(after.link, subscribe(2, ["alice@x/*"], since));
    vi.advanceTimersByTime(100);
    expect([...after.link.subscriptions.values()].map(({ service }) => service)).toEqual([old, now]);
    expect(ofType(after, "grant")).toMatchObject([
      { request: 1, aliases: [0] },
      { request: 2, aliases: [1] },
    ]);
  });

  it("have options that leave room for an answer in the smallest block", () => {
    const { requests, open, offer } = setUp();
    const bob = open("bob@x/1");
    for (let i = 0; i < 100; i++) offer(`${i}`, undefined, { kind: "log" });
    const nodes = Array.from({ length: 100 }, (_, i) => `alice@x/${i}`);
    requests.accept(bob.link, subscribe(1, nodes, fields(1_088)));
    requests.accept(bob.link, subscribe(2, nodes, fields(1_024)));
    // How many grants a turn makes depends on the machine.
    runUntilDone(bob, 2);
    expect(ofType(bob, "refused")).toMatchObject([{ request: 1, targets: [], code: "invalid-options" }]);
    const grants = ofType(bob, "grant");
    expect(grants.flatMap(({ aliases }) => aliases).length).toBe(100);
    for (const grant of grants) expect(encodeFrame(grant).length).toBeLessThan(MIN_BLOCK_BYTES);
  });
});
