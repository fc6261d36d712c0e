import { describe, expect, it } from "vitest";
import { Ledger } from "./ledger.js";

describe("a ledger", () => {
  it("takes what comes in order, wherever it begins", () => {
    const ledger = new Ledger();
    ledger.update(7, 7);
    ledger.update(8, 8);
    ledger.lose(9, 11);
    ledger.conflate(12, 12);
    ledger.update(13, 13);
    expect(ledger).toMatchObject({ got: 3, lost: 3, conflated: 1, faults: 0, position: 13 });
  });

  it.each([
    ["a hole that nobody told of", (it: Ledger) => it.update(10, 10), 2],
    ["a position twice", (it: Ledger) => it.update(7, 7), 1],
    ["a range that begins below", (it: Ledger) => it.lose(6, 9), 2],
    ["another's value", (it: Ledger) => it.update(8, 9), 1],
    ["a new beginning", (it: Ledger) => it.reset(), 1],
  ])("counts %s", (_, act, faults) => {
    const ledger = new Ledger();
    ledger.update(7, 7);
    act(ledger);
    expect(ledger.faults).toBe(faults);
  });
});
