import { createHello, type EnvelopeFrame } from "@stanzapack/wire";
import type { Bytestream } from "@stanzapack/xmpp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LinkEnvelope } from "./link-envelope.js";

const TAG = 7;
const HELLO = createHello({ lean: { tag: TAG } });

/** The test plays the component: `say` gives a frame of the component to `envelope`. */
function setUp({ enabled = true } = {}) {
  const log: string[] = [];
  const stream = {
    tag: undefined as number | undefined,
    ...{ leanChars: 0, wantsLonger: false, onProbe: undefined as ((chars: number) => void) | undefined },
    setTag: (tag: number) => void (stream.tag = tag),
    probeStanza: (chars: number) => `probe ${chars}`,
  };
  const envelope = new LinkEnvelope(
    stream as unknown as Bytestream,
    {
      sendFrame: ({ word, value }) => void log.push(`${word} ${value}`),
      write: (stanza) => void log.push(stanza),
      onEnvelope: (kind) => void log.push(kind),
    },
    enabled,
  );
  const say = (word: EnvelopeFrame["word"], value = 0): void =>
    envelope.onFrame({ type: "envelope", word, value });
  return { envelope, stream, log, say };
}

describe("LinkEnvelope", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("probes with the component's tag, and is lean once the probe is confirmed", () => {
    const { envelope, stream, log, say } = setUp();
    expect(envelope.offer).toEqual({ tag: null });
    envelope.begin(HELLO);
    expect([stream.tag, log, envelope.up, stream.leanChars]).toEqual([TAG, ["probe 66"], "ibb", 0]);
    say("confirm", 66);
    expect([envelope.up, stream.leanChars]).toEqual(["lean", 66]);
    vi.advanceTimersByTime(60_000);
    expect(log).toEqual(["probe 66", "lean"]);
  });

  it("probes a longer one when that is wanted, once", () => {
    const { envelope, stream, log, say } = setUp();
    envelope.begin(HELLO);
    say("confirm", 66);
    for (let i = 0; i < 2; i++) {
      stream.wantsLonger = true;
      envelope.sent();
    }
    expect([log, stream.wantsLonger]).toEqual([["probe 66", "lean", "probe 1024"], false]);
    say("confirm", 1_024);
    expect(stream.leanChars).toBe(1_024);
  });

  it("tells once that a probe was lost, and is lean if it comes all the same", () => {
    const { envelope, log, say } = setUp();
    envelope.begin(HELLO);
    vi.advanceTimersByTime(60_000);
    expect([log, envelope.up]).toEqual([["probe 66", "ibb"], "ibb"]);
    say("confirm", 66);
    expect([log.at(-1), envelope.up]).toEqual(["lean", "lean"]);
  });

  it.each([
    ["that is switched off", false, HELLO],
    ["whose component has none", true, createHello()],
  ])("%s is quiet, and says nothing", (_, enabled, hello) => {
    const { envelope, log } = setUp({ enabled });
    envelope.begin(hello);
    expect([log, envelope.quiet()]).toEqual([[], true]);
  });

  it("answers a probe of the component's", () => {
    const { envelope, stream, log } = setUp();
    envelope.begin(HELLO);
    stream.onProbe?.(66);
    expect(log.at(-1)).toBe("confirm 66");
  });

  it("is quiet when the component has granted it, and welcomes lean stanzas again", async () => {
    const { envelope, log, say } = setUp();
    envelope.begin(HELLO);
    const quiet = envelope.quiet();
    expect(log.at(-1)).toMatch(/^ask \d+$/);
    expect(quiet).toBeInstanceOf(Promise);
    say("granted", Number(log.at(-1)?.slice(4)));
    expect(await quiet).toBe(true);
    expect(envelope.quiet()).toBe(true);
    envelope.resume();
    expect(log.at(-1)).toBe("resume 0");
    const again = envelope.quiet();
    envelope.resume();
    expect(await again).toBe(false);
  });

  it("asked before HELLO came, asks before it confirms any probe", () => {
    const { envelope, stream, log } = setUp();
    void envelope.quiet();
    envelope.begin(HELLO);
    stream.onProbe?.(66);
    expect(log.map((line) => line.split(" ")[0])).toEqual(["probe", "ask", "confirm"]);
  });

  it("that ends is never quiet", async () => {
    const { envelope, log } = setUp();
    envelope.begin(HELLO);
    const quiet = envelope.quiet();
    envelope.end();
    expect(await quiet).toBe(false);
    expect(await envelope.quiet()).toBe(false);
    vi.advanceTimersByTime(60_000);
    expect(log.at(-1)).toMatch(/^ask/);
  });
});
