import { WHOLE } from "@stanzapack/wire";
import { expect, it } from "vitest";
import type { Lane } from "../fanout/lane.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import { MemoryJournal } from "../store/memory/memory-journal.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { rowsOf, storeOptions } from "../testing/stores.js";
import type { CatchUpBody } from "./catch-up.js";
import { LogSource } from "./log-source.js";

/** Subscribers of a log of nine updates that are one byte each, behind the first. `maxBytes`: of a lane's body. */
function setUp() {
  const { from, to, rows, ats, cameAt } = rowsOf(1, 9);
  const { retention, memoryShares } = storeOptions();
  const journal = new MemoryJournal(() => retention, memoryShares, "alice@x");
  journal.append(from, to, rows, ats, cameAt);
  const source = new LogSource(journal);
  const shared = new Map<string, CatchUpBody>();
  const subscribe = (flushedTo: number, maxBytes = 1_000): Subscription => {
    const lane = {
      ...{ key: { windowMs: 100, sizeClass: maxBytes, selection: WHOLE }, flushedTo, maxBytes },
      ...{ project: (row: Uint8Array) => row, fits: () => true },
      encodeAlone: () => ({}) as ReadyBody,
    };
    return { position: 1, lane: lane as unknown as Lane<Subscription> } as unknown as Subscription;
  };
  const next = (subscription: Subscription) => {
    const made = source.next(subscription, shared, (encode) => encode());
    if (made === undefined || made === "wait") return undefined;
    subscription.position = made.to;
    return made;
  };
  return { subscribe, next };
}

it("returns to its lane right behind the last body, so that a busy log lets it go", () => {
  const { subscribe, next } = setUp();
  const one = subscribe(9, 4);
  expect(next(one)).toMatchObject({ arrives: false });
  expect(next(one)).toMatchObject({ to: 9, arrives: true });
  expect(next(one)).toBeUndefined();
});

it("shares bodies with subscribers whose lanes have come further, which do not return yet", () => {
  const { subscribe, next } = setUp();
  const first = next(subscribe(9));
  expect(first).toMatchObject({ to: 9, arrives: true });
  const further = next(subscribe(10));
  expect(further).toMatchObject({ to: 9, arrives: false });
  expect(further?.body).toBe(first?.body);
});
