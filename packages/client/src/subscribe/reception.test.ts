import { describe, expect, it } from "vitest";
import { Reception, type RangeReport } from "./reception.js";

/** Receives the updates `from` to `to` of an epoch, `rows` of them as rows. */
function receive(
  reception: Reception,
  [from, to]: readonly [number, number],
  { rows = to - from + 1, epoch = 1, thins = false, isLog = false } = {},
): (number | RangeReport)[] {
  const batch = { epoch, from, to, at: 0, spanMs: 0, rows: Array.from({ length: rows }, () => 0) };
  const { events, report } = reception.receive(batch, { thins, isLog });
  return events.map((event) => (event.event === "row" ? event.offset : report(event)));
}

describe("what a subscription receives", () => {
  it("names a hole by its reason, once", () => {
    const reception = new Reception(undefined);
    expect(receive(reception, [4, 5])).toEqual([4, 5]);
    expect(receive(reception, [7, 7])).toEqual([["lost", { from: 6, to: 6, reason: "gap" }], 7]);
    reception.interrupt();
    expect(receive(reception, [9, 9])).toEqual([["lost", { from: 8, to: 8, reason: "disconnected" }], 9]);
    expect(receive(reception, [11, 11])).toEqual([["lost", { from: 10, to: 10, reason: "gap" }], 11]);
  });

  it.each([["before"], ["after"]])("counts a pause %s the end of a link as wanted", (order) => {
    const reception = new Reception(undefined);
    receive(reception, [1, 1]);
    if (order === "before") reception.pause();
    reception.interrupt();
    if (order === "after") reception.pause();
    expect(receive(reception, [3, 3])).toEqual([["conflated", { from: 2, to: 2, reason: "paused" }], 3]);
    expect(receive(reception, [5, 5])).toEqual([["lost", { from: 4, to: 4, reason: "gap" }], 5]);
  });

  it("counts what a log no longer keeps after a pause as lost", () => {
    const reception = new Reception(undefined);
    receive(reception, [1, 1], { isLog: true });
    reception.pause();
    const received = receive(reception, [100, 100], { isLog: true });
    expect(received).toEqual([["lost", { from: 2, to: 99, reason: "paused" }], 100]);
  });

  it("names why the sender left updates out, and a new epoch", () => {
    const reception = new Reception(undefined);
    receive(reception, [1, 1]);
    expect(receive(reception, [2, 3], { rows: 1 })).toEqual([
      ["conflated", { from: 2, to: 2, reason: "window" }],
      3,
    ]);
    expect(receive(reception, [4, 5], { rows: 1, thins: true })).toEqual([
      ["conflated", { from: 4, to: 4, reason: "selection" }],
      5,
    ]);
    expect(receive(reception, [2, 2], { epoch: 9 })).toEqual([
      ["reset", { from: 5, to: 2, reason: "epoch" }],
      2,
    ]);
    expect(reception.current).toEqual({ epoch: 9, offset: 2 });
  });

  it("begins behind the position that was asked for", () => {
    const reception = new Reception({ epoch: 1, offset: 3 });
    reception.begin({ epoch: 5, offset: 1 });
    expect(receive(reception, [3, 5])).toEqual([4, 5]);
    expect(new Reception("first").current).toBeUndefined();
  });
});
