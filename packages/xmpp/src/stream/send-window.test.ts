import { describe, expect, it } from "vitest";
import { SendWindow } from "./send-window.js";

const POLICY = { targetMs: 250, initialChars: 32_768, maxChars: 262_144 };

interface Run {
  /** Time that each stanza waited until the server had read it, in ms, by the time at which it was sent. */
  readonly delays: readonly { readonly at: number; readonly ms: number }[];
  readonly slowAtEnd: boolean;
  readonly questions: number;
}

/**
 * Simulates a sender and a server in steps of 1 ms. If there is room, the sender sends `chars` every `everyMs`. The
 * server reads a burst at once, and then `rate(at)` characters per ms. Each direction takes `wayMs`.
 */
function simulate(options: {
  chars: number;
  everyMs: number;
  forMs: number;
  rate: (at: number) => number;
  burst?: number;
  wayMs?: number;
  policy?: Partial<typeof POLICY>;
}): Run {
  const { chars, everyMs, forMs, rate, burst = 0, wayMs = 1 } = options;
  const window = new SendWindow({ ...POLICY, ...options.policy });
  const queue: { at: number; left: number; question: boolean; sent: number }[] = [];
  const answers: { at: number; chars: number; question: boolean }[] = [];
  const delays: { at: number; ms: number }[] = [];
  let budget = burst;
  let questions = 0;
  const ask = (at: number): void => {
    window.question(at);
    questions++;
  };
  for (let now = 0; now < forMs; now++) {
    budget = Math.min(Math.max(burst, rate(now)), budget + rate(now));
    for (;;) {
      const head = queue[0];
      if (head === undefined || head.at + wayMs > now) break;
      const part = Math.min(head.left, Math.max(0, budget));
      head.left -= part;
      budget -= part;
      if (head.left > 0) break;
      queue.shift();
      if (head.sent > 0) delays.push({ at: head.at, ms: now - head.at });
      answers.push({ at: now + wayMs, chars: head.sent, question: head.question });
    }
    // One answer acknowledges all questions before it.
    while (answers[0] !== undefined && answers[0].at <= now) {
      const until = answers.findIndex(({ question }) => question);
      if (until === -1 || (answers[until] as { at: number }).at > now) break;
      for (const { chars: read } of answers.splice(0, until + 1)) window.read(read);
      if (window.answered(now)) {
        ask(now);
        queue.push({ at: now, left: 30, question: true, sent: 0 });
      }
    }
    if (now % everyMs !== 0 || window.room(now) === 0) continue;
    const question = window.sent(chars, now);
    if (question) ask(now);
    queue.push({ at: now, left: chars, question, sent: chars });
  }
  return { delays, slowAtEnd: window.slow, questions };
}

const worst = ({ delays }: Run, fromMs: number): number =>
  Math.max(...delays.filter(({ at }) => at >= fromMs).map(({ ms }) => ms));
const carried = ({ delays }: Run, fromMs: number): number => delays.filter(({ at }) => at >= fromMs).length;

describe("the window of what the server has not read", () => {
  const tooMuch = { chars: 2_000, everyMs: 100, forMs: 120_000 };

  it.each([
    [3, 20_000],
    [10, 20_000],
    [3, 0],
  ])(
    "keeps the delay near its target at a server that reads %d bytes a ms after a burst of %d",
    (rate, burst) => {
      const run = simulate({ ...tooMuch, rate: () => rate, burst });
      // A stanza alone takes this long, and three of them may be out.
      expect(worst(run, 30_000)).toBeLessThan(3 * (2_000 / rate) + 350);
      // The sender uses most of what the server can read.
      expect(carried(run, 30_000)).toBeGreaterThan(0.7 * 90 * (rate / 2));
      expect(run.slowAtEnd).toBe(true);
    },
  );

  it("lets it pass 10 s without a target", () => {
    const run = simulate({ ...tooMuch, rate: () => 3, burst: 20_000, policy: { targetMs: 0 } });
    expect(worst(run, 10_000)).toBeGreaterThan(10_000);
  });

  it("finds out when the server reads as fast as before", () => {
    const run = simulate({ ...tooMuch, rate: (at) => (at < 40_000 ? 3 : 1_000), burst: 20_000 });
    expect(run.slowAtEnd).toBe(false);
    expect(carried(run, 45_000)).toBe(750);
    expect(worst(run, 50_000)).toBeLessThan(10);
  });

  it("costs a server that keeps up a question for each quarter of the window", () => {
    const run = simulate({ chars: 500, everyMs: 100, forMs: 60_000, rate: () => 1_000 });
    expect([carried(run, 0), run.slowAtEnd, run.questions]).toEqual([600, false, 35]);
  });

  it("does not take a long way for a slow server", () => {
    const run = simulate({ chars: 4_000, everyMs: 50, forMs: 60_000, rate: () => 1_000, wayMs: 350 });
    expect(run.slowAtEnd).toBe(false);
    expect(carried(run, 20_000)).toBeGreaterThan(780);
  });

  it("grows while it is what holds back", () => {
    const run = simulate({ chars: 10_000, everyMs: 10, forMs: 20_000, rate: () => 5_000, wayMs: 50 });
    expect(carried(run, 10_000)).toBeGreaterThan(950);
  });
});
