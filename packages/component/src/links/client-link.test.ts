import { createHello, decodeBlock, DEFAULT_LIMITS, encodeFrame, type Frame } from "@stanzapack/wire";
import { decodeBase64, encodeBase64, type Bytestream, type OutBlock } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import type { ThrottleState } from "../budgets/throttle.js";
import type { Service } from "../catalog/service.js";
import { ClientLink } from "./client-link.js";

/** Each such frame fills a quarter of the window, so each asks for an acknowledgement. */
const LARGE = encodeBase64(
  encodeFrame({
    ...{ type: "data", alias: 0, form: "rows", epoch: 1, from: 1, to: 1, at: 0, spanMs: 0 },
    payload: new Uint8Array(40_000),
  }),
);

/** A bytestream whose stanzas are the blocks alone. */
const STREAM = {
  blockStanza: ({ base64 }: OutBlock) => base64,
  ...{ sentCount: 0, outstanding: 0, wantsLonger: false, confirm: () => undefined },
};

function openLink(hello = createHello()): ClientLink {
  const stream = { sid: "s", peer: "a@b/c", blockSizeBytes: 65_535, ...STREAM };
  const link = new ClientLink(
    ...([stream as unknown as Bytestream, "a@b", 0, DEFAULT_LIMITS] as const),
    ...([() => undefined, "streams.b", {} as ThrottleState] as const),
  );
  link.session.receive(encodeFrame(hello), 0);
  return link;
}

/** Returns how many of `count` large stanzas leave. `answer` says what the client acknowledges. */
function sendTo(answer: (named: number, counted: number) => number | undefined, count: number): number {
  const link = openLink();
  let sent = 0;
  for (let i = 0; i < count && link.maySendData; i++) {
    link.append(LARGE, true);
    for (const stanza of link.takeStanzas(i)) {
      sent++;
      const frames = decodeBlock(decodeBase64(stanza) as Uint8Array, DEFAULT_LIMITS);
      for (const frame of frames) {
        const stanzas = isQuestion(frame) ? answer(frame.total, sent) : undefined;
        if (stanzas !== undefined) link.session.receive(encodeFrame({ type: "ack", stanzas }), i);
      }
    }
    link.noteAcknowledged();
  }
  return sent;
}

const isQuestion = (frame: Frame): frame is Frame & { type: "credit" } =>
  frame.type === "credit" && frame.alias === null;

describe("a link's question for an acknowledgement", () => {
  it.each<[string, (named: number, counted: number) => number]>([
    ["acknowledges exactly the number that CREDIT names", (named) => named],
    ["acknowledges the stanzas that it counted", (_, counted) => counted],
    ["reads a block's frames before it counts the stanza", (_, counted) => counted - 1],
  ])("is answered by a client that %s", (_, answer) => {
    expect(sendTo(answer, 50)).toBe(50);
  });

  it("holds data back while nobody answers it", () => {
    expect(sendTo(() => undefined, 50)).toBeLessThan(5);
  });
});

describe("what the services of a link keep", () => {
  const framesOf = (link: ClientLink): Frame[] =>
    link
      .takeStanzas(0)
      .flatMap((stanza) => [...decodeBlock(decodeBase64(stanza) as Uint8Array, DEFAULT_LIMITS)]);

  it("is told in front of the next acknowledgement, once, by the newest of each service", () => {
    const link = openLink(createHello({ kept: true }));
    for (const alias of [3, 4]) link.services.set(alias, {} as Service);
    link.noteKept(3, 7, 1);
    link.noteKept(4, 7, 5);
    link.noteKept(3, 7, 2);
    // A service that was withdrawn meanwhile.
    link.noteKept(9, 7, 1);
    link.sendAck();
    expect(framesOf(link)).toEqual([
      { type: "kept", alias: 3, incarnation: 7, sequence: 2 },
      { type: "kept", alias: 4, incarnation: 7, sequence: 5 },
      { type: "ack", stanzas: 0 },
    ]);
    expect([link.sendKept(), framesOf(link)]).toEqual([false, []]);
    link.noteKept(3, 7, 3);
    expect([link.sendKept(), framesOf(link)]).toEqual([
      ...[true, [{ type: "kept", alias: 3, incarnation: 7, sequence: 3 }]],
    ]);
  });

  it("is not told to a client that does not read it", () => {
    const link = openLink();
    link.services.set(3, {} as Service);
    link.noteKept(3, 7, 1);
    link.sendAck();
    expect(framesOf(link)).toEqual([{ type: "ack", stanzas: 0 }]);
  });
});
