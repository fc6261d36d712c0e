import { encodeFrame, createRawDeflate, createRowCodec, DEFAULT_LIMITS } from "@stanzapack/wire";
import {
  createInBandBytestreams,
  encodeBase64,
  monotonicNow,
  NS,
  StanzaError,
  xml,
  type Connection,
  type Element,
  type StanzaHandler,
} from "@stanzapack/xmpp";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Broker } from "./broker.js";
import { configSchema } from "./config.js";
import type { FanOut } from "./fan-out.js";
import { FrameRequests } from "./frame-requests.js";
import { LinkTable } from "./link-table.js";
import { createStats } from "./stats.js";

const BOB = "bob@far.test/x";
const SIXTY_SECONDS_MS = 60_000;
const AWAY = new StanzaError("remote-server-timeout", "wait");

/** A table with one link, of a client on another server. `answer` answers the question that is out. */
function setUp() {
  const handlers: StanzaHandler[] = [];
  const asked: { iq: Element; settle: (error?: Error) => void }[] = [];
  const sent: string[] = [];
  const probed = { answer: Promise.resolve(true) };
  const connection = {
    ...{ kind: "component", jid: "streams.localhost", state: "online", writable: true },
    send: (text: string) => sent.push(text) > 0,
    sendElement: (stanza: Element) => sent.push(stanza.toString()) > 0,
    onStanza: (handler: StanzaHandler) => {
      handlers.push(handler);
      return () => undefined;
    },
    on: () => () => undefined,
    probe: () => probed.answer,
    request: (iq: Element, { signal }: { readonly signal?: AbortSignal }) =>
      new Promise<void>((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(new Error("aborted")));
        asked.push({ iq, settle: (error) => (error === undefined ? resolve() : reject(error)) });
      }),
  } as unknown as Connection;
  const { limits } = configSchema.parse({ component: { domain: "streams.localhost", secret: "x" } });
  const stats = createStats();
  const log = pino({ level: "silent" });
  const deflate = createRawDeflate();
  const nothing = new Proxy({}, { get: () => vi.fn() }) as FanOut;
  const broker = new Broker(nothing, createRowCodec(DEFAULT_LIMITS, deflate), limits, stats, () => 7, log);
  const requests = new FrameRequests(broker, { open: true }, limits, stats, log);
  const streams = createInBandBytestreams(connection);
  const settings = { limits, wireLimits: DEFAULT_LIMITS, deflate };
  const links = new LinkTable(connection, streams, broker, nothing, requests, settings, stats, log);
  const receive = (stanza: Element): void => void handlers.some((handler) => handler(stanza, 0));
  const from = { from: BOB, to: "streams.localhost" };
  const open = { xmlns: NS.IBB, sid: "s", "block-size": "4096", stanza: "message" };
  receive(xml("iq", { ...from, type: "set", id: "1" }, xml("open", open)));
  const hello = encodeFrame({
    ...{ type: "hello", version: 0, maxBlockBytes: 4096, maxInflatedBytes: 1_048_576, maxStanzaBytes: 0 },
    ...{ codecs: ["rows"], hop: "plain", token: null },
  });
  receive(xml("message", from, xml("data", { xmlns: NS.IBB, sid: "s", seq: "0" }, encodeBase64(hello))));
  const link = links.require(BOB);
  const answer = async (error?: Error): Promise<void> => {
    asked.shift()?.settle(error);
    await vi.advanceTimersByTimeAsync(0);
  };
  /** Without what it came from, as servers send it. */
  const bounce = (error: StanzaError): void =>
    receive(
      xml(
        "message",
        { ...from, type: "error" },
        xml("error", { type: error.type }, xml(error.condition, NS.STANZA_ERRORS)),
      ),
    );
  /** So many seconds of sweeps. */
  const sweep = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      await vi.advanceTimersByTimeAsync(1_000);
      links.sweep(monotonicNow());
    }
  };
  return { links, link, stats, asked, answer, bounce, sweep, probed };
}

describe("LinkTable, when a client's server is away", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("suspends the link: no data, no question for each bounce, and asks again until it answers", async () => {
    const { links, link, stats, asked, answer, bounce, sweep } = setUp();
    expect(link.maySendData).toBe(true);
    bounce(AWAY);
    await answer(AWAY);
    expect(links.get(BOB)).toBe(link);
    expect([link.maySendData, stats.suspensions]).toEqual([false, 1]);
    for (let i = 0; i < 100; i++) bounce(AWAY);
    expect(asked).toHaveLength(0);
    await sweep(4);
    expect(asked).toHaveLength(1);
    await answer();
    expect(link.maySendData).toBe(true);
    expect([links.size, stats.suspensions]).toEqual([1, 1]);
  });

  it("ends it with `gap` as soon as it answers, where data was lost meanwhile: the client need not find out", async () => {
    const { links, link, answer, bounce, sweep } = setUp();
    link.session.sentData(monotonicNow());
    const frames: string[] = [];
    link.sendFrame = (frame) => void frames.push(frame.type === "bye" ? frame.code : frame.type);
    bounce(AWAY);
    await answer(AWAY);
    await sweep(4);
    await answer();
    expect(links.size).toBe(0);
    expect(frames).toEqual(["gap"]);
  });

  it("ends it after a minute, in which it was asked now and then", async () => {
    const { links, stats, asked, answer, bounce, sweep } = setUp();
    bounce(AWAY);
    let questions = 0;
    const startedAt = monotonicNow();
    while (links.size > 0) {
      questions += asked.length;
      await answer(AWAY);
      await sweep(1);
      expect(monotonicNow() - startedAt).toBeLessThan(SIXTY_SECONDS_MS + 15_000);
    }
    expect(monotonicNow() - startedAt).toBeGreaterThanOrEqual(SIXTY_SECONDS_MS);
    expect(questions).toBeLessThan(60);
    expect(stats).toMatchObject({ suspensions: 1, linksEnded: 1 });
  });

  it("ends it at once where asking again is of no use, or nobody answers", async () => {
    for (const error of [new StanzaError("remote-server-not-found", "cancel"), new Error("no answer")]) {
      const { links, answer, bounce } = setUp();
      bounce(AWAY);
      await answer(error);
      expect(links.size).toBe(0);
    }
  });
});

describe("LinkTable, when the server stands still", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("ends no link for what could not come, and each that does not answer afterwards", async () => {
    const { links, link, probed, answer, sweep } = setUp();
    link.session.sentData(monotonicNow());
    let goOn: () => void = () => undefined;
    probed.answer = new Promise((resolve) => (goOn = () => resolve(true)));
    // 30 s unacknowledged, and 40 s without an answer.
    await sweep(70);
    expect(links.size).toBe(1);
    goOn();
    await sweep(5);
    expect(links.size).toBe(1);
    // Its ACK comes before its answer.
    link.session.receive(encodeFrame({ type: "ack", stanzas: 1 }), monotonicNow());
    await answer();
    expect([links.size, link.ended]).toEqual([1, false]);
    link.session.sentData(monotonicNow());
    await sweep(45);
    expect([links.size, link.ended]).toEqual([0, true]);
  });

  it("waits with the verdict on one that never said HELLO", async () => {
    const { links, link, probed, sweep } = setUp();
    Object.defineProperty(link.session, "peerHello", { get: () => undefined });
    let goOn: () => void = () => undefined;
    probed.answer = new Promise((resolve) => (goOn = () => resolve(true)));
    await sweep(60);
    expect(links.size).toBe(1);
    goOn();
    await sweep(5);
    expect(links.size).toBe(0);
  });

  it("tells everybody who asks meanwhile what came of the question that is out", async () => {
    const { links, link, asked, answer } = setUp();
    const verdicts = [links.verify(link), links.verify(link), links.verify(link)];
    expect(asked).toHaveLength(1);
    await answer(new StanzaError("recipient-unavailable", "cancel"));
    expect(await Promise.all(verdicts)).toEqual([false, false, false]);
  });
});
