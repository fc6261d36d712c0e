import { describe, expect, it } from "vitest";
import { Witness } from "./witness.js";

/** Updates `first` to `last` in epoch `epoch`, at positions that are lower than the numbers by `shift`. */
function feed(witness: Witness, first: number, last: number, epoch = 1, shift = 0): void {
  for (let n = first; n <= last; n++) witness.update(n, epoch, n - shift);
}

describe("a witness", () => {
  it("has nothing to say of every update once and in order", () => {
    const witness = new Witness("w");
    feed(witness, 1, 10);
    witness.conclude(10, 0);
    expect(witness).toMatchObject({ findings: [], delivered: 10, repeated: 0, duplicated: 0, reordered: 0 });
  });

  it("takes a loss that is told exactly, where it may be", () => {
    const witness = new Witness("w");
    feed(witness, 1, 3);
    witness.tell("lost", { from: 4, to: 6 });
    feed(witness, 7, 10);
    witness.conclude(10, 6);
    expect(witness).toMatchObject({ findings: [], delivered: 7 });
    witness.conclude(10, 5);
    expect(witness.findings).toEqual([
      "w: update 6 is lost, but no component that lost its memory had acknowledged it",
    ]);
  });

  it("takes a reset, what is gone with it, and what comes again", () => {
    const witness = new Witness("w");
    feed(witness, 1, 5);
    witness.tell("reset", { from: 5, to: 1 });
    feed(witness, 4, 8, 2, 3);
    witness.tell("reset", { from: 5, to: 1 });
    feed(witness, 11, 12, 3, 10);
    witness.conclude(12, 10);
    expect(witness).toMatchObject({ findings: [], delivered: 10, repeated: 2, duplicated: 0, reordered: 0 });
  });

  it("lets a consumer read what waits before what was told of what comes after it", () => {
    const witness = new Witness("w");
    feed(witness, 1, 3);
    witness.tell("reset", { from: 5, to: 1 });
    witness.tell("lost", { from: 1, to: 2 });
    feed(witness, 4, 5);
    feed(witness, 8, 9, 2, 5);
    witness.conclude(9, 7);
    expect(witness.findings).toEqual([]);
  });

  it("takes later positions after a skip, for what was not stored, but only where skips may be", () => {
    const [a, b, strict] = [new Witness("a", true), new Witness("b", true), new Witness("s")];
    // It had received updates 4 and 5, which were not stored. The positions up to 100 were skipped.
    feed(a, 1, 5);
    a.tell("lost", { from: 6, to: 100 });
    feed(a, 4, 9, 1, -97);
    feed(b, 1, 3);
    b.tell("lost", { from: 4, to: 100 });
    feed(b, 4, 9, 1, -97);
    for (const witness of [a, b]) witness.conclude(9, 0);
    a.compare(b);
    expect(a).toMatchObject({ findings: [], delivered: 9, repeated: 2, duplicated: 0, reordered: 0 });
    expect(b).toMatchObject({ findings: [], delivered: 9, repeated: 0 });
    feed(strict, 1, 5);
    strict.tell("lost", { from: 6, to: 100 });
    feed(strict, 4, 4, 1, -97);
    expect(strict.findings).toEqual(["s: position 101 had update 4, not 101"]);
  });

  it("finds an update that is gone behind a skip", () => {
    const witness = new Witness("w", true);
    feed(witness, 1, 3);
    witness.tell("lost", { from: 4, to: 100 });
    feed(witness, 6, 9, 1, -95);
    witness.conclude(9, 0);
    expect(witness.findings).toEqual(["w: update 4 is lost for no reason"]);
  });

  it.each<[string, (witness: Witness) => void, string]>([
    ["a hole that nobody told of", (w) => feed(w, 7, 10), "positions 6 to 6 are missing before update 7"],
    [
      "a hole that was told too small",
      (w) => (w.tell("lost", { from: 6, to: 6 }), feed(w, 8, 10)),
      "positions 7 to 7 are missing",
    ],
    [
      "a hole that was told too large",
      (w) => (w.tell("lost", { from: 6, to: 7 }), feed(w, 7, 10)),
      "position 7 (update 7) came after position 7",
    ],
    [
      "a hole that was not there",
      (w) => (w.tell("lost", { from: 6, to: 6 }), feed(w, 6, 10)),
      "6 to 6 were reported as lost for no reason",
    ],
    [
      "something conflated",
      (w) => (w.tell("conflated", { from: 6, to: 6 }), feed(w, 7, 10)),
      "were conflated",
    ],
    [
      "an update twice",
      (w) => (feed(w, 5, 5), feed(w, 6, 10)),
      "position 5 (update 5) came after position 5",
    ],
    [
      "an update as another position",
      (w) => (w.update(5, 1, 6), feed(w, 7, 10)),
      "position 6 had update 5, not 6",
    ],
    ["another epoch, untold", (w) => feed(w, 6, 10, 2), "6 has another epoch, but no reset was reported"],
    [
      "a reset from where it was not",
      (w) => (w.tell("reset", { from: 4, to: 1 }), feed(w, 6, 10, 2, 5)),
      "the position was 5",
    ],
    [
      "a reset without another epoch",
      (w) => (w.tell("reset", { from: 5, to: 8 }), feed(w, 8, 10)),
      "has the old epoch",
    ],
    ["no end", (w) => feed(w, 6, 9), "the last update is 9, but 10 were published"],
  ])("finds %s", (_, go, text) => {
    const witness = new Witness("w");
    feed(witness, 1, 5);
    go(witness);
    witness.conclude(10, 0);
    expect(witness.findings.join("\n")).toContain(text);
  });

  it("finds that others have other updates at the same positions", () => {
    const [a, b] = [new Witness("a"), new Witness("b")];
    feed(a, 1, 5);
    feed(b, 2, 5, 1, 1);
    a.compare(b);
    expect(a.findings).toEqual(["a: position 1 is update 1 here, but 2 at b"]);
  });
});
