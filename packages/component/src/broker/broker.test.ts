import {
  createRawDeflate,
  createRowCodec,
  DEFAULT_LIMITS,
  encodeUpdate,
  StanzapackError,
  WHOLE,
  type DataFrame,
  type ServiceKind,
} from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Broker } from "./broker.js";
import type { ClientLink } from "../links/client-link.js";
import { fakeLink } from "../testing/fake-link.js";
import { configSchema } from "../config/config.js";
import { type FanOut } from "../fanout/fan-out.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import type { Service } from "../catalog/service.js";
import { DEFAULT_CONFIG } from "../options/service-config.js";
import { known } from "../testing/known.js";
import { createWholeBroker } from "../testing/whole-broker.js";
import { createStats } from "../base/stats.js";
import type { Subscription } from "../subscriptions/subscription.js";

const NOW = 1_700_000_000_000;
const limits = configSchema.parse({ component: { domain: "a.b", secret: "x" } }).limits;

function setUp(own = limits): {
  broker: Broker;
  service: Service;
  link: ClientLink;
  publish: (from: number, to: number, values: unknown[], fields?: Partial<DataFrame>) => void;
} {
  const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
  const fanOut = {
    flushAll: vi.fn(),
    book: vi.fn(),
    forget: vi.fn(),
    watch: vi.fn(),
    unwatch: vi.fn(),
    sendLast: vi.fn(),
    forgetWriter: vi.fn(),
  } as unknown as FanOut;
  const broker = new Broker(fanOut, codec, own, createStats(), () => 7, pino({ level: "silent" }));
  const link = fakeLink("alice@x/1", { sendFrame: vi.fn() });
  const outcome = known(broker.offers.offer(link, "alice@x/t", DEFAULT_CONFIG, NOW));
  if (!("service" in outcome)) throw new Error("held");
  const { service } = outcome;
  return {
    broker,
    service,
    link,
    publish: (from, to, values, fields = {}) => {
      const { form, payload } = codec.encode(
        values.map((value) => encodeUpdate(value, DEFAULT_LIMITS)),
        "plain",
      );
      broker.publishing.publish(
        service,
        { type: "data", alias: 0, form, epoch: 1, from, to, at: 0, spanMs: 0, payload, ...fields },
        NOW,
      );
    },
  };
}

describe("quotas and ownership", () => {
  it("bound the services of one owner", () => {
    const { broker, link } = setUp();
    const config = {
      kind: "value",
      access: "open",
      members: new Set<string>(),
      title: "",
    } as const;
    for (let i = 1; i < limits.maxServicesPerOwner; i++)
      void broker.offers.offer(link, `alice@x/s${i}`, config, NOW);
    expect(() => broker.offers.offer(link, "alice@x/more", config, NOW)).toThrow(
      expect.objectContaining({ code: "limit-exceeded", scope: "subscription" }),
    );
    broker.offers.withdraw(broker.catalog.find("alice@x/s1"));
    expect(broker.offers.offer(link, "alice@x/more", config, NOW)).toMatchObject({ created: true });
  });

  it("give a service only to its owner, and tell who holds it", () => {
    const { broker, link, service } = setUp();
    expect(() => broker.catalog.own("alice@x/t", "bob@x")).toThrow(
      expect.objectContaining({ code: "forbidden" }),
    );
    expect(broker.catalog.own("alice@x/t", "alice@x")).toBe(service);
    const other = fakeLink("alice@x/2");
    expect(broker.offers.offer(other, "alice@x/t", service.config, NOW)).toEqual({ holder: link });
  });

  it("leave nothing behind of what a link without aliases asks for", () => {
    const { broker, link, service } = setUp();
    const usedUp = fakeLink("alice@x/2", {
      checkAlias: () => {
        throw new StanzapackError("limit-exceeded", "used up");
      },
    });
    const asked = { windowMs: 0, selection: WHOLE, since: undefined, credit: Infinity };
    expect(() => broker.subscriptions.subscribe(usedUp, "alice@x/t", asked, NOW)).toThrow("used up");
    expect(service.lanes.size).toBe(0);
    for (const node of ["alice@x/t", "alice@x/new"])
      expect(() =>
        broker.offers.offer(usedUp, node, service.config, NOW, { incarnation: undefined, takeOver: true }),
      ).toThrow("used up");
    expect([...broker.catalog.services.keys()]).toEqual(["alice@x/t"]);
    expect(service.publisher?.link).toBe(link);
  });

  it("let one that stays pay for a lane whose payer leaves", () => {
    const { broker, service } = setUp();
    const [first, second] = [fakeLink("bob@x/1"), fakeLink("bob@x/2")];
    const asked = { windowMs: 0, selection: { ...WHOLE, deadband: 1 }, since: undefined, credit: Infinity };
    const subscription = known(broker.subscriptions.subscribe(first, "alice@x/t", asked, NOW));
    void broker.subscriptions.subscribe(second, "alice@x/t", asked, NOW);
    const [lane] = service.lanes.values();
    expect(lane?.payer?.jid).toBe(first.jid);
    broker.subscriptions.unsubscribe(subscription);
    expect(lane?.payer?.jid).toBe(second.jid);
  });

  it("hand the writer's lease over to who takes it, and to the same outbox, and tell who had it", () => {
    const { broker, link, service } = setUp();
    const offer = (from: ClientLink, incarnation?: number, takeOver = false): unknown =>
      broker.offers.offer(from, "alice@x/t", service.config, NOW, { incarnation, takeOver });
    const other = fakeLink("alice@x/2", { sendFrame: vi.fn() });
    expect(offer(other, 5)).toEqual({ holder: link });
    expect(offer(other, 5, true)).toMatchObject({ created: false });
    expect(service.publisher).toMatchObject({ link: other, incarnation: 5 });
    expect([link.services.size, other.services.size]).toEqual([0, 1]);
    expect(link.sendFrame).toHaveBeenLastCalledWith(
      expect.objectContaining({ type: "error", alias: 0, code: "fenced" }),
    );
    // The end of the fenced link does not concern the service.
    broker.linkEnded(link, NOW);
    expect(service.online).toBe(true);
    // The offer is of the same outbox: its process came back before anyone noticed that it had gone.
    expect(offer(link, 5)).toMatchObject({ created: false });
    expect(service.publisher?.link).toBe(link);
    expect(offer(other, 6)).toEqual({ holder: link });
    expect(offer(other)).toEqual({ holder: link });
  });

  it("tell an outbox how far it had come, whoever wrote since", () => {
    const { broker, link, service, publish } = setUp();
    publish(1, 4, [1, 2, 3, 4], { epoch: 5 });
    publish(1, 9, [1], { epoch: 6 });
    const bound = (incarnation?: number): unknown => {
      broker.linkEnded(link, NOW);
      void broker.offers.offer(link, "alice@x/t", service.config, NOW, { incarnation, takeOver: false });
      return vi
        .mocked(link.sendFrame)
        .mock.calls.map(([frame]) => frame)
        .findLast(({ type }) => type === "bind");
    };
    expect(bound()).toMatchObject({ incarnation: 6, sequence: 9 });
    expect(bound(5)).toMatchObject({ incarnation: 5, sequence: 4 });
    expect(bound(7)).toMatchObject({ incarnation: 7, sequence: 0 });
  });

  it("tell a publisher that another session withdrew its service", () => {
    const { broker, link, service } = setUp();
    broker.offers.withdraw(service, {} as ClientLink);
    expect(link.sendFrame).toHaveBeenLastCalledWith(
      expect.objectContaining({ type: "error", alias: 0, code: "withdrawn" }),
    );
  });

  it("withdraw a service whose publisher has been gone too long", () => {
    const { broker, link } = setUp();
    broker.linkEnded(link, NOW);
    broker.sweep(NOW + limits.serviceGraceSeconds * 1000);
    expect(broker.catalog.services.size).toBe(1);
    broker.sweep(NOW + limits.serviceGraceSeconds * 1000 + 1);
    expect(broker.catalog.services.size).toBe(0);
  });

  it("asks no publisher about what cannot be granted", () => {
    const { broker, service } = setUp();
    void broker.offers.configure(service, { ...service.config, access: "authorize" }, NOW);
    const ask = vi.fn();
    broker.approvals.messages = { ask, tell: vi.fn() };
    const bob = fakeLink("bob@x/1");
    const asked = { windowMs: 0, selection: WHOLE, since: undefined, credit: 1 };
    const subscribe = (changes: object): void =>
      void broker.subscriptions.subscribe(bob, service.node, { ...asked, ...changes }, NOW);
    for (const impossible of [{ since: "first" }, { selection: { ...WHOLE, maxRate: -1 } }])
      expect(() => subscribe(impossible)).toThrow(expect.objectContaining({ code: "invalid-options" }));
    expect(ask).not.toHaveBeenCalled();
    expect(() => subscribe({})).toThrow(expect.objectContaining({ code: "pending" }));
    expect(ask).toHaveBeenCalledOnce();
  });
});

/** A broker with a real fan-out, and a publisher `alice@x/1` of the service `alice@x/t`. */
function setUpWhole() {
  const whole = createWholeBroker();
  const { broker, open } = whole;
  const alice = open("alice@x/1").link;
  return {
    ...whole,
    offer: (kind: ServiceKind) => known(whole.offer(alice, "alice@x/t", { kind })),
    publish: (service: Service, position: number) => whole.publish(service, [position], position),
    subscribe: (link: ClientLink, options: Partial<SubscribeOptions> = {}): Subscription => {
      const asked = { windowMs: 0, selection: WHOLE, since: undefined, credit: Infinity, ...options };
      return known(broker.subscriptions.subscribe(link, "alice@x/t", asked, monotonicNow()));
    },
  };
}

describe("with a fan-out", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  it.each(["value", "log"] as const)(
    "a %s that is withdrawn while the stream is backed up ends behind its last updates",
    async (kind) => {
      const { broker, connection, open, offer, publish, subscribe } = setUpWhole();
      const service = offer(kind);
      const [bob, carol] = [open("bob@x/1"), open("carol@x/1")];
      subscribe(bob.link);
      subscribe(carol.link, { windowMs: 1_000 });
      publish(service, 1);
      await pass(3_000);
      connection.writable = false;
      publish(service, 2);
      await pass(50);
      broker.offers.withdraw(service);
      connection.writable = true;
      await pass(3_000);
      for (const { out } of [bob, carol]) expect(out).toEqual(["bind", "data", "data", "withdrawn"]);
      expect(service.subscriptions.size).toBe(0);
    },
  );

  it("a lane whose payer leaves is paid for by one that stays, also where all of them are detached", () => {
    const { broker, open, offer, subscribe } = setUpWhole();
    offer("log");
    // One session walks from selection to selection. In each it leaves another session of its account.
    const front = open("mallory@x/0").link;
    const walk = (step: number): void => {
      const asked = { windowMs: 0, selection: { ...WHOLE, fields: [`f${step}`] } };
      const [subscription] = front.subscriptions.values();
      if (subscription === undefined) subscribe(front, asked);
      else broker.subscriptions.change(subscription, asked, monotonicNow());
      subscribe(open(`mallory@x/${step + 1}`).link, { ...asked, credit: 1 });
    };
    for (let i = 0; i < limits.maxSelectionsPerAccount; i++) walk(i);
    expect(() => walk(limits.maxSelectionsPerAccount)).toThrow(
      expect.objectContaining({ code: "limit-exceeded" }),
    );
    const mine = { ...WHOLE, fields: ["mine"] };
    expect(subscribe(open("carol@x/1").link, { selection: mine }).lane.key.selection).toEqual(mine);
  });

  it("a withdrawn log gives its rest to who comes back, also once its node is offered again, or withdrawn again", async () => {
    const { broker, open, offer, publish, subscribe } = setUpWhole();
    const first = offer("log");
    for (let position = 1; position <= 3; position++) publish(first, position);
    const { epoch } = first.record;
    broker.offers.withdraw(first);
    const second = offer("log");
    publish(second, 1);
    const [bob, carol, dave] = [open("bob@x/1"), open("carol@x/1"), open("dave@x/1")];
    subscribe(bob.link, { since: { epoch, offset: 1 } });
    // The same link may have both subscriptions: neither request concerns the other one.
    expect(subscribe(bob.link, { windowMs: 1_000 })).toMatchObject({ service: second, outlet: { alias: 1 } });
    expect(bob.link.subscriptions.get(0)).toMatchObject({ service: first, recovered: true });
    await pass(100);
    expect(bob.out).toEqual(["bind", "status", "bind", "data", "withdrawn"]);
    // A subscriber that has all of the log learns of its end only once. Then it subscribes to the present service.
    const atEnd = { since: { epoch, offset: 3 } };
    expect(subscribe(carol.link, atEnd)).toMatchObject({ service: second, recovered: false });
    broker.offers.withdraw(second);
    for (const service of [first, second])
      expect(subscribe(dave.link, { since: { epoch: service.record.epoch, offset: 0 } }).service).toBe(
        service,
      );
    expect(broker.subscriptions.asked("alice@x/t", "bob@x", atEnd.since)).toBe(first);
    broker.sweep(monotonicNow() + limits.withdrawnSeconds * 1_000);
    expect(dave.out.filter((it) => it === "withdrawn")).toHaveLength(2);
    expect(() => broker.subscriptions.asked("alice@x/t", "bob@x", { epoch, offset: 1 })).toThrow(
      "nobody offers",
    );
  });

  it("a service that is withdrawn before its publisher has answered new demand ends behind its last value", async () => {
    const { broker, open, offer, publish, subscribe } = setUpWhole();
    const service = offer("value");
    publish(service, 1);
    const bob = open("bob@x/1");
    subscribe(bob.link);
    await pass(100);
    broker.offers.withdraw(service);
    expect(bob.out).toEqual(["bind", "data", "withdrawn"]);
  });
});
