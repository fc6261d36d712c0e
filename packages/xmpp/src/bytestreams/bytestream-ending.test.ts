import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeBase64 } from "../base/base64.node.js";
import { createInBandBytestreams } from "./in-band-bytestreams.js";
import type { Bytestream, BytestreamEnd, InBandBytestreams } from "./in-band-bytestreams.js";
import { createLoopback, type LoopbackConnection } from "../testing/loopback.js";

const NS = "http://jabber.org/protocol/ibb";
const BOB = "bob@example.test/r";
const BYE = encodeBase64(Buffer.from("bye"));
let component: LoopbackConnection;
let streams: InBandBytestreams;
let stream: Bytestream;
let ends: BytestreamEnd[];
let strays: string[];
let errors: string[];

beforeEach(() => {
  vi.useFakeTimers();
  component = createLoopback("component", "c.test");
  streams = createInBandBytestreams(component, { maxBlockSizeBytes: 4_096 });
  [ends, strays, errors] = [[], [], []];
  streams.onOpen = () => undefined;
  streams.onStray = (from) => strays.push(from);
  streams.onError = (from) => errors.push(from);
  streams.onStream = (accepted) => {
    stream = accepted;
    stream.onBlock = () => undefined;
    stream.onEnd = (end) => ends.push(end);
  };
  iq(`<open xmlns='${NS}' sid='s' block-size='4096' stanza='message'/>`);
  component.sent.length = 0;
});
afterEach(() => void vi.useRealTimers());

const iq = (child: string): void =>
  component.receive(`<iq type='set' id='q' from='${BOB}' to='c.test'>${child}</iq>`);
const close = `<close xmlns='${NS}' sid='s'/>`;
const message = (type: string, child: string): void =>
  component.receive(`<message type='${type}' from='${BOB}' to='c.test'>${child}</message>`);
const data = (seq: number | string, base64 = "YQ=="): void =>
  message("headline", `<data xmlns='${NS}' sid='s' seq='${String(seq)}'>${base64}</data>`);
/** Returns data of ours as an error. */
const bounce = (condition: string): void =>
  message(
    "error",
    `<data xmlns='${NS}' sid='s' seq='0'/><error type='cancel'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`,
  );
/** The sent stanzas, in one word each. */
const said = (): string[] =>
  component.sent.map((text) => {
    if (text.includes(BYE)) return "bye";
    if (text.includes("<close")) return "close";
    return /<([\w-]+) xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/.exec(text)?.[1] ?? "result";
  });

describe("the end of a bytestream over a fault", () => {
  const sayBye = (): void => {
    stream.onFault = () => void component.send(stream.stanza(BYE));
  };

  it.each<[string, () => void, string[]]>([
    ["a `seq` out of turn", () => data(7), []],
    ["a `seq` that is no number", () => data("x"), ["bad-request"]],
    ["what is no base64", () => data(0, "a"), ["bad-request"]],
    ["a block that is too large", () => data(0, "A".repeat(8_000)), ["resource-constraint"]],
    [
      "a handler that throws",
      () => {
        stream.onBlock = () => {
          throw new Error("of a test");
        };
        data(0);
      },
      [],
    ],
    ["an error about what was sent", () => bounce("bad-request"), []],
  ])("lets a last word go before `<close/>`: %s", (_, act, answers) => {
    vi.spyOn(console, "error").mockReturnValue();
    vi.spyOn(process, "emitWarning").mockReturnValue();
    sayBye();
    act();
    expect(said()).toEqual(["bye", "close", ...answers]);
    expect([ends.length, ends[0]?.error === undefined]).toEqual([1, false]);
    vi.restoreAllMocks();
  });

  it("may be brought about by the handler itself, and closes once", () => {
    stream.onFault = () => {
      void component.send(stream.stanza(BYE));
      void stream.close();
      stream.abandon({ by: "local" });
    };
    data(7);
    expect(said()).toEqual(["bye", "close"]);
    expect(ends).toEqual([{ by: "local" }]);
  });

  it("ignores what comes back of the last word, and answers a close that crosses ours", () => {
    sayBye();
    data(7);
    component.sent.length = 0;
    bounce("item-not-found");
    iq(close);
    expect([said(), strays, errors]).toEqual([["result"], [], []]);
  });
});

describe("a peer that has said that it closes", () => {
  it("is answered when it does", () => {
    stream.expectClose(1_000);
    expect([stream.state, stream.write(BYE)]).toEqual(["closing", false]);
    iq(close);
    expect([said(), ends]).toEqual([["result"], [{ by: "peer" }]]);
    vi.advanceTimersByTime(5_000);
    expect(said()).toEqual(["result"]);
  });

  it("is told to where it does not", async () => {
    stream.expectClose(1_000);
    await vi.advanceTimersByTimeAsync(999);
    expect(said()).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(said()).toEqual(["close"]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([ends, streams.counts()]).toMatchObject([[{ by: "local" }], { open: 0, closing: 0 }]);
  });

  it("is waited for no longer than the connection lasts", () => {
    stream.expectClose(1_000);
    streams.dispose();
    vi.advanceTimersByTime(5_000);
    expect([said(), ends]).toEqual([[], [{ by: "local" }]]);
  });
});
