import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeBase64 } from "../base/base64.node.js";
import { createInBandBytestreams } from "./in-band-bytestreams.js";
import { XmppError } from "../base/errors.js";
import type {
  Bytestream,
  BytestreamEnd,
  BytestreamOptions,
  InBandBytestreams,
  OpenOptions,
} from "./in-band-bytestreams.js";
import { createLoopback, createLoopbackPair, type LoopbackConnection } from "../testing/loopback.js";

const NS = "http://jabber.org/protocol/ibb";
const STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas";
const block = (text: string): string => encodeBase64(Buffer.from(text));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const soon = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(0));

/** A client whose peer is played by the test. */
interface Alone {
  readonly connection: LoopbackConnection;
  readonly streams: InBandBytestreams;
  readonly stream: Bytestream;
  readonly states: string[];
  readonly ends: BytestreamEnd[];
  /** `seq` and id of each block sent since the last call. */
  out(): { seq: number; id: string }[];
  /** Answers an iq, or returns a message. */
  answer(id: string, condition?: string, type?: string): void;
}

async function alone(open: OpenOptions = {}, options: BytestreamOptions = {}): Promise<Alone> {
  const connection = createLoopback("client", "bob@example.test/r");
  const streams = createInBandBytestreams(connection, options);
  const from = "c.test";
  const answer = (id: string, condition?: string, type = "cancel"): void => {
    const kind = open.stanza === "iq" || !/\./.test(id) ? "iq" : "message";
    const error = `<error type='${type}'><${condition ?? ""} xmlns='${STANZAS}'/></error>`;
    connection.receive(
      condition === undefined
        ? `<iq type='result' id='${id}' from='${from}'/>`
        : `<${kind} type='error' id='${id}' from='${from}'>${error}</${kind}>`,
    );
  };
  const opening = streams.open(from, { sid: "s", ...open });
  answer(/ id="([^"]+)"/.exec(connection.sent[0] as string)?.[1] as string);
  const stream = await opening;
  const states: string[] = [];
  const ends: BytestreamEnd[] = [];
  stream.onState = (state) => states.push(state);
  stream.onEnd = (end) => ends.push(end);
  let looked = 1;
  const out = (): { seq: number; id: string }[] =>
    connection.sent
      .slice(looked, (looked = connection.sent.length))
      .filter((stanza) => stanza.includes("<data"))
      .map((stanza) => ({
        seq: Number(/seq=['"](\d+)/.exec(stanza)?.[1]),
        id: / id=['"]([^'"]+)/.exec(stanza)?.[1] as string,
      }));
  return { connection, streams, stream, states, ends, out, answer };
}
const closes = ({ connection }: Alone): number =>
  connection.sent.filter((stanza) => stanza.includes("<close")).length;
const seqs = (blocks: { seq: number }[]): number[] => blocks.map(({ seq }) => seq);

describe("sending in iq mode (XEP-0047 §2.2)", () => {
  it("§2.2: 'each chunk of data is contained in a <data/> element' of an iq, one at a time, in order", async () => {
    const peer = await alone({ stanza: "iq" });
    expect(peer.connection.sent[0]).toContain('stanza="iq"');
    expect(peer.stream.mode).toBe("iq");
    for (const text of ["a", "b", "c"]) expect(peer.stream.write(block(text))).toBe(true);
    const [first] = peer.out();
    expect(peer.connection.sent.at(-1)).toBe(
      `<iq type="set" to="c.test" id="${first?.id}"><data xmlns="${NS}" sid="s" seq="0">YQ==</data></iq>`,
    );
    expect(peer.out()).toEqual([]);
    peer.answer(first?.id as string);
    await soon();
    expect(seqs(peer.out())).toEqual([1]);
    expect(() => peer.stream.stanza("YQ==")).toThrow(TypeError);
    expect(() => peer.stream.write("YQ")).toThrow(RangeError);
  });

  it("§2.2: 'need not wait for these acknowledgements': as many out as the window, in order", async () => {
    const peer = await alone({ stanza: "iq" }, { sending: { windowBlocks: 3 } });
    for (let i = 0; i < 6; i++) peer.stream.write("YQ==");
    const out = peer.out();
    expect(seqs(out)).toEqual([0, 1, 2]);
    // Answers may overtake each other.
    peer.answer(out[1]?.id as string);
    await soon();
    expect(seqs(peer.out())).toEqual([3]);
    peer.answer(out[0]?.id as string);
    await soon();
    expect(seqs(peer.out())).toEqual([4]);
  });

  it.each(["item-not-found", "unexpected-request", "bad-request"])(
    "§2.2: 'upon receiving an error related to the data packet, the sender MUST close': %s",
    async (condition) => {
      const peer = await alone({ stanza: "iq" });
      peer.stream.write("YQ==");
      peer.stream.write("YQ==");
      peer.answer(peer.out()[0]?.id as string, condition);
      await soon();
      expect(peer.ends).toMatchObject([{ by: "peer", error: { condition } }]);
      expect(closes(peer)).toBe(1);
      expect(peer.out()).toEqual([]);
      expect(peer.stream.write("YQ==")).toBe(false);
    },
  );

  it.each([
    ["recipient-unavailable", "wait"],
    ["remote-server-timeout", "wait"],
    ["remote-server-timeout", "cancel"],
    ["resource-constraint", "wait"],
  ])(
    "§2.2: 'temporarily suspend the stream' and 'retry sending at a later time': %s of type %s",
    async (condition, type) => {
      const peer = await alone({ stanza: "iq" });
      peer.stream.write("YQ==");
      peer.stream.write("Yg==");
      peer.answer(peer.out()[0]?.id as string, condition, type);
      await soon();
      expect(peer.states).toEqual(["suspended"]);
      expect(peer.stream.state).toBe("suspended");
      expect(peer.stream.write("Yw==")).toBe(true);
      await vi.advanceTimersByTimeAsync(999);
      expect(peer.out()).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      expect(peer.states).toEqual(["suspended", "open"]);
      for (const seq of [0, 1, 2]) {
        const out = peer.out();
        expect(seqs(out)).toEqual([seq]);
        peer.answer(out[0]?.id as string);
        await soon();
      }
      expect(peer.ends).toEqual([]);
    },
  );

  it("suspends for ever longer, and ends when that takes too long", async () => {
    const peer = await alone({ stanza: "iq" }, { sending: { maxSuspendedMs: 20_000 } });
    peer.stream.write("YQ==");
    const triedAt: number[] = [];
    const began = performance.now();
    while (peer.ends.length === 0) {
      for (const { id, seq } of peer.out()) {
        expect(seq).toBe(0);
        triedAt.push(performance.now() - began);
        peer.answer(id, "recipient-unavailable", "wait");
      }
      await vi.advanceTimersByTimeAsync(500);
    }
    expect(triedAt).toEqual([0, 1_000, 3_000, 7_000, 15_000, 25_000]);
    expect(peer.ends).toMatchObject([{ by: "transport", error: { condition: "recipient-unavailable" } }]);
    expect(closes(peer)).toBe(1);
  });

  it("takes a success as progress: the next failure has its whole time", async () => {
    const peer = await alone({ stanza: "iq" }, { sending: { maxSuspendedMs: 1_500 } });
    for (let i = 0; i < 5; i++) {
      peer.stream.write("YQ==");
      peer.answer(peer.out()[0]?.id as string, "recipient-unavailable", "wait");
      await vi.advanceTimersByTimeAsync(1_000);
      peer.answer(peer.out()[0]?.id as string);
      await soon();
    }
    expect(peer.ends).toEqual([]);
  });

  it("ends when a block is not answered before its deadline, and with its connection", async () => {
    const peer = await alone({ stanza: "iq" });
    peer.stream.write("YQ==");
    await vi.advanceTimersByTimeAsync(30_000);
    expect(peer.ends).toMatchObject([{ by: "transport", error: { condition: "remote-server-timeout" } }]);
    expect(closes(peer)).toBe(1);
    const other = await alone({ stanza: "iq" });
    other.connection.request = () => Promise.reject(new XmppError("disconnected", "gone"));
    other.stream.write("YQ==");
    await soon();
    expect(other.ends).toMatchObject([{ by: "transport", error: { text: "the connection was lost" } }]);
    expect(closes(other)).toBe(0);
  });

  it("has a bounded queue, and tells when there is room again", async () => {
    const peer = await alone({ stanza: "iq" }, { sending: { maxWaitingBlocks: 4, maxWaitingChars: 100 } });
    let drains = 0;
    peer.stream.onDrain = () => drains++;
    for (let i = 0; i < 4; i++) expect(peer.stream.write("YQ==")).toBe(true);
    expect(peer.stream.write("YQ==")).toBe(false);
    for (let seq = 0; seq < 4; seq++) {
      expect(drains).toBe(seq < 2 ? 0 : 1);
      peer.answer(peer.out()[0]?.id as string);
      await soon();
    }
    // A block larger than the whole bound is still sent, alone.
    expect(peer.stream.write(encodeBase64(new Uint8Array(90)))).toBe(true);
    expect(peer.stream.write("YQ==")).toBe(false);
  });

  it("§2.2: 'not larger than the block-size': refuses to send more", async () => {
    const peer = await alone({ blockSizeBytes: 3 });
    expect(peer.stream.write("YWFh")).toBe(true);
    expect(() => peer.stream.write("YWFhYQ==")).toThrow(RangeError);
  });
});

describe("sending in message mode (XEP-0047 §4)", () => {
  it("§4: 'the id attribute SHOULD be used with message stanzas'; the type is headline", async () => {
    const peer = await alone();
    peer.stream.write("YQ==");
    expect(peer.connection.sent.at(-1)).toBe(
      `<message to='c.test' type='headline' id='s.0.0'><data xmlns='${NS}' sid='s' seq='0'>YQ==</data></message>`,
    );
    expect(() => peer.stream.stanza("YQ==")).toThrow(TypeError);
  });

  it("§2.2: suspends on recipient-unavailable, and sends again from the block that came back", async () => {
    const peer = await alone();
    for (let i = 0; i < 5; i++) peer.stream.write("YQ==");
    const out = peer.out();
    expect(seqs(out)).toEqual([0, 1, 2, 3, 4]);
    // A server may return an error without the payload, so only the id shows the block.
    for (const { id } of out.slice(2)) peer.answer(id, "recipient-unavailable", "wait");
    expect(peer.states).toEqual(["suspended"]);
    peer.stream.write("YQ==");
    await vi.advanceTimersByTimeAsync(999);
    expect(peer.out()).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    const again = peer.out();
    expect(seqs(again)).toEqual([2, 3, 4, 5]);
    // A late error of the first attempt changes nothing.
    peer.answer(out[3]?.id as string, "recipient-unavailable", "wait");
    expect(peer.stream.state).toBe("open");
    peer.answer(again[0]?.id as string, "recipient-unavailable", "wait");
    await vi.advanceTimersByTimeAsync(2_000);
    expect(seqs(peer.out())).toEqual([2, 3, 4, 5]);
    expect(peer.ends).toEqual([]);
  });

  it("takes seq from a payload that came back without its id", async () => {
    const peer = await alone();
    for (let i = 0; i < 3; i++) peer.stream.write("YQ==");
    peer.out();
    peer.connection.receive(
      `<message type='error' from='c.test'><data xmlns='${NS}' sid='s' seq='1'/>` +
        `<error type='wait'><recipient-unavailable xmlns='${STANZAS}'/></error></message>`,
    );
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seqs(peer.out())).toEqual([1, 2]);
  });

  it("ends when what came back is no longer kept, or when it goes on coming back", async () => {
    const peer = await alone({}, { sending: { maxWaitingBlocks: 4 } });
    for (let i = 0; i < 10; i++) peer.stream.write("YQ==");
    peer.answer("s.0.3", "recipient-unavailable", "wait");
    expect(peer.ends).toMatchObject([{ by: "transport", error: { condition: "recipient-unavailable" } }]);
    expect(closes(peer)).toBe(1);
    const other = await alone({}, { sending: { maxSuspendedMs: 5_000 } });
    other.stream.write("YQ==");
    for (let tries = 0; other.ends.length === 0; tries++) {
      expect(tries).toBeLessThan(10);
      for (const { id } of other.out()) other.answer(id, "recipient-unavailable", "wait");
      await vi.advanceTimersByTimeAsync(1_000);
    }
  });

  it("waits for the connection: nothing is lost while it is backed up or away", async () => {
    const peer = await alone();
    const connection = peer.connection as {
      -readonly [K in keyof LoopbackConnection]: LoopbackConnection[K];
    };
    connection.writable = false;
    peer.stream.write("YQ==");
    expect(peer.out()).toEqual([]);
    connection.writable = true;
    peer.connection.emit("drain");
    expect(seqs(peer.out())).toEqual([0]);
    connection.state = "offline";
    peer.stream.write("YQ==");
    expect(peer.out()).toEqual([]);
    connection.state = "online";
    peer.connection.emit("online", { jid: "bob@example.test/r", resumed: true });
    expect(seqs(peer.out())).toEqual([1]);
  });
});

describe.each(["message", "iq"] as const)("closing, in %s mode (XEP-0047 §2.3)", (mode) => {
  let opened: Bytestream;
  let accepted: Bytestream;
  let events: string[];
  let client: LoopbackConnection;
  let component: LoopbackConnection;
  let managers: InBandBytestreams[];

  beforeEach(async () => {
    [client, component] = createLoopbackPair();
    const opener = createInBandBytestreams(client);
    const responder = createInBandBytestreams(component);
    managers = [opener, responder];
    responder.onOpen = () => undefined;
    responder.onStream = (stream) => (accepted = stream);
    opened = await opener.open("c.test", { stanza: mode });
    events = [];
    for (const [name, stream] of Object.entries({ opened, accepted })) {
      stream.onBlock = (bytes) => events.push(`${name} got ${Buffer.from(bytes).toString()}`);
      stream.onEnd = ({ by, error }) => events.push(`${name} ended by ${by}${error?.condition ?? ""}`);
    }
  });
  afterEach(() => {
    for (const manager of managers) expect(manager.counts()).toMatchObject({ open: 0, closing: 0 });
  });

  it.each([
    ["the initiator", () => [opened, accepted]],
    ["the responder", () => [accepted, opened]],
  ] as const)(
    "§2.3: 'either party sends an IQ-set containing a <close/>': %s, after what waits",
    async (_, pick) => {
      const [closer, other] = pick() as [Bytestream, Bytestream];
      const name = closer === opened ? "accepted" : "opened";
      for (const text of ["1", "2", "3"]) closer.write(block(text));
      const closed = closer.close();
      expect(closer.write("YQ==")).toBe(false);
      await closed;
      expect(events.slice(0, 4)).toEqual([
        ...["1", "2", "3"].map((text) => `${name} got ${text}`),
        `${name} ended by peer`,
      ]);
      expect([closer.state, other.state]).toEqual(["closed", "closed"]);
      expect(events[4]).toContain("ended by local");
    },
  );

  it("§2.3: 'might wait until it has had a chance to send any remaining data in the other direction'", async () => {
    accepted.onState = (state) => {
      if (state === "closing") for (const text of ["last", "words"]) accepted.write(block(text));
    };
    await opened.close();
    expect(events).toEqual([
      "opened got last",
      "opened got words",
      "accepted ended by peer",
      "opened ended by local",
    ]);
    expect(accepted.write("YQ==")).toBe(false);
  });

  it("§2.3: both close at once, and 'both parties MUST consider the bytestream to be closed'", async () => {
    opened.write(block("a"));
    accepted.write(block("b"));
    await Promise.all([opened.close(), accepted.close()]);
    expect([opened.state, accepted.state]).toEqual(["closed", "closed"]);
    expect(events.filter((event) => event.includes("ended"))).toHaveLength(2);
    expect(events.filter((event) => event.includes("got"))).toHaveLength(2);
    expect(events.some((event) => event.includes("error"))).toBe(false);
  });

  it("§2.3: closed 'in either case', also when the peer does not know it, or never answers", async () => {
    component.peer = undefined;
    accepted.abandon({ by: "local" });
    component.peer = client;
    await opened.close();
    expect(events).toEqual(["accepted ended by local", "opened ended by local"]);
  });

  it("waits for no more than the flush and the answer of a peer that is silent", async () => {
    client.peer = undefined;
    opened.write("YQ==");
    const closed = opened.close();
    await vi.advanceTimersByTimeAsync(18_000);
    // In message mode the block was sent, and nothing shows that it did not arrive.
    expect((await closed).error?.condition).toBe(mode === "iq" ? "remote-server-timeout" : undefined);
    expect(opened.state).toBe("closed");
    accepted.abandon({ by: "local" });
    await vi.advanceTimersByTimeAsync(12_000);
  });

  it.each(["local", "peer"] as const)(
    "says so when a close by the %s side leaves behind what waited",
    async (by) => {
      Object.assign(client, { state: "connecting" });
      opened.write("YQ==");
      const ends: BytestreamEnd[] = [];
      opened.onEnd = (end) => ends.push(end);
      const closed = by === "local" ? opened.close() : accepted.close();
      await vi.advanceTimersByTimeAsync(8_000);
      const end = await closed;
      expect(ends).toMatchObject([{ by, error: { condition: "remote-server-timeout", type: "wait" } }]);
      expect(await opened.close()).toEqual(ends[0]);
      if (by === "local") expect(end).toEqual(ends[0]);
      // The block does not follow the `<close/>` either.
      Object.assign(client, { state: "online" });
      client.emit("drain");
      await vi.advanceTimersByTimeAsync(60_000);
      expect(client.sent.filter((text) => text.includes("<data"))).toEqual([]);
    },
  );

  it("does not send again what waits once it is over", async () => {
    opened.write("YQ==");
    opened.abandon({ by: "local" });
    client.sent.length = 0;
    await vi.advanceTimersByTimeAsync(120_000);
    expect(client.sent).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    await accepted.close();
  });
});
