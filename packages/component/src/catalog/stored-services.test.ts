import { parseNode, StanzapackError } from "@stanzapack/wire";
import { wallNow } from "@stanzapack/xmpp";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { DEFAULT_CONFIG, type ServiceConfig } from "../options/service-config.js";
import type { StoredService } from "../store/store.js";
import { MemoryStore } from "../store/memory/memory-store.js";
import { newRecord, rowsOf, storeOptions } from "../testing/stores.js";
import { ServiceRecord } from "./service-record.js";
import { createStats } from "../base/stats.js";
import { assertSameMedium, StoredServices } from "./stored-services.js";

const NODE = "alice@x/t";
const HOUR_MS = 3_600_000;
const CONFIG: ServiceConfig = {
  ...DEFAULT_CONFIG,
  ...{ kind: "log", access: "whitelist", members: new Set(["bob@x"]), title: "a log", durability: "sync" },
};

/** Services of a component whose store is `store`, as after a start. */
function begin(store: MemoryStore | undefined) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "warn" }, { write: (line) => void lines.push(JSON.parse(line) as never) });
  const stats = createStats();
  const services = new StoredServices(() => 7, log, stats);
  if (store !== undefined) services.use(store);
  const open = (config: ServiceConfig): ServiceRecord =>
    services.open(parseNode(NODE), services.complete(config), 0) as ServiceRecord;
  return { services, open, lines, stats };
}

function newStore(): MemoryStore {
  const options = storeOptions();
  return new MemoryStore({ ...options, shares: options.memoryShares, now: wallNow });
}

/** What the store has after all services were closed, as a restarted component finds it. */
async function restart(store: MemoryStore, ...open: readonly ServiceRecord[]) {
  for (const { stored } of open) stored?.close();
  const begun = begin(store);
  return { ...begun, records: await begun.services.restore() };
}

describe("the durability of an offer", () => {
  it.each([
    [false, undefined, "none"],
    [false, "none", "none"],
    [true, undefined, "interval"],
    [true, "none", "none"],
    [true, "interval", "interval"],
    [true, "sync", "sync"],
  ] as const)("with a store: %s, asked for %s, is %s", (hasStore, durability, expected) => {
    const { services } = begin(hasStore ? newStore() : undefined);
    const asked = durability === undefined ? DEFAULT_CONFIG : { ...DEFAULT_CONFIG, durability };
    expect(services.complete(asked).durability).toBe(expected);
  });

  it.each(["interval", "sync"] as const)("is refused where there is no store: %s", (durability) => {
    const { services } = begin(undefined);
    expect(() => services.complete({ ...DEFAULT_CONFIG, durability })).toThrow(
      expect.objectContaining({ code: "unsupported" }) as Error,
    );
  });

  it("changes between memory and disk for no service that lives", () => {
    expect(() => assertSameMedium(NODE, "none", "sync")).toThrow("withdraw it first");
    expect(() => assertSameMedium(NODE, "interval", "none")).toThrow("withdraw it first");
    assertSameMedium(NODE, "interval", "sync");
    assertSameMedium(NODE, "none", "none");
  });
});

describe("a new service", () => {
  it("with `none`, and without a store, is in memory alone", () => {
    const store = newStore();
    expect(begin(store).open({ ...CONFIG, durability: "none" }).stored).toBeUndefined();
    expect(begin(undefined).open(DEFAULT_CONFIG)).toMatchObject({ stored: undefined, epoch: 7 });
    expect([...store.services()]).toEqual([]);
  });

  it("is stored, and its next life has the next epoch", () => {
    const store = newStore();
    const { services, open } = begin(store);
    const first = open(CONFIG);
    expect(first).toMatchObject({ node: NODE, epoch: 7, offset: 0 });
    expect([...store.services()]).toMatchObject([
      { node: NODE, epoch: 7, durability: "sync", baseAt: first.baseAt, config: { title: "a log" } },
    ]);
    void services.withdrawn(first, false);
    expect([...store.services()]).toEqual([]);
    expect(open(CONFIG).epoch).toBe(8);
    services.discard(open({ ...CONFIG, durability: "none" }));
  });
});

it("a new service that the store does not take is refused for a while, and logged", async () => {
  const store = newStore();
  const full = new StanzapackError("store-failed", "the disk is full");
  vi.spyOn(store, "create").mockReturnValue(Promise.reject(full) as never);
  const { services, lines } = begin(store);
  const opened = services.open(parseNode(NODE), services.complete(CONFIG), 0);
  await expect(opened).rejects.toMatchObject({
    ...{ code: "busy", retryable: true, retryAfterMs: 5_000 },
    text: `the component cannot store \`${NODE}\` now: the disk is full`,
  });
  expect(lines).toMatchObject([{ node: NODE, reason: "the disk is full" }]);
});

describe("after a restart", () => {
  it("a service has its configuration, position, approvals, last value and outbox sequences", async () => {
    const store = newStore();
    const { services, open } = begin(store);
    const record = open({ ...CONFIG, access: "authorize" });
    record.approved.add("carol@x", Date.now());
    void services.changed(record);
    const incarnations = [{ incarnation: 3, arrived: 2, stored: 2 }];
    await record.stored?.write({ append: rowsOf(1, 2), incarnations });
    const { records, lines } = await restart(store, record);
    expect(records).toHaveLength(1);
    const [again] = records as [ServiceRecord];
    expect(again).toMatchObject({ node: NODE, epoch: 7, offset: 2, given: 2, baseAt: record.baseAt });
    expect(again.config).toEqual({ ...CONFIG, access: "authorize" });
    expect(again.config.members).toBeInstanceOf(Set);
    expect([again.mayTake("bob@x"), again.mayTake("carol@x"), again.mayTake("eve@x")]).toEqual([
      ...[true, true, false],
    ]);
    expect(Buffer.from(again.last?.row as Uint8Array).toString()).toBe("2");
    expect([again.incarnations.sequence, again.incarnations.storedOf(3)]).toEqual([2, 2]);
    expect(lines).toEqual([]);
  });

  it("a service that was withdrawn while its subscribers read is deleted", async () => {
    const store = newStore();
    const { services, open } = begin(store);
    const record = open(CONFIG);
    void services.withdrawn(record, true);
    expect([...store.services()]).toHaveLength(1);
    expect((await restart(store, record)).records).toEqual([]);
    expect([...store.services()]).toEqual([]);
  });

  it("the offsets that a crash may have lost are logged", async () => {
    const gap = { from: 5, to: 4_096 };
    const stored = { record: newRecord(NODE, { config: { members: [] }, offset: 4_096 }), gap };
    const store = newStore();
    vi.spyOn(store, "services").mockReturnValue([stored.record] as never);
    vi.spyOn(store, "open").mockReturnValue(stored as unknown as StoredService);
    const { services, lines, stats } = begin(store);
    expect(await services.restore()).toMatchObject([{ offset: 4_096, given: 4_096 }]);
    expect(lines).toMatchObject([{ node: NODE, ...gap, msg: "a crash may have lost these updates" }]);
    expect(stats.storeLost).toBe(4_092);
  });

  it("nothing comes back without a store", async () => {
    expect(await begin(undefined).services.restore()).toEqual([]);
  });
});

describe("a change", () => {
  function setUp() {
    const { services, open, lines } = begin(newStore());
    const record = open(CONFIG);
    const stored = record.stored as StoredService;
    return { services, record, stored, lines, write: vi.spyOn(stored, "write") };
  }

  it("is written if it is one", () => {
    const { services, record, stored, write } = setUp();
    void services.changed(record);
    expect(write).not.toHaveBeenCalled();
    record.config = { ...CONFIG, members: new Set(["bob@x", "carol@x"]) };
    void services.changed(record);
    record.approved.add("dave@x", Date.now());
    void services.changed(record);
    void services.changed(record);
    expect(write).toHaveBeenCalledTimes(2);
    expect(stored.record).toMatchObject({
      config: { members: ["bob@x", "carol@x"] },
      ...{ approved: ["dave@x"], durability: "sync" },
    });
  });

  it("of the durability takes effect in the store", () => {
    const { services, record, stored } = setUp();
    record.config = { ...CONFIG, durability: "interval" };
    void services.changed(record);
    expect(stored.record).toMatchObject({ durability: "interval", config: { durability: "interval" } });
  });

  it("that the store does not take is logged", async () => {
    const { services, record, write, lines } = setUp();
    write.mockReturnValue(Promise.reject(new Error("the disk is full")));
    record.approved.add("dave@x", Date.now());
    void services.changed(record);
    await vi.waitFor(() =>
      expect(lines).toMatchObject([{ node: NODE, err: { message: "the disk is full" } }]),
    );
  });

  it("of a service in memory concerns no store", () => {
    const record = new ServiceRecord(parseNode(NODE), DEFAULT_CONFIG, 7, 0);
    const { services } = begin(newStore());
    void services.changed(record);
    services.seen(record);
    void services.withdrawn(record, true);
  });
});

it("a publisher that stays is noted once an hour", async () => {
  const store = newStore();
  const stored = store.create(newRecord(NODE, { seenAt: wallNow() - HOUR_MS + 60_000 }));
  stored.close();
  const { services } = begin(store);
  const [record] = (await services.restore()) as [ServiceRecord];
  const write = vi.spyOn(record.stored as StoredService, "write");
  services.seen(record);
  expect(write).not.toHaveBeenCalled();
  void record.stored?.write({ seenAt: wallNow() - HOUR_MS });
  write.mockClear();
  services.seen(record);
  services.seen(record);
  expect(write).toHaveBeenCalledOnce();
  expect(wallNow() - (record.stored?.record.seenAt ?? 0)).toBeLessThan(60_000);
});
