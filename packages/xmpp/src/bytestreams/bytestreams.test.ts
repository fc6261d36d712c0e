import { beforeEach, describe, expect, it, vi } from "vitest";
import { encodeBase64 } from "../base/base64.node.js";
import { createInBandBytestreams } from "./in-band-bytestreams.js";
import { StanzaError } from "../base/errors.js";
import type {
  Bytestream,
  BytestreamEnd,
  BytestreamOptions,
  InBandBytestreams,
} from "./in-band-bytestreams.js";
import { createLoopbackPair, type LoopbackConnection } from "../testing/loopback.js";
import { afterTimers } from "../testing/until.js";

const NS = "http://jabber.org/protocol/ibb";
let client: LoopbackConnection;
let component: LoopbackConnection;
let opener: InBandBytestreams;
let responder: InBandBytestreams;
let accepted: Bytestream | undefined;
let blocks: string[];
let ends: BytestreamEnd[];

function set(options: BytestreamOptions = {}): void {
  [client, component] = createLoopbackPair();
  opener = createInBandBytestreams(client, {
    ...(options.sidReuseMs !== undefined && { sidReuseMs: options.sidReuseMs }),
  });
  responder = createInBandBytestreams(component, options);
  accepted = undefined;
  blocks = [];
  ends = [];
  responder.onOpen = () => undefined;
  responder.onStream = (stream) => {
    accepted = stream;
    stream.onBlock = (block) => blocks.push(Buffer.from(block).toString());
    stream.onEnd = (end) => ends.push(end);
  };
}
beforeEach(() => {
  set();
});

const text = (value: string): string => encodeBase64(Buffer.from(value));
const data = (seq: number | string, base64 = "YQ==", sid = "s", from = "bob@example.test/r"): string =>
  `<message from='${from}' to='c.test' type='headline'><data xmlns='${NS}' sid='${sid}' seq='${String(seq)}'>${base64}</data></message>`;
const openIq = (attrs: string): string =>
  `<iq type='set' id='o' from='bob@example.test/r' to='c.test'><open xmlns='${NS}' ${attrs}/></iq>`;
const lastCondition = (): string | undefined =>
  conditionOf(component.sent.findLast((sent) => sent.includes("<error")));
const conditionOf = (sent = ""): string | undefined =>
  /<([\w-]+) xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/.exec(sent)?.[1];

describe("In-Band Bytestreams", () => {
  it("carries blocks both ways, one line a stanza", async () => {
    const stream = await opener.open("c.test", { sid: "s" });
    const back: [string, number][] = [];
    stream.onBlock = (block, { stanzaChars }) => back.push([Buffer.from(block).toString(), stanzaChars]);
    expect(stream.stanza(text("one"))).toBe(
      `<message to='c.test' type='headline'><data xmlns='${NS}' sid='s' seq='0'>b25l</data></message>`,
    );
    client.send(stream.stanza(text("gap")).replace("seq='1'", "seq='0'"));
    client.send(stream.stanza(text("two")).replace("seq='2'", "seq='1'"));
    const stanza = accepted?.stanza(text("reply")) ?? "";
    expect(stanza).toBe(
      `<message from='c.test' to='bob@example.test/r' type='headline'><data xmlns='${NS}' sid='s' seq='0'>cmVwbHk=</data></message>`,
    );
    component.send(stanza);
    expect(blocks).toEqual(["gap", "two"]);
    expect(back).toEqual([["reply", stanza.length]]);
  });

  it("knows its peer by the address as servers prepare it", async () => {
    const stream = await opener.open("C.Test", { sid: "s" });
    expect(stream.peer).toBe("c.test");
    let got = 0;
    stream.onBlock = () => got++;
    component.send(accepted?.stanza(text("a")) ?? "");
    expect(got).toBe(1);
  });

  it("opens within one deadline, whatever sizes it takes, and not when told to stop", async () => {
    vi.useFakeTimers();
    component.peer = undefined;
    responder.dispose();
    const error =
      "<error type='modify'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    const opening = opener.open("c.test", { sid: "s", timeoutMs: 1_000 });
    const failed = expect(opening).rejects.toMatchObject({ code: "timeout" });
    await vi.advanceTimersByTimeAsync(900);
    const id = / id="([^"]+)"/.exec(client.sent[0] ?? "")?.[1] ?? "";
    client.receive(`<iq type='error' id='${id}' from='c.test'>${error}</iq>`);
    await vi.advanceTimersByTimeAsync(150);
    await failed;
    const cancel = new AbortController();
    const aborted = expect(opener.open("c.test", { sid: "t", signal: cancel.signal })).rejects.toMatchObject({
      code: "aborted",
    });
    cancel.abort();
    await aborted;
    expect(opener.counts().open).toBe(0);
    await vi.advanceTimersByTimeAsync(20_000);
    vi.useRealTimers();
  });

  it("does not answer in a new session what was asked in the old one", async () => {
    const stream = await opener.open("c.test", { sid: "s" });
    Object.assign(client, { state: "offline" });
    stream.write(text("a"));
    client.receive(`<iq type='set' id='x' from='c.test'><close xmlns='${NS}' sid='s'/></iq>`);
    client.sent.length = 0;
    Object.assign(client, { state: "online" });
    client.emit("online", { jid: client.jid, resumed: false });
    await Promise.resolve();
    await afterTimers(0);
    expect([stream.state, client.sent]).toEqual(["closed", []]);
  });

  it.each(["é-ü", "x".repeat(256), "a.b:c_d-1"])("takes any name token as sid (XEP-0047 §9): %.9s", (sid) => {
    component.receive(openIq(`block-size='4096' sid='${sid}'`));
    expect(accepted?.sid).toBe(sid);
  });

  it.each(["", "a b", "a/b", "×", "x".repeat(257)])("refuses %j as sid", (sid) => {
    component.receive(openIq(`block-size='4096' sid='${sid.slice(0, 300)}'`));
    expect(lastCondition()).toBe("bad-request");
  });

  it("takes data that a server wrapped up with elements of its own", async () => {
    await opener.open("c.test", { sid: "s" });
    component.receive(
      data(0).replace("headline'>", "headline' xml:lang='en'><delay xmlns='urn:xmpp:delay'/>"),
    );
    expect(blocks).toEqual(["a"]);
  });

  it("keeps what comes right behind the answer until somebody listens", async () => {
    responder.onStream = (stream) => {
      component.send(stream.stanza(text("early")));
      void stream.close();
    };
    const stream = await opener.open("c.test");
    const got: unknown[] = [];
    stream.onBlock = (block) => got.push(Buffer.from(block).toString());
    stream.onEnd = (end) => got.push(end);
    // The stream is closed by now, but a block that was sent before the close is still delivered.
    expect(got).toEqual(["early", { by: "peer" }]);
    responder.onStream = (late) => void component.send(late.stanza(text("early")));
    const second = await opener.open("c.test");
    second.onBlock = (block) => got.push(Buffer.from(block).toString());
    expect(got).toEqual(["early", { by: "peer" }, "early"]);
  });

  it("counts seq to 65535 and then from 0 (XEP-0047 §2.2)", async () => {
    const stream = await opener.open("c.test", { sid: "s" });
    for (let i = 0; i < 65_540; i++) client.send(stream.stanza("YQ=="));
    expect(blocks).toHaveLength(65_540);
    expect(client.sent.at(-1)).toContain("seq='3'");
    expect(ends).toEqual([]);
    component.receive(data(65_535));
    expect(lastCondition()).toBe("unexpected-request");
  });

  it("answers a seq used already, and goes on (XEP-0047 §2.2)", async () => {
    await opener.open("c.test", { sid: "s" });
    component.receive(data(0));
    component.receive(data(0));
    expect(lastCondition()).toBe("unexpected-request");
    // The error names the stream, so its sender closed it.
    expect(ends).toEqual([{ by: "peer" }]);
  });

  it("closes when a packet is missing, and processes nothing after (XEP-0047 §2.2)", async () => {
    await opener.open("c.test", { sid: "s" });
    client.peer = undefined;
    component.peer = undefined;
    component.receive(data(0));
    component.receive(data(2));
    component.receive(data(1));
    component.receive(data(3));
    expect(blocks).toEqual(["a"]);
    expect(ends).toMatchObject([{ by: "transport", error: { condition: "unexpected-request" } }]);
    expect(component.sent.at(-1)).toContain("<close");
    // 65535 before anything else is no repetition either.
    set();
    await opener.open("c.test", { sid: "s" });
    component.receive(data(65_535));
    expect(ends).toMatchObject([{ by: "transport" }]);
  });

  it.each([
    ["characters outside the alphabet", "YQ=*", "bad-request"],
    ["whitespace", "YWFh\n", "bad-request"],
    ["padding inside", "YQ==YQ==", "bad-request"],
    ["no padding", "YQ", "bad-request"],
    ["bits behind the end", "YR==", "bad-request"],
    ["a block one byte too large", encodeBase64(new Uint8Array(13)), "resource-constraint"],
    ["a block far too large", "A".repeat(1_000), "resource-constraint"],
  ])("refuses %s, and closes", async (_, base64, condition) => {
    set({ maxBlockSizeBytes: 4_096 });
    await opener.open("c.test", { sid: "s", blockSizeBytes: 12 });
    component.receive(data(0, base64));
    expect(blocks).toEqual([]);
    expect(ends).toMatchObject([{ by: "transport", error: { condition } }]);
    expect(component.sent.some((stanza) => stanza.includes(`<${condition}`))).toBe(true);
  });

  it.each(["", "-1", "65536", "1e3", " 0", "0x0"])("refuses seq %j", async (seq) => {
    await opener.open("c.test", { sid: "s" });
    component.receive(data(seq));
    expect(ends).toMatchObject([{ error: { condition: "bad-request" } }]);
  });

  it("takes data of the peer only, and answers others like an unknown sid", async () => {
    await opener.open("c.test", { sid: "s" });
    component.peer = undefined;
    component.receive(data(0, "YQ==", "s", "eve@example.test/r"));
    expect(lastCondition()).toBe("item-not-found");
    component.receive(data(0, "YQ==", "other"));
    expect(lastCondition()).toBe("item-not-found");
    expect(blocks).toEqual([]);
    expect(accepted?.state).toBe("open");
  });

  it("keeps two peers apart whose addresses and sids read the same when joined", async () => {
    const open = (from: string, sid: string): void =>
      component.receive(
        `<iq type='set' id='o' from='${from}' to='c.test'><open xmlns='${NS}' block-size='99' sid='${sid}'/></iq>`,
      );
    // A resource may have a space. A sid may not, but it is looked up as it arrives.
    open("eve@example.test/r", "x");
    open("bob@example.test/r s", "t");
    expect(accepted?.peer).toBe("bob@example.test/r s");
    for (const separator of [" ", "\n", "\t", "/", "\u00a0"]) {
      component.receive(data(0, text("mine"), `s${separator}t`, "bob@example.test/r"));
      component.receive(
        `<iq type='set' id='c' from='bob@example.test/r' to='c.test'><close xmlns='${NS}' sid='s${separator}t'/></iq>`,
      );
      component.receive(
        `<message type='error' from='bob@example.test/r' to='c.test'><data xmlns='${NS}' sid='s${separator}t' seq='0'/><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`,
      );
    }
    expect(blocks).toEqual([]);
    expect(ends).toEqual([]);
    component.receive(data(0, text("good"), "t", "bob@example.test/r s"));
    expect(blocks).toEqual(["good"]);
  });

  it("goes on when its owner's callbacks throw, and answers once", () => {
    const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const fail = (): never => {
      throw new Error("mine");
    };
    responder.onStream = responder.onStray = responder.onError = fail;
    component.receive(openIq("block-size='99' sid='s'"));
    expect(component.sent).toHaveLength(1);
    expect(component.sent[0]).toContain('type="result"');
    component.receive(data(0, "YQ==", "unknown"));
    expect(lastCondition()).toBe("item-not-found");
    responder.onOpen = fail;
    component.receive(openIq("block-size='99' sid='u'"));
    expect(lastCondition()).toBe("internal-server-error");
    expect(warning).toHaveBeenCalledTimes(3);
    warning.mockRestore();
  });

  it("takes nothing to write that is no base64", async () => {
    const stream = await opener.open("c.test", { sid: "s" });
    for (const bad of ["\u0002\u0002\u0002\u0002", "ab c", "<a/>", "====", "YQ==YQ==", "a\n=="])
      expect(() => stream.write(bad)).toThrow(RangeError);
    expect(client.sent.join("")).not.toContain("<data");
  });

  it("acknowledges blocks in iqs, whatever was agreed", async () => {
    component.receive(openIq("sid='q' block-size='4096'"));
    const iq = (seq: number): string =>
      `<iq type='set' id='d' from='bob@example.test/r' to='c.test'><data xmlns='${NS}' sid='q' seq='${String(seq)}'>YQ==</data></iq>`;
    component.receive(iq(0));
    expect(component.sent.at(-1)).toBe('<iq type="result" to="bob@example.test/r" from="c.test" id="d"/>');
    component.receive(iq(0));
    expect(component.sent.at(-1)).toContain('<iq type="error"');
    expect(lastCondition()).toBe("unexpected-request");
    expect(blocks).toEqual(["a"]);
  });

  it.each([
    ["no sid", "block-size='4096'", "bad-request"],
    ["a sid that is no name", "sid='a b' block-size='4096'", "bad-request"],
    ["no block-size", "sid='x'", "bad-request"],
    ["block-size 0", "sid='x' block-size='0'", "bad-request"],
    ["a block-size beyond the specification", "sid='x' block-size='65536'", "bad-request"],
    ["a block-size beyond ours", "sid='x' block-size='5000'", "resource-constraint"],
  ])("refuses an open with %s", (_, attrs, condition) => {
    set({ maxBlockSizeBytes: 4_096 });
    component.receive(openIq(attrs));
    expect(lastCondition()).toBe(condition);
    expect(accepted).toBeUndefined();
  });

  it("offers smaller blocks when the peer wants them", async () => {
    set({ maxBlockSizeBytes: 5_000 });
    const stream = await opener.open("c.test");
    expect(stream.blockSizeBytes).toBe(4_095);
    expect(accepted?.blockSizeBytes).toBe(4_095);
  });

  it("lets its owner decide on opens, before anything is answered", async () => {
    responder.onOpen = ({ from }) => {
      throw new StanzaError("resource-constraint", "wait", `not now, ${from}`);
    };
    await expect(opener.open("c.test")).rejects.toMatchObject({
      condition: "resource-constraint",
      type: "wait",
    });
    responder.onOpen = undefined;
    await expect(opener.open("c.test")).rejects.toMatchObject({ condition: "not-acceptable" });
    expect(accepted).toBeUndefined();
  });

  it("bounds how many are open", async () => {
    set({ maxStreams: 2 });
    const first = await opener.open("c.test");
    await opener.open("c.test");
    await expect(opener.open("c.test")).rejects.toMatchObject({
      condition: "resource-constraint",
      type: "wait",
    });
    await first.close();
    await opener.open("c.test");
  });

  it("refuses a sid again for a while, from the same full JID only", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    set({ sidReuseMs: 1_000 });
    const stream = await opener.open("c.test", { sid: "s" });
    await stream.close();
    component.receive(openIq("sid='s' block-size='9'"));
    expect(lastCondition()).toBe("not-acceptable");
    component.receive(openIq("sid='s' block-size='9'").replace("/r'", "/other'"));
    expect(component.sent.at(-1)).toContain('type="result"');
    vi.advanceTimersByTime(1_001);
    await opener.open("c.test", { sid: "s" });
    vi.useRealTimers();
  });

  it("closes from either side, once, with an answer", async () => {
    const stream = await opener.open("c.test", { sid: "s" });
    const own: BytestreamEnd[] = [];
    stream.onEnd = (end) => own.push(end);
    await Promise.all([stream.close(), stream.close()]);
    expect(own).toEqual([{ by: "local" }]);
    expect(ends).toEqual([{ by: "peer" }]);
    expect(client.sent.filter((stanza) => stanza.includes("<close"))).toHaveLength(1);
    component.receive(
      `<iq type='set' id='c' from='bob@example.test/r' to='c.test'><close xmlns='${NS}' sid='s'/></iq>`,
    );
    expect(lastCondition()).toBe("item-not-found");
    const second = await opener.open("c.test");
    second.onEnd = (end) => own.push(end);
    await accepted?.close();
    expect(own).toEqual([{ by: "local" }, { by: "peer" }]);
  });

  it("ends by an error that names it; others, and those of type wait, are for the caller to look into", async () => {
    const stream = await opener.open("c.test", { sid: "s" });
    const probes: string[] = [];
    responder.onError = (from, error) => probes.push(`${from} ${error.condition}`);
    const error = (type: string, condition: string, sid: string): string =>
      `<message type='error' from='bob@example.test/r' to='c.test'>${sid === "" ? "" : `<data xmlns='${NS}' sid='${sid}'/>`}` +
      `<error type='${type}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`;
    component.sent.length = 0;
    component.receive(error("wait", "recipient-unavailable", "s"));
    component.receive(error("cancel", "service-unavailable", ""));
    component.receive(error("cancel", "item-not-found", "old"));
    component.receive(error("cancel", "item-not-found", "").replace("/r'", "/stranger'"));
    expect(probes).toEqual([
      "bob@example.test/r recipient-unavailable",
      "bob@example.test/r service-unavailable",
      "bob@example.test/r item-not-found",
    ]);
    // An error is never answered.
    expect(component.sent).toEqual([]);
    expect(stream.state).toBe("open");
    component.receive(error("cancel", "item-not-found", "s"));
    expect(ends).toMatchObject([{ by: "peer", error: { condition: "item-not-found" } }]);
  });

  it("ends with its client's session, and stays over a component's", async () => {
    const stream = await opener.open("c.test");
    client.emit("online", { jid: client.jid, resumed: true });
    expect(stream.state).toBe("open");
    component.emit("online", { jid: component.jid, resumed: false });
    expect(accepted?.state).toBe("open");
    client.emit("online", { jid: client.jid, resumed: false });
    expect(stream.state).toBe("closed");
    component.emit("ended", undefined);
    expect(ends).toEqual([{ by: "transport" }]);
  });

  it("abandons without a word, and disposes of everything", async () => {
    const stream = await opener.open("c.test");
    client.sent.length = 0;
    stream.abandon({ by: "transport" });
    expect(client.sent).toEqual([]);
    responder.dispose();
    expect(ends).toEqual([{ by: "local" }]);
    component.receive(openIq("sid='x' block-size='9'"));
    expect(lastCondition()).toBe("service-unavailable");
  });

  it("never throws and answers rightly, whatever comes", () => {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
    const conditions = new Set<string>();
    const known = [
      "item-not-found",
      "unexpected-request",
      "bad-request",
      "resource-constraint",
      "not-acceptable",
      "service-unavailable",
    ];
    component.peer = undefined;
    let opened = 0;
    for (let round = 0; round < 5_000; round++) {
      // One stream is always open, so that data can meet a stream.
      if (accepted?.state !== "open") {
        component.receive(openIq(`sid='s${String(++opened)}' block-size='9'`));
        component.receive(data(0, "YQ==", `s${String(opened)}`));
      }
      const attrs = [
        pick([
          "",
          "sid=''",
          "sid='a'",
          `sid='s${String(opened)}'`,
          `sid='s${String(opened)}'`,
          `sid='n${String(round)}'`,
          "sid='&lt;'",
        ]),
        pick(["", "seq='0'", "seq='0'", "seq='1'", "seq='65535'", "seq='x'", "seq='99999999999'"]),
        pick(["", "block-size='1'", "block-size='65535'", "block-size='-1'", "block-size='NaN'"]),
        pick(["", "stanza='message'", "stanza='iq'", "stanza='x'"]),
      ].join(" ");
      const name = pick(["open", "open", "data", "data", "data", "close", "other"]);
      const content = pick(["", "YQ==", "*", "YQ", "<x/>", "A".repeat(random(400)), "AAAA".repeat(4)]);
      const kind = pick(["message", "iq", "iq", "iq", "presence"]);
      const type = pick(["set", "set", "set", "get", "headline", "error", "result", ""]);
      const from = pick([
        " from='bob@example.test/r'",
        " from='bob@example.test/r'",
        " from='eve@x/y'",
        " from=''",
        "",
      ]);
      const id = pick([" id='1'", " id='1'", ""]);
      const before = component.sent.length;
      component.receive(
        `<${kind} type='${type}'${from}${id} to='c.test'><${name} xmlns='${pick([NS, NS, NS, "urn:x"])}' ${attrs}>${content}</${name}></${kind}>`,
      );
      const answers = component.sent.slice(before).filter((stanza) => !stanza.includes("<close"));
      expect(answers.length).toBeLessThanOrEqual(1);
      if (type === "error" || (type === "result" && kind === "iq")) expect(answers).toEqual([]);
      const condition = conditionOf(answers[0]);
      if (condition !== undefined) conditions.add(condition);
    }
    for (const condition of conditions) expect(known).toContain(condition);
    expect([...conditions].sort()).toEqual(known.sort());
  });
});
