import { describe, expect, it } from "vitest";
import { type StanzapackError } from "../base/errors.js";
import { encodeFrame } from "../frames/frame-codec.js";
import type { Frame, HelloFrame } from "../frames/frames.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { LinkSession } from "./link-session.js";

const hello: HelloFrame = {
  type: "hello",
  version: 1,
  maxBlockBytes: 65_535,
  maxInflatedBytes: 1_048_576,
  maxStanzaBytes: 0,
  codecs: ["rows", "deflated"],
  hop: "plain",
  token: null,
  lean: null,
};
const data: Frame = {
  type: "data",
  alias: 1,
  form: "rows",
  epoch: 1,
  from: 1,
  to: 1,
  at: 0,
  spanMs: 0,
  payload: Uint8Array.of(1),
};
const status: Frame = { type: "status", alias: 1, status: "online", windowMs: null };
const bye: Frame = { type: "bye", code: "stopped", text: "" };
const block = (...frames: Frame[]): Uint8Array => Buffer.concat(frames.map(encodeFrame));
const ack = (stanzas: number): Uint8Array => block({ type: "ack", stanzas });

function open(): LinkSession {
  const session = new LinkSession(DEFAULT_LIMITS);
  session.receive(block(hello), 0);
  return session;
}
function code(run: () => unknown): string {
  try {
    run();
    return "none";
  } catch (error) {
    return (error as StanzapackError).code;
  }
}

describe("a link", () => {
  it("begins with HELLO, once", () => {
    const session = new LinkSession(DEFAULT_LIMITS);
    expect(session.peerHello).toBeUndefined();
    expect(session.receive(new Uint8Array(3).fill(0xc0), 0)).toEqual([]);
    expect(session.receive(block(hello, status), 0)).toEqual([hello, status]);
    expect(session.peerHello).toEqual(hello);
    expect(code(() => session.receive(block(hello), 0))).toBe("protocol");
  });

  it.each([data, status, bye, { type: "ack", stanzas: 0 } as const])("refuses %j before HELLO", (frame) => {
    const session = new LinkSession(DEFAULT_LIMITS);
    expect(code(() => session.receive(block(frame, hello), 0))).toBe("protocol");
  });

  it("refuses another version", () => {
    const session = new LinkSession(DEFAULT_LIMITS);
    expect(code(() => session.receive(block({ ...hello, version: 2 }), 0))).toBe("version-mismatch");
    expect(session.peerHello).toBeUndefined();
  });

  it("stays dead, with its first error", () => {
    const session = open();
    let first: unknown;
    try {
      session.receive(Uint8Array.of(0xc0, 0x01), 0);
    } catch (error) {
      first = error;
    }
    expect(first).toMatchObject({ code: "malformed", origin: "peer", scope: "link" });
    for (let i = 0; i < 2; i++) {
      try {
        session.receive(block(status), 0);
        expect.unreachable();
      } catch (error) {
        expect(error).toBe(first);
      }
    }
  });
});

describe("acknowledging", () => {
  it("is due after 50 data stanzas", () => {
    const session = open();
    for (let i = 0; i < 49; i++) session.receive(block(data, data), 5);
    expect(session.ackDue(5)).toBe(false);
    session.receive(block(status), 5);
    expect(session.ackDue(5)).toBe(false);
    session.receive(block(status, data), 5);
    expect(session.ackDue(5)).toBe(true);
    expect(session.takeAck()).toEqual(encodeFrame({ type: "ack", stanzas: 50 }));
    expect(session.ackDue(1e9)).toBe(false);
  });

  it("is due 20 s after the first unacknowledged one", () => {
    const session = open();
    expect(session.ackDueAt).toBeUndefined();
    session.receive(block(data), 1_000);
    session.receive(block(data), 9_000);
    expect(session.ackDueAt).toBe(21_000);
    expect([session.ackDue(20_999), session.ackDue(21_000)]).toEqual([false, true]);
    session.takeAck();
    expect(session.ackDueAt).toBeUndefined();
    session.receive(block(data), 40_000);
    expect(session.takeAck()).toEqual(encodeFrame({ type: "ack", stanzas: 3 }));
  });
});

describe("being asked to acknowledge", () => {
  it("is due at once, whether there is anything new or not", () => {
    const session = open();
    const asker = open();
    asker.sentData(0);
    const question = asker.askAck(0);
    session.receive(Buffer.concat([question, block(data)]), 5);
    expect([session.ackDue(5), session.ackDueAt]).toEqual([true, 0]);
    asker.receive(session.takeAck(), 6);
    expect([asker.unacked, session.ackDue(1e9)]).toEqual([0, false]);
    session.receive(question, 7);
    expect(session.takeAck()).toEqual(encodeFrame({ type: "ack", stanzas: 1 }));
  });

  it("names the stanza that holds the question too", () => {
    const asker = open();
    for (let i = 0; i < 3; i++) asker.sentData(i);
    expect(asker.askAck(2)).toEqual(encodeFrame({ type: "credit", alias: null, total: 5 }));
  });

  it("leaves a subscription's credit to the link", () => {
    const credit: Frame = { type: "credit", alias: 3, total: 500 };
    const session = open();
    expect(session.receive(block(credit), 0)).toEqual([credit]);
    expect(session.ackDue(1e9)).toBe(false);
  });
});

describe("being acknowledged", () => {
  it("holds data back at 100 unacknowledged stanzas", () => {
    const session = open();
    for (let i = 0; i < 100; i++) {
      expect(session.maySendData).toBe(true);
      session.sentData(i);
    }
    expect([session.maySendData, session.unacked, session.waitingSince]).toEqual([false, 100, 0]);
    expect(session.receive(ack(60), 500)).toEqual([]);
    expect([session.maySendData, session.unacked, session.waitingSince]).toEqual([true, 40, 500]);
    session.receive(ack(100), 600);
    expect([session.unacked, session.waitingSince]).toEqual([0, undefined]);
    session.sentData(700);
    expect(session.waitingSince).toBe(700);
  });

  it("ignores late and repeated totals, and refuses too high ones", () => {
    const session = open();
    for (let i = 0; i < 10; i++) session.sentData(0);
    session.receive(ack(8), 1);
    session.receive(ack(8), 2);
    session.receive(ack(3), 3);
    expect([session.unacked, session.waitingSince]).toEqual([2, 1]);
    expect(code(() => session.receive(ack(11), 4))).toBe("protocol");
  });

  it("wraps at 2^32", () => {
    const session = open();
    const near = 2 ** 32 - 2;
    Object.assign(session, {
      dataSent: near,
      dataSentAcked: near,
      dataReceived: near,
      dataReceivedAcked: near,
    });
    for (let i = 0; i < 5; i++) session.sentData(0);
    session.receive(ack(2 ** 32 - 1), 1);
    expect(session.unacked).toBe(4);
    session.receive(ack(2), 2);
    expect(session.unacked).toBe(1);
    session.receive(ack(2 ** 32 - 1), 3); // late
    expect(session.unacked).toBe(1);
    for (let i = 0; i < 4; i++) session.receive(block(data), 4);
    expect(session.takeAck()).toEqual(encodeFrame({ type: "ack", stanzas: 2 }));
    expect(code(() => session.receive(ack(4), 5))).toBe("protocol");
  });
});

describe("a lean stanza with one body", () => {
  it("is one stanza with data, as a frame would be", () => {
    const session = open();
    const payload = Uint8Array.of(1, 2);
    expect(session.receive(Buffer.from(payload), 5, 9)).toEqual([
      { type: "coded", form: "chained", alias: 9, payload },
    ]);
    expect(session.takeAck()).toEqual(encodeFrame({ type: "ack", stanzas: 1 }));
  });

  it("is no more welcome before HELLO than a frame", () => {
    const session = new LinkSession(DEFAULT_LIMITS);
    expect(code(() => session.receive(Uint8Array.of(1), 0, 9))).toBe("protocol");
    expect(code(() => session.receive(block(hello), 0))).toBe("protocol");
  });
});

describe("a link whose sides both list lean stanzas", () => {
  it.each([
    [true, true, 100_000],
    [true, false, 20_000],
    [false, true, 20_000],
  ])("acknowledges lazily: ours %s, the peer's %s, after %d ms", (ours, theirs, afterMs) => {
    const session = new LinkSession(DEFAULT_LIMITS);
    session.lean = ours;
    session.receive(block({ ...hello, lean: theirs ? { tag: null } : null }), 0);
    session.receive(block(data), 1_000);
    expect([session.lazy, session.ackDueAt]).toEqual([afterMs === 100_000, 1_000 + afterMs]);
    expect([session.ackDue(999 + afterMs), session.ackDue(1_000 + afterMs)]).toEqual([false, true]);
    for (let i = 0; i < 49; i++) session.receive(block(data), 1_000);
    expect(session.ackDue(1_000)).toBe(true);
  });
});

describe("what is known to have arrived", () => {
  it("is all up to a data stanza that was acknowledged", () => {
    const session = open();
    expect(session.arrivedCount).toBe(0);
    // Stanzas without data were sent between.
    for (let i = 1; i <= 10; i++) session.sentData(0, i * 3);
    session.receive(ack(1), 1);
    expect(session.arrivedCount).toBe(3);
    session.receive(ack(10), 2);
    // The next data stanza is marked when it is sent.
    expect(session.arrivedCount).toBe(3);
    session.sentData(3, 40);
    session.sentData(3, 50);
    session.receive(ack(11), 4);
    expect(session.arrivedCount).toBe(40);
    session.receive(ack(11), 5);
    expect(session.arrivedCount).toBe(40);
  });
});
