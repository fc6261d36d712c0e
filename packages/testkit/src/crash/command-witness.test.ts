import { describe, expect, it } from "vitest";
import { CommandWitness } from "./command-witness.js";

/** Queues, runs and ends commands `first` to `last`. */
function pass(witness: CommandWitness, first: number, last: number): void {
  for (let n = first; n <= last; n++) {
    witness.queueing(n);
    witness.queued(n);
    witness.runs(n);
    witness.ends(n, { how: "done" });
  }
}

describe("a witness of commands", () => {
  it("has nothing to say of commands that run once and in order", () => {
    const witness = new CommandWitness();
    witness.continues([]);
    pass(witness, 1, 10);
    witness.conclude(0);
    expect(witness).toMatchObject({ findings: [], last: 10, unknown: 0, waiting: 0 });
  });

  it("lets a process that was killed tell an end again, and queue a command untold", () => {
    const witness = new CommandWitness();
    witness.continues([]);
    pass(witness, 1, 3);
    // 4 was sent, and 5 was stored, but not told. The removal of 3 was not stored.
    for (const n of [4, 5]) witness.queueing(n);
    witness.queued(4);
    witness.runs(4);
    witness.continues([3, 4, 5]);
    expect(witness.waiting).toBe(2);
    witness.ends(3, { how: "done" });
    witness.ends(4, { how: "failed", code: "outcome-unknown" });
    witness.runs(5);
    witness.ends(5, { how: "done" });
    witness.conclude(1);
    expect(witness).toMatchObject({ findings: [], unknown: 1, waiting: 0 });
  });

  it.each<[string, (witness: CommandWitness) => void, string]>([
    ["a command that ran twice", (w) => w.runs(5), "expected that command 5 runs once, but it ran again"],
    [
      "commands in another order",
      (w) => {
        for (const n of [6, 7]) w.queueing(n);
        w.runs(7);
        w.runs(6);
      },
      "expected command 6 before command 7, but it ran after",
    ],
    ["a command that nobody queued", (w) => w.runs(6), "command 6 ran, but only 5 were queued"],
    [
      "a command that is done and never ran",
      (w) => (w.queueing(6), w.queued(6), w.ends(6, { how: "done" })),
      "command 6 is done, but never ran",
    ],
    ["a command without an end", (w) => (w.queueing(6), w.queued(6)), "command 6 has no result"],
    ["two ends in one process", (w) => w.ends(5, { how: "done" }), "command 5 ended twice: done, then done"],
    [
      "a command that is gone with its process",
      (w) => (w.queueing(6), w.queued(6), w.continues([])),
      "expected command 6 in the store after a kill, but it is not there",
    ],
    ["a command from nowhere", (w) => w.continues([6]), "command 6 is in the store, but was never queued"],
    [
      "another error",
      (w) => (w.queueing(6), w.queued(6), w.ends(6, { how: "failed", code: "unknown-method" })),
      "expected that command 6 is done, but it ended in failed with unknown-method",
    ],
    [
      "more unknown outcomes than breaks",
      (w) => {
        w.queueing(6);
        w.queued(6);
        w.ends(6, { how: "failed", code: "outcome-unknown" });
      },
      "expected at most 0 commands with an unknown outcome, one for each break, but there are 1",
    ],
  ])("finds %s", (_, go, text) => {
    const witness = new CommandWitness();
    witness.continues([]);
    pass(witness, 1, 5);
    go(witness);
    witness.conclude(0);
    expect(witness.findings.join("\n")).toContain(text);
  });
});
