import { describe, expect, it } from "vitest";
import { CursorWitness } from "./cursor-witness.js";
import { Witness } from "./witness.js";

/** A log whose update `n` has the offset `n`, in epoch 1. */
function create(): { witness: Witness; cursor: CursorWitness; feed(first: number, last: number): void } {
  const witness = new Witness("w");
  const cursor = new CursorWitness(witness);
  const feed = (first: number, last: number): void => {
    for (let n = first; n <= last; n++) cursor.update(n, 1, n);
  };
  cursor.begins();
  return { witness, cursor, feed };
}

describe("a witness of a cursor", () => {
  it("takes updates again when a process begins, and nothing else again", () => {
    const { witness, cursor, feed } = create();
    feed(1, 10);
    cursor.sees({ epoch: 1, offset: 5 });
    cursor.begins();
    feed(6, 20);
    cursor.begins();
    feed(21, 30);
    witness.conclude(30, 0);
    expect([witness.findings, cursor.repeated, witness.duplicated]).toEqual([[], 5, 0]);
    expect(cursor.end).toEqual({ epoch: 1, offset: 30 });
  });

  it.each<[string, (created: ReturnType<typeof create>) => void, string]>([
    [
      "a process that begins too late",
      ({ cursor, feed }) => (cursor.begins(), feed(12, 20)),
      "positions 11 to 11 are missing before update 12",
    ],
    [
      "a process that begins where the cursor was already",
      ({ cursor, feed }) => (cursor.sees({ epoch: 1, offset: 8 }), cursor.begins(), feed(8, 20)),
      "expected that a process begins behind offset 8, where the cursor was, but it began with 8",
    ],
    [
      "a hole among what comes again",
      ({ cursor, feed }) => (cursor.begins(), feed(5, 6), feed(8, 20)),
      "expected offset 7 next, but 8 came",
    ],
    [
      "another update at an offset that comes again",
      ({ cursor, feed }) => (cursor.begins(), cursor.update(7, 1, 8), feed(9, 20)),
      "offset 8 was update 8, and came again as update 7",
    ],
    [
      "updates again without another process",
      ({ feed }) => (feed(11, 12), feed(12, 20)),
      "position 12 (update 12) came after position 12",
    ],
    [
      "a cursor that goes back",
      ({ cursor, feed }) => (
        cursor.sees({ epoch: 1, offset: 8 }),
        cursor.sees({ epoch: 1, offset: 7 }),
        feed(11, 20)
      ),
      "expected the cursor at offset 8 or later, but it is at 7",
    ],
  ])("finds %s", (_, go, text) => {
    const created = create();
    created.feed(1, 10);
    go(created);
    created.witness.conclude(20, 0);
    expect(created.witness.findings.join("\n")).toContain(text);
  });
});
