import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeBase64 } from "../base/base64.node.js";
import { createInBandBytestreams } from "./in-band-bytestreams.js";
import { StanzaError } from "../base/errors.js";
import type { Bytestream, BytestreamEnd, InBandBytestreams, OpenRequest } from "./in-band-bytestreams.js";
import { createLoopback, createLoopbackPair, type LoopbackConnection } from "../testing/loopback.js";

const NS = "http://jabber.org/protocol/ibb";
const BOB = "bob@example.test/r";
let component: LoopbackConnection;
let streams: InBandBytestreams;
let requests: OpenRequest[];
let accepted: Bytestream[];
let blocks: string[];
let ends: BytestreamEnd[];

beforeEach(() => {
  component = createLoopback("component", "c.test");
  streams = createInBandBytestreams(component, { maxBlockSizeBytes: 4_096, maxStreams: 3 });
  [requests, accepted, blocks, ends] = [[], [], [], []];
  streams.onOpen = (request) => void requests.push(request);
  streams.onStream = (stream) => {
    accepted.push(stream);
    stream.onBlock = (block) => blocks.push(Buffer.from(block).toString());
    stream.onEnd = (end) => ends.push(end);
  };
});
afterEach(() => void vi.useRealTimers());

let nextId = 0;
/** Sends the component an iq of type set. Returns its one answer: `result`, or the error's type and condition. */
function ask(child: string, from = BOB): string {
  const id = `q${String(nextId++)}`;
  const before = component.sent.length;
  component.receive(`<iq type='set' id='${id}' from='${from}' to='c.test'>${child}</iq>`);
  const answers = component.sent.slice(before).filter((stanza) => stanza.includes(`id="${id}"`));
  expect(answers).toHaveLength(1);
  expect(answers[0]).toContain(`to="${from}"`);
  return describeAnswer(answers[0] as string);
}
function describeAnswer(stanza: string): string {
  if (stanza.includes('type="result"')) return "result";
  const type = /<error type="(\w+)"/.exec(stanza)?.[1];
  return `${type} ${/<([\w-]+) xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/.exec(stanza)?.[1]}`;
}
const open = (attrs = "", sid = "s"): string =>
  `<open xmlns='${NS}' sid='${sid}' ${/block-size/.test(attrs) ? "" : "block-size='4096'"} ${attrs}/>`;
const data = (seq: number | string, base64 = "YQ==", sid = "s"): string =>
  `<data xmlns='${NS}' sid='${sid}' seq='${String(seq)}'>${base64}</data>`;
const close = (sid = "s"): string => `<close xmlns='${NS}' sid='${sid}'/>`;
const closes = (): number => component.sent.filter((stanza) => stanza.includes("<close")).length;

describe("receiving (XEP-0047 §2.1)", () => {
  it("§2.1: 'returns an IQ-result'; 'the default value is \"iq\"'", () => {
    expect(ask(open())).toBe("result");
    expect(ask(open("stanza='message'", "t"))).toBe("result");
    expect(requests.map(({ stanza }) => stanza)).toEqual(["iq", "message"]);
    expect(accepted.map(({ mode }) => mode)).toEqual(["iq", "message"]);
    expect(ask(open("stanza='presence'", "u"))).toBe("modify bad-request");
  });

  it("§2.1: 'block-size … MUST NOT be greater than 65535'; a smaller one is asked for by resource-constraint", () => {
    expect(ask(open("block-size='65536'"))).toBe("modify bad-request");
    expect(ask(open("block-size='0'"))).toBe("modify bad-request");
    expect(ask(open("block-size='65535'"))).toBe("modify resource-constraint");
    // The same sid works, since no stream was opened.
    expect(ask(open("block-size='4096'"))).toBe("result");
  });

  it("§2.1: sid 'MUST match the NMTOKEN datatype'", () => {
    for (const sid of ["", "a b", "a/b", "a".repeat(257)])
      expect(ask(open("", sid))).toBe("modify bad-request");
    expect(ask(open("", "i781:hf64.x-_"))).toBe("result");
  });

  it("§2.1: 'if the responder … does not wish to proceed, it returns a not-acceptable error'", () => {
    streams.onOpen = () => {
      throw new StanzaError("not-acceptable", "cancel");
    };
    expect(ask(open())).toBe("cancel not-acceptable");
    streams.onOpen = () => {
      throw new Error("a fault of ours");
    };
    expect(ask(open())).toBe("wait internal-server-error");
    streams.onOpen = undefined;
    expect(ask(open())).toBe("cancel not-acceptable");
    expect(accepted).toEqual([]);
  });

  it("§2.1: 'if the responder does not support IBB', the initiator is told", async () => {
    for (const condition of ["service-unavailable", "feature-not-implemented", "not-acceptable"]) {
      const opening = streams.open("eve@example.test/r");
      const id = /id="([^"]+)"/.exec(component.sent.at(-1) as string)?.[1] as string;
      component.receive(
        `<iq type='error' id='${id}' from='eve@example.test/r'><error type='cancel'>` +
          `<${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`,
      );
      await expect(opening).rejects.toMatchObject({ condition });
    }
    expect(streams.counts().open).toBe(0);
  });

  it("has no more streams than its bound, and a place again when one ends", () => {
    for (const sid of ["a", "b", "c"]) expect(ask(open("", sid))).toBe("result");
    expect(ask(open("", "d"))).toBe("wait resource-constraint");
    expect(ask(close("a"))).toBe("result");
    expect(ask(open("", "d"))).toBe("result");
  });
});

describe.each(["message", "iq"] as const)("receiving data, by %s (XEP-0047 §2.2)", (kind) => {
  /** Sends data and returns the answer. In message mode, good data have no answer. */
  const send = (child: string, from = BOB): string | undefined => {
    if (kind === "iq") return ask(child, from);
    const before = component.sent.length;
    component.receive(`<message from='${from}' to='c.test' type='headline'>${child}</message>`);
    const answers = component.sent.slice(before).filter((stanza) => stanza.startsWith("<message"));
    expect(answers.length).toBeLessThan(2);
    if (answers[0] !== undefined) expect(answers[0]).toContain(`type="error" to="${from}"`);
    return answers[0] === undefined ? undefined : describeAnswer(answers[0]);
  };
  const fine = kind === "iq" ? "result" : undefined;

  it("§2.2: 'if the packet can be processed then the recipient MUST reply with … result', to an iq", () => {
    ask(open());
    expect(send(data(0))).toBe(fine);
    expect(send(data(1, ""))).toBe(fine);
    expect(blocks).toEqual(["a", ""]);
  });

  it("§2.2: 'because the session ID is unknown, … item-not-found error with a type of cancel'", () => {
    expect(send(data(0))).toBe("cancel item-not-found");
    ask(open());
    expect(send(data(0, "YQ==", "other"))).toBe("cancel item-not-found");
    // The stream of one peer is unknown to another peer.
    expect(send(data(0), "eve@example.test/r")).toBe("cancel item-not-found");
    expect(send(data(0))).toBe(fine);
    expect(ends).toEqual([]);
  });

  it("§2.2: 'because the sequence number has already been used, … unexpected-request … cancel'", () => {
    ask(open());
    for (let seq = 0; seq < 5; seq++) send(data(seq));
    for (const seq of [4, 2, 0]) expect(send(data(seq, "Yg=="))).toBe("cancel unexpected-request");
    expect(blocks.join("")).toBe("aaaaa");
    expect(send(data(5))).toBe(fine);
  });

  it("§2.2: 'because the data is not formatted in accordance with Section 4 of RFC 4648, … bad-request … cancel'", () => {
    for (const [index, text] of ["YQ", "YQ=*", "=AAA", "YQ==YQ==", "YR==", " YQ==", "YQ-_"].entries()) {
      const sid = `b${String(index)}`;
      ask(open("", sid));
      expect(send(data(0, text, sid))).toBe("cancel bad-request");
    }
    expect(blocks).toEqual([]);
    expect(ends).toHaveLength(7);
    expect(closes()).toBe(7);
  });

  it("§6: 'MUST reject any sequence … containing the pad character … as something other than the last'", () => {
    for (const [index, text] of ["=AAA", "BBBB=CCC", "====", "A===", "AA=A"].entries()) {
      ask(open("", `p${String(index)}`));
      expect(send(data(0, text, `p${String(index)}`))).toBe("cancel bad-request");
    }
    expect(blocks).toEqual([]);
  });

  it("§2.2: 'prior to base64-encoding … MUST NOT be larger than the block-size': refused, and closed", () => {
    ask(open("block-size='5'"));
    expect(send(data(0, encodeBase64(new Uint8Array(5))))).toBe(fine);
    expect(send(data(1, encodeBase64(new Uint8Array(6))))).toBe("modify resource-constraint");
    expect(ends).toMatchObject([{ by: "transport", error: { condition: "resource-constraint" } }]);
    expect(closes()).toBe(1);
  });

  it("§2.2: 'MUST NOT process … an out-of-sequence packet, nor any that follow it'; 'MUST close the bytestream'", () => {
    ask(open());
    send(data(0));
    // An iq needs an answer, and the answer must not be a result.
    expect(send(data(2))).toBe(kind === "iq" ? "cancel unexpected-request" : undefined);
    expect(closes()).toBe(1);
    send(data(1));
    send(data(3));
    expect(blocks).toEqual(["a"]);
    expect(ends).toMatchObject([{ by: "transport", error: { condition: "unexpected-request" } }]);
  });

  it("§2.2: 'a 16-bit unsigned integer … after value 65535 the seq MUST start again at 0'", () => {
    ask(open());
    for (const seq of ["65536", "-1", "x", ""]) {
      ask(open("", `n${seq.length}`));
      expect(send(data(seq, "YQ==", `n${seq.length}`))).toBe("cancel bad-request");
    }
    for (let seq = 0; seq < 65_536; seq++)
      component.receive(`<message from='${BOB}' to='c.test'>${data(seq, "")}</message>`);
    expect(send(data(0))).toBe(fine);
    expect(send(data(65_535))).toBe("cancel unexpected-request");
    expect(send(data(1))).toBe(fine);
    expect(ends.filter(({ by }) => by === "peer")).toEqual([]);
  });

  it("never answers an error, and nobody where there is no sender", () => {
    ask(open());
    const before = component.sent.length;
    component.receive(`<${kind} type='error' id='e' from='${BOB}' to='c.test'>${data(7)}</${kind}>`);
    component.receive(`<message to='c.test'>${data(7)}</message>`);
    expect(component.sent.slice(before).filter((stanza) => !stanza.includes("<close"))).toEqual([]);
  });
});

describe("both directions (XEP-0047 §3) and the end (§2.3)", () => {
  it("§3: 'the seq values in each direction are independent'", () => {
    ask(open("stanza='message'"));
    for (let seq = 0; seq < 3; seq++)
      component.receive(`<message from='${BOB}' to='c.test'>${data(seq)}</message>`);
    expect(accepted[0]?.stanza("YQ==")).toContain("seq='0'");
    component.receive(`<message from='${BOB}' to='c.test'>${data(3)}</message>`);
    expect(accepted[0]?.stanza("YQ==")).toContain("seq='1'");
    expect(blocks).toHaveLength(4);
  });

  it("§2.3: 'the recipient of the close … does not know about the bytestream, … item-not-found'", () => {
    expect(ask(close())).toBe("cancel item-not-found");
    ask(open());
    expect(ask(close(), "eve@example.test/r")).toBe("cancel item-not-found");
    expect(ask(close())).toBe("result");
    expect(ask(close())).toBe("cancel item-not-found");
    expect(ends).toEqual([{ by: "peer" }]);
  });

  it("uses no sid again within an hour, in either role", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    ask(open());
    ask(close());
    vi.advanceTimersByTime(3_599_000);
    expect(ask(open())).toBe("cancel not-acceptable");
    await expect(streams.open(BOB, { sid: "s" })).rejects.toMatchObject({ condition: "not-acceptable" });
    vi.advanceTimersByTime(1_001);
    expect(ask(open())).toBe("result");

    const [one, other] = createLoopbackPair();
    const opener = createInBandBytestreams(one);
    const responder = createInBandBytestreams(other);
    responder.onOpen = () => undefined;
    await (await opener.open("c.test", { sid: "t" })).close();
    await expect(opener.open("c.test", { sid: "t" })).rejects.toMatchObject({ condition: "not-acceptable" });
    expect(one.sent.filter((stanza) => stanza.includes("<open"))).toHaveLength(1);
    vi.advanceTimersByTime(3_600_001);
    await opener.open("c.test", { sid: "t" });
  });

  it("bounds what waits for a handler, and how many closes wait for their answer", () => {
    streams.onStream = (stream) => (stream.onEnd = (end) => ends.push(end));
    ask(open());
    const text = encodeBase64(new Uint8Array(4_096));
    for (let seq = 0; seq < 260; seq++)
      component.receive(`<message from='${BOB}' to='c.test'>${data(seq, text)}</message>`);
    expect(ends).toMatchObject([{ by: "local", error: { condition: "resource-constraint" } }]);
    for (let i = 0; i < 1_010; i++) {
      ask(open("", `x${String(i)}`));
      component.receive(`<message from='${BOB}' to='c.test'>${data(9, "", `x${String(i)}`)}</message>`);
    }
    expect(streams.counts()).toMatchObject({ open: 0, closing: 1_000 });
    expect(closes()).toBe(1_011);
    streams.dispose();
  });
});
