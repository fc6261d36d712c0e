import type { Subscription } from "@stanzapack/client";
import { expect } from "vitest";

/** What a subscription to a counter has told, in plain data that a page can return too. */
export interface Heard {
  readonly updates: { readonly value: number; readonly offset: number }[];
  readonly ranges: { readonly event: string; readonly from: number; readonly to: number }[];
}

/** Collects what a subscription tells. `of` finds the number in a value that is more than a number. */
export function hear<T>(subscription: Subscription<T>, of = (value: T) => value as unknown as number): Heard {
  const heard: Heard = { updates: [], ranges: [] };
  subscription.on("update", ({ value, offset }) => heard.updates.push({ value: of(value), offset }));
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, ({ from, to }) => heard.ranges.push({ event, from, to }));
  return heard;
}

/**
 * Checks that each update from the first to the last either arrived, in order, or was reported as conflated. A service of
 * kind `value` leaves updates out when a link cannot take them in time, as on a busy machine, and must say so.
 */
export function expectComplete({ updates, ranges }: Heard): void {
  expect(ranges.filter(({ event }) => event !== "conflated")).toEqual([]);
  const [first, last] = [updates[0], updates.at(-1)];
  if (first === undefined || last === undefined) throw new Error("no update arrived");
  const accounted = new Map<number, string>();
  const account = (offset: number, what: string): void => {
    expect(accounted.get(offset), `update ${offset} is told twice`).toBeUndefined();
    accounted.set(offset, what);
  };
  for (const { offset } of updates) account(offset, "update");
  for (const { from, to } of ranges)
    for (let offset = from; offset <= to; offset++) account(offset, "conflated");
  const missing: number[] = [];
  for (let offset = first.offset; offset <= last.offset; offset++)
    if (!accounted.has(offset)) missing.push(offset);
  expect(missing).toEqual([]);
  expect(updates.map(({ value }) => value - first.value)).toEqual(
    updates.map(({ offset }) => offset - first.offset),
  );
  expect(updates).toEqual([...updates].sort((a, b) => a.offset - b.offset));
}
