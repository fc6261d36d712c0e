import {
  createHello,
  decodeBlock,
  DEFAULT_LIMITS,
  encodeFrame,
  StanzapackError,
  type Frame,
} from "@stanzapack/wire";
import {
  decodeBase64,
  StanzaError,
  XmppError,
  type Bytestream,
  type Connection,
  type OutBlock,
} from "@stanzapack/xmpp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Link } from "./link.js";

const BLOCK = { stanzaChars: 0, label: undefined, lean: false };
/** One stanza with DATA. Its content does not matter. */
const DATA = [{ base64: "AAAA", data: true, pad: 0, body: undefined, label: 0 }];

/** A link to a component that the test plays. `give` delivers frames, and `answer` answers the open question. */
function setUp() {
  const sent: string[] = [];
  const asked: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const connection = {
    state: "online",
    compressed: false,
    writable: true,
    send: (base64: string) => sent.push(base64) > 0,
    request: () => new Promise<void>((resolve, reject) => asked.push({ resolve, reject })),
  } as unknown as Connection;
  const closed = vi.fn(() => Promise.resolve());
  const expectsClose = vi.fn();
  const stream = {
    ...{ peer: "streams.example", sid: "abcd", blockSizeBytes: 65_535 },
    ...{
      blockStanza: ({ base64 }: OutBlock) => base64,
      sentCount: 0,
      outstanding: 0,
      confirm: () => undefined,
    },
    ...{ close: closed, abandon: () => undefined },
    expectClose: expectsClose,
  } as unknown as Bytestream;
  const onEnd = vi.fn();
  const link = new Link(connection, stream, {
    ...{ onFrame: () => undefined, onAcknowledged: () => undefined, onCredit: () => undefined, onEnd },
    ...{
      creditDue: () => [],
      silenceMs: 15_000,
      answerMs: 10_000,
      onEnvelope: () => undefined,
      onSiblings: () => undefined,
    },
  });
  const give = (frame: Frame): void => stream.onBlock?.(encodeFrame(frame), BLOCK);
  give(createHello());
  const answer = async (): Promise<void> => {
    asked.shift()?.resolve();
    await vi.advanceTimersByTimeAsync(0);
  };
  const refuse = async (error: Error): Promise<void> => {
    asked.shift()?.reject(error);
    await vi.advanceTimersByTimeAsync(0);
  };
  /** Lists how the link ended towards the component. */
  const goodbye = (): string[] => {
    const last = sent.at(-1);
    const frame =
      last === undefined ? undefined : decodeBlock(decodeBase64(last) as Uint8Array, DEFAULT_LIMITS).at(-1);
    return [
      ...(frame?.type === "bye" ? [`BYE ${frame.code}`] : []),
      ...closed.mock.calls.map(() => "close"),
      ...expectsClose.mock.calls.map(() => "expects close"),
    ];
  };
  /** The frames of the stanza that left last. */
  const lastFrames = (): Frame[] =>
    decodeBlock(decodeBase64(sent.at(-1) ?? "") as Uint8Array, DEFAULT_LIMITS);
  return { lastFrames, link, stream, give, asked, answer, refuse, onEnd, closed, goodbye };
}

describe("Link", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("ends when what it sent last is still unacknowledged at the answer to its question: it was lost", async () => {
    const { link, asked, answer, onEnd, closed } = setUp();
    link.sendData(DATA);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(asked).toHaveLength(1);
    // This stanza may still be on its way.
    link.sendData(DATA);
    await answer();
    expect(onEnd).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "gap" }));
    expect(closed).toHaveBeenCalledOnce();
  });

  it("goes on when everything from before the question is acknowledged", async () => {
    const { link, give, asked, answer, onEnd } = setUp();
    link.sendData(DATA);
    await vi.advanceTimersByTimeAsync(15_000);
    link.sendData(DATA);
    give({ type: "ack", stanzas: 1 });
    await answer();
    expect(onEnd).not.toHaveBeenCalled();
    // It asks again.
    await vi.advanceTimersByTimeAsync(15_000);
    expect(asked).toHaveLength(1);
  });

  it("asks for data unacknowledged for 30 s though other frames come", async () => {
    const { link, give, asked, onEnd } = setUp();
    link.sendData(DATA);
    for (let second = 1; second < 30; second++) {
      await vi.advanceTimersByTimeAsync(1_000);
      give({ type: "demand", alias: 0, subscribers: second, windowMs: 100 });
    }
    expect(asked).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1_100);
    expect(asked).toHaveLength(1);
    expect(onEnd).not.toHaveBeenCalled();
  });

  it("asks for an acknowledgement when its stream is back: its number tells the component what it lacks", () => {
    const { link, lastFrames } = setUp();
    link.sendData(DATA);
    link.askWhole();
    expect(lastFrames()).toEqual([{ type: "credit", alias: null, total: 1 }]);
  });

  it("asks at once, and once, when something came back, and ends where that was data", async () => {
    const { link, asked, answer, onEnd } = setUp();
    link.sendData(DATA);
    void link.ask();
    void link.ask();
    expect(asked).toHaveLength(1);
    await answer();
    expect(onEnd).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "gap" }));
    void link.ask();
    expect(asked).toHaveLength(0);
  });

  it("goes on where what came back was not data, and asks again by and by", async () => {
    const { link, asked, answer, onEnd } = setUp();
    void link.ask();
    await answer();
    expect(onEnd).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(asked).toHaveLength(1);
  });

  it.each([
    ["item-not-found", "disconnected"],
    ["remote-server-timeout", "component-unavailable"],
  ])("asked for and answered %s it ends as %s", async (condition, code) => {
    const { link, refuse, onEnd } = setUp();
    void link.ask();
    await refuse(new StanzaError(condition, "cancel"));
    expect(onEnd).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code }));
  });

  it.each([
    ["unexpected-request", "gap"],
    ["item-not-found", "disconnected"],
    ["remote-server-not-found", "component-unavailable"],
  ])("tells a stream's end by %s as %s: nothing of it is about a service", (condition, code) => {
    const { stream, onEnd } = setUp();
    stream.onEnd?.({ by: "peer", error: new StanzaError(condition, "cancel") });
    expect(onEnd).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code }));
  });
});

describe("the end of a client's link", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  type Played = ReturnType<typeof setUp>;
  const fault =
    (condition: string) =>
    ({ stream }: Played): void => {
      const end = { by: "transport", error: new StanzaError(condition, "cancel") } as const;
      stream.onFault?.(end);
      stream.onEnd?.(end);
    };
  const unanswered =
    (error: Error) =>
    async ({ link, refuse }: Played): Promise<void> => {
      void link.ask();
      await refuse(error);
    };

  it.each<[string, (played: Played) => void | Promise<void>, string[]]>([
    ["a block that cannot be read", ({ give }) => give(createHello()), ["BYE protocol", "close"]],
    ["a `seq` out of turn", fault("unexpected-request"), ["BYE gap", "close"]],
    ["what is no base64", fault("bad-request"), ["BYE malformed", "close"]],
    ["a block that is too large", fault("resource-constraint"), ["BYE limit-exceeded", "close"]],
    ["a component that does not know the link", fault("item-not-found"), []],
    ["no answer to its question", unanswered(new XmppError("timeout", "none")), ["BYE timeout", "close"]],
    ["an answer that nobody is there", unanswered(new StanzaError("remote-server-not-found", "cancel")), []],
    [
      "the component's BYE",
      ({ give }) => give({ type: "bye", code: "conflict", text: "" }),
      ["expects close"],
    ],
    [
      "a program that gives it up",
      ({ link }) => link.end(new StanzapackError("store-failed", "of a test")),
      ["BYE store-failed", "close"],
    ],
    ["a session that is gone", ({ link }) => link.abandon(new StanzapackError("disconnected", "")), []],
    ["a client that closes", ({ link }) => link.close(), ["BYE stopped", "close"]],
  ])("by %s", async (_, act, leave) => {
    const played = setUp();
    await act(played);
    expect(played.onEnd).toHaveBeenCalledOnce();
    expect(played.goodbye()).toEqual(leave);
  });
});
