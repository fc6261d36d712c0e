import {
  ColumnCodec,
  createRawDeflate,
  createRowCodec,
  decodeRow,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeUpdate,
  ReadBudget,
  type CodedFrame,
  type DataFrame,
  type ServiceKind,
} from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import { createStats } from "../base/stats.js";
import type { Calls } from "../calls/calls.js";
import type { Approvals } from "../catalog/approvals.js";
import type { DemandReports } from "../catalog/demand-reports.js";
import { Publishers } from "../catalog/publishers.js";
import { createService } from "../testing/create-service.js";
import type { StatusReports } from "../catalog/status-reports.js";
import { configSchema } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { Lane } from "../fanout/lane.js";
import type { NewestValues } from "../fanout/newest-values.js";
import type { Arrival } from "../fanout/selector.js";
import type { ClientLink } from "../links/client-link.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { Publishing } from "./publishing.js";

const NOW = 1_700_000_000_000;
const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });

/** A service with a publisher, and one lane of window 100 ms. `order` lists the parts in the order of their calls. */
function setUp(kind: ServiceKind = "value", own = limits) {
  const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
  const order: string[] = [];
  const arrivals: Arrival[] = [];
  const book = vi.fn((..._: unknown[]) => order.push("book"));
  const settle = vi.fn((..._: unknown[]) => order.push("settle"));
  const keep = vi.fn((..._: unknown[]) => void order.push("keep"));
  const stats = createStats();
  const publishing = new Publishing(
    { book } as unknown as FanOut,
    { settle } as unknown as NewestValues,
    ...([own, stats] as const),
  );
  const rules = { hasHistory: kind === "log", keepsUpdates: kind === "log", keep, kept: vi.fn() };
  const service = createService({ config: { kind }, epoch: 7, kind: rules, createdAt: NOW });
  const push = (arrival: Arrival): void => void (arrivals.push(arrival), order.push("push"));
  const lane = { windowMs: 100, push } as unknown as Lane<Subscription>;
  service.lanes.set("100", lane);
  const link = {
    ...{ jid: "alice@x/1", readerBytes: 0, services: new Map(), takeAlias: () => 0, sendFrame: vi.fn() },
    noteKept: vi.fn(),
    throttle: { accounts: [], updates: 0, owes: false, windowMs: 0, widenAt: 0 },
    session: { budget: new ReadBudget(DEFAULT_LIMITS.maxInflatedBytes) },
  } as unknown as ClientLink;
  const publishers = new Publishers(
    codec,
    { tell: vi.fn() } as unknown as DemandReports,
    { tell: vi.fn() } as unknown as StatusReports,
    { serviceOnline: vi.fn() } as unknown as Approvals,
    { publisherCame: vi.fn() } as unknown as Calls,
  );
  publishers.attach(service, link, undefined, NOW);
  const publish = (from: number, to: number, values: unknown[], fields: Partial<DataFrame> = {}): void => {
    const { form, payload } = codec.encode(
      values.map((value) => encodeUpdate(value, DEFAULT_LIMITS)),
      "plain",
    );
    const frame = { type: "data", alias: 0, form, epoch: 1, from, to, at: 0, spanMs: 0, payload } as const;
    publishing.publish(service, { ...frame, ...fields }, NOW);
  };
  /** Returns what the lanes received. */
  const pushed = () =>
    arrivals.map(({ from, to, rows, ats }) => ({ from, to, values: rows.map((row) => decodeRow(row)), ats }));
  return { publishing, publishers, service, lane, link, stats, order, book, keep, publish, pushed };
}

describe("the way of a value", () => {
  it("leads from what the kind keeps to the lanes, and to their next ticks", () => {
    const { service, lane, stats, order, book, keep, publish, pushed } = setUp("log");
    service.demand = { subscribers: 1, windowMs: 100 };
    publish(1, 3, [1, 2, 3], { at: 10, spanMs: 20 });
    expect(order).toEqual(["keep", "push", "book"]);
    const ats = [NOW - 30, NOW - 20, NOW - 10];
    expect(pushed()).toEqual([{ from: 1, to: 3, values: [1, 2, 3], ats }]);
    expect(keep.mock.calls).toEqual([[service, expect.objectContaining({ from: 1, to: 3, ats })]]);
    expect(book.mock.calls).toEqual([[lane, NOW, true]]);
    expect(stats.updatesIn).toBe(3);
  });

  it("ends early for rows that came before: they answer new demand", () => {
    const { service, order, publish } = setUp();
    service.awaiting.add({} as Subscription);
    publish(1, 1, [1]);
    expect([order, service.awaiting.size]).toEqual([["keep", "push", "book"], 0]);
    publish(1, 1, [1]);
    expect(order).toEqual(["keep", "push", "book", "settle"]);
  });

  it.each([
    ["value", [3]],
    ["log", [1, 2, 3]],
  ] as const)("of a %s has the rows %s where the publisher is over its budget", (kind, values) => {
    const { link, stats, publish, pushed } = setUp(kind);
    link.throttle.owes = true;
    publish(1, 3, [1, 2, 3]);
    expect(pushed()).toMatchObject([{ from: 1, to: 3, values }]);
    expect([link.throttle.updates, stats.updatesIn]).toEqual([3, values.length]);
  });

  it("ends at once without a publisher", () => {
    const { publishers, service, link, order, publish } = setUp();
    publishers.release(service, link, "fenced", "");
    publish(1, 1, [1]);
    expect([order, service.record.offset]).toEqual([[], 0]);
  });
});

describe("the publisher", () => {
  it("hears what a log keeps at once, also of rows that came before, and of a value nothing", () => {
    const { link, publish } = setUp("log");
    publish(1, 3, [1, 2, 3]);
    publish(1, 3, [1, 2, 3]);
    expect(vi.mocked(link.noteKept).mock.calls).toEqual([
      [0, 1, 3],
      [0, 1, 3],
    ]);
    const value = setUp("value");
    value.publish(1, 1, [1]);
    expect(value.link.noteKept).not.toHaveBeenCalled();
  });

  it("hears what a slow store keeps once it is stored, in order, and not before what came first", async () => {
    const { link, service, keep, publish } = setUp("log");
    let store: () => void = () => undefined;
    keep.mockReturnValueOnce(new Promise<void>((resolve) => (store = resolve)) as never);
    publish(1, 1, [1]);
    // Stored at once, but behind the first.
    publish(2, 2, [2]);
    // Came before, and is not stored yet.
    publish(1, 1, [1]);
    await Promise.resolve();
    expect(link.noteKept).not.toHaveBeenCalled();
    // A publisher that comes back now sends both again.
    expect(service.record.incarnations.storedOf(1)).toBe(0);
    store();
    await service.storing;
    expect(vi.mocked(link.noteKept).mock.calls.at(-1)).toEqual([0, 1, 2]);
    expect(service.record.incarnations.storedOf(1)).toBe(2);
    await vi.waitFor(() => expect(service.storing).toBeUndefined());
  });
});

describe("updates that are not stored yet", () => {
  /** Stores of `publish`, to be ended in any order. */
  function setUpSlow() {
    const all = setUp("log");
    const stores: { resolve: () => void; reject: (error: Error) => void }[] = [];
    all.keep.mockImplementation(
      () => new Promise<void>((resolve, reject) => stores.push({ resolve, reject })) as never,
    );
    return { ...all, stores };
  }

  it("reach nobody before they are stored, and stay in order", async () => {
    const { service, stores, publish, pushed } = setUpSlow();
    publish(1, 1, [1]);
    publish(2, 3, [2, 3]);
    stores[1]?.resolve();
    await Promise.resolve();
    expect([pushed(), service.record.offset, service.record.last]).toEqual([[], 0, undefined]);
    expect(service.record.given).toBe(3);
    stores[0]?.resolve();
    await service.storing;
    expect(pushed()).toMatchObject([
      { from: 1, to: 1 },
      { from: 2, to: 3 },
    ]);
    expect(service.record).toMatchObject({ offset: 3, given: 3 });
  });

  it("count as not arrived if the store fails, and may come again", async () => {
    const { publishing, service, stores, publish, pushed, link } = setUpSlow();
    const failed = vi.fn();
    publishing.onUnstored = failed;
    publish(1, 1, [1]);
    publish(2, 2, [2]);
    stores[0]?.resolve();
    stores[1]?.reject(new Error("no room"));
    await service.storing;
    expect(failed.mock.calls).toEqual([[service, new Error("no room")]]);
    expect(service.record).toMatchObject({ offset: 1, given: 1, incarnations: { sequence: 1 } });
    publish(2, 2, [2]);
    stores[2]?.resolve();
    await service.storing;
    expect(pushed().map(({ to }) => to)).toEqual([1, 2]);
    expect(vi.mocked(link.noteKept).mock.calls.at(-1)).toEqual([0, 1, 2]);
  });
});

describe("offsets of a service", () => {
  it("follow the publisher's sequence: repeated rows are dropped, jumps and conflation keep their room", () => {
    const { service, publish } = setUp();
    publish(1, 3, [1, 2, 3]);
    expect(service.record).toMatchObject({ offset: 3, incarnations: { sequence: 3 } });
    publish(2, 3, [2, 3]);
    expect(service.record.offset).toBe(3);
    publish(3, 5, [3, 4, 5]);
    expect(service.record).toMatchObject({ offset: 5, incarnations: { sequence: 5 } });
    publish(6, 10, [10]);
    expect(service.record).toMatchObject({ offset: 10, incarnations: { sequence: 10 } });
    publish(14, 14, [14]);
    expect(service.record).toMatchObject({ offset: 14, incarnations: { sequence: 14 } });
  });

  it("go on when the publisher begins anew", () => {
    const { service, publish } = setUp();
    publish(1, 2, [1, 2]);
    publish(1, 1, [1], { epoch: 2 });
    expect(service.record).toMatchObject({ offset: 3, incarnations: { sequence: 1, current: 2 } });
  });

  it("take nothing twice of a publisher that comes back after another, as far as it is remembered", () => {
    const { service, publishing, publish } = setUp();
    const onLost = (publishing.onLost = vi.fn());
    publish(1, 3, [1, 2, 3], { epoch: 1 });
    publish(1, 2, [11, 12], { epoch: 2 });
    publish(2, 4, [2, 3, 4], { epoch: 1 });
    expect(service.record).toMatchObject({ offset: 6, incarnations: { sequence: 4, current: 1 } });
    publish(1, 3, [11, 12, 13], { epoch: 2 });
    expect(service.record).toMatchObject({ offset: 7, incarnations: { sequence: 3, current: 2 } });
    // A jump is a loss that the incarnation declares in its own sequence, whoever wrote in between.
    expect(onLost).not.toHaveBeenCalled();
    publish(6, 6, [6], { epoch: 1 });
    expect(service.record).toMatchObject({ offset: 9, incarnations: { sequence: 6 } });
    expect(onLost.mock.calls).toEqual([[service, 1]]);
    for (let epoch = 3; epoch <= 9; epoch++) publish(1, 1, [0], { epoch });
    publish(6, 6, [6], { epoch: 1 });
    expect(service.record).toMatchObject({ offset: 16, incarnations: { sequence: 6, current: 1 } });
    // The ninth incarnation is forgotten.
    publish(3, 3, [13], { epoch: 2 });
    expect(service.record).toMatchObject({ offset: 17, incarnations: { sequence: 3, current: 2 } });
  });

  it("never leave the safe integers, whatever a publisher claims", () => {
    const { service, publish } = setUp();
    publish(1, Number.MAX_SAFE_INTEGER, [1]);
    expect(() => publish(1, 1, [1], { epoch: 2 })).toThrow(expect.objectContaining({ code: "malformed" }));
    expect(service.record.offset).toBe(Number.MAX_SAFE_INTEGER);
  });

  it("refuse incarnation 0 and more rows than positions", () => {
    const { publish } = setUp();
    expect(() => publish(1, 1, [1], { epoch: 0 })).toThrow(expect.objectContaining({ code: "malformed" }));
    expect(() => publish(1, 1, [1, 2])).toThrow(expect.objectContaining({ code: "malformed" }));
  });

  it("date the newest value by its age, and never before the base of `at`", () => {
    const { service, publish } = setUp();
    publish(1, 1, [1], { at: 5_000 });
    expect(service.record.last?.at).toBe(NOW - 5_000);
    publish(2, 2, [2], { at: Number.MAX_SAFE_INTEGER });
    expect(service.record.last?.at).toBe(service.record.oldestAt);
  });
});

it("bounds the memory that reading one link's services takes, and counts it back", () => {
  const few = { ...limits, maxReaderBytesPerLink: 400_000 };
  const { publishing, publishers, service, link } = setUp("value", few);
  const chain = (from: number, fields: number): CodedFrame => ({
    ...{ type: "coded", alias: 0, form: "key", chain: 1, epoch: 1, from },
    payload: new ColumnCodec(DEFAULT_CODEC_LIMITS).encode({
      ...{ rows: [Object.fromEntries(Array.from({ length: fields }, (_, i) => [`f${i}`, i]))] },
      ...{ conflated: 0, at: 0, spanMs: 0 },
    }),
  });
  publishing.publish(service, chain(1, 50), NOW);
  const held = link.readerBytes;
  expect(held).toBeGreaterThan(50_000);
  // A chain that begins anew takes the place of the chain before.
  publishing.publish(service, chain(2, 50), NOW);
  expect(link.readerBytes).toBe(held);
  expect(() => publishing.publish(service, chain(3, 120), NOW)).toThrow(
    expect.objectContaining({ code: "limit-exceeded", origin: "peer" }),
  );
  publishers.release(service, link, "withdrawn", "");
  expect(link.readerBytes).toBe(0);
});
