import { createHello, encodeFrame, type Frame } from "@stanzapack/wire";
import { StanzaError, type Bytestream, type Connection } from "@stanzapack/xmpp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Link } from "./link.js";

/** A link to a component that the test plays: `give` says what comes, `answer` answers the question that is out. */
function setUp() {
  const asked: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const connection = {
    state: "online",
    compressed: false,
    writable: true,
    send: () => true,
    request: () => new Promise<void>((resolve, reject) => asked.push({ resolve, reject })),
  } as unknown as Connection;
  const closed = vi.fn(() => Promise.resolve());
  const stream = {
    ...{ peer: "streams.example", sid: "abcd", blockSizeBytes: 65_535 },
    ...{ stanza: (base64: string) => base64, close: closed, abandon: () => undefined },
  } as unknown as Bytestream;
  const onEnd = vi.fn();
  const link = new Link(connection, stream, {
    ...{ onFrame: () => undefined, onAcknowledged: () => undefined, onCredit: () => undefined, onEnd },
    ...{ creditDue: () => [], silenceMs: 15_000 },
  });
  const give = (frame: Frame): void => stream.onBlock?.(encodeFrame(frame), { stanzaChars: 0 });
  give(createHello());
  const answer = async (): Promise<void> => {
    asked.shift()?.resolve();
    await vi.advanceTimersByTimeAsync(0);
  };
  const refuse = async (error: StanzaError): Promise<void> => {
    asked.shift()?.reject(error);
    await vi.advanceTimersByTimeAsync(0);
  };
  return { link, stream, give, asked, answer, refuse, onEnd, closed };
}

describe("Link", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("ends when what it sent last is still unacknowledged at the answer to its question: it was lost", async () => {
    const { link, asked, answer, onEnd, closed } = setUp();
    link.sendData(["AAAA"]);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(asked).toHaveLength(1);
    // This one may be on its way.
    link.sendData(["AAAA"]);
    await answer();
    expect(onEnd).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "gap" }));
    expect(closed).toHaveBeenCalledOnce();
  });

  it("goes on when everything from before the question is acknowledged", async () => {
    const { link, give, asked, answer, onEnd } = setUp();
    link.sendData(["AAAA"]);
    await vi.advanceTimersByTimeAsync(15_000);
    link.sendData(["AAAA"]);
    give({ type: "ack", stanzas: 1 });
    await answer();
    expect(onEnd).not.toHaveBeenCalled();
    // And asks again.
    await vi.advanceTimersByTimeAsync(15_000);
    expect(asked).toHaveLength(1);
  });

  it("asks for data unacknowledged for 30 s though other frames come", async () => {
    const { link, give, asked, onEnd } = setUp();
    link.sendData(["AAAA"]);
    for (let second = 1; second < 30; second++) {
      await vi.advanceTimersByTimeAsync(1_000);
      give({ type: "demand", alias: 0, subscribers: second, windowMs: 100 });
    }
    expect(asked).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1_100);
    expect(asked).toHaveLength(1);
    expect(onEnd).not.toHaveBeenCalled();
  });

  it("asks at once, and once, when something came back, and ends where that was data", async () => {
    const { link, asked, answer, onEnd } = setUp();
    link.sendData(["AAAA"]);
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
