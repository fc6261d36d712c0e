import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Delivery, hashJson, PublishedLog } from "./delivery.js";

function publish(...hashes: number[]): PublishedLog {
  const log = new PublishedLog();
  for (const hash of hashes) log.add(hash);
  return log;
}

describe("a consumer without offsets", () => {
  test("counts from the first value that came to the last", () => {
    const delivery = new Delivery(publish(1, 2, 3, 4, 5));
    for (const hash of [2, 3, 4]) delivery.receive(hash);
    expect(delivery.count(true)).toEqual({ updates: 3, lost: 0 });
  });

  test("what was passed over is lost", () => {
    const delivery = new Delivery(publish(1, 2, 3, 4, 5));
    for (const hash of [1, 2, 5]) delivery.receive(hash);
    expect(delivery.count(true)).toEqual({ updates: 5, lost: 2 });
  });

  test("repeated values are told apart by their order", () => {
    const delivery = new Delivery(publish(7, 7, 8, 7, 7));
    for (const hash of [7, 7, 8, 7, 7]) delivery.receive(hash);
    expect(delivery.count(true)).toEqual({ updates: 5, lost: 0 });
  });

  test("values may come before the log knows them", () => {
    const log = new PublishedLog();
    const delivery = new Delivery(log);
    delivery.receive(1);
    delivery.receive(2);
    expect(delivery.count(false)).toEqual({ updates: 0, lost: 0 });
    log.add(1);
    expect(delivery.count(false)).toEqual({ updates: 1, lost: 0 });
    log.add(2);
    expect(delivery.count(true)).toEqual({ updates: 2, lost: 0 });
  });

  test("what nobody published counts for nothing and hides nothing", () => {
    const delivery = new Delivery(publish(1, 2, 3));
    for (const hash of [1, 99, 3]) delivery.receive(hash);
    expect(delivery.count(true)).toEqual({ updates: 3, lost: 1 });
  });

  test("tells where each value was found", () => {
    const delivery = new Delivery(publish(1, 2, 2, 3));
    const found: number[] = [];
    for (const hash of [2, 99, 2, 3]) delivery.receive(hash, undefined, (index) => found.push(index));
    delivery.count(true);
    expect(found).toEqual([1, 2, 3]);
  });

  test("nothing came", () => {
    expect(new Delivery(publish(1, 2)).count(true)).toEqual({ updates: 0, lost: 0 });
  });
});

describe("a consumer with offsets", () => {
  test("a hole between offsets is lost, even where values repeat", () => {
    const delivery = new Delivery(publish(7, 7, 7, 7, 7));
    delivery.receive(7, 11);
    delivery.receive(7, 12);
    delivery.receive(7, 15);
    expect(delivery.count(true)).toEqual({ updates: 5, lost: 2 });
  });

  test("a conflated range covers its values", () => {
    const delivery = new Delivery(publish(1, 2, 3, 4, 5));
    delivery.receive(1, 1);
    delivery.conflate(2);
    delivery.receive(4, 4);
    expect(delivery.count(true)).toEqual({ updates: 4, lost: 0 });
  });

  test("another value than was published at that offset is lost, and those after it are not", () => {
    const delivery = new Delivery(publish(1, 2, 3, 4));
    delivery.receive(1, 1);
    delivery.receive(9, 2);
    delivery.receive(3, 3);
    expect(delivery.count(false)).toEqual({ updates: 3, lost: 1 });
    delivery.receive(4, 4);
    expect(delivery.count(true)).toEqual({ updates: 4, lost: 1 });
  });

  test("waits for the log", () => {
    const log = publish(1);
    const delivery = new Delivery(log);
    delivery.receive(1, 1);
    delivery.receive(2, 2);
    expect(delivery.count(false)).toEqual({ updates: 1, lost: 0 });
    log.add(2);
    expect(delivery.count(false)).toEqual({ updates: 2, lost: 0 });
  });
});

test("every drop between first and last is counted, with offsets exactly", () => {
  const published = fc.array(fc.tuple(fc.nat(3), fc.boolean()), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(published, (values) => {
      // The first value always arrives, so that a later equal value cannot become the beginning.
      const came = values.map(([, arrives], i) => i === 0 || arrives);
      const last = came.lastIndexOf(true);
      const log = publish(...values.map(([hash]) => hash));
      const delivery = new Delivery(log);
      values.forEach(([hash], i) => came[i] && delivery.receive(hash, 100 + i));
      const lost = came.slice(0, last + 1).filter((arrived) => !arrived).length;
      expect(delivery.count(true)).toEqual({ updates: last + 1, lost });
    }),
  );
});

test("hashJson tells values apart", () => {
  expect(hashJson("1")).toBe(hashJson("1"));
  expect(hashJson("1")).not.toBe(hashJson("2"));
  expect(hashJson("x")).toBeLessThan(2 ** 48);
});
