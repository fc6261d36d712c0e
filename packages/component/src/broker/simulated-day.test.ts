import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { WHOLE } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import type { Service } from "../catalog/service.js";
import { configSchema } from "../config/config.js";
import type { ClientLink } from "../links/client-link.js";
import type { Durability } from "../options/service-config.js";
import { DiskStore } from "../store/disk/disk-store.js";
import { LmdbEngine } from "../store/disk/lmdb-engine.js";
import { DEFAULT_EXPIRY } from "../store/base/store-options.js";
import { known } from "../testing/known.js";
import { storeOptions } from "../testing/stores.js";
import { createWholeBroker } from "../testing/whole-broker.js";

/** Simulated minutes. `npm run test:day` has those of a day. */
const MINUTES = Number(process.env["STANZAPACK_DAY_MINUTES"] ?? 20);
/** Services that come in a minute: 10,000 in a day. */
const SERVICES_A_MINUTE = 10_000 / 1_440;
/** What stays of an update, of a service whose publisher is gone, and of a cursor, in minutes. */
const KEPT = MINUTES < 240 ? 4 : 30;
const KEPT_MS = KEPT * 60_000;
/** How long a service is offered at most, in minutes. On average it is half of that. */
const OFFERED = 2 * KEPT;
/** How often the test looks at what the component holds, in minutes. The first look is the measure of the others. */
const LOOK = 2 * KEPT;
/** Updates that each service has in a minute. */
const UPDATES = 10;

/** A service that is offered now. */
interface Offered {
  readonly service: Service;
  readonly owner: ClientLink;
  readonly endsAt: number;
  /** Its publisher withdraws it at the end. Otherwise the publisher just goes. */
  readonly withdraws: boolean;
  sequence: number;
}

/** What the component holds. */
interface Holding {
  readonly heap: number;
  readonly services: number;
  readonly journalBytes: number;
  readonly fileBytes: number;
  readonly cursors: number;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

beforeEach(() => {
  // The disk needs real turns of the event loop.
  const toFake = [
    "setTimeout",
    "clearTimeout",
    "setInterval",
    "clearInterval",
    "Date",
    "performance",
  ] as const;
  vi.useFakeTimers({ toFake: [...toFake] });
});
afterEach(() => void vi.useRealTimers());

async function setUp() {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-day-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });
  const whole = createWholeBroker({ ...limits, storedServiceSeconds: KEPT_MS / 1_000 });
  const store = new DiskStore(
    new LmdbEngine(join(location, "data.mdb")),
    storeOptions({
      intervalMs: 1_000,
      retention: { maxRows: 1e9, maxBytes: 1e9, maxAgeMs: KEPT_MS },
      expiry: { ...DEFAULT_EXPIRY, serviceMs: KEPT_MS, cursorMs: KEPT_MS, epochMs: KEPT_MS },
    }),
  );
  onTestFinished(() => store.close());
  whole.broker.stored.use(store);
  return { ...whole, store };
}

it("a component stays as large as it is, whoever comes and goes in a day", async () => {
  const { broker, store, open, offer, publish } = await setUp();
  const offered = new Set<Offered>();
  let made = 0;
  let readers = 0;

  const begin = async (): Promise<void> => {
    const number = ++made;
    const owner = open(`owner${number % 500}@x/${number}`).link;
    const kind = number % 4 === 0 ? "value" : "log";
    const durability = (["none", "interval", "interval", "sync"] as const)[number % 4] as Durability;
    const service = await offer(owner, `${owner.bareJid}/s${number}`, { kind, durability });
    const endsAt = monotonicNow() + (1 + ((number * 37) % OFFERED)) * 60_000;
    offered.add({ service, owner, endsAt, withdraws: number % 3 !== 0, sequence: 0 });
    // A cursor that never moves: nothing may be kept for it.
    const { epoch } = service.record;
    await store.cursors.put({
      ...{ node: service.node, cursor: "old", owner: "reader@x", epoch, offset: 0, at: wallNow() },
    });
  };

  const end = (one: Offered): void => {
    offered.delete(one);
    if (one.withdraws) broker.offers.withdraw(one.service);
    broker.linkEnded(one.owner, monotonicNow());
  };

  /** One minute: some come and go, all publish, and some are read for a while. */
  const minute = async (): Promise<void> => {
    while (made < minutes * SERVICES_A_MINUTE) await begin();
    for (const one of offered) {
      if (one.endsAt <= monotonicNow()) {
        end(one);
        continue;
      }
      publish(
        one.service,
        Array.from({ length: UPDATES }, (_, i) => ({ n: i, made })),
        one.sequence + 1,
      );
      one.sequence += UPDATES;
    }
    const one = [...offered][minutes % Math.max(1, offered.size)];
    if (one !== undefined) {
      const { link } = open(`reader@x/${++readers}`);
      const since = one.service.kind.hasHistory ? ("first" as const) : undefined;
      const asked = { windowMs: 100, selection: WHOLE, since, credit: Infinity };
      await broker.subscriptions.subscribe(link, one.service.node, asked, monotonicNow());
      await vi.advanceTimersByTimeAsync(500);
      broker.linkEnded(link, monotonicNow());
    }
    for (let second = 0; second < 60; second++) {
      await vi.advanceTimersByTimeAsync(1_000);
      broker.sweep(monotonicNow());
      store.sweep(wallNow());
    }
    await vi.waitFor(() => expect(store.usage().unwrittenBytes).toBe(0));
  };

  const hold = (): Holding => {
    collect();
    const { services, journalBytes, fileBytes } = store.usage();
    const cursors = known(store.cursors.ofOwner("reader@x")).length;
    return { heap: process.memoryUsage().heapUsed, services, journalBytes, fileBytes, cursors };
  };

  let minutes = 0;
  const holdings: Holding[] = [];
  while (minutes < MINUTES) {
    await minute();
    if (++minutes % LOOK === 0) holdings.push(hold());
  }
  if (MINUTES > 60) process.stdout.write(`${JSON.stringify(holdings)}\n`);
  const [first, ...later] = holdings as [Holding, ...Holding[]];
  expect(later.length).toBeGreaterThan(0);
  for (const each of later) {
    expect(each.heap).toBeLessThan(1.2 * first.heap + 4_000_000);
    expect(each.services).toBeLessThan(1.3 * first.services);
    expect(each.journalBytes).toBeLessThan(1.3 * first.journalBytes);
    expect(each.fileBytes).toBeLessThan(2 * first.fileBytes);
    // Each service that came in this time has one.
    expect(each.cursors).toBeLessThan(1.3 * KEPT * SERVICES_A_MINUTE);
  }
  broker.stop();
}, 3_600_000);
