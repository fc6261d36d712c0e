import { describe, expect, it, test } from "vitest";
import { Position, type PositionEvent } from "./position.js";

const rows = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => Uint8Array.of(i));
const brief = (events: readonly PositionEvent<unknown>[]): string =>
  events.map((e) => (e.event === "row" ? `${e.offset}` : `${e.event} ${e.from}-${e.to}`)).join(", ");

/** Returns the events of each `[epoch, from, to, rows]` in turn. */
function story(...frames: [number, number, number, number][]): string[] {
  const position = new Position();
  return frames.map(([epoch, from, to, count]) =>
    brief(position.advance({ epoch, from, to, at: 0, spanMs: 0, rows: rows(count) }, 0)),
  );
}

test("who begins behind a position is told what is missing in front of the first row", () => {
  const position = new Position({ epoch: 7, offset: 10 });
  const batch = { epoch: 7, from: 14, to: 15, rows: ["a", "b"], at: 5, spanMs: 0 };
  expect(position.advance(batch, 0).map(({ event }) => event)).toEqual(["lost", "row", "row"]);
  expect(position.current).toEqual({ epoch: 7, offset: 15 });
});

describe("Position", () => {
  it.each<[string, [number, number, number, number][], string[]]>([
    [
      "goes on",
      [
        [1, 1, 2, 2],
        [1, 3, 3, 1],
      ],
      ["1, 2", "3"],
    ],
    ["begins anywhere, with nothing lost", [[1, 40, 42, 2]], ["41, 42"]],
    [
      "drops what it had",
      [
        [1, 1, 3, 3],
        [1, 1, 3, 3],
        [1, 2, 2, 1],
      ],
      ["1, 2, 3", "", ""],
    ],
    [
      "takes the new part of an overlap",
      [
        [1, 1, 3, 3],
        [1, 2, 5, 4],
      ],
      ["1, 2, 3", "4, 5"],
    ],
    [
      "tells a gap as lost",
      [
        [1, 1, 1, 1],
        [1, 5, 6, 2],
      ],
      ["1", "lost 2-4, 5, 6"],
    ],
    [
      "tells rows left out as conflated",
      [
        [1, 1, 1, 1],
        [1, 2, 9, 2],
      ],
      ["1", "conflated 2-7, 8, 9"],
    ],
    [
      "tells both, in order",
      [
        [1, 1, 1, 1],
        [1, 4, 9, 1],
      ],
      ["1", "lost 2-3, conflated 4-8, 9"],
    ],
    [
      "counts no conflated position twice",
      [
        [1, 1, 4, 4],
        [1, 2, 9, 1],
      ],
      ["1, 2, 3, 4", "conflated 5-8, 9"],
    ],
    [
      "tells a new epoch as reset",
      [
        [1, 1, 7, 7],
        [2, 1, 2, 2],
      ],
      ["1, 2, 3, 4, 5, 6, 7", "reset 7-1, 1, 2"],
    ],
    [
      "tells what is conflated in the first frame of a new epoch",
      [
        [1, 1, 1, 1],
        [2, 3, 9, 1],
      ],
      ["1", "reset 1-3, conflated 3-8, 9"],
    ],
    [
      "begins anew in an epoch it knew before",
      [
        [1, 1, 1, 1],
        [2, 1, 1, 1],
        [1, 1, 1, 1],
      ],
      ["1", "reset 1-1, 1", "reset 1-1, 1"],
    ],
  ])("%s", (_, frames, expected) => {
    expect(story(...frames)).toEqual(expected);
  });

  it("refuses more rows than positions", () => {
    expect(() => story([1, 5, 5, 2])).toThrow("DATA of 5..5 has 2 rows");
    expect(() => story([1, 1, 3, 4])).toThrow("DATA of 1..3 has 4 rows");
  });

  it("stands where the last row was", () => {
    const position = new Position();
    expect(position.current).toBeUndefined();
    position.advance({ epoch: 3, from: 1, to: 9, at: 0, spanMs: 0, rows: rows(1) }, 0);
    expect(position.current).toEqual({ epoch: 3, offset: 9 });
    position.advance({ epoch: 3, from: 1, to: 2, at: 0, spanMs: 0, rows: rows(2) }, 0);
    expect(position.current).toEqual({ epoch: 3, offset: 9 });
  });

  it("spreads the clock evenly over the rows, back from the newest", () => {
    const at = (count: number, from = 1): number[] => {
      const position = new Position();
      if (from > 1)
        position.advance({ epoch: 1, from: 1, to: from - 1, at: 0, spanMs: 0, rows: rows(from - 1) }, 0);
      return position
        .advance({ epoch: 1, from: 1, to: count, at: 500, spanMs: 300, rows: rows(count) }, 1_000)
        .flatMap((event) => (event.event === "row" ? event.at : []));
    };
    expect(at(1)).toEqual([1_500]);
    expect(at(2)).toEqual([1_200, 1_500]);
    expect(at(4)).toEqual([1_200, 1_300, 1_400, 1_500]);
    // Repeated rows do not shift the times of the others.
    expect(at(4, 3)).toEqual([1_400, 1_500]);
  });
});
