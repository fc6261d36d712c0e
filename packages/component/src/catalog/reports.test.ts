import { MAX_WINDOW_MS, type Frame } from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import type { Lane } from "../fanout/lane.js";
import type { ClientLink } from "../links/client-link.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { DemandReports } from "./demand-reports.js";
import type { Service } from "./service.js";
import { StatusReports } from "./status-reports.js";
import { createService } from "../testing/create-service.js";

/** A service whose publisher has alias 4, with subscribers that take its lanes. */
function setUp(ownWindowMs: number | null = null) {
  const service = createService({ kind: { ownWindowMs } });
  const sendFrame = vi.fn<(frame: Frame) => void>();
  const link = {
    ...{ sendFrame, throttle: { windowMs: 0 }, services: new Map([[4, service]]) },
  } as unknown as ClientLink;
  service.publisher = { link, alias: 4 } as unknown as Service["publisher"];
  const subscribe = (windowMs: number): { readonly sendShared: ReturnType<typeof vi.fn> } => {
    const sendShared = vi.fn();
    service.lanes.set(String(windowMs), { windowMs } as Lane<Subscription>);
    service.subscriptions.add({ outlet: { sendShared } } as unknown as Subscription);
    return { sendShared };
  };
  const told = (): Frame[] => sendFrame.mock.calls.splice(0).map(([frame]) => frame);
  return { service, link, subscribe, told };
}

describe("reports of demand", () => {
  const demand = (subscribers: number, windowMs: number | null) => ({
    ...{ type: "demand", alias: 4, subscribers, windowMs },
  });

  it("leave at once for another window, and with the sweep for another count", () => {
    const { service, subscribe, told } = setUp();
    const reports = new DemandReports();
    subscribe(100);
    reports.update(service);
    expect(told()).toEqual([demand(1, 100)]);
    subscribe(100);
    subscribe(500);
    reports.update(service);
    expect(told()).toEqual([]);
    reports.sweep();
    reports.sweep();
    expect(told()).toEqual([demand(3, 100)]);
    service.lanes.clear();
    service.subscriptions.clear();
    reports.update(service);
    expect(told()).toEqual([demand(0, null)]);
  });

  it("say nothing where nothing changed, without a publisher, and of a service that has ended", () => {
    const { service, subscribe, told } = setUp();
    const reports = new DemandReports();
    subscribe(100);
    reports.tell(service);
    told();
    reports.update(service);
    subscribe(100);
    reports.update(service);
    reports.forget(service);
    reports.sweep();
    service.publisher = undefined;
    subscribe(0);
    reports.update(service);
    reports.sweep();
    expect(told()).toEqual([]);
  });

  it("have no smaller window than the link's pace allows, and none where nobody takes the service", () => {
    const { service, link, subscribe, told } = setUp();
    const reports = new DemandReports();
    link.throttle.windowMs = 2_000;
    reports.tellAll(link);
    subscribe(100);
    reports.tellAll(link);
    link.throttle.windowMs = 0;
    reports.tellAll(link);
    expect(told()).toEqual([demand(0, null), demand(1, 2_000), demand(1, 100)]);
    expect(service.demand).toEqual({ subscribers: 1, windowMs: 100 });
  });

  it("have the kind's own window, unless somebody takes a smaller one", () => {
    const { service, subscribe, told } = setUp(1_000);
    const reports = new DemandReports();
    reports.tell(service);
    subscribe(5_000);
    reports.tell(service);
    subscribe(100);
    reports.tell(service);
    expect(told()).toEqual([demand(0, 1_000), demand(1, 1_000), demand(2, 100)]);
  });
});

describe("reports of status", () => {
  it("leave once for all that a publisher says between two sweeps", () => {
    const { service, subscribe } = setUp();
    const reports = new StatusReports();
    const [one, two] = [subscribe(100), subscribe(500)];
    for (const windowMs of [null, 1_000, 1e9])
      reports.set(service, { type: "status", alias: 4, status: "paused", windowMs });
    expect(service).toMatchObject({ status: "paused", paceMs: MAX_WINDOW_MS });
    expect(one.sendShared).not.toHaveBeenCalled();
    reports.sweep();
    reports.sweep();
    expect([one.sendShared.mock.calls.length, two.sendShared.mock.calls.length]).toEqual([1, 1]);
    reports.set(service, { type: "status", alias: 4, status: "online", windowMs: null });
    reports.forget(service);
    reports.sweep();
    expect(one.sendShared).toHaveBeenCalledOnce();
  });

  it("refuse a publisher that says to be offline", () => {
    const { service } = setUp();
    const offline = { type: "status", alias: 4, status: "offline", windowMs: null } as const;
    expect(() => new StatusReports().set(service, offline)).toThrow(
      expect.objectContaining({ code: "protocol", origin: "peer" }),
    );
    expect(service.status).toBe("online");
  });
});
