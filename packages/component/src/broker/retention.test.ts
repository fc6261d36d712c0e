import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { Service } from "../catalog/service.js";
import { LogKind } from "../kinds/log.js";
import type { ServiceConfig } from "../options/service-config.js";
import { DiskStore } from "../store/disk/disk-store.js";
import { LmdbEngine } from "../store/disk/lmdb-engine.js";
import { storeOptions } from "../testing/stores.js";
import { createWholeBroker } from "../testing/whole-broker.js";

const NODE = "alice@x/log";

beforeEach(() => {
  // The disk needs real turns of the event loop.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => void vi.useRealTimers());

/** A component on a disk. `restart` starts another one on the same file. */
async function setUp() {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-retention-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  const begin = async () => {
    const store = new DiskStore(new LmdbEngine(join(location, "data.mdb")), storeOptions());
    onTestFinished(() => store.close().catch(() => undefined));
    const whole = createWholeBroker();
    whole.broker.stored.use(store);
    await whole.broker.offers.restore();
    return { ...whole, store };
  };
  let life = await begin();
  let sequence = 0;
  return {
    offer: async (config: Partial<ServiceConfig>): Promise<Service> =>
      life.offer(life.open("alice@x/1").link, NODE, { kind: "log", ...config }),
    configure: (service: Service, config: Partial<ServiceConfig>) =>
      life.broker.offers.configure(service, { ...service.config, ...config }, monotonicNow()),
    /** Publishes `count` updates, one a second. */
    publish: async (service: Service, count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        vi.advanceTimersByTime(1_000);
        life.publish(service, [++sequence], sequence);
        await service.storing;
      }
    },
    /** What the component does once a second. */
    sweep: () => {
      life.broker.sweep(monotonicNow());
      life.store.sweep(wallNow());
    },
    restart: async (): Promise<Service> => {
      await life.store.close();
      life = await begin();
      return life.broker.catalog.find(NODE);
    },
  };
}

/** The first offset that the log still has. */
function firstOf({ kind }: Service): number {
  if (!(kind instanceof LogKind)) throw new Error("no log");
  return kind.journal.first;
}

describe.each(["none", "interval", "sync"] as const)("a log with the durability %s", (durability) => {
  it("keeps as many updates as its publisher wants, and fewer at once when that changes", async () => {
    const { offer, configure, publish, sweep } = await setUp();
    const service = await offer({ durability, maxItems: 5 });
    await publish(service, 20);
    expect(firstOf(service)).toBe(16);
    await configure(service, { maxItems: 2 });
    sweep();
    expect(firstOf(service)).toBe(19);
    await configure(service, { maxItems: undefined });
    await publish(service, 10);
    expect(firstOf(service)).toBe(19);
    await configure(service, { maxBytes: 1 });
    sweep();
    // The newest stays in any case.
    expect(firstOf(service)).toBe(30);
  });

  it("drops updates that are older than its publisher wants", async () => {
    const { offer, publish, sweep } = await setUp();
    const service = await offer({ durability, itemExpireSeconds: 5 });
    await publish(service, 20);
    sweep();
    expect(firstOf(service)).toBe(15);
    vi.advanceTimersByTime(3_000);
    sweep();
    expect(firstOf(service)).toBe(18);
    vi.advanceTimersByTime(60_000);
    sweep();
    expect(firstOf(service)).toBe(20);
  });

  it.runIf(durability !== "none")("keeps its bounds through a restart", async () => {
    const { offer, publish, sweep, restart } = await setUp();
    const service = await offer({ durability, maxItems: 8, itemExpireSeconds: 30 });
    await publish(service, 20);
    const again = await restart();
    expect(again.config).toMatchObject({ maxItems: 8, itemExpireSeconds: 30 });
    expect(firstOf(again)).toBe(13);
    vi.advanceTimersByTime(26_000);
    sweep();
    expect(firstOf(again)).toBe(16);
  });
});
