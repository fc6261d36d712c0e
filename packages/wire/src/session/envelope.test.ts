import { describe, expect, it } from "vitest";
import { Envelope, PROBE_MS } from "./envelope.js";
import type { EnvelopeFrame } from "../frames/frames.js";
import { createHello } from "../frames/hello.js";

const LISTED = createHello({ lean: { tag: 5 } });
const UNLISTED = createHello();

interface Side {
  readonly envelope: Envelope;
  /** Actions of the envelope, one word each. */
  readonly did: string[];
  chars: number;
  quiets: number;
}

function create(onFrame: (frame: EnvelopeFrame) => void = () => undefined): Side {
  const did: string[] = [];
  const envelope = new Envelope({
    sendFrame(frame) {
      did.push(`${frame.word} ${frame.value}`);
      onFrame(frame);
    },
    probe: (chars) => did.push(`probe ${chars}`),
    use(chars) {
      side.chars = chars;
    },
  });
  const side: Side = { envelope, did, chars: 0, quiets: 0 };
  envelope.onQuiet = () => side.quiets++;
  return side;
}

function started(hello = LISTED, enabled = true): Side {
  const side = create();
  side.envelope.start(hello, enabled, 1_000);
  return side;
}
const frame = (word: EnvelopeFrame["word"], value = 0): EnvelopeFrame => ({ type: "envelope", word, value });

describe("the stanzas of a link", () => {
  it.each([
    ["both list lean ones", LISTED, true, ["probe 66"]],
    ["the peer does not", UNLISTED, true, []],
    ["we do not", LISTED, false, []],
  ] as const)("are probed where %s", (_, hello, enabled, did) => {
    const side = started(hello, enabled);
    expect([side.did, side.chars, side.envelope.lean]).toEqual([did, 0, false]);
    expect(side.envelope.expiresAt).toBe(did.length === 0 ? undefined : 1_000 + PROBE_MS);
  });

  it("are lean once the probe has arrived, and long ones once a long probe has", () => {
    const side = started();
    side.envelope.wantLonger();
    side.envelope.onFrame(frame("confirm", 66));
    expect([side.chars, side.envelope.lean, side.envelope.expiresAt]).toEqual([66, true, undefined]);
    for (let i = 0; i < 3; i++) side.envelope.wantLonger();
    expect(side.did).toEqual(["probe 66", "probe 1024"]);
    side.envelope.onFrame(frame("confirm", 1_024));
    expect(side.chars).toBe(1_024);
    side.envelope.onFrame(frame("confirm", 66));
    expect(side.chars).toBe(1_024);
  });

  it.each([0, 1, 65, 67, 1_024, 2 ** 32 - 1])("are none that nobody has probed: confirm %d", (value) => {
    const side = started();
    side.envelope.onFrame(frame("confirm", value));
    expect([side.chars, side.envelope.lean]).toEqual([0, false]);
  });

  it("stay as they are where no probe arrives, which is told once", () => {
    const { envelope } = started();
    expect([envelope.expire(15_999), envelope.expire(16_000), envelope.expire(16_001)]).toEqual([
      false,
      true,
      false,
    ]);
    envelope.onFrame(frame("confirm", 66));
    expect([envelope.lean, envelope.expire(1e9)]).toEqual([true, false]);
  });

  it("of the peer are confirmed once for each length", () => {
    const side = started();
    for (const chars of [66, 66, 1_024, 1_024, 66]) side.envelope.onProbe(chars);
    expect(side.did.slice(1)).toEqual(["confirm 66", "confirm 1024"]);
  });

  it("are no lean ones while the peer asks for others, whatever is confirmed meanwhile", () => {
    const side = started();
    side.envelope.onFrame(frame("ask", 7));
    side.envelope.onFrame(frame("confirm", 66));
    expect([side.chars, side.envelope.lean, side.did.slice(1)]).toEqual([0, false, ["granted 7"]]);
    side.envelope.wantLonger();
    side.envelope.onFrame(frame("resume"));
    expect([side.chars, side.envelope.lean]).toEqual([66, true]);
    side.envelope.onFrame(frame("ask", 8));
    side.envelope.onFrame(frame("ask", 9));
    expect([side.chars, side.did.slice(2)]).toEqual([0, ["granted 8", "granted 9"]]);
  });
});

describe("asking for other stanzas", () => {
  it("is done when the last request is granted", () => {
    const side = started();
    const { envelope } = side;
    expect(envelope.quiet).toBe(false);
    envelope.askIbb();
    envelope.askIbb();
    expect([envelope.quiet, side.did.slice(1)]).toEqual([false, ["ask 1"]]);
    envelope.resume();
    envelope.askIbb();
    envelope.onFrame(frame("granted", 1));
    expect([envelope.quiet, side.quiets]).toEqual([false, 0]);
    envelope.onFrame(frame("granted", 2));
    envelope.onFrame(frame("granted", 2));
    expect([envelope.quiet, side.quiets, side.did.slice(1)]).toEqual([
      true,
      1,
      ["ask 1", "resume 0", "ask 2"],
    ]);
    envelope.resume();
    envelope.resume();
    expect([envelope.quiet, side.did.slice(4)]).toEqual([false, ["resume 0"]]);
  });

  it("is forgotten when lean ones are welcome again before it is granted", () => {
    const side = started();
    side.envelope.askIbb();
    side.envelope.resume();
    side.envelope.onFrame(frame("granted", 1));
    expect([side.envelope.quiet, side.quiets]).toEqual([false, 0]);
  });

  it("before the peer's HELLO waits for it", () => {
    const side = create();
    side.envelope.askIbb();
    expect([side.envelope.quiet, side.did]).toEqual([false, []]);
    side.envelope.start(LISTED, true, 0);
    expect([side.envelope.quiet, side.did]).toEqual([false, ["probe 66", "ask 1"]]);
  });

  it.each([
    ["the peer lists no lean ones", UNLISTED, true],
    ["we list none", LISTED, false],
  ] as const)("needs no word where %s", (_, hello, enabled) => {
    const side = create();
    side.envelope.askIbb();
    side.envelope.start(hello, enabled, 0);
    expect([side.envelope.quiet, side.quiets, side.did]).toEqual([true, 1, []]);
    side.envelope.resume();
    expect([side.envelope.quiet, side.did]).toEqual([true, []]);
  });

  it("ignores what answers no request", () => {
    const side = started();
    side.envelope.onFrame(frame("granted", 3));
    expect(side.envelope.quiet).toBe(false);
    side.envelope.askIbb();
    side.envelope.onFrame(frame("granted", 3));
    expect([side.envelope.quiet, side.quiets]).toEqual([false, 0]);
  });
});

describe("two sides, in any order of events", () => {
  it("never send a lean stanza to one that is quiet, and agree in the end", () => {
    let state = 3;
    const below = (n: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (state >> 8) % n;
    };
    for (let round = 0; round < 500; round++) {
      // Frames arrive in order in each direction, after a random delay. A probe may be lost.
      const toClient: EnvelopeFrame[] = [];
      const toComponent: EnvelopeFrame[] = [];
      const client = create((sent) => toComponent.push(sent));
      const component = create((sent) => toClient.push(sent));
      client.envelope.start(LISTED, true, 0);
      component.envelope.start(LISTED, true, 0);
      let active = true;
      for (let step = 0; step < 60; step++) {
        const dice = below(5);
        if (dice === 0) client.envelope.onProbe(66);
        else if (dice === 1) {
          active = !active;
          if (active) client.envelope.resume();
          else client.envelope.askIbb();
        } else if (dice < 4) {
          const next = toComponent.shift();
          if (next !== undefined) component.envelope.onFrame(next);
        } else {
          const next = toClient.shift();
          if (next !== undefined) client.envelope.onFrame(next);
        }
        if (client.envelope.quiet) expect(component.chars).toBe(0);
      }
      while (toComponent.length + toClient.length > 0) {
        for (const next of toComponent.splice(0)) component.envelope.onFrame(next);
        for (const next of toClient.splice(0)) client.envelope.onFrame(next);
      }
      expect(client.envelope.quiet).toBe(!active);
      if (!active) expect(component.chars).toBe(0);
    }
  });
});
