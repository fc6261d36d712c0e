import { pino } from "pino";
import { expect, it, vi } from "vitest";
import { configSchema } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import { Arrival } from "../fanout/selector.js";
import type { Service } from "../catalog/service.js";
import { createService } from "../testing/create-service.js";
import { LogKind } from "./log.js";
import { Logs } from "./logs.js";
import { createStats } from "../base/stats.js";
import type { Subscription } from "../subscriptions/subscription.js";

const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });

function setUp() {
  const sendLast = vi.fn();
  const ended: Subscription[] = [];
  const logs = new Logs(
    ...([{ sendLast } as unknown as FanOut, limits, createStats(), pino({ level: "silent" })] as const),
    ...([() => true, (subscription: Subscription) => void ended.push(subscription)] as const),
  );
  const create = (name: string, ...subscriptions: Subscription[]): Service => {
    const offered = { id: { owner: "alice@x", name }, config: { kind: "log" }, epoch: 7 } as const;
    const service = createService({ ...offered, kind: logs.create(createService(offered).record) });
    service.record.offset = 9;
    for (const subscription of subscriptions) service.subscriptions.add(subscription);
    void service.kind.keep(service, new Arrival(1, 1, [new Uint8Array(100)], [0]));
    return service;
  };
  return { logs, sendLast, ended, create };
}

function isEmpty({ kind }: Service): boolean {
  return kind instanceof LogKind && kind.journal.read(1, 1, 1) === undefined;
}

it("ends who has not got all of a withdrawn log in its time: what is missing is told by the newest alone", () => {
  const { logs, sendLast, ended, create } = setUp();
  const [behind, done] = [{ position: 3 }, { position: 9 }] as unknown as [Subscription, Subscription];
  const service = create("t", behind, done);
  service.kind.withdraw(service, 1_000);
  logs.sweep(1_000 + limits.withdrawnSeconds * 1_000 - 1);
  expect(ended).toEqual([]);
  logs.sweep(1_000 + limits.withdrawnSeconds * 1_000);
  expect(ended).toEqual([behind, done]);
  expect(sendLast.mock.calls).toEqual([[behind, undefined, new Map()]]);
  expect(isEmpty(service)).toBe(true);
});

it("keeps a withdrawn log as long for who comes back with its position, and so many of one publisher at most", () => {
  const { logs, create } = setUp();
  const services = Array.from({ length: 101 }, (_, i) => create(`t${i}`));
  for (const service of services) service.kind.withdraw(service, 1_000);
  const [first, last] = [services[0], services[100]] as [Service, Service];
  const at = { epoch: 7, offset: 3 };
  expect(logs.withdrawnAt(first.node, at)).toBe(first);
  for (const since of [{ epoch: 8, offset: 3 }, { time: 0 }, "first", undefined] as const)
    expect(logs.withdrawnAt(first.node, since)).toBeUndefined();
  expect(logs.withdrawnAt(last.node, at)).toBeUndefined();
  expect(isEmpty(last)).toBe(true);
  logs.sweep(1_000 + limits.withdrawnSeconds * 1_000);
  expect(logs.withdrawnAt(first.node, at)).toBeUndefined();
  expect(isEmpty(first)).toBe(true);
  last.kind.withdraw(last, 100_000);
  expect(logs.withdrawnAt(last.node, at)).toBe(last);
});
