import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WHOLE, type Value } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { configSchema } from "../config/config.js";
import type { MapKind } from "../kinds/map.js";
import type { ClientLink, LinkSubscription } from "../links/client-link.js";
import type { Service } from "../catalog/service.js";
import { DiskStore } from "../store/disk/disk-store.js";
import { LmdbEngine } from "../store/disk/lmdb-engine.js";
import { DEFAULT_EXPIRY } from "../store/base/store-options.js";
import { takeCredit } from "../subscriptions/credit.js";
import { storeOptions } from "../testing/stores.js";
import { createWholeBroker } from "../testing/whole-broker.js";

const NODE = "alice@x/log";
const HOUR_MS = 3_600_000;
const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });

beforeEach(() => {
  // The disk needs real turns of the event loop.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => void vi.useRealTimers());

/** A component with a store, and with the limits that it has by default. */
async function setUp() {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-expiry-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  const begin = async () => {
    const engine = new LmdbEngine(join(location, "data.mdb"));
    const expiry = { ...DEFAULT_EXPIRY, cursorMs: Infinity };
    const store = new DiskStore(engine, storeOptions({ intervalMs: 1, expiry }));
    onTestFinished(() => store.close().catch(() => undefined));
    const whole = createWholeBroker(limits);
    whole.broker.stored.use(store);
    await whole.broker.cursors.use(store.cursors);
    await whole.broker.offers.restore();
    return { ...whole, store, engine };
  };
  let life = await begin();
  const sweep = async (): Promise<void> => {
    life.broker.sweep(monotonicNow());
    life.store.sweep(wallNow());
    // The committer's interval.
    await vi.advanceTimersByTimeAsync(2);
    await vi.waitFor(() => expect(life.store.usage().unwrittenBytes).toBe(0));
  };
  return {
    get life() {
      return life;
    },
    /** Lets days pass. The component sweeps every six hours. */
    pass: async (days: number): Promise<void> => {
      for (let i = 0; i < days * 4; i++) {
        vi.advanceTimersByTime(6 * HOUR_MS);
        await sweep();
      }
    },
    restart: async (): Promise<void> => {
      await life.store.close();
      life = await begin();
    },
    subscribe: async (link: ClientLink, cursor?: string): Promise<void> => {
      const asked = { windowMs: 0, selection: WHOLE, since: undefined, credit: Infinity, cursor };
      await life.broker.subscriptions.subscribe(link, NODE, asked, monotonicNow());
    },
    service: (): Service => life.broker.catalog.find(NODE),
    /** Number of entries in the store by table: see `TABLE` of keys.ts. */
    tables: (): Record<number, number> => {
      const counts: Record<number, number> = {};
      for (const { key } of life.engine.range(Uint8Array.of(0), Uint8Array.of(255)))
        counts[key[0] as number] = (counts[key[0] as number] ?? 0) + 1;
      return counts;
    },
  };
}

it("services, approvals and cursors of accounts that left expire, and those of accounts that come stay", async () => {
  const all = await setUp();
  const { pass, restart, subscribe, service } = all;
  const open = (jid: string): ClientLink => all.life.open(jid).link;
  const offer = async (link: ClientLink): Promise<void> => {
    const offered = await all.life.offer(link, NODE, {
      kind: "log",
      access: "authorize",
      durability: "sync",
    });
    all.life.publish(offered, ["a", "b"], 1);
    await offered.storing;
  };
  let alice = open("alice@x/1");
  await offer(alice);
  for (const jid of ["bob@x", "carol@x", "dave@x"]) service().record.approved.add(jid, wallNow());
  await all.life.broker.stored.changed(service().record);
  // Bob comes once. Carol stays. Dave comes back after 80 days, and again.
  const bob = open("bob@x/1");
  await subscribe(bob, "place");
  all.life.broker.linkEnded(bob, monotonicNow());
  await subscribe(open("carol@x/1"), "place");
  expect(all.life.broker.cursors.size).toBe(2);

  await pass(29);
  expect(all.life.broker.cursors.size).toBe(2);
  await pass(2);
  expect([...all.life.broker.cursors.ofOwner("bob@x")]).toEqual([]);
  expect([...all.life.broker.cursors.ofOwner("carol@x")]).toHaveLength(1);
  // A restart forgets neither when somebody was there, nor who has gone.
  await restart();
  expect([...service().record.approved]).toEqual(["bob@x", "carol@x", "dave@x"]);
  alice = open("alice@x/2");
  await offer(alice);
  await subscribe(open("carol@x/2"), "place");
  await pass(49);
  const dave = open("dave@x/1");
  await subscribe(dave);
  all.life.broker.linkEnded(dave, monotonicNow());
  await pass(9);
  expect([...service().record.approved]).toEqual(["bob@x", "carol@x", "dave@x"]);
  await pass(2);
  expect([...service().record.approved]).toEqual(["carol@x", "dave@x"]);
  expect(service().record.mayTake("bob@x")).toBe(false);

  // The publisher leaves. Its service stays for 30 days, also through a restart.
  all.life.broker.linkEnded(alice, monotonicNow());
  await pass(20);
  await restart();
  await pass(9);
  expect(service().online).toBe(false);
  await pass(2);
  expect(() => service()).toThrow("nobody offers");
  expect(all.life.broker.cursors.size).toBe(0);
  // Nothing is left but the epoch for a later life. The epoch goes after a year.
  await vi.waitFor(() => expect(all.tables()).toEqual({ 6: 1 }));
  await pass(366);
  await vi.waitFor(() => expect(all.tables()).toEqual({}));
});

it("a removal of a map stays for a cursor, through a restart and past its week, but not for ever", async () => {
  const all = await setUp();
  const map = "alice@x/map";
  const offer = async (): Promise<Service> =>
    all.life.offer(all.life.open("alice@x/1").link, map, { kind: "map", durability: "sync" });
  const offered = await offer();
  const publish = async (update: Value, sequence: number): Promise<void> => {
    all.life.publish(offered, [update], sequence);
    await offered.storing;
  };
  const subscribe = async (): Promise<LinkSubscription> => {
    const asked = { windowMs: 0, selection: WHOLE, since: undefined, credit: 1, cursor: "w" };
    const { link } = all.life.open("bob@x/1", { readsMaps: true });
    return all.life.broker.subscriptions.subscribe(link, map, asked, monotonicNow());
  };
  const leave = (subscription: LinkSubscription): void =>
    all.life.broker.subscriptions.unsubscribe(subscription);
  await publish(
    [
      ["a", 1],
      ["b", 1],
    ],
    1,
  );
  const first = await subscribe();
  await vi.advanceTimersByTimeAsync(100);
  const { link, alias } = first.outlet;
  takeCredit(link, { type: "credit", alias, total: 3 }, monotonicNow(), all.life.broker.cursors);
  leave(first);
  await publish([["b"]], 2);
  await all.pass(1);
  await all.restart();
  await offer();
  await all.pass(10);
  const second = await subscribe();
  expect(second.granted).toMatchObject({ begun: { offset: 1 }, recovered: true });
  // The consumer stays, and takes nothing.
  await all.pass(18);
  expect((second.service.kind as MapKind).state.floor).toBe(0);
  await all.pass(2);
  expect((second.service.kind as MapKind).state.floor).toBe(2);
  leave(second);
  expect((await subscribe()).granted).toMatchObject({ begun: { offset: 0 }, recovered: false });
});
