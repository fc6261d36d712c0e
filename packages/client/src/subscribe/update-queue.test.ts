import { StanzapackError } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { UpdateQueue } from "./update-queue.js";

describe("UpdateQueue", () => {
  it("drops the oldest beyond its bound and tells", async () => {
    const dropped: number[] = [];
    const queue = new UpdateQueue<number>(2, (item) => dropped.push(item));
    for (const item of [1, 2, 3, 4]) queue.push(item);
    expect(dropped).toEqual([1, 2]);
    expect(await queue.next()).toEqual({ value: 3, done: false });
  });

  it("drops nothing that must not be", () => {
    const queue = new UpdateQueue<number>(4, () => expect.fail("dropped"));
    for (const item of [1, 2, 3, 4, 5]) queue.push(item, false);
    expect(queue.length).toBe(5);
    expect([1, 2, 3, 4, 5].map(() => queue.take())).toEqual([1, 2, 3, 4, 5]);
  });

  it("hands items to those who wait, in order", async () => {
    const queue = new UpdateQueue<number>(2, () => undefined);
    const waits = [queue.next(), queue.next()];
    queue.push(1);
    queue.push(2);
    expect((await Promise.all(waits)).map(({ value }) => value)).toEqual([1, 2]);
  });

  it("delivers what waits before it ends, or throws what ended it", async () => {
    const queue = new UpdateQueue<number>(2, () => undefined);
    queue.push(1);
    queue.close(new StanzapackError("withdrawn", "gone"));
    queue.close();
    expect(await queue.next()).toEqual({ value: 1, done: false });
    await expect(queue.next()).rejects.toMatchObject({ code: "withdrawn" });
    const quiet = new UpdateQueue<number>(2, () => undefined);
    const waiting = quiet.next();
    quiet.close();
    expect(await waiting).toEqual({ value: undefined, done: true });
  });
});
