import {
  createHello,
  createRawDeflate,
  createRowCodec,
  decodeBlock,
  DEFAULT_LIMITS,
  encodeFrame,
  type Frame,
} from "@stanzapack/wire";
import {
  createInBandBytestreams,
  decodeBase64,
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
import { Broker } from "../broker/broker.js";
import { configSchema } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import { FrameRequests } from "../subscriptions/frame-requests.js";
import { LinkTable } from "./link-table.js";
import { createStats } from "../base/stats.js";

const BOB = "bob@far.test/x";
const SIXTY_SECONDS_MS = 60_000;
const AWAY = new StanzaError("remote-server-timeout", "wait");

/**
 * A table with one link, of a client on another server. `answer` answers the open question. `isLean`: the client lists
 * lean stanzas.
 */
function setUp({
  isLean = false,
  envelope = "auto",
}: { readonly isLean?: boolean; readonly envelope?: "auto" | "ibb" } = {}) {
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
  const nothing = new Proxy({}, { get: () => vi.fn() }) as FanOut;
  const broker = new Broker(
    nothing,
    createRowCodec(DEFAULT_LIMITS, createRawDeflate()),
    limits,
    stats,
    () => 7,
    log,
  );
  const requests = new FrameRequests(broker, { open: true }, limits, stats, log);
  const streams = createInBandBytestreams(connection);
  const settings = { limits, wireLimits: DEFAULT_LIMITS, envelope };
  const links = new LinkTable(connection, streams, broker, nothing, requests, settings, stats, log);
  const receive = (stanza: Element): void => void handlers.some((handler) => handler(stanza, 0));
  const from = { from: BOB, to: "streams.localhost" };
  const open = { xmlns: NS.IBB, sid: "s", "block-size": "4096", stanza: "message" };
  receive(xml("iq", { ...from, type: "set", id: "1" }, xml("open", open)));
  const hello = encodeFrame({
    ...createHello({ lean: isLean ? { tag: null } : null }, { ...DEFAULT_LIMITS, maxBlockBytes: 4096 }),
    ...{ codecs: ["rows"] },
  });
  receive(xml("message", from, xml("data", { xmlns: NS.IBB, sid: "s", seq: "0" }, encodeBase64(hello))));
  const link = links.require(BOB);
  let seq = 1;
  const send = (frame: Frame): void => {
    const base64 = encodeBase64(encodeFrame(frame));
    receive(xml("message", from, xml("data", { xmlns: NS.IBB, sid: "s", seq: String(seq++) }, base64)));
  };
  /** Returns what the client receives last: the reason of BYE, and whether its bytestream is closed. */
  const goodbye = (): string[] => {
    const blocks = sent.flatMap((text) => [...text.matchAll(/seq='\d+'>([^<]*)</g)].map((match) => match[1]));
    const frames = blocks.flatMap((base64) =>
      decodeBlock(decodeBase64(base64 as string) as Uint8Array, DEFAULT_LIMITS),
    );
    const last = frames.at(-1);
    const isClosed = asked.some(({ iq }) => iq.getChild("close", NS.IBB) !== undefined);
    return [...(last?.type === "bye" ? [`BYE ${last.code}`] : []), ...(isClosed ? ["close"] : [])];
  };
  const answer = async (error?: Error): Promise<void> => {
    asked.shift()?.settle(error);
    await vi.advanceTimersByTimeAsync(0);
  };
  /** Delivers an error without the stanza that caused it, as servers send it. */
  const bounce = (error: StanzaError): void =>
    receive(
      xml(
        "message",
        { ...from, type: "error" },
        xml("error", { type: error.type }, xml(error.condition, NS.STANZA_ERRORS)),
      ),
    );
  /** Sweeps once a second, for this many seconds. */
  const sweep = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      await vi.advanceTimersByTimeAsync(1_000);
      links.sweep(monotonicNow());
    }
  };
  return {
    links,
    link,
    broker,
    connection,
    sent,
    stats,
    asked,
    answer,
    bounce,
    sweep,
    send,
    goodbye,
    probed,
    log,
  };
}

it("keeps an acknowledgement that comes due without a stream, and its place in the order", async () => {
  const { links, link, connection, sent } = setUp();
  link.takeStanzas(monotonicNow());
  const before = sent.length;
  vi.spyOn(link.session, "ackDueAt", "get").mockReturnValue(0);
  Object.assign(connection, { state: "offline" });
  await links.acknowledge(link);
  expect(sent).toHaveLength(before);
  Object.assign(connection, { state: "online" });
  expect(link.takeStanzas(monotonicNow())).toHaveLength(1);
});

it("ends the link of a client that owes results and is gone, as soon as another session has its service", async () => {
  vi.useFakeTimers();
  const { links, broker, asked, answer } = setUp();
  broker.calls.onDoubt?.(BOB);
  expect(asked).toHaveLength(1);
  await answer(new StanzaError("recipient-unavailable", "cancel"));
  expect(links.size).toBe(0);
  vi.useRealTimers();
});

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

describe("LinkTable, when the stream to the server was interrupted", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const ACK: Frame = { type: "ack", stanzas: 0 };

  it("asks each client for an acknowledgement until it comes: it shows what either side lacks", async () => {
    const { links, link, send, sweep } = setUp();
    const ask = vi.spyOn(link, "askAck");
    links.askAll();
    expect(ask).toHaveBeenCalledTimes(1);
    // The first answer was lost as well.
    await sweep(1);
    expect(ask).toHaveBeenCalledTimes(2);
    send(ACK);
    await sweep(10);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("ends the link of one that never answers, and asks none that is gone", async () => {
    const { links, link, asked, sweep, goodbye } = setUp();
    const ask = vi.spyOn(link, "askAck");
    links.askAll();
    await sweep(15);
    expect(asked[0]?.iq.getChild("ping", NS.PING)).toBeDefined();
    expect(links.size).toBe(0);
    expect(goodbye()).toEqual(["BYE timeout", "close"]);
    const { length } = ask.mock.calls;
    links.askAll();
    await sweep(1);
    expect(ask).toHaveBeenCalledTimes(length);
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
    // Data was unacknowledged for 30 s, and the question was open for 40 s.
    await sweep(70);
    expect(links.size).toBe(1);
    goOn();
    await sweep(5);
    expect(links.size).toBe(1);
    // The client's ACK arrives before its answer.
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
    const { links, asked, answer } = setUp();
    const verdicts = [links.verify(BOB), links.verify(BOB), links.verify(BOB)];
    expect(asked).toHaveLength(1);
    await answer(new StanzaError("recipient-unavailable", "cancel"));
    expect(await Promise.all(verdicts)).toEqual([false, false, false]);
  });
});

describe("LinkTable, when a client is asked whether it lives", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const NO_PING = new StanzaError("service-unavailable", "cancel");
  const ACK: Frame = { type: "ack", stanzas: 0 };

  it.each(["service-unavailable", "feature-not-implemented", "bad-request", "undefined-condition"])(
    "believes that it does where it acknowledges and answers `%s`, whichever comes first",
    async (condition) => {
      for (const late of [0, 500]) {
        const { links, answer, send } = setUp();
        const verdict = links.verify(BOB);
        if (late === 0) send(ACK);
        await answer(new StanzaError(condition, "cancel"));
        if (late > 0) {
          await vi.advanceTimersByTimeAsync(late);
          send(ACK);
        }
        await vi.advanceTimersByTimeAsync(100);
        expect([await verdict, links.size]).toEqual([true, 1]);
      }
    },
  );

  it("believes it where it answers nothing but goes on sending", async () => {
    const { links, answer, send } = setUp();
    const verdict = links.verify(BOB);
    send(ACK);
    await answer(new Error("no answer"));
    expect([await verdict, links.size]).toEqual([true, 1]);
  });

  it.each<[string, Error, string]>([
    ["says nothing", new Error("no answer"), "BYE timeout"],
    ["answers with an error, and does not acknowledge", NO_PING, "BYE timeout"],
  ])("tells one why that %s, and closes", async (_, error, bye) => {
    const { links, answer, goodbye } = setUp();
    const verdict = links.verify(BOB);
    await answer(error);
    await vi.advanceTimersByTimeAsync(2_000);
    expect([await verdict, goodbye()]).toEqual([false, [bye, "close"]]);
  });

  it("tells nothing to one that its server says to be gone", async () => {
    const { links, answer, goodbye } = setUp();
    links.hint(BOB);
    await answer(NO_PING);
    await vi.advanceTimersByTimeAsync(2_000);
    expect([links.size, goodbye()]).toEqual([0, []]);
  });

  it("tells one why whose server was away for too long", async () => {
    const { links, answer, bounce, sweep, goodbye } = setUp();
    bounce(AWAY);
    while (links.size > 0) {
      await answer(AWAY);
      await sweep(1);
    }
    expect(goodbye()).toEqual(["BYE timeout", "close"]);
  });

  it("closes where a client says BYE and does not close, once", async () => {
    const { links, asked, send } = setUp();
    send({ type: "bye", code: "stopped", text: "" });
    expect([links.size, asked.length]).toEqual([0, 0]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.map(({ iq }) => iq.getChild("close", NS.IBB)?.attrs["sid"] as string)).toEqual(["s"]);
  });

  it("tells everybody that the component stops, and closes", () => {
    const { links, link, goodbye } = setUp();
    const pending: string[] = [];
    // `FanOut` writes it.
    link.append = (base64) => void pending.push(base64);
    links.farewell();
    expect([pending.length, goodbye()]).toEqual([1, ["close"]]);
  });
});

describe("LinkTable, with lean stanzas", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const ids = (stanzas: readonly string[]): (string | undefined)[] =>
    stanzas.map((stanza) => / id='([^']*)'/.exec(stanza)?.[1]);
  const confirm: Frame = { type: "envelope", word: "confirm", value: 66 };

  it("probes behind its HELLO, and is lean once that is confirmed, with the tag that HELLO names", () => {
    const { link, send } = setUp({ isLean: true });
    const first = link.takeStanzas(0);
    const [hello, probe] = ids(first);
    expect([first.length, hello, probe?.length]).toEqual([2, undefined, 66]);
    const block = /seq='0'>([^<]*)</.exec(first[0] as string)?.[1] as string;
    const [frame] = decodeBlock(decodeBase64(block) as Uint8Array, DEFAULT_LIMITS);
    expect(frame).toMatchObject({ type: "hello", lean: { tag: link.stream.tag } });
    link.sendAck();
    expect(ids(link.takeStanzas(0))).toEqual([undefined]);
    send(confirm);
    link.sendAck();
    const [id] = ids(link.takeStanzas(0));
    expect([id?.[0], link.envelope.lean]).toEqual([probe?.[0], true]);
    send({ type: "envelope", word: "ask", value: 1 });
    expect(ids(link.takeStanzas(0))).toEqual([undefined]);
  });

  it.each([{ isLean: true, envelope: "ibb" as const }, { isLean: false }])("has none with %o", (options) => {
    const { link } = setUp(options);
    expect(ids(link.takeStanzas(0))).toEqual([undefined]);
    expect(link.session.lazy).toBe(false);
  });

  it("says once that a link stays on bytestreams, where the probe is not confirmed within 15 s", async () => {
    const { link, log, send, sweep } = setUp({ isLean: true });
    const info = vi.spyOn(log, "info");
    link.takeStanzas(0);
    await sweep(13);
    expect(info).not.toHaveBeenCalled();
    await sweep(10);
    expect(info.mock.calls.map((call) => call[1])).toEqual([
      "link stays on In-Band Bytestreams: a lean stanza did not arrive as it was sent",
    ]);
    send(confirm);
    expect(link.envelope.lean).toBe(true);
  });

  it("waits 130 s for an acknowledgement of a few stanzas, and 30 s for one of fifty", async () => {
    for (const [stanzas, seconds] of [
      [49, 130],
      [50, 30],
    ] as const) {
      const { link, asked, sweep } = setUp({ isLean: true });
      for (let i = 0; i < stanzas; i++) link.session.sentData(monotonicNow());
      // Other stanzas of the client still arrive.
      const hear = setInterval(() => (link.heardAt = monotonicNow()), 1_000);
      await sweep(seconds - 1);
      expect(asked).toHaveLength(0);
      await sweep(3);
      clearInterval(hear);
      expect(asked).toHaveLength(1);
    }
  });

  it("asks once 1,024 stanzas are not known to have arrived, which the answer confirms", async () => {
    const { link, asked, answer, send, sweep } = setUp({ isLean: true });
    link.takeStanzas(0);
    send(confirm);
    for (let i = 0; i < 1_030; i++) {
      link.sendFrame({ type: "status", alias: 0, status: "online", windowMs: null });
      link.takeStanzas(0);
    }
    await sweep(1);
    expect([asked.length, link.stream.outstanding > 1_024]).toEqual([1, true]);
    await answer();
    expect(link.stream.outstanding).toBeLessThan(2);
  });
});
