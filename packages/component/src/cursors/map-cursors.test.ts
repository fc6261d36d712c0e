import { WHOLE, type Value } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Service } from "../catalog/service.js";
import { configSchema } from "../config/config.js";
import type { MapKind } from "../kinds/map.js";
import type { LinkSubscription } from "../links/client-link.js";
import { takeCredit } from "../subscriptions/credit.js";
import { known } from "../testing/known.js";
import { createWholeBroker } from "../testing/whole-broker.js";

const NODE = "alice@x/fleet";
const { limits: DEFAULTS } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });
const LIMITS = { ...DEFAULTS, mapRemovalSeconds: 60, mapCursorRemovalSeconds: 600 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A component with a map of alice, {a: 1, b: 1, c: 1} at offset 1. */
function setUp(own: Partial<typeof LIMITS> = {}) {
  const { broker, open, offer, publish } = createWholeBroker({ ...LIMITS, ...own });
  const service = offer(open("alice@x/1").link, NODE, { kind: "map" }) as Service;
  const { state } = service.kind as MapKind;
  let next = 1;
  /** Each argument is one update. */
  const change = (...updates: Value[]): void => {
    publish(service, updates, next);
    next += updates.length;
  };
  change([
    ["a", 1],
    ["b", 1],
    ["c", 1],
  ]);
  const link = (jid: string): LinkSubscription["outlet"]["link"] => open(jid, { readsMaps: true }).link;
  /** Sends what is due, and sweeps once a second. */
  const pass = (seconds: number): void => {
    for (let i = 0; i < seconds; i++) {
      vi.advanceTimersByTime(1_000);
      broker.sweep(performance.now());
    }
  };
  let session = 0;
  const subscribe = (more: object = {}): LinkSubscription => {
    const options = { windowMs: 0, selection: WHOLE, since: undefined, credit: 2, cursor: "w", ...more };
    const on = link(`bob@x/${++session}`);
    return known(broker.subscriptions.subscribe(on, NODE, options, performance.now()));
  };
  /** The consumer has taken so many rows in all. */
  const take = ({ outlet: { link: on, alias } }: LinkSubscription, rows: number): void =>
    takeCredit(on, { type: "credit", alias, total: 2 + rows }, performance.now(), broker.cursors);
  const offset = (): number | undefined => broker.cursors.find(NODE, "bob@x", "w")?.offset;
  const leave = (subscription: LinkSubscription): void => broker.subscriptions.unsubscribe(subscription);
  return { broker, service, state, change, subscribe, pass, take, offset, leave };
}

describe("a map with a cursor", () => {
  it("sends the whole map first, whatever the credit, and moves the cursor once all of it is taken", () => {
    const { subscribe, pass, take, offset } = setUp();
    const subscription = subscribe();
    expect(subscription.granted).toMatchObject({ begun: { offset: 0 }, recovered: undefined });
    pass(1);
    expect(subscription.detached).toBe(false);
    take(subscription, 2);
    expect(offset()).toBe(0);
    take(subscription, 3);
    expect(offset()).toBe(1);
  });

  it("keeps removals for a consumer that is away, and sends it only what has changed", () => {
    const { subscribe, pass, take, offset, leave, change, state } = setUp();
    const first = subscribe();
    pass(1);
    take(first, 3);
    leave(first);
    change([["b"]], [["c", 2]], [["c", 3]]);
    // The removal is older than a minute, and nobody else needs it.
    pass(120);
    expect(state.needsWhole(1)).toBe(false);
    const second = subscribe();
    expect(second.granted).toMatchObject({ begun: { offset: 1 }, recovered: true });
    pass(1);
    take(second, 2);
    expect(offset()).toBe(4);
    pass(1);
    // Now every cursor has passed the removal.
    expect(state.floor).toBe(2);
    expect(state.needsWhole(1)).toBe(true);
  });

  it("keeps no removal beyond the bounds of age and number, and then sends the whole map", () => {
    for (const own of [{ mapCursorRemovalSeconds: 100 }, { mapMaxRemovals: 1 }]) {
      const { subscribe, pass, take, leave, change, state } = setUp(own);
      const first = subscribe();
      pass(1);
      take(first, 3);
      leave(first);
      change([["b"]], [["c"]]);
      pass(110);
      expect(state.needsWhole(1)).toBe(true);
      const second = subscribe();
      expect(second.granted).toMatchObject({ begun: { offset: 0 }, recovered: false });
      pass(1);
      take(second, 1);
      expect(second.cursor?.offset).toBe(state.position);
    }
  });

  it("needs no removal for a cursor of which nothing was taken", () => {
    const { subscribe, pass, leave, change, state } = setUp();
    leave(subscribe());
    change([["b"]]);
    pass(70);
    expect(state.floor).toBe(2);
    expect(subscribe().granted).toMatchObject({ begun: { offset: 0 }, recovered: true });
  });

  it("moves a cursor past changes that its selection leaves out", () => {
    const { subscribe, pass, take, offset, change } = setUp();
    const subscription = subscribe({ selection: { ...WHOLE, keys: ["a"] } });
    pass(1);
    change([["b", 2]], [["c"]]);
    // The consumer has not taken what it was sent.
    pass(2);
    expect(offset()).toBe(0);
    take(subscription, 1);
    expect(offset()).toBe(1);
    pass(1);
    expect(offset()).toBe(3);
  });

  it("begins with the whole map in another life of the map", () => {
    const { broker, service, subscribe, pass, take, leave } = setUp();
    const first = subscribe();
    pass(1);
    take(first, 3);
    leave(first);
    const cursor = broker.cursors.find(NODE, "bob@x", "w");
    Object.assign(cursor as object, { epoch: service.record.epoch - 1 });
    expect(subscribe().granted).toMatchObject({ begun: { offset: 0 }, recovered: false });
  });
});
