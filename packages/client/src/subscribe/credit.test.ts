import { describe, expect, it } from "vitest";
import { Credit, ReaderCredit } from "./credit.js";

function setUp(maxQueued: number): {
  credit: Credit;
  reader: ReaderCredit;
  queue: { length: number; listening: boolean };
  tick(rows: number, read: number): number | undefined;
} {
  const queue = { length: 0, listening: false };
  const reader = new ReaderCredit(
    maxQueued,
    () => queue.length,
    () => queue.listening,
  );
  const credit = new Credit(() => [reader]);
  return {
    ...{ credit, reader },
    queue,
    /** `rows` rows arrive, and the consumer reads `read` rows. */
    tick(rows, read) {
      credit.came(rows);
      queue.length += rows - read;
      if (read > 0) reader.read();
      return credit.due(false);
    },
  };
}

describe("Credit", () => {
  it("is given when half of it is used and read, as a total", () => {
    const { credit, tick } = setUp(100);
    expect(credit.begin()).toBe(100);
    expect([tick(49, 49), tick(1, 1), tick(10, 10), tick(50, 0), tick(0, 9), tick(0, 1)]).toEqual([
      undefined,
      150,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(tick(0, 40)).toBe(210);
    expect(tick(50, 50)).toBe(260);
  });

  it("goes along with what is sent anyway when a quarter is used", () => {
    const { credit, tick } = setUp(100);
    credit.begin();
    tick(24, 24);
    expect(credit.due(true)).toBeUndefined();
    tick(1, 1);
    expect([credit.due(false), credit.due(true)]).toEqual([undefined, 125]);
  });

  it("is rare for who listens", () => {
    const { credit, queue, tick } = setUp(100);
    credit.begin();
    queue.listening = true;
    const told: [number, number][] = [];
    for (let rows = 1; rows <= 70_000; rows++) {
      const total = tick(1, 1);
      if (total !== undefined) told.push([rows, total]);
    }
    expect(told).toEqual([
      [50, 32_818],
      [32_768, 65_536],
      [65_486, 98_254],
    ]);
  });

  it("is given for what was dropped, but not without end when nothing is read", () => {
    const { credit, reader, queue, tick } = setUp(100);
    credit.begin();
    let last = 0;
    for (let rows = 0; rows < 1_000; rows++) {
      last = tick(1, 0) ?? last;
      if (queue.length <= 100) continue;
      queue.length--;
      reader.dropped();
    }
    expect(last).toBeLessThanOrEqual(300);
    expect(tick(0, 1)).toBeGreaterThan(1_000);
  });

  it("begins anew with a BIND, less what waits", () => {
    const { credit, tick } = setUp(100);
    credit.begin();
    tick(80, 20);
    expect(credit.begin()).toBe(40);
    tick(40, 0);
    expect(credit.begin()).toBe(1);
  });

  it("is given by the quickest of those that share it", () => {
    const queues = [{ length: 0 }, { length: 0 }];
    const readers = queues.map(
      (queue) =>
        new ReaderCredit(
          100,
          () => queue.length,
          () => false,
        ),
    );
    const credit = new Credit(() => readers);
    credit.begin();
    // The first reader reads nothing, and keeps its newest 100 rows.
    const [slow, quick] = queues as [{ length: number }, { length: number }];
    const told: number[] = [];
    for (let rows = 1; rows <= 300; rows++) {
      credit.came(1);
      if (slow.length < 100) slow.length++;
      else readers[0]?.dropped();
      readers[1]?.read();
      const total = credit.due(false);
      if (total !== undefined) told.push(total);
    }
    expect(told).toEqual([150, 200, 250, 300, 350, 400]);
    // When the quick reader stops reading too, no credit is due.
    quick.length = 100;
    credit.came(100);
    expect(credit.due(false)).toBeUndefined();
  });

  it("begins again as it did, where there is room for as much", () => {
    const { credit, queue, tick } = setUp(100);
    credit.begin();
    tick(60, 60);
    expect(credit.total).toBe(160);
    queue.length = 1;
    expect(credit.fits).toBe(false);
    queue.length = 0;
    expect(credit.fits).toBe(true);
    credit.again();
    expect(credit.total).toBe(100);
    // A reader that has a listener by now gives the larger credit as soon as credit is due.
    queue.listening = true;
    expect([tick(49, 49), tick(1, 1)]).toEqual([undefined, 32_818]);
  });
});
