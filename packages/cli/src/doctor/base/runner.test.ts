import { describe, expect, test, vi } from "vitest";
import { failure, ok, skipped, warning, worst, type Check, type Finding } from "./check.js";
import { runChecks } from "./runner.js";

const never = new AbortController().signal;

function check(id: string, finding: Finding | Error, more: Partial<Check<unknown>> = {}): Check<unknown> {
  return {
    ...{ id, side: "client", deadlineMs: 1_000 },
    run: () => {
      if (finding instanceof Error) throw finding;
      return finding;
    },
    ...more,
  };
}

async function resultsOf(checks: readonly Check<unknown>[]): Promise<string[]> {
  const outcomes = await runChecks(checks, undefined, never);
  return outcomes.map(({ check: { id }, result, found }) => `${id}: ${result}: ${found}`);
}

describe("runChecks", () => {
  test("runs checks in their order, with the shared state", async () => {
    const seen: string[] = [];
    const begun: string[] = [];
    const collect = (id: string): Check<string[]> => ({
      ...{ id, side: "component", deadlineMs: 1_000 },
      run: (state) => {
        state.push(id);
        return ok(id);
      },
    });
    const outcomes = await runChecks([collect("a"), collect("b")], seen, never, {
      onBegin: (id) => begun.push(id),
    });
    expect(seen).toEqual(["a", "b"]);
    expect(begun).toEqual(["a", "b"]);
    expect(outcomes.map(({ check: { side } }) => side)).toEqual(["component", "component"]);
  });

  test("skips a check whose needs failed or were skipped, and those that need it", async () => {
    const checks = [
      check("a", failure("broken", "mend it")),
      check("b", ok("good"), { needs: ["a"] }),
      check("c", ok("good"), { needs: ["b"] }),
      check("d", ok("good"), { needsOneOf: ["a", "b"] }),
      check("e", warning("odd", "mend it")),
      check("f", ok("good"), { needs: ["e"] }),
      check("g", ok("good"), { needsOneOf: ["a", "e"] }),
    ];
    expect(await resultsOf(checks)).toEqual([
      "a: failure: broken",
      "b: skipped: needs `a`",
      "c: skipped: needs `b`",
      "d: skipped: needs one of `a`, `b`",
      "e: warning: odd",
      "f: ok: good",
      "g: ok: good",
    ]);
  });

  test("takes what a check throws for a failure, in one line", async () => {
    const several = new AggregateError([new Error("ECONNREFUSED ::1"), new Error("ECONNREFUSED 127.0.0.1")]);
    expect(await resultsOf([check("a", new Error("first\n  second")), check("b", several)])).toEqual([
      "a: failure: first second",
      "b: failure: ECONNREFUSED ::1; ECONNREFUSED 127.0.0.1",
    ]);
  });

  test("gives a check up at its deadline, and aborts its signal", async () => {
    vi.useFakeTimers();
    try {
      let aborted = false;
      const hanging = check("a", ok("never"), {
        run: (_, signal) =>
          new Promise(() => signal.addEventListener("abort", () => (aborted = true), { once: true })),
      });
      const results = resultsOf([hanging, check("b", ok("good"))]);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(await results).toEqual(["a: failure: no result within 1 s", "b: ok: good"]);
      expect(aborted).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  test("ends at an interruption, without an outcome of the check that runs", async () => {
    const interruption = new AbortController();
    const checks = [
      check("a", ok("good")),
      check("b", ok("never"), {
        run: () => {
          interruption.abort();
          return new Promise(() => undefined);
        },
      }),
      check("c", ok("never")),
    ];
    const outcomes = await runChecks(checks, undefined, interruption.signal);
    expect(outcomes.map(({ check: { id } }) => id)).toEqual(["a"]);
  });
});

test("worst joins findings, the worst one first", () => {
  const findings = [ok("a"), failure("b", "mend it"), skipped("c"), warning("d", "look")];
  expect(worst(findings)).toEqual({ result: "failure", found: "b; d; a; c", fix: "mend it" });
});
