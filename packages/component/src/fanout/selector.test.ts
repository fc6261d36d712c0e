import {
  decodeRow,
  DEFAULT_LIMITS,
  encodeUpdate,
  RowBatch,
  WHOLE,
  type Selection,
  type Value,
} from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { Arrival, isWithin, Projection, Selector } from "./selector.js";

const pack = (value: Value): Uint8Array => encodeUpdate(value, DEFAULT_LIMITS);

/** A selector, and what it lets through, as `from-to=value`. */
function setUp(selection: Partial<Selection>, offset = 0) {
  const batch = new RowBatch({ maxRows: 100, maxBytes: 1e6 });
  const selector = new Selector({ ...WHOLE, ...selection }, batch, offset);
  let position = offset;
  const push = (
    from: number,
    values: readonly (readonly [at: number, value: Value])[],
    live = true,
  ): void => {
    const rows = values.map(([, value]) => pack(value));
    const ats = values.map(([at]) => at);
    position = Math.max(position + 1, from) + rows.length - 1;
    selector.push(new Arrival(from, position, rows, ats), rows, live, ats.at(-1) ?? 0);
  };
  return {
    selector,
    push,
    /** Adds one update at the time `at`. */
    add: (at: number, value: Value, live = true): void => push(position + 1, [[at, value]], live),
    flush(now: number): string[] {
      selector.settle(now);
      return batch
        .take(100, 1e6)
        .map(
          ({ from, to, rows }) => `${from}-${to}=${rows.map((row) => JSON.stringify(decodeRow(row))).join()}`,
        );
    },
  };
}

describe("samples", () => {
  it("latest: of each flush the newest, which stands for the others", () => {
    const { add, flush, selector } = setUp({ samples: "latest" });
    expect(selector.opensAt).toBeUndefined();
    for (const at of [1, 2, 3]) add(at, at);
    expect(selector.opensAt).toBe(-Infinity);
    expect(flush(10)).toEqual(["1-3=3"]);
    expect(selector.opensAt).toBeUndefined();
    expect(flush(20)).toEqual([]);
    add(21, 4);
    expect(flush(30)).toEqual(["4-4=4"]);
  });
});

describe("max_rate", () => {
  it("lets the first go at once, and the newest when it is time", () => {
    const { add, flush, selector } = setUp({ maxRate: 5 });
    add(1_000, 1);
    expect(flush(1_000)).toEqual(["1-1=1"]);
    add(1_050, 2);
    add(1_100, 3);
    expect(flush(1_100)).toEqual([]);
    expect(selector.opensAt).toBe(1_200);
    expect(flush(1_199)).toEqual([]);
    expect(flush(1_200)).toEqual(["2-3=3"]);
    expect(selector.opensAt).toBeUndefined();
    // The selector was idle since, so the update leaves at once again.
    add(5_000, 4);
    expect(selector.opensAt).toBe(-Infinity);
    expect(flush(5_000)).toEqual(["4-4=4"]);
  });

  it("thins a wide window evenly, and forgets none that there was time for", () => {
    const { push, flush } = setUp({ maxRate: 10 });
    push(
      1,
      Array.from({ length: 100 }, (_, i) => [i * 10, i] as const),
    );
    const went = flush(995);
    expect(went).toHaveLength(10);
    expect(went.slice(0, 3)).toEqual(["1-1=0", "2-11=10", "12-21=20"]);
    // The newest update waits for its time, and another one comes long after.
    push(101, [[5_000, "late"]]);
    expect(flush(5_000)).toEqual(['92-101=99,"late"']);
  });

  it("never lets more than its number go in a second, whatever comes when", () => {
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const { add, flush } = setUp({ maxRate: 7 });
    const went: number[] = [];
    let conflated = 0;
    let last = 0;
    for (let now = 0; now < 60_000; now += Math.floor(random() * 120)) {
      add(now, now);
      for (const text of flush(now)) {
        went.push(now);
        const [from = 0, to = 0] = text.split("=")[0]?.split("-").map(Number) ?? [];
        expect(from).toBe(last + 1);
        conflated += to - from;
        last = to;
      }
    }
    for (const [i, at] of went.entries())
      expect(at - (went[i - 7] ?? -Infinity)).toBeGreaterThanOrEqual(1_000 - 120);
    expect(went.length).toBeGreaterThan(300);
    expect(went.length).toBeLessThanOrEqual(421);
    expect(went.length + conflated).toBe(last);
  });

  it("survives a clock that is set back", () => {
    const { add, flush } = setUp({ maxRate: 1 });
    add(1e12, 1);
    expect(flush(1e12)).toEqual(["1-1=1"]);
    add(1e9, 2);
    add(1e9 + 1_000, 3);
    expect(flush(1e9 + 1_000)).toEqual(["2-3=3"]);
  });
});

describe("deadband", () => {
  it("compares with the last that went, not with the last that came", () => {
    const { add, flush, selector } = setUp({ deadband: 1 });
    const went: string[] = [];
    for (const [i, value] of [10, 10.5, 11, 11.1, 11.5, 10.1, 10].entries()) {
      add(i, value);
      went.push(...flush(i));
    }
    expect(went).toEqual(["1-1=10", "2-4=11.1", "5-7=10"]);
    expect(selector.opensAt).toBeUndefined();
  });

  it("of 0 lets changes alone go", () => {
    const { add, flush } = setUp({ deadband: 0 });
    const values = [1, 1, 1, "a", "a", { x: [1] }, { x: [1] }, { x: [2] }, null, null];
    const went = values.flatMap((value, i) => {
      add(i, value);
      return flush(i);
    });
    expect(went).toEqual(["1-1=1", '2-4="a"', '5-6={"x":[1]}', '7-8={"x":[2]}', "9-9=null"]);
  });

  it("judges the newest of a window when `latest` is asked for, and when its time has come at a rate", () => {
    const latest = setUp({ deadband: 1, samples: "latest" });
    latest.add(0, 0);
    expect(latest.flush(10)).toEqual(["1-1=0"]);
    latest.add(11, 50);
    latest.add(12, 0.5);
    expect(latest.flush(20)).toEqual([]);
    expect(latest.selector.opensAt).toBeUndefined();
    latest.add(21, 2);
    expect(latest.flush(30)).toEqual(["2-4=2"]);

    const rated = setUp({ deadband: 1, maxRate: 1 });
    rated.add(0, 0);
    rated.add(100, 50);
    expect(rated.selector.opensAt).toBe(-Infinity);
    expect(rated.flush(100)).toEqual(["1-1=0"]);
    expect(rated.selector.opensAt).toBe(1_000);
    rated.add(500, 0.5);
    expect(rated.selector.opensAt).toBeUndefined();
    // Nothing was selected for longer than the rate asks for, so a large change is selected at once.
    rated.add(1_234, 9);
    expect(rated.flush(1_234)).toEqual(["2-4=9"]);
  });

  it("gives the newest to a heartbeat", () => {
    const { add, flush, selector } = setUp({ deadband: 1 });
    add(0, 0);
    add(1, 0.1);
    expect(flush(1)).toEqual(["1-1=0"]);
    selector.force();
    expect(flush(2)).toEqual(["2-2=0.1"]);
    selector.force();
    expect(flush(3)).toEqual([]);
  });

  it.each<[Value, Value, boolean]>([
    [1, 1.5, true],
    [1, 1.6, false],
    [-0, 0, true],
    [NaN, NaN, true],
    [NaN, 1, false],
    [Infinity, Infinity, true],
    [Infinity, 1, false],
    [1, "1", false],
    [null, 0, false],
    ["a", "a", true],
    [{ a: 1, b: 2 }, { b: 2.5, a: 0.5 }, true],
    [{ a: 1, b: 2 }, { a: 1, b: 2.6 }, false],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ a: 1 }, { b: 1 }, false],
    [{ a: 1, s: "x" }, { a: 1.5, s: "x" }, true],
    [{ a: 1, s: "x" }, { a: 1, s: "y" }, false],
    // Deeper numbers must be the same.
    [{ a: { b: 1 } }, { a: { b: 1 } }, true],
    [{ a: { b: 1 } }, { a: { b: 1.1 } }, false],
    [[1, 2], [1, 2], true],
    [[1, 2], [1, 2.1], false],
    [Uint8Array.of(1), Uint8Array.of(1), true],
    [Uint8Array.of(1), Uint8Array.of(2), false],
    [Uint8Array.of(1), [1], false],
    [JSON.parse('{"__proto__":1}') as Value, {}, false],
    [JSON.parse('{"__proto__":1}') as Value, JSON.parse('{"__proto__":1.2}') as Value, true],
  ])("0.5: %j and %j are near: %s", (a, b, near) => {
    expect([isWithin(a, b, 0.5), isWithin(b, a, 0.5)]).toEqual([near, near]);
  });
});

describe("what was left out", () => {
  it("never joins a hole: in front of one the newest goes", () => {
    const { push, flush } = setUp({ deadband: 10 });
    push(1, [
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    // Positions 4 to 9 are lost.
    push(10, [[3, 3]]);
    expect(flush(3)).toEqual(["1-1=0", "2-3=2"]);
    push(11, [[4, 50]]);
    expect(flush(4)).toEqual(["10-11=50"]);
  });

  it("a row that the lane cannot take is a hole", () => {
    const batch = new RowBatch({ maxRows: 100, maxBytes: 1e6 });
    const selector = new Selector({ ...WHOLE, deadband: 1 }, batch, 0);
    const rows = [0, 0.5, "too large", 20].map(pack);
    const fitting = rows.map((row, i) => (i === 2 ? undefined : row));
    selector.push(new Arrival(1, 4, rows, [0, 1, 2, 3]), fitting, true, 3);
    expect(batch.take(100, 1e6).map(({ from, to }) => [from, to])).toEqual([
      [1, 2],
      [4, 4],
    ]);
  });

  it("while nobody takes it is the newest alone, which goes when somebody does", () => {
    const { add, flush, selector } = setUp({ deadband: 1 });
    add(0, 0);
    expect(flush(0)).toEqual(["1-1=0"]);
    for (const value of [5, 6, 7]) add(value, value, false);
    expect(selector.opensAt).toBeLessThanOrEqual(7);
    expect(flush(8)).toEqual(["2-4=7"]);
    for (const value of [8, 7.5]) add(value, value, false);
    expect(flush(9)).toEqual([]);
  });

  it("what the first of a lane got by itself is what the next are compared with", () => {
    const { add, flush, selector } = setUp({ deadband: 1 }, 7);
    selector.meet({ offset: 7, row: pack(3), at: 0 }, false, 1);
    selector.meet({ offset: 7, row: pack(3), at: 0 }, true, 1);
    expect(selector.settledTo).toBe(7);
    add(2, 3.5);
    expect(flush(2)).toEqual([]);
    add(3, 5);
    expect(flush(3)).toEqual(["8-9=5"]);
    selector.meet({ offset: 9, row: pack(5), at: 0 }, true, 4);
    add(5, 4.5);
    expect(flush(5)).toEqual([]);
  });

  it("goes to all once one of them has something else than the others", () => {
    const { add, flush, selector } = setUp({ deadband: 1, samples: "latest" });
    add(0, 0);
    expect(flush(0)).toEqual(["1-1=0"]);
    add(1, 0.5);
    // A member that joins has this update already. It is near the last selected one.
    selector.meet({ offset: 2, row: pack(0.5), at: 1 }, false, 1);
    expect(flush(1)).toEqual([]);
    add(2, 50);
    selector.meet({ offset: 3, row: pack(50), at: 2 }, true, 2);
    add(3, 0.25);
    expect(selector.opensAt).toBeLessThanOrEqual(3);
    expect(flush(3)).toEqual(["2-4=0.25"]);
    add(4, 0.5);
    expect(flush(4)).toEqual([]);
  });
});

describe("fields", () => {
  const project = (names: string[], value: Value): Value =>
    decodeRow(new Projection(names).project(pack(value)));

  it("are those named, in the value's order; others pass whole", () => {
    expect(JSON.stringify(project(["c", "a"], { a: 1, b: 2, c: { d: 3 } }))).toBe('{"a":1,"c":{"d":3}}');
    expect(project(["x"], { a: 1 })).toEqual({});
    for (const value of [1, "a", null, [{ a: 1 }], Uint8Array.of(1)])
      expect(project(["a"], value)).toEqual(value);
    const odd = JSON.parse('{"__proto__":1,"constructor":2}') as Value;
    expect(JSON.stringify(project(["__proto__"], odd))).toBe('{"__proto__":1}');
    expect(project(["toString"], { a: 1 })).toEqual({});
  });
});
