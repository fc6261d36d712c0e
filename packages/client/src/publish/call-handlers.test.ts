import { decodeRow, encodeUpdate, DEFAULT_LIMITS, type CallFrame, type Value } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallOutcome } from "../link/link-calls.js";
import { CallHandlers, type CallContext, type CallFailure } from "./call-handlers.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const REMEMBERED_MS = 600_000;

function setUp() {
  let now = 0;
  const failures: CallFailure[] = [];
  const handlers = new CallHandlers(
    "alice@x/t",
    (failure) => failures.push(failure),
    () => now,
  );
  const take = (
    number: number,
    fields: { method?: string; args?: Value; again?: true; caller?: string } = {},
  ) => {
    const { method = "m", args = null, again = false, caller = "bob@x" } = fields;
    const head = {
      ...{ type: "call" as const, alias: 0, call: 0, timeoutMs: 5_000, caller },
      id: Uint8Array.of(number >> 8, number & 255),
    };
    const outcomes: CallOutcome[] = [];
    const frame: CallFrame = again
      ? { ...head, again }
      : { ...head, again, method, args: encodeUpdate(args, DEFAULT_LIMITS) };
    handlers.take(frame, (outcome) => outcomes.push(outcome));
    return outcomes;
  };
  const pass = (ms: number): void => void (now += ms);
  return { handlers, take, failures, pass };
}

const valueOf = ([outcome, ...others]: readonly CallOutcome[]): unknown => {
  expect(others).toEqual([]);
  return outcome?.ok === true ? decodeRow(outcome.result) : outcome;
};
const refusal = (code: string, text = ""): object =>
  expect.objectContaining({ ok: false, code, text: expect.stringContaining(text) as string }) as object;

describe("calls before the first handler", () => {
  it("wait for it, and for those that the program adds with it", async () => {
    const { handlers, take } = setUp();
    const outcomes = [take(1, { method: "one" }), take(2, { method: "two" }), take(3, { method: "three" })];
    await vi.advanceTimersByTimeAsync(900);
    handlers.handle("one", () => 1);
    handlers.handle("two", () => 2);
    expect(outcomes).toEqual([[], [], []]);
    await settle();
    expect(outcomes.slice(0, 2).map(valueOf)).toEqual([1, 2]);
    expect(outcomes[2]).toEqual([refusal("unknown-method")]);
    expect(take(4, { method: "four" })).toEqual([refusal("unknown-method")]);
  });

  it("run once if the component asks again meanwhile, and answer the link that asked last", async () => {
    const { handlers, take } = setUp();
    const [before, after] = [take(1), take(1)];
    let runs = 0;
    handlers.handle("m", () => ++runs);
    await settle();
    expect([runs, before, valueOf(after)]).toEqual([1, [], 1]);
  });

  it("are refused if none comes within a second, and at once from then on", async () => {
    const { take } = setUp();
    const outcome = take(1);
    await vi.advanceTimersByTimeAsync(999);
    expect(outcome).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(outcome).toEqual([refusal("unknown-method")]);
    expect(take(2)).toEqual([refusal("unknown-method")]);
  });

  it("are bounded, and forgotten at the service's end", async () => {
    const { handlers, take } = setUp();
    const outcomes = Array.from({ length: 257 }, (_, i) => take(i));
    expect(outcomes.filter((outcome) => outcome.length > 0)).toEqual([[refusal("unknown-method")]]);
    handlers.finish();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(outcomes.filter((outcome) => outcome.length > 0)).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a handler", () => {
  it("takes arguments and caller, and gives a value, its promise, or nothing", async () => {
    const { handlers, take } = setUp();
    const seen: unknown[] = [];
    handlers.handle("now", (args, { method, caller }) => (seen.push([args, method, caller]), { ok: args }));
    handlers.handle("later", (args: number) => Promise.resolve(args + 1));
    handlers.handle("nothing", () => undefined);
    const outcomes = [
      take(1, { method: "now", args: Uint8Array.of(1) }),
      take(2, { method: "later", args: 2 }),
      take(3, { method: "nothing" }),
    ];
    await settle();
    expect(outcomes.map(valueOf)).toEqual([{ ok: Uint8Array.of(1) }, 3, null]);
    expect(seen).toEqual([[Uint8Array.of(1), "now", "bob@x"]]);
  });

  it("that throws gives the caller its message without a stack, and tells the program", async () => {
    const { handlers, take, failures } = setUp();
    const thrown: unknown[] = [
      new Error("stuck"),
      "just text",
      Object.assign(new Error(), { message: { toString: () => expect.fail("read") } }),
      new Error("long".repeat(1_000)),
    ];
    for (const [i, error] of thrown.entries())
      handlers.handle(
        `m${i}`,
        i === 0
          ? () => Promise.reject(error as Error)
          : () => {
              throw error;
            },
      );
    const outcomes = thrown.map((_, i) => take(i, { method: `m${i}` }));
    await settle();
    expect(outcomes).toEqual([
      [refusal("call-failed", "stuck")],
      [refusal("call-failed", "just text")],
      [refusal("call-failed", "an error without text")],
      [refusal("call-failed", "longlong")],
    ]);
    for (const [outcome] of outcomes)
      expect(outcome?.ok === false && outcome.text.length <= 1_024 && !outcome.text.includes("    at ")).toBe(
        true,
      );
    expect(failures.length).toBe(4);
    expect(failures).toContainEqual({ method: "m0", caller: "bob@x", error: thrown[0] });
  });

  it("gives an error for a result that cannot be sent", async () => {
    const { handlers, take, failures } = setUp();
    handlers.handle("date", () => new Date());
    handlers.handle("long", () => "x".repeat(50_000));
    const outcomes = [take(1, { method: "date" }), take(2, { method: "long" })];
    await settle();
    expect(outcomes).toEqual([
      [refusal("unencodable", "the call ran")],
      [refusal("too-large", "the call ran")],
    ]);
    expect(failures.length).toBe(2);
  });

  it("is one for each method, until it is removed", () => {
    const { handlers, take } = setUp();
    const remove = handlers.handle("m", () => 1);
    expect(() => handlers.handle("m", () => 2)).toThrow(expect.objectContaining({ code: "usage" }));
    expect(take(1, { method: "M" })).toEqual([refusal("unknown-method", "`alice@x/t` has no method `M`")]);
    remove();
    expect(take(2)).toEqual([refusal("unknown-method")]);
    handlers.handle("m", () => 3);
    remove();
    expect(take(3)).toEqual([]);
  });
});

describe("a call runs at most once", () => {
  it("while it runs, the newest asker gets the result", async () => {
    const { handlers, take } = setUp();
    let finish: ((value: number) => void) | undefined;
    const handler = vi.fn(() => new Promise<number>((resolve) => (finish = resolve)));
    handlers.handle("m", handler);
    const first = take(1);
    const second = take(1, { again: true });
    const third = take(1);
    finish?.(5);
    await settle();
    expect([first, second, valueOf(third)]).toEqual([[], [], 5]);
    expect(handler).toHaveBeenCalledOnce();
  });

  it("and its result is remembered for ten minutes, also an error", async () => {
    const { handlers, take, pass } = setUp();
    const handler = vi.fn((args: number) => {
      if (args === 0) throw new Error("no");
      return args;
    });
    handlers.handle("m", handler as never);
    take(1, { args: 7 });
    take(2, { args: 0 });
    await settle();
    pass(REMEMBERED_MS - 1);
    expect(valueOf(take(1, { again: true }))).toBe(7);
    expect(valueOf(take(1, { args: 8 }))).toBe(7);
    expect(take(2, { again: true })).toEqual([refusal("call-failed", "no")]);
    // Another caller's call is another one.
    expect(take(1, { again: true, caller: "carol@x" })).toEqual([refusal("outcome-unknown")]);
    pass(1);
    expect(take(1, { again: true })).toEqual([refusal("outcome-unknown", "does not remember")]);
    expect(handler).toHaveBeenCalledTimes(2);
  });

  it("and one that was never seen does not run because it is asked for", () => {
    const { handlers, take } = setUp();
    const handler = vi.fn();
    handlers.handle("m", handler);
    expect(take(1, { again: true })).toEqual([refusal("outcome-unknown")]);
    expect(handler).not.toHaveBeenCalled();
  });
});

describe("bounds", () => {
  it("256 handlers run at once; one that is late makes room, and its result still counts", async () => {
    const { handlers, take } = setUp();
    const signals: AbortSignal[] = [];
    let finish: ((value: number) => void) | undefined;
    handlers.handle("m", (_, { signal }: CallContext) => {
      signals.push(signal);
      return new Promise<number>((resolve) => (finish ??= resolve));
    });
    const first = take(0);
    for (let i = 1; i < 256; i++) take(i);
    expect(take(256)).toEqual([refusal("busy")]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(first).toEqual([refusal("outcome-unknown", "within the call's time")]);
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
    expect(take(257)).toEqual([]);
    finish?.(9);
    await settle();
    expect(first.length).toBe(1);
    expect(valueOf(take(0, { again: true }))).toBe(9);
  });

  it("the caller with most remembered bytes pays for a flood", async () => {
    const { handlers, take } = setUp();
    handlers.handle("m", (args) => args);
    take(1, { caller: "carol@x", args: 5 });
    for (let i = 0; i < 3_000; i++) {
      take(i, { args: "x".repeat(500) });
      await settle();
    }
    expect(valueOf(take(1, { caller: "carol@x", again: true }))).toBe(5);
    expect(take(0, { again: true })).toEqual([refusal("outcome-unknown")]);
    expect(valueOf(take(2_999, { again: true }))).toBe("x".repeat(500));
    const { bytes } = handlers as unknown as { bytes: number };
    expect(bytes).toBeLessThanOrEqual(1_048_576);
  });

  it("the end of the service aborts what runs, and nothing is answered afterwards", async () => {
    const { handlers, take } = setUp();
    let signal: AbortSignal | undefined;
    handlers.handle("m", (_, context) => ((signal = context.signal), new Promise((r) => setTimeout(r, 100))));
    const outcomes = take(1);
    handlers.finish();
    expect(signal?.reason).toMatchObject({ code: "stopped" });
    expect(outcomes).toEqual([refusal("outcome-unknown", "stopped")]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([outcomes.length, take(2)]).toEqual([1, []]);
  });
});
