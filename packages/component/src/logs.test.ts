import { pino } from "pino";
import { expect, it, vi } from "vitest";
import { configSchema } from "./config.js";
import type { FanOut } from "./fan-out.js";
import type { ServiceConfig } from "./service.js";
import type { Service } from "./service.js";
import { Logs } from "./logs.js";
import { createStats } from "./stats.js";
import type { Subscription } from "./subscription.js";

const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });

it("ends who has not got all of a withdrawn log in its time: what is missing is told by the newest alone", () => {
  const sendLast = vi.fn();
  const ended: Subscription[] = [];
  const host = { sendLast } as unknown as FanOut;
  const logs = new Logs(
    ...([host, limits, createStats(), pino({ level: "silent" }), () => true] as const),
    (it) => {
      ended.push(it);
      service.subscriptions.delete(it);
      if (service.subscriptions.size === 0) logs.end(service);
    },
  );
  const [behind, done] = [{ position: 3 }, { position: 9 }] as unknown as [Subscription, Subscription];
  const journal = logs.createJournal({ kind: "log" } as ServiceConfig, "alice@x");
  const service = { offset: 9, journal, subscriptions: new Set([behind, done]) } as unknown as Service;
  journal?.append(1, 1, [new Uint8Array(100)], [0], 0);
  logs.withdraw(service, 1_000);
  logs.sweep(1_000 + limits.withdrawnSeconds * 1_000 - 1);
  expect(ended).toEqual([]);
  logs.sweep(1_000 + limits.withdrawnSeconds * 1_000);
  expect(ended).toEqual([behind, done]);
  expect(sendLast.mock.calls).toEqual([[behind, undefined, new Map()]]);
  expect(journal?.bytes).toBe(0);
});
