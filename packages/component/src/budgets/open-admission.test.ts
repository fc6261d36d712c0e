import { describe, expect, it } from "vitest";
import { FreeSlots } from "../base/free-slots.js";
import { OpenAdmission } from "./open-admission.js";

describe("the admission of opens", () => {
  it("keeps told moments from those who come anew, for as long as one may be late", () => {
    const admission = new OpenAdmission({ perSecond: 10, burst: 10 });
    const ask = (who: string, now: number): number | undefined => {
      if (admission.hasRoom(now, who)) return admission.take(who) as undefined;
      const at = admission.freeFrom(now, now);
      admission.expect(who, at, now);
      return Math.ceil(at - now);
    };
    const events: { who: string; at: number }[] = [];
    for (let i = 0; i < 20; i++) {
      const at = ask(`early${i}`, 0);
      // Half of the refused clients are late.
      if (at !== undefined) events.push({ who: `early${i}`, at: at + (i % 2) * 900 });
    }
    const early = events.map(({ who }) => who);
    expect(early).toHaveLength(10);
    // Twice as many new clients come as there is room for.
    for (let i = 0; i < 60; i++) events.push({ who: `late${i}`, at: 50 * (i + 1) });
    events.sort((a, b) => a.at - b.at);
    const refusals = new Map<string, number>();
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      const { who, at } = next;
      const inMs = ask(who, at);
      if (inMs === undefined) continue;
      refusals.set(who, (refusals.get(who) ?? 0) + 1);
      events.push({ who, at: at + inMs + (at % 7) * 30 });
      events.sort((a, b) => a.at - b.at);
    }
    expect(early.filter((who) => refusals.has(who))).toEqual([]);
    expect(Math.max(...refusals.values())).toBe(1);
  });

  it("keeps no moment for who does not come", () => {
    const admission = new OpenAdmission({ perSecond: 10, burst: 1 });
    expect(admission.hasRoom(0, "a")).toBe(true);
    admission.take("a");
    const inMs = Math.ceil(admission.freeFrom(0, 0));
    admission.expect("gone", inMs, 0);
    expect(admission.hasRoom(inMs, "other")).toBe(false);
    expect(admission.hasRoom(inMs, "gone")).toBe(true);
    expect(admission.hasRoom(inMs + 1_200, "other")).toBe(true);
    expect(admission.hasRoom(inMs + 1_200, "gone")).toBe(true);
  });
});

it("finds the next free slot, whatever was taken before, and forgets what is past", () => {
  const slots = new FreeSlots();
  const taken = new Set<number>();
  for (let i = 0; i < 2_000; i++) {
    const from = (i * 7_919) % 500;
    let expected = from;
    while (taken.has(expected)) expected++;
    expect(slots.find(from)).toBe(expected);
    slots.take(expected);
    taken.add(expected);
  }
  slots.forget(300);
  expect(slots.find(0)).toBe(0);
  slots.clear();
  expect(slots.find(301)).toBe(301);
});
