import { createRowCodec, createRawDeflate, DEFAULT_LIMITS } from "@stanzapack/wire";
import { NS, xml, type Connection, type Element, type IqHandler, type StanzaHandler } from "@stanzapack/xmpp";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { Broker } from "../broker/broker.js";
import { Budgets } from "../budgets/budgets.js";
import { configSchema } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import { createStats } from "../base/stats.js";
import { registerUnknownAddresses } from "./unknown-addresses.js";
import { registerOrdinaryClients } from "./ordinary-clients.js";
import { registerSubscriptionEvents } from "./subscription-events.js";

const BOB = "bob@x.test/r";

/** A component without a server. `budget`: requests a second. */
function setUp(budget = 100) {
  const handlers: StanzaHandler[] = [];
  const listeners = new Map<string, () => void>();
  const iqs = new Map<string, IqHandler>();
  const sent: string[] = [];
  const state = { writable: true };
  const connection = {
    jid: "c.test",
    get writable() {
      return state.writable;
    },
    send: (text: string) => sent.push(text) > 0,
    sendElement: (stanza: Element) => sent.push(stanza.toString()) > 0,
    onStanza: (handler: StanzaHandler) => handlers.push(handler),
    onIq(type: string, ns: string, name: string, handler: IqHandler) {
      iqs.set(`${type} ${ns} ${name}`, handler);
      return () => undefined;
    },
    onOtherIq: () => () => undefined,
    on: (event: string, listener: () => void) => {
      listeners.set(event, listener);
      return () => undefined;
    },
  } as unknown as Connection;
  const config = { component: { domain: "c.test", secret: "x" }, limits: { requestsPerSecond: budget } };
  const { limits } = configSchema.parse({ ...config, limits: { ...config.limits, burstSeconds: 1 } });
  const stats = createStats();
  const budgets = new Budgets(limits, stats, undefined, () => 0);
  const nothing = new Proxy({}, { get: () => vi.fn() }) as FanOut;
  const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
  const log = pino({ level: "silent" });
  const broker = new Broker(nothing, codec, limits, stats, () => 7, log, budgets);
  registerUnknownAddresses(connection, budgets, stats);
  registerSubscriptionEvents(connection, broker);
  registerOrdinaryClients(connection, broker, stats, () => 0);
  /** Returns the answers to one stanza. */
  const told = (stanza: Element): string[] => {
    sent.length = 0;
    handlers.some((handler) => handler(stanza, 0));
    return [...sent];
  };
  return { told, sent, broker, state, iqs, emit: (event: string) => listeners.get(event)?.() };
}

describe("what ordinary clients are answered", () => {
  const presence = (type: string | undefined, to = "c.test"): Element =>
    xml("presence", { from: BOB, to, type });
  const chat = (attrs: Record<string, string>, ...more: Element[]): Element =>
    xml("message", { from: BOB, to: "c.test", type: "chat", ...attrs }, xml("body", {}, "hi"), ...more);

  it("has no presence: subscriptions and probes are told so, by the bare address (RFC 6121 §3.1.3, §4.3.2)", () => {
    const { told } = setUp();
    for (const type of ["subscribe", "probe"])
      for (const [to, from] of [
        ["c.test", "c.test"],
        ["nobody@c.test/r", "nobody@c.test"],
      ] as const)
        expect(told(presence(type, to))[0]).toContain(
          `<presence from="${from}" to="bob@x.test" type="unsubscribed">`,
        );
    for (const type of [undefined, "unsubscribe", "subscribed", "unsubscribed", "unavailable", "error"])
      for (const to of ["c.test", "nobody@c.test"]) expect(told(presence(type, to))).toEqual([]);
  });

  it("never answers a server, a component or an error, and no thread without end", () => {
    const { told } = setUp();
    for (const from of ["x.test", "other.test", "other.test/a@b"]) expect(told(chat({ from }))).toEqual([]);
    for (const to of ["c.test", "nobody@c.test", "c.test/r"])
      expect(told(chat({ to, type: "error" }))).toEqual([]);
    const [answer] = told(chat({}, xml("thread", {}, "t".repeat(100_000))));
    expect(answer).toContain("does not chat");
    expect(answer).not.toContain("thread");
  });

  it("keeps to the sender's budget: an iq is always answered, messages and presence are not", () => {
    const { told } = setUp(1);
    const iq = xml("iq", { from: BOB, to: "nobody@c.test", type: "get", id: "1" }, xml("query", NS.VERSION));
    expect(told(iq)[0]).toContain("service-unavailable");
    expect(told(iq)[0]).toContain("resource-constraint");
    for (const stanza of [
      presence("subscribe"),
      presence("subscribe", "nobody@c.test"),
      chat({}),
      chat({ to: "nobody@c.test" }),
      chat({ type: "groupchat" }),
    ])
      expect(told(stanza)).toEqual([]);
  });
});

it("events of a deleted node leave as the server reads, and die with its stream", () => {
  const { sent, broker, state, emit } = setUp();
  const links = Array.from({ length: 250 }, (_, i) => ({ jid: `u${i}@x.test/r` }));
  const withdraw = (): void => broker.offers.onWithdrawn?.({ node: "a@x.test/n" } as never, links as never);
  withdraw();
  expect(sent.map((text) => text.split("<message").length - 1)).toEqual([100, 100, 50]);
  expect(sent[0]).toContain('<delete node="a@x.test/n"/>');
  sent.length = 0;
  state.writable = false;
  withdraw();
  expect(sent).toEqual([]);
  state.writable = true;
  emit("drain");
  expect(sent).toHaveLength(3);
  state.writable = false;
  withdraw();
  emit("offline");
  state.writable = true;
  emit("drain");
  expect(sent).toHaveLength(3);
});

it("answers each question for its process with the same id, and another component with another id", async () => {
  const ask = async ({ iqs }: ReturnType<typeof setUp>): Promise<unknown> => {
    const child = xml("process", NS.STANZAPACK);
    const answer = await iqs.get(`get ${NS.STANZAPACK} process`)?.({ from: BOB, child } as never);
    return answer?.attrs["id"];
  };
  const [one, other] = [setUp(), setUp()];
  const id = await ask(one);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(await ask(one)).toBe(id);
  expect(await ask(other)).not.toBe(id);
});
