import type { ServiceRow } from "@stanzapack/component";
import { expect, it } from "vitest";
import { Rhythms } from "./rhythms.js";

const START = 1_800_000_000_000;
const ROW = { status: "online", subscribers: 1, updatesIn: 5, at: START } as ServiceRow;

/** A service that had five updates a second until `START`, and none since. `change`: what differs now. */
function silentFor(ms: number, change: Partial<ServiceRow> = {}, before: Partial<ServiceRow> = {}) {
  const rhythms = new Rhythms();
  rhythms.observe(new Map([["a@b/s", { ...ROW, ...before }]]), START);
  return rhythms.observe(new Map([["a@b/s", { ...ROW, updatesIn: 0, ...change }]]), START + ms);
}

it("notices a publisher that was busy, and is online and silent now", () => {
  expect(silentFor(9_999)).toEqual([]);
  const [silence] = silentFor(10_000);
  expect(silence).toMatchObject({ node: "a@b/s", sinceMs: 10_000 });
  expect(silence?.rate).toBeCloseTo(4.84, 2);
});

it.each<[string, number, Partial<ServiceRow>, Partial<ServiceRow>]>([
  ["an update came meanwhile", 10_000, { at: START + 5_000 }, {}],
  ["it never had one", 10_000, { at: null }, {}],
  ["it is offline, which is told anyway", 10_000, { status: "offline" }, {}],
  ["nobody subscribes, so it sends nothing", 10_000, { subscribers: 0 }, {}],
  ["it was slow before", 60_000, {}, { updatesIn: 0.4 }],
  ["it would have had few updates by now", 20_000, {}, { updatesIn: 0.9 }],
  ["it is silent for very long", 900_001, {}, {}],
])("says nothing if %s", (_, ms, change, before) => {
  expect(silentFor(ms, change, before)).toEqual([]);
});

it("forgets services that are gone", () => {
  const rhythms = new Rhythms();
  rhythms.observe(new Map([["a@b/s", ROW]]), START);
  rhythms.observe(new Map(), START + 1);
  expect(rhythms.observe(new Map([["a@b/s", { ...ROW, updatesIn: 0 }]]), START + 20_000)).toEqual([]);
});
