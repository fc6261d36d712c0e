import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeBase64 } from "../base/base64.node.js";
import { createStanzaBytestreams } from "./bytestreams.js";
import type { Bytestream, BytestreamEnd, InBandBytestreams, OutBlock } from "./in-band-bytestreams.js";
import { leanBody, MAX_LEAN_CHARS, SHORT_PROBE_CHARS } from "./lean-stanzas.js";
import { createLoopbackPair, type LoopbackConnection } from "../testing/loopback.js";

const BOB = "bob@example.test/r";
const STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas";
let client: LoopbackConnection;
let component: LoopbackConnection;
let opener: InBandBytestreams;
let responder: InBandBytestreams;
let ours: Bytestream;
let theirs: Bytestream;
/** Blocks that the client received: label, length, and whether the stanza was lean. */
let came: unknown[];
let ends: BytestreamEnd[];
let theirEnds: BytestreamEnd[];
let strays: number;
let errors: string[];

beforeEach(async () => {
  [client, component] = createLoopbackPair();
  opener = createStanzaBytestreams(client);
  responder = createStanzaBytestreams(component);
  [came, ends, theirEnds, strays, errors] = [[], [], [], 0, []];
  responder.onOpen = () => undefined;
  responder.onStray = () => strays++;
  opener.onStray = () => strays++;
  responder.onError = (_, error) => errors.push(error.condition);
  responder.onStream = (stream) => {
    theirs = stream;
    stream.onBlock = () => undefined;
    stream.onEnd = (end) => theirEnds.push(end);
  };
  ours = await opener.open("c.test", { sid: "s" });
  ours.onEnd = (end) => ends.push(end);
  ours.onBlock = (block, { label, lean }) => came.push([label, block.length, lean]);
  ours.setTag(theirs.takeTag() as number);
  theirs.leanChars = MAX_LEAN_CHARS;
  component.sent.length = 0;
  client.sent.length = 0;
});
afterEach(() => void vi.useRealTimers());

/** A block of `count` frames of three bytes. */
const frames = (count: number, pad = 0): OutBlock => ({
  base64: "BAQE".repeat(count),
  pad,
  body: undefined,
  label: 0,
});
/** A block with one body. As whole frames, it has a multiple of three bytes. */
const body = (bytes: number, label: number): OutBlock => ({
  base64: "BAQE".repeat(Math.ceil((bytes + 5) / 3)),
  pad: 0,
  body: leanBody(encodeBase64(new Uint8Array(bytes).fill(7))),
  label,
});
const idOf = (stanza: string): string => / id='([^']*)'/.exec(stanza)?.[1] ?? "";
const give = (stanza: string): void => client.receive(stanza);
const bounce = (id: string, condition: string, type = "cancel"): void =>
  component.receive(
    `<message type='error' from='${BOB}' to='c.test' id='${id}'><error type='${type}'><${condition} xmlns='${STANZAS}'/></error></message>`,
  );

describe("lean stanzas of a bytestream", () => {
  it("are headlines without children, whose id is the block", () => {
    const stanza = theirs.blockStanza(body(1, 1));
    expect(stanza).toMatch(
      /^<message from='c\.test' to='bob@example\.test\/r' type='headline' id='[A-Za-z0-9+/]{5}'\/>$/,
    );
    give(stanza);
    expect(came).toEqual([[1, 1, true]]);
  });

  it("of a client leave the sender to its server", () => {
    ours.leanChars = MAX_LEAN_CHARS;
    expect(ours.blockStanza(frames(1))).toMatch(/^<message to='c\.test' type='headline' id='[^']{8}'\/>$/);
  });

  it("share their numbers with blocks of XEP-0047, in any order", () => {
    const blocks = [
      body(1, 1),
      frames(2, 1),
      frames(300),
      body(200, 14),
      body(1, 15),
      body(2, 254),
      body(3, 62),
      body(3, 63),
      frames(0),
      body(2, 255),
      frames(255),
      frames(256),
    ];
    for (const block of blocks) give(theirs.blockStanza(block));
    expect(came).toEqual([
      [1, 1, true],
      [undefined, 5, true],
      [undefined, 900, false],
      [14, 200, true],
      [undefined, 6, true],
      [254, 2, true],
      [62, 3, true],
      [undefined, 9, true],
      [undefined, 0, true],
      [undefined, 9, true],
      [undefined, 765, true],
      [undefined, 768, false],
    ]);
    expect(theirs.sentCount).toBe(12);
  });

  it("go on over each wrap of their 12 bits, and of all 16", () => {
    for (let i = 0; i < 66_000; i++) {
      give(i % 5_000 === 4_999 ? theirs.stanza("BAQE") : theirs.blockStanza(body(1 + (i % 3), 1)));
      theirs.confirm(i);
    }
    expect([came.length, ends]).toEqual([66_000, []]);
  });

  it("are sent only where they may be, and no longer than that", () => {
    theirs.leanChars = 0;
    expect(theirs.blockStanza(frames(1))).toContain("<data");
    theirs.leanChars = SHORT_PROBE_CHARS;
    expect(idOf(theirs.blockStanza(frames(15)))).toHaveLength(64);
    expect(theirs.wantsLonger).toBe(false);
    // No lean stanza is long enough for it.
    expect(theirs.blockStanza(frames(256))).toContain("<data");
    expect(theirs.wantsLonger).toBe(false);
    expect(theirs.blockStanza(frames(16))).toContain("<data");
    expect(theirs.wantsLonger).toBe(true);
  });

  it("are not sent while 2,047 are not known to have arrived", () => {
    for (let i = 0; i < 2_047; i++) expect(theirs.blockStanza(body(1, 1))).not.toContain("<data");
    expect(theirs.outstanding).toBe(2_047);
    for (let i = 0; i < 3; i++) expect(theirs.blockStanza(body(1, 1))).toContain("<data");
    theirs.confirm(3);
    expect(theirs.blockStanza(body(1, 1))).toContain("<data");
    theirs.confirm(5);
    theirs.confirm(1);
    expect([theirs.outstanding, theirs.blockStanza(body(1, 1)).includes("<data")]).toEqual([2_046, false]);
    theirs.confirm(1e9);
    expect(theirs.outstanding).toBe(0);
  });
});

describe("a lean stanza that is not the next one", () => {
  it.each([
    ["a lean one", () => theirs.blockStanza(body(1, 1))],
    ["a block of XEP-0047", () => theirs.stanza("BAQE")],
  ])("shows that %s is missing, and is not decoded", (_, lost) => {
    give(theirs.blockStanza(body(1, 1)));
    lost();
    give(theirs.blockStanza(body(2, 2)));
    expect(came).toHaveLength(1);
    expect(ends[0]).toMatchObject({ by: "transport", error: { condition: "unexpected-request" } });
    expect(client.sent.join("")).toContain("<close");
  });

  it("shows that 2,000 are missing", () => {
    for (let i = 0; i < 2_000; i++) theirs.blockStanza(body(1, 1));
    give(theirs.blockStanza(body(1, 1)));
    expect([came, ends[0]?.by]).toEqual([[], "transport"]);
  });

  it("may be repeated: it is refused by its id and not decoded, and its sender ends the stream", () => {
    client.peer = undefined;
    const stanza = theirs.blockStanza(body(1, 1));
    give(stanza);
    give(stanza);
    expect(came).toHaveLength(1);
    expect(client.sent).toHaveLength(1);
    expect(client.sent[0]).toContain(`id="${idOf(stanza)}"`);
    expect(client.sent[0]).toContain("<unexpected-request");
    expect([ours.state, strays]).toEqual(["open", 1]);
    component.receive(
      (client.sent[0] as string).replace("<message", `<message from='${BOB}'`).replace(/ from="[^"]*"/, ""),
    );
    expect(theirEnds[0]).toMatchObject({ by: "peer", error: { condition: "unexpected-request" } });
  });

  it("shows a block of XEP-0047 that is missing before it, and the other way round", () => {
    const first = theirs.blockStanza(body(1, 1));
    give(theirs.stanza("BAQE"));
    give(first);
    expect([came, ends[0]?.by]).toEqual([[], "transport"]);
  });
});

describe("an id that is none of a lean stanza", () => {
  const tag = (): string => idOf(theirs.blockStanza(frames(0))).charAt(0);

  it.each([
    ["of a length of no form", () => `${tag()}AAAAA`],
    ["with other characters", () => `${tag()}AA-AA`],
    ["with other characters in its block", () => `${idOf(theirs.blockStanza(frames(2))).slice(0, -1)}.`],
    ["of more than 1,024 characters", () => tag().padEnd(1_028, "A")],
  ])("ends the stream: %s", (_, id) => {
    client.peer = undefined;
    const text = id();
    // Making the id may have used numbers, so the receiver expects 0 again.
    Object.assign(ours, { order: Object.assign((ours as unknown as { order: object }).order, { due: 0 }) });
    give(`<message from='c.test' to='${BOB}' type='headline' id='${text}'/>`);
    expect(came).toEqual([]);
    expect(ends).toMatchObject([{ by: "transport", error: { condition: "bad-request" } }]);
    const answer = client.sent.find((stanza) => stanza.includes("<bad-request"));
    expect(answer?.includes(" id=")).toBe(/^[A-Za-z0-9+/]{1,1024}$/.test(text));
  });

  it("of another tag is dropped without a word", () => {
    const other = String.fromCharCode(tag() === "A" ? 66 : 65);
    give(`<message from='c.test' to='${BOB}' type='headline' id='${other}AAAA'/>`);
    give(`<message from='c.test' to='${BOB}' type='headline' id='-AAAA'/>`);
    give(`<message from='c.test' to='${BOB}' type='headline'/>`);
    expect([came, ends, client.sent, strays]).toEqual([[], [], [], 3]);
  });

  it("of a stranger is nobody's at a component, and somebody else's at a client", () => {
    const seen: string[] = [];
    for (const connection of [client, component])
      connection.onStanza((stanza) => {
        seen.push(`${connection.kind} ${String(stanza.attrs["from"])}`);
        return true;
      });
    const id = idOf(theirs.blockStanza(body(1, 1)));
    client.receive(`<message from='eve@example.test/r' to='${BOB}' type='headline' id='${id}'/>`);
    component.receive(`<message from='eve@example.test/r' to='c.test' type='headline' id='${id}'/>`);
    component.receive(
      `<message from='eve@example.test/r' to='c.test' type='headline' id='${id}'><body>hi</body></message>`,
    );
    expect([seen, came, strays]).toEqual([
      ["client eve@example.test/r", "component eve@example.test/r"],
      [],
      1,
    ]);
  });

  it("may have what servers add beside it, and nothing else", () => {
    const with_ = (child: string): string =>
      theirs.blockStanza(body(1, 1)).replace("/>", `>${child}</message>`);
    give(with_("<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'>Resent</delay>"));
    give(with_("<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='example.test'/>"));
    give(theirs.blockStanza(body(1, 1)).replace("headline'", "headline' xml:lang='en'"));
    give(with_("<body>hi</body>"));
    expect(came).toHaveLength(3);
  });
});

describe("tags", () => {
  it("are given once to a full JID within the hour, and 64 of them", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const tags = new Set([theirs.tag]);
    for (let i = 0; i < 63; i++) {
      await opener.open("c.test");
      tags.add(theirs.takeTag());
      expect(theirs.takeTag()).toBe(theirs.tag);
      await theirs.close();
    }
    expect([...tags].sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 64 }, (_, i) => i));
    await opener.open("c.test");
    expect(theirs.takeTag()).toBeUndefined();
    expect(theirs.blockStanza(frames(1))).toContain("<data");
    component.receive(
      `<iq type='set' id='o' from='${BOB}2' to='c.test'><open xmlns='http://jabber.org/protocol/ibb' block-size='99' sid='z' stanza='message'/></iq>`,
    );
    expect(theirs.takeTag()).toBeDefined();
    vi.advanceTimersByTime(7_200_000);
    await opener.open("c.test");
    expect(theirs.takeTag()).toBeDefined();
  });

  it("tell the streams of one peer apart", async () => {
    const first = { ours, theirs };
    await opener.open("c.test").then((second) => {
      second.setTag(theirs.takeTag() as number);
      second.onBlock = (block) => came.push(["second", block.length]);
    });
    theirs.leanChars = MAX_LEAN_CHARS;
    give(theirs.blockStanza(body(2, 1)));
    give(first.theirs.blockStanza(body(1, 1)));
    expect(came).toEqual([
      ["second", 2],
      [1, 1, true],
    ]);
    await theirs.close();
    give(first.theirs.blockStanza(body(1, 1)));
    expect(came).toHaveLength(3);
  });
});

describe("probes", () => {
  it.each([SHORT_PROBE_CHARS, MAX_LEAN_CHARS])("of %d characters are told, and take no number", (chars) => {
    const probes: number[] = [];
    ours.onProbe = (length) => probes.push(length);
    const probe = theirs.probeStanza(chars);
    expect(idOf(probe)).toHaveLength(chars);
    give(probe);
    give(theirs.blockStanza(body(1, 1)));
    expect([probes, came.length, theirs.sentCount]).toEqual([[chars], 1, 1]);
  });

  it("that have changed, or come back, or get lost are no fault", () => {
    ours.onProbe = () => came.push("probe");
    const probe = theirs.probeStanza(SHORT_PROBE_CHARS);
    give(probe.replace("+", "-"));
    give(probe.replace("ABC", "abc"));
    bounce(idOf(probe), "bad-request");
    give(theirs.blockStanza(body(1, 1)));
    expect([came, ends, strays]).toEqual([[[1, 1, true]], [], 2]);
  });
});

describe("a lean stanza that comes back", () => {
  it("ends its stream, which its tag tells", () => {
    bounce(idOf(theirs.blockStanza(body(1, 1))), "item-not-found");
    expect(theirEnds[0]).toMatchObject({ by: "peer", error: { condition: "item-not-found" } });
  });

  it("for now is for the caller to look into", () => {
    bounce(idOf(theirs.blockStanza(body(1, 1))), "recipient-unavailable", "wait");
    expect([theirs.state, errors]).toEqual(["open", ["recipient-unavailable"]]);
  });

  it("of an earlier stream only hints", () => {
    const tag = theirs.tag as number;
    const other = "ABC"[tag === 0 ? 1 : 0] as string;
    bounce(`${other}AAAA`, "item-not-found");
    expect([theirs.state, errors, strays]).toEqual(["open", ["item-not-found"], 0]);
    bounce(`${other}AAAA.`, "item-not-found");
    expect(theirs.state).toBe("open");
  });

  it("behind our close is no news, and neither is one that was on its way", () => {
    component.peer = undefined;
    const id = idOf(theirs.blockStanza(body(1, 1)));
    void theirs.close();
    theirs.abandon({ by: "local" });
    component.sent.length = 0;
    component.receive(`<message from='${BOB}' to='c.test' type='headline' id='${id}'/>`);
    bounce(id, "item-not-found");
    expect([component.sent, strays, errors]).toEqual([[], 0, []]);
  });
});
