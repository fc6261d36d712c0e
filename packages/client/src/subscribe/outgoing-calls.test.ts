import { StanzapackError, type CallFrame, type ErrorCode, type ResultFrame } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LinkCalls } from "../link/link-calls.js";
import { OutgoingCalls } from "./outgoing-calls.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A link that records what it is sent. */
function createLink(takesCalls = true) {
  const sent: CallFrame[] = [];
  const link = {
    takesCalls,
    reachable: true,
    sendFrame: (frame: unknown) => void sent.push(frame as CallFrame),
  };
  const calls = new LinkCalls(() => link);
  const answer = (call: number, byte: number): void =>
    calls.onResult({ type: "result", call, ok: true, result: Uint8Array.of(byte) });
  return { sent, link, calls, answer };
}

const failsWith = (promise: Promise<unknown>, code: ErrorCode, text = ""): Promise<void> =>
  expect(promise).rejects.toMatchObject({ code, message: expect.stringContaining(text) as string });

describe("a call", () => {
  it("is sent once the subscription is bound, and resolves to its result", async () => {
    const [outgoing, link] = [new OutgoingCalls("alice@x/t"), createLink()];
    const result = outgoing.call("add", [1, 2]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(link.sent).toEqual([]);
    outgoing.onBound(link.calls, 5);
    const id = expect.any(Uint8Array) as Uint8Array;
    expect(link.sent).toEqual([
      {
        ...{
          type: "call",
          alias: 5,
          call: 0,
          id,
          timeoutMs: expect.closeTo(29_000, -2) as number,
          caller: null,
        },
        ...{ again: false, method: "add", args: Uint8Array.of(0x92, 1, 2) },
      },
    ]);
    link.answer(0, 3);
    expect(await result).toBe(3);
  });

  it("waits while the stream is gone, and is not sent twice", async () => {
    const [outgoing, link] = [new OutgoingCalls("alice@x/t"), createLink()];
    outgoing.onBound(link.calls, 5);
    const first = outgoing.call("a", 1);
    link.link.reachable = false;
    const second = outgoing.call("b", 2);
    const third = failsWith(outgoing.call("c", 3, 100), "timeout");
    await vi.advanceTimersByTimeAsync(100);
    await third;
    link.link.reachable = true;
    outgoing.resume();
    expect(link.sent).toMatchObject([{ method: "a" }, { method: "b" }]);
    link.answer(0, 1);
    link.answer(1, 2);
    expect(await Promise.all([first, second])).toEqual([1, 2]);
  });

  it("has null as arguments by default, and an id of its own", async () => {
    const [outgoing, link] = [new OutgoingCalls("alice@x/t"), createLink()];
    outgoing.onBound(link.calls, 5);
    const results = [outgoing.call("a", undefined), outgoing.call("a", undefined)];
    expect(link.sent).toMatchObject([{ args: Uint8Array.of(0xc0) }, { args: Uint8Array.of(0xc0) }]);
    expect(link.sent[0]?.id).not.toEqual(link.sent[1]?.id);
    link.answer(1, 1);
    link.answer(0, 0);
    expect(await Promise.all(results)).toEqual([0, 1]);
  });

  it("rejects with the error of its result", async () => {
    const [outgoing, link] = [new OutgoingCalls("alice@x/t"), createLink()];
    outgoing.onBound(link.calls, 5);
    const result = outgoing.call("a", null);
    const error: ResultFrame = {
      ...{ type: "result", call: 0, ok: false, code: "busy", text: "too many", retryAfterMs: 500 },
    };
    const rejected = expect(result).rejects.toMatchObject({
      ...{
        code: "busy",
        text: "too many",
        origin: "peer",
        scope: "call",
        retryable: true,
        retryAfterMs: 500,
      },
    });
    link.calls.onResult(error);
    await rejected;
  });

  it("cannot carry a date, nor too much", async () => {
    const outgoing = new OutgoingCalls("alice@x/t");
    await failsWith(outgoing.call("a", new Date()), "unencodable");
    await failsWith(outgoing.call("a", "x".repeat(50_000)), "too-large");
  });

  it("to a component without calls is unsupported", async () => {
    const [outgoing, old] = [new OutgoingCalls("alice@x/t"), createLink(false)];
    const waiting = outgoing.call("a", null);
    outgoing.onBound(old.calls, 5);
    await failsWith(waiting, "unsupported", "passes no calls on");
    expect(old.sent).toEqual([]);
  });
});

describe("a call with an id of its caller", () => {
  const request = { id: Uint8Array.of(7), method: "a", timeoutMs: 1_000 };

  it("leaves when calls are ready, of which its caller is told", async () => {
    const link = createLink();
    const ready: boolean[] = [];
    const outgoing: OutgoingCalls = new OutgoingCalls("alice@x/t", () => ready.push(outgoing.ready));
    expect(outgoing.ready).toBe(false);
    outgoing.resume();
    outgoing.onBound(link.calls, 5);
    link.link.reachable = false;
    expect(outgoing.ready).toBe(false);
    link.link.reachable = true;
    outgoing.resume();
    expect(ready).toEqual([true, true]);
    const result = outgoing.make({ ...request, args: Uint8Array.of(1) });
    expect(link.sent).toMatchObject([{ id: Uint8Array.of(7), again: false, args: Uint8Array.of(1) }]);
    link.answer(0, 3);
    expect(await result).toBe(3);
    outgoing.finish(undefined);
    expect(outgoing.ready).toBe(false);
  });

  it("without arguments is only asked for, and its outcome is unknown without an answer", async () => {
    const [outgoing, link] = [new OutgoingCalls("alice@x/t"), createLink()];
    const late = failsWith(outgoing.make({ ...request, args: undefined }), "outcome-unknown");
    await vi.advanceTimersByTimeAsync(1_000);
    await late;
    outgoing.onBound(link.calls, 5);
    const result = outgoing.make({ ...request, args: undefined });
    expect(link.sent).toMatchObject([{ id: Uint8Array.of(7), again: true }]);
    link.answer(0, 3);
    expect(await result).toBe(3);
  });
});

describe("after a new link", () => {
  it("only the id is sent, and the result is that of the first try", async () => {
    const [outgoing, link, next] = [new OutgoingCalls("alice@x/t"), createLink(), createLink()];
    outgoing.onBound(link.calls, 5);
    const result = outgoing.call("a", 1, 10_000);
    outgoing.interrupt();
    // What the old link still delivers is of the old link.
    link.answer(0, 9);
    await vi.advanceTimersByTimeAsync(4_000);
    const later = outgoing.call("b", 2, 10_000);
    outgoing.onBound(next.calls, 7);
    const [first] = link.sent;
    expect(next.sent).toMatchObject([
      { alias: 7, call: 0, id: first?.id, again: true, timeoutMs: expect.closeTo(6_000, -2) as number },
      { alias: 7, call: 1, again: false, method: "b" },
    ]);
    next.answer(0, 1);
    next.answer(1, 2);
    expect(await Promise.all([result, later])).toEqual([1, 2]);
  });

  it("whose component knows no calls, the outcome is unknown", async () => {
    const [outgoing, link, old] = [new OutgoingCalls("alice@x/t"), createLink(), createLink(false)];
    outgoing.onBound(link.calls, 5);
    const result = failsWith(outgoing.call("a", 1), "outcome-unknown");
    outgoing.interrupt();
    outgoing.onBound(old.calls, 5);
    await result;
  });
});

describe("without a result in time", () => {
  it("the outcome is unknown if the call was sent, and a retry is safe if it was not", async () => {
    const [outgoing, link] = [new OutgoingCalls("alice@x/t"), createLink()];
    const unsent = failsWith(outgoing.call("a", 1, 500), "timeout", "the call did not run");
    await vi.advanceTimersByTimeAsync(500);
    await unsent;
    outgoing.onBound(link.calls, 5);
    const sent = failsWith(outgoing.call("a", 1, 500), "outcome-unknown", "within 500 ms");
    await vi.advanceTimersByTimeAsync(500);
    await sent;
    link.answer(0, 1);
    expect(link.sent.length).toBe(1);
  });

  it.each([
    [new StanzapackError("withdrawn", "gone"), "withdrawn"] as const,
    [undefined, "stopped"] as const,
  ])("because the subscription ends with %s", async (error, code) => {
    const [outgoing, link] = [new OutgoingCalls("alice@x/t"), createLink()];
    const unsent = failsWith(outgoing.call("a", 1), code);
    outgoing.finish(error);
    await unsent;
    await failsWith(outgoing.call("a", 1), "stopped");
    const other = new OutgoingCalls("alice@x/t");
    other.onBound(link.calls, 5);
    const sent = failsWith(other.call("a", 1), "outcome-unknown");
    other.finish(error);
    await sent;
    expect(vi.getTimerCount()).toBe(0);
  });
});

it("no more than 256 calls wait, nor 4 MiB of arguments that are not sent", async () => {
  const [outgoing, link] = [new OutgoingCalls("alice@x/t"), createLink()];
  const calls = Array.from({ length: 85 }, () => outgoing.call("a", "x".repeat(49_000)));
  await failsWith(outgoing.call("a", "x".repeat(49_000)), "busy");
  outgoing.onBound(link.calls, 5);
  // They are sent, and their arguments forgotten.
  while (calls.length < 256) calls.push(outgoing.call("a", "x".repeat(49_000)));
  await failsWith(outgoing.call("a", 1), "busy", "256 calls");
  for (const call of calls.keys()) link.answer(call, 1);
  expect(new Set(await Promise.all(calls))).toEqual(new Set([1]));
});
