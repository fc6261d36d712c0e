import { ERRORS, StanzapackError, type ErrorCode } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LinkEnd } from "../link/link-end.js";
import { Attempts } from "./attempts.js";
import type { CurrentLink, Links } from "./current-link.js";
import type { Target } from "./frame-router.js";

const TARGET = { node: "alice@x/t" } as Target;
const GONE = new StanzapackError("disconnected", "the test ends it");

interface Played extends CurrentLink {
  readonly ask: ReturnType<typeof vi.fn>;
  readonly abandon: ReturnType<typeof vi.fn>;
  end(): void;
}

function createLink(): Played {
  const over = new LinkEnd();
  const ask = vi.fn(() => Promise.resolve());
  const abandon = vi.fn(() => end());
  const state = { live: true, ask, abandon };
  const end = (): void => {
    state.live = false;
    over.end(GONE);
  };
  return { link: state, router: {}, over, ask, abandon, end } as unknown as Played;
}

/** A client whose link the test plays. */
function setUp() {
  const life = new AbortController();
  const links: { current: Played | undefined; reachable: boolean; untilUp: Links["untilUp"] } = {
    current: createLink(),
    reachable: true,
    untilUp: () =>
      links.current === undefined
        ? Promise.reject(new StanzapackError("timeout", "no link"))
        : Promise.resolve(links.current),
  };
  const attempts = new Attempts(links, 10_000, life.signal);
  return { attempts, links, first: links.current as Played, life };
}

const failing = (code: ErrorCode) => vi.fn(() => Promise.reject(new StanzapackError(code, code)));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a request of the application", () => {
  it("is made again on the next link, and holds its target meanwhile", async () => {
    const { attempts, links, first } = setUp();
    const ask = vi.fn(() => new Promise<string>(() => undefined));
    const made = attempts.make([TARGET], ask);
    await vi.advanceTimersByTimeAsync(0);
    expect([ask.mock.calls.length, attempts.isMade(TARGET)]).toEqual([1, true]);
    ask.mockImplementation(() => Promise.resolve("yes"));
    links.current = createLink();
    first.end();
    expect(await made).toBe("yes");
    expect([ask.mock.calls.length, attempts.isMade(TARGET)]).toEqual([2, false]);
  });

  it.each<[ErrorCode, "fails" | "is made again", { asks: number; abandons: number }]>([
    ["not-allowed", "fails", { asks: 0, abandons: 0 }],
    ["busy", "fails", { asks: 0, abandons: 0 }],
    ["component-unavailable", "fails", { asks: 1, abandons: 0 }],
    ["link-required", "is made again", { asks: 0, abandons: 1 }],
  ])("that is answered by `%s` %s", async (code, outcome, { asks, abandons }) => {
    const { attempts, links, first } = setUp();
    const ask = failing(code);
    const made = attempts.make([TARGET], async (current) => {
      // The next link answers.
      if (current !== first) return "yes";
      links.current = createLink();
      return ask();
    });
    if (outcome === "fails") await expect(made).rejects.toMatchObject({ code });
    else expect(await made).toBe("yes");
    expect([first.ask.mock.calls.length, first.abandon.mock.calls.length]).toEqual([asks, abandons]);
  });

  it("fails when there is no link in time", async () => {
    const { attempts, links } = setUp();
    links.current = undefined;
    await expect(attempts.make([TARGET], failing("busy"))).rejects.toMatchObject({ code: "timeout" });
    expect(attempts.isMade(TARGET)).toBe(false);
  });
});

describe("a request that a new link repeats", () => {
  it.each((Object.keys(ERRORS) as ErrorCode[]).map((code) => [code, ERRORS[code].retryable] as const))(
    "after `%s`: %s that it is made again",
    async (code, retryable) => {
      const { attempts, first, life } = setUp();
      const [act, onFinal] = [failing(code), vi.fn()];
      await attempts.persist(first, "testing", act, onFinal);
      expect([act.mock.calls.length, onFinal.mock.calls.length]).toEqual([1, retryable ? 0 : 1]);
      await vi.advanceTimersByTimeAsync(10_000);
      const repeats = retryable && code !== "link-required";
      expect(act.mock.calls.length > 1).toBe(repeats);
      first.end();
      const { length } = act.mock.calls;
      await vi.advanceTimersByTimeAsync(10_000);
      expect([act.mock.calls.length, onFinal.mock.calls.length]).toEqual([length, retryable ? 0 : 1]);
      life.abort();
    },
  );

  it("says nothing after the end of its link", async () => {
    const { attempts, first } = setUp();
    const onFinal = vi.fn();
    const persisted = attempts.persist(first, "testing", () => new Promise(() => undefined), onFinal);
    first.end();
    await persisted;
    expect(onFinal).not.toHaveBeenCalled();
  });
});

describe("requests for one target", () => {
  it("are one on each link, and wait for the same answer", async () => {
    const { attempts, links, first } = setUp();
    let answer = (): void => undefined;
    const act = vi.fn(() => new Promise<void>((resolve) => (answer = resolve)));
    const both = [attempts.once(TARGET, act), attempts.once(TARGET, act)];
    expect(act).toHaveBeenCalledOnce();
    const next = createLink();
    expect([
      attempts.isAsked(TARGET),
      attempts.isAsked(TARGET, first.link),
      attempts.isAsked(TARGET, next.link),
    ]).toEqual([true, true, false]);
    const answered = attempts.answered(TARGET);
    answer();
    await Promise.all([...both, answered]);
    expect(attempts.isAsked(TARGET)).toBe(false);
    links.current = next;
    await expect(attempts.once(TARGET, act, first)).rejects.toMatchObject({ code: "disconnected" });
    const last = attempts.once(TARGET, act);
    expect(act).toHaveBeenCalledTimes(2);
    next.end();
    await expect(last).rejects.toBe(GONE);
    await attempts.answered(TARGET);
  });
});
