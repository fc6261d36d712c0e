import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { createRowCodec } from "./row-codec.js";
import { encodeUpdate } from "../msgpack/update.js";
import { DEFAULT_CODEC_LIMITS } from "../codec/column-codec.js";
import { beginsAnew, encodeLaneBody, encodeLanePrefix, LaneEncoder, type LaneBatch } from "./lane-encoder.js";

const SECONDS = 120;
const TICK_MS = 100;
const STAYING = 90;
const COMING_AND_GOING = 10;
/** Characters of a stanza around its block. */
const STANZA_CHARS = 159;

/** Objects of a game's state with five fields: two are constant, two change by small steps, one changes at random. */
function* objects(): Generator<Record<string, number>, never> {
  let seed = 4;
  const random = (): number => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  const state = { cpu: 20, mem: 512, fps: 60, x: 10, y: 20 };
  for (;;) {
    state.cpu = Math.round(random() * 1_000) / 10;
    state.x += Math.round((random() - 0.5) * 4);
    state.y += Math.round((random() - 0.5) * 4);
    yield { ...state };
  }
}

interface Outcome {
  /** Bytes to each subscriber who stays. */
  readonly staying: number;
  /** Bytes and stanzas to all joiners, until they were on the chain. */
  readonly joining: number;
  readonly joiningStanzas: number;
  readonly longestWaitMs: number;
}

/** One lane at ten updates a second. If `joins`, one subscriber joins and one leaves every second. */
function run(joins: boolean): Outcome {
  const encoder = new LaneEncoder({
    limits: DEFAULT_CODEC_LIMITS,
    rows: createRowCodec(DEFAULT_LIMITS),
    hop: "plain",
  });
  const stanza = (bytes: Uint8Array): number => STANZA_CHARS + ((3 + bytes.length) * 4) / 3;
  expect(encodeLanePrefix("chained", 5)).toHaveLength(3);
  const values = objects();
  const waiting: number[] = [];
  let [staying, joining, joiningStanzas, longestWaitMs] = [0, 0, 0, 0];
  for (let now = 0, from = 1; now < SECONDS * 1_000; now += TICK_MS, from++) {
    if (joins && now > 0 && now % 1_000 === 0) {
      waiting.push(now);
      encoder.wantKey();
      // The oldest subscriber leaves. A subscriber who leaves while it waits receives nothing more.
      if (waiting.length > COMING_AND_GOING) waiting.shift();
    }
    const row = values.next().value;
    const batch: LaneBatch = {
      ...{ epoch: 0x12345678, from, to: from, rows: [row], at: now, spanMs: 0 },
      packed: [encodeUpdate(row, DEFAULT_LIMITS)],
    };
    const body = encoder.encode(batch, now, 7);
    staying += stanza(encodeLaneBody(body));
    if (beginsAnew(body)) {
      for (const since of waiting) longestWaitMs = Math.max(longestWaitMs, now - since);
      waiting.length = 0;
    } else if (waiting.length > 0) {
      joining += waiting.length * stanza(encodeLaneBody(encoder.encodeIndependent(batch)));
      joiningStanzas += waiting.length;
    }
  }
  return { staying, joining, joiningStanzas, longestWaitMs };
}

describe(`a lane of ${STAYING + COMING_AND_GOING} with one coming and one going every second`, () => {
  it("costs those who stay next to nothing, and lets nobody wait longer than 30 s", () => {
    const quiet = run(false);
    const busy = run(true);
    expect(busy.staying / quiet.staying).toBeLessThan(1.1);
    expect(busy.staying).toBeGreaterThan(quiet.staying);
    expect(busy.longestWaitMs).toBeGreaterThan(0);
    expect(busy.longestWaitMs).toBeLessThanOrEqual(30_000);
    // A waiting joiner receives bodies that need no context. They are larger.
    const perStanza = busy.joining / busy.joiningStanzas;
    expect(perStanza).toBeLessThan(2 * (quiet.staying / (SECONDS * 10)));
    if (process.env["STANZAPACK_SHOW_SIZES"] === "1")
      console.log(
        `those who stay: ${(busy.staying / quiet.staying).toFixed(4)} times; a joiner's stanza ${perStanza.toFixed(0)} bytes, ` +
          `theirs ${(quiet.staying / (SECONDS * 10)).toFixed(0)}; the longest wait ${busy.longestWaitMs / 1_000} s`,
      );
  });
});
