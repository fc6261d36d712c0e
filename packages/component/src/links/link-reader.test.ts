import { StanzapackError, type Frame } from "@stanzapack/wire";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { createStats } from "../base/stats.js";
import type { Throttle } from "../budgets/throttle.js";
import type { ClientLink } from "./client-link.js";
import type { FrameDispatch } from "./frame-dispatch.js";
import { createInbox } from "./intake.js";
import { LinkReader } from "./link-reader.js";

/** A reader of one link, whose blocks hold the frames that `blocks` names. */
function setUp(...blocks: Frame["type"][][]) {
  const order: string[] = [];
  const dispatch = vi.fn((_: ClientLink, { type }: Frame) => void order.push(type));
  const ends = {
    ...{ write: vi.fn(), end: vi.fn((_: ClientLink, why: string) => void order.push(`end: ${why}`)) },
    bye: vi.fn((_: ClientLink, { code }: StanzapackError) => void order.push(`bye: ${code}`)),
  };
  const session = {
    ...{ peerHello: {}, isDue: true, ackDueAt: undefined as number | undefined },
    receive: () => (blocks.shift() ?? []).map((type) => ({ type }) as Frame),
    ackDue: () => session.isDue,
  };
  const link = {
    ...{ jid: "bob@x/1", bareJid: "bob@x", ended: false, closedAt: undefined, detached: new Set() },
    ...{ inbox: createInbox(), session, throttle: { owes: false }, heardAt: 0, readWaits: 0, hear: vi.fn() },
    ...{ sendAck: () => order.push("ack"), sendKept: () => false, noteAcknowledged: () => undefined },
  } as unknown as ClientLink;
  const stats = createStats();
  const throttle = { received: () => order.push("charge") } as unknown as Throttle<ClientLink>;
  const reader = new LinkReader(
    { ends, dispatch: { dispatch } as unknown as FrameDispatch, throttle },
    ...([stats, pino({ level: "silent" })] as const),
  );
  const receive = (): void => reader.receive(link, new Uint8Array(10), undefined);
  return { reader, link, session, dispatch, ends, stats, order, receive };
}

describe("the reader of links", () => {
  it("charges and acknowledges a block behind its last frame", () => {
    const { order, link, receive } = setUp(["credit", "data", "data", "ack"], ["ack"]);
    receive();
    expect(order).toEqual(["credit", "data", "data", "ack", "charge", "ack"]);
    order.length = 0;
    link.throttle.owes = true;
    receive();
    expect(order).toEqual(["ack", "charge"]);
    expect(link.hear).toHaveBeenCalledTimes(2);
  });

  it.each([
    [new StanzapackError("malformed", "no frame", { origin: "peer" }), "malformed"],
    [new TypeError("our fault"), "internal"],
  ])("ends the link behind %s", (error, code) => {
    const { order, dispatch, stats, receive } = setUp(["data"]);
    dispatch.mockImplementation(() => {
      throw error;
    });
    receive();
    expect([order, stats.refusals]).toEqual([[`bye: ${code}`], 1]);
  });

  it("ends a closed link once everything is read", () => {
    const { order, link, receive } = setUp(["data"]);
    link.closedAt = 1;
    receive();
    expect(order).toEqual(["data", "charge", "end: closed"]);
  });

  it("reads nothing more of a link that a frame has ended", () => {
    const { reader, order, link, dispatch, receive } = setUp(["bye", "data"], ["data"]);
    dispatch.mockImplementation((_, { type }) => {
      order.push(type);
      link.ended = true;
      reader.forget(link);
    });
    receive();
    receive();
    expect(order).toEqual(["bye"]);
  });

  it("asks a suspended link again with the next sweep, once something of it comes", () => {
    const { link, receive } = setUp(["ack"]);
    link.suspension = { since: 0, askAt: 9_000, tries: 2 };
    receive();
    expect(link.suspension.askAt).toBe(0);
  });

  it("acknowledges on request what is read, and by time what is due", async () => {
    const { reader, link, session, ends, order } = setUp();
    await reader.acknowledge(link);
    expect(order).toEqual([]);
    session.ackDueAt = 1;
    await reader.acknowledge(link);
    expect(order).toEqual(["ack"]);
    expect(ends.write.mock.calls).toEqual([[link]]);
    reader.acknowledgeDue(link, 0);
    link.inbox.frames.push({ type: "data" } as Frame);
    reader.acknowledgeDue(link, 0);
    expect(order).toEqual(["ack", "ack"]);
  });
});
