import { StanzapackError, type CallFrame, type ResultFrame } from "@stanzapack/wire";
import { expect, it, vi } from "vitest";
import { LinkCalls, type UnnumberedCall } from "./link-calls.js";

const CALL: UnnumberedCall = {
  ...{ type: "call", alias: 1, id: Uint8Array.of(1), timeoutMs: 1_000, caller: null },
  again: true,
};
const RESULT = { type: "result", ok: true, result: Uint8Array.of(1) } as const;

function setUp() {
  const sent: (CallFrame | ResultFrame)[] = [];
  const link = {
    ...{ takesCalls: true, reachable: true },
    full: false,
    sendFrame(frame: CallFrame | ResultFrame) {
      if (link.full && (frame.type === "call" || frame.ok))
        throw new StanzapackError("limit-exceeded", "a frame of 9 bytes is over the block size of 6");
      sent.push(frame);
    },
  };
  return { sent, link, calls: new LinkCalls(() => link) };
}

it("numbers calls, and gives each its result once", () => {
  const { sent, calls } = setUp();
  const [first, second] = [vi.fn(), vi.fn()];
  calls.send(CALL, first);
  const forget = calls.send(CALL, second);
  expect(sent).toEqual([
    { ...CALL, call: 0 },
    { ...CALL, call: 1 },
  ]);
  forget();
  for (const call of [1, 0, 0, 5]) calls.onResult({ ...RESULT, call });
  expect([first.mock.calls, second.mock.calls]).toEqual([[[{ ...RESULT, call: 0 }]], []]);
});

it("refuses what fits no block: a call by an error, a result by an answer", () => {
  const { sent, link, calls } = setUp();
  link.full = true;
  expect(() => calls.send(CALL, vi.fn())).toThrow(
    expect.objectContaining({ code: "too-large", scope: "call" }),
  );
  calls.answer(4, RESULT);
  expect(sent).toMatchObject([{ type: "result", call: 4, ok: false, code: "too-large" }]);
  link.full = false;
  calls.answer(5, RESULT);
  expect(sent[1]).toEqual({ ...RESULT, call: 5 });
});
