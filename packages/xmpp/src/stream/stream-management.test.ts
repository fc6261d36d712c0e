import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  createStreamManagement,
  DEFAULT_STREAM_MANAGEMENT,
  type StreamManagement,
} from "./stream-management.js";
import { xml } from "../xml/xml.js";

const NS = "urn:xmpp:sm:3";
const REQUEST = `<r xmlns='${NS}'/>`;
let written: string[];
let events: string[];

function create(
  policy: Partial<typeof DEFAULT_STREAM_MANAGEMENT> = {},
  maxOutChars?: number,
): StreamManagement {
  const management = createStreamManagement(
    { ...DEFAULT_STREAM_MANAGEMENT, ...policy },
    {
      write: (text) => written.push(text),
      onRoom: () => events.push("room"),
      onBroken: () => events.push("broken"),
      onSilence: () => events.push("silence"),
    },
    maxOutChars,
  );
  management.enable();
  management.onNonza(xml("enabled", { xmlns: NS, id: "i'd", resume: "true" }));
  return management;
}

const ack = (h: number | string) => xml("a", { xmlns: NS, h: String(h) });
const resumed = (h: number) => xml("resumed", { xmlns: NS, h: String(h) });

beforeEach(() => {
  vi.useFakeTimers();
  written = [];
  events = [];
});
afterEach(() => vi.useRealTimers());

describe("Stream Management", () => {
  it("asks under steady traffic, every so many stanzas (xmpp.js never does)", () => {
    const management = create({ requestEvery: 3 });
    const appended = [];
    for (let i = 0; i < 7; i++) {
      appended.push(management.outgoing("<message/>", 1).slice("<message/>".length));
      vi.advanceTimersByTime(100);
    }
    expect(appended).toEqual(["", "", REQUEST, "", "", REQUEST, ""]);
    expect(management.outgoing("<message/><message/>", 2)).toBe(`<message/><message/>${REQUEST}`);
  });

  it("asks a while after the first unacknowledged stanza, once", () => {
    const management = create();
    management.outgoing("<message/>", 1);
    vi.advanceTimersByTime(4_999);
    expect(written).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(written).toEqual([REQUEST]);
    management.onNonza(ack(1));
    vi.advanceTimersByTime(60_000);
    expect(written).toEqual([REQUEST]);
    expect(events).toEqual([]);
  });

  it("asks along with a stanza that goes anyway, when the last request is long ago", () => {
    const management = create();
    vi.advanceTimersByTime(3_000);
    expect(management.outgoing("<message/>", 1)).toBe("<message/>");
    vi.advanceTimersByTime(2_000);
    expect(management.outgoing("<message/>", 1)).toBe(`<message/>${REQUEST}`);
    management.onNonza(ack(2));
    for (let i = 0; i < 3; i++) {
      vi.advanceTimersByTime(6_000);
      expect(management.outgoing("<message/>", 1)).toBe(`<message/>${REQUEST}`);
      management.onNonza(ack(3 + i));
    }
    vi.advanceTimersByTime(60_000);
    expect([written, events]).toEqual([[], []]);
  });

  it("finds a server that no longer answers", () => {
    const management = create();
    management.outgoing("<message/>", 1);
    vi.advanceTimersByTime(35_000);
    expect(events).toEqual(["silence"]);
    management.suspend();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("answers requests at once with what it handled, wrapping at 2^32 (XEP-0198 §4)", () => {
    const management = create();
    management.onReceived();
    management.onNonza(xml("r", { xmlns: NS }));
    expect(written).toEqual([`<a xmlns='${NS}' h='1'/>`]);
    expect(management.resume()).toBe(`<resume xmlns='${NS}' h='1' previd='i&apos;d'/>`);
  });

  it("counts what comes from `<enabled/>` on, and what goes from `<enable/>` on (XEP-0198 §4)", () => {
    const management = create();
    management.enable();
    management.onReceived();
    management.outgoing("<message/>", 1);
    management.onNonza(xml("enabled", { xmlns: NS, id: "2", resume: "true" }));
    management.onReceived();
    expect(management.resume()).toBe(`<resume xmlns='${NS}' h='1' previd='2'/>`);
    expect(management.unackedCount).toBe(1);
  });

  it("resends what the server does not have, cutting a text of several stanzas", () => {
    const management = create();
    management.outgoing("<message/>", 1);
    management.outgoing("<message a='/>'><b/></message><iq>&lt;</iq><presence/>", 3);
    management.outgoing("<message>4</message>", 1);
    management.suspend();
    expect(management.resumable).toBe(true);
    expect(management.onResumed(resumed(2))).toBe(`<iq>&lt;</iq><presence/><message>4</message>${REQUEST}`);
    expect(management.unackedCount).toBe(3);
    management.onNonza(ack(5));
    expect(management.unackedCount).toBe(0);
    expect(management.onResumed(resumed(5))).toBe("");
  });

  it("keeps what comes offline for the session that is resumed, within its bound", () => {
    const management = create({ maxQueue: 4 });
    management.outgoing("<message>0</message><message>1</message>", 2);
    management.suspend();
    management.keep("<message>2</message>", 1);
    management.keep("<message>3</message>", 1);
    expect(management).toMatchObject({ unackedCount: 2, holds: true, room: 0 });
    expect(management.onResumed(resumed(1))).toBe(
      `<message>1</message><message>2</message><message>3</message>${REQUEST}`,
    );
    expect(management).toMatchObject({ unackedCount: 3, holds: false, resumable: true });
    management.suspend();
    for (let i = 0; i < 5; i++) management.keep("<message/>", 1);
    expect(management.resumable).toBe(true);
    management.keep("<message/>", 1);
    expect(management.resumable).toBe(false);
    management.reset();
    management.keep("<message/>", 1);
    expect(management.holds).toBe(false);
  });

  it("keeps no more characters offline than a stream may have out", () => {
    const management = create();
    management.suspend();
    const large = `<message>${"x".repeat(100_000)}</message>`;
    for (const resumable of [true, true, false]) {
      management.keep(large, 1);
      expect(management.resumable).toBe(resumable);
    }
  });

  it("bounds its queue: no room at the bound, no resumption past twice it", () => {
    const management = create({ maxQueue: 4 });
    for (let i = 0; i < 4; i++) management.outgoing("<message/>", 1);
    expect(management.room).toBe(0);
    management.onNonza(ack(1));
    expect(events).toEqual(["room"]);
    for (let i = 0; i < 6; i++) management.outgoing("<message/>", 1);
    expect(management.resumable).toBe(false);
    expect(management.onResumed(resumed(1))).toBeUndefined();
    // When everything has arrived, the session has no hole any more.
    management.onNonza(ack(10));
    expect(management).toMatchObject({ resumable: true, room: expect.any(Number) });
  });

  it.each(["3", "-1", "x", "", "4294967296"])("refuses an acknowledgement of %s when two were sent", (h) => {
    const management = create();
    management.outgoing("<message/><message/>", 2);
    management.onNonza(ack(h));
    expect(events).toEqual(["broken"]);
  });

  it("counts across 2^32", () => {
    const management = create({ maxQueue: 2 ** 33 });
    management.outgoing("<message/>", 2 ** 32 - 1);
    management.onNonza(ack(2 ** 32 - 1));
    management.outgoing("<message>1</message>", 1);
    management.outgoing("<message>2</message>", 1);
    management.onNonza(ack(0));
    expect(management.unackedCount).toBe(1);
    expect(management.onResumed(resumed(0))).toBe(`<message>2</message>${REQUEST}`);
    management.onNonza(ack(1));
    expect(events).toEqual([]);
  });

  it("is not resumable when the server says so, or refuses it", () => {
    const management = create();
    management.enable();
    management.onNonza(xml("enabled", { xmlns: NS }));
    expect(management.resumable).toBe(false);
    management.onNonza(xml("failed", { xmlns: NS }));
    expect(management.outgoing("<message/>", 1)).toBe("<message/>");
    expect(management.acknowledgement()).toBe("");
  });

  describe("with a bound on what is out unread", () => {
    const stanzas = (from: number, to: number): string =>
      Array.from(
        { length: to - from },
        (_, i) => `<message>${String(from + i).padStart(3, "0")}</message>`,
      ).join("");
    const LENGTH = stanzas(0, 1).length;

    it("holds what is more, in whole stanzas, and writes it as the server acknowledges", () => {
      const management = create({}, 10 * LENGTH);
      expect(management.outgoing(stanzas(0, 4), 4)).toBe(stanzas(0, 4));
      expect(management.room).toBe(6 * LENGTH);
      expect(management.outgoing(stanzas(4, 25), 21)).toBe(stanzas(4, 9) + REQUEST);
      expect(management).toMatchObject({ holds: true, room: 0, unackedCount: 9 });
      // The text waits after the held text, although it would fit.
      expect(management.outgoing(stanzas(25, 26), 1)).toBe("");
      management.onNonza(ack(4));
      expect(written.splice(0)).toEqual([stanzas(9, 14) + REQUEST]);
      management.onNonza(ack(14));
      expect(written.splice(0)).toEqual([stanzas(14, 24) + REQUEST]);
      management.onNonza(ack(24));
      expect(written.splice(0)).toEqual([stanzas(24, 26)]);
      expect([management.holds, events]).toEqual([false, ["room"]]);
    });

    it("writes one that is larger when nothing else is out", () => {
      const management = create({}, 10 * LENGTH);
      const large = `<message>${"x".repeat(20 * LENGTH)}</message>`;
      management.outgoing(stanzas(0, 1), 1);
      expect(management.outgoing(large + stanzas(2, 3), 2)).toBe(REQUEST);
      management.onNonza(ack(1));
      expect(written.splice(0)).toEqual([large + REQUEST]);
      management.onNonza(ack(2));
      expect(written.splice(0)).toEqual([stanzas(2, 3)]);
    });

    it("goes on where it was when the session is resumed", () => {
      const management = create({}, 10 * LENGTH);
      expect(management.outgoing(stanzas(0, 30), 30)).toBe(stanzas(0, 10) + REQUEST);
      management.suspend();
      expect(management.onResumed(resumed(3))).toBe(stanzas(3, 10) + REQUEST);
      management.suspend();
      expect(management.onResumed(resumed(10))).toBe(stanzas(10, 20) + REQUEST);
      management.onNonza(ack(20));
      expect(written.splice(0)).toEqual([stanzas(20, 30)]);
    });

    it("keeps what was sent before the server agreed, and writes it all when it refuses", () => {
      for (const [answer, expected] of [
        [xml("enabled", { xmlns: NS, id: "2", resume: "true" }), [REQUEST]],
        [xml("failed", { xmlns: NS }), [stanzas(10, 15)]],
      ] as const) {
        const management = create({}, 10 * LENGTH);
        management.enable();
        expect(management.outgoing(stanzas(0, 15), 15)).toBe(stanzas(0, 10));
        management.onNonza(answer);
        expect(written.splice(0)).toEqual(expected);
      }
    });
  });
});
