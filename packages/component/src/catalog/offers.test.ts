import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { createStats } from "../base/stats.js";
import { Budgets } from "../budgets/budgets.js";
import { configSchema } from "../config/config.js";
import type { ClientLink } from "../links/client-link.js";
import { DEFAULT_CONFIG, type ServiceConfig } from "../options/service-config.js";
import { fakeLink } from "../testing/fake-link.js";
import { Catalog } from "./catalog.js";
import { Offers, type OfferParts, type OpenRecord } from "./offers.js";
import type { Service } from "./service.js";
import { ServiceRecord } from "./service-record.js";

const NODE = "alice@x/t";
const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });

/** Offers with a slow store, which gives a record when the test says so. */
function setUp(own = limits) {
  const stats = createStats();
  const catalog = new Catalog();
  const answers: ((error?: Error) => void)[] = [];
  const open: OpenRecord = (id, config, now) =>
    new Promise((resolve, reject) => {
      answers.push((error) =>
        error === undefined ? resolve(new ServiceRecord(id, config, 7, now)) : reject(error),
      );
    });
  const attach = vi.fn((service: Service, link: ClientLink) => {
    service.publisher = { link } as unknown as Service["publisher"];
  });
  const discard = vi.fn();
  const stored = { complete: (config: ServiceConfig) => config, open, discard, changed: vi.fn() };
  const parts = {
    ...{ catalog, stored, budgets: new Budgets(own, stats), createKind: () => ({}) },
    ...{ publishers: { attach }, approvals: { reconsider: vi.fn() } },
  } as unknown as OfferParts;
  const offers = new Offers(parts, own, pino({ level: "silent" }));
  const offer = async (link: ClientLink) => offers.offer(link, NODE, DEFAULT_CONFIG, 0);
  return { catalog, attach, discard, offer, answers, stats };
}

describe("an offer whose record comes later", () => {
  it("begins the service then, once, also where two sessions have offered it meanwhile", async () => {
    const { catalog, offer, answers } = setUp();
    const [one, two] = [fakeLink("alice@x/1"), fakeLink("alice@x/2")];
    const [first, second] = [offer(one), offer(two)];
    expect(catalog.services.size).toBe(0);
    for (const answer of answers) answer();
    expect(await first).toMatchObject({ created: true, service: { node: NODE } });
    expect(await second).toEqual({ holder: one });
    expect(catalog.services.size).toBe(1);
  });

  it("is refused where its link has ended meanwhile, and leaves nothing behind", async () => {
    const { catalog, attach, discard, offer, answers } = setUp();
    const assertOpen = (): never => {
      throw new Error("the link has ended");
    };
    const outcome = offer(fakeLink("alice@x/1", { assertOpen }));
    answers[0]?.();
    await expect(outcome).rejects.toThrow("the link has ended");
    expect([catalog.services.size, attach.mock.calls.length]).toEqual([0, 0]);
    expect(discard).toHaveBeenCalledOnce();
  });

  it("keeps its record where a second offer waits for it", async () => {
    const { catalog, discard, offer, answers } = setUp();
    const assertOpen = (): never => {
      throw new Error("the link has ended");
    };
    const first = offer(fakeLink("alice@x/1", { assertOpen }));
    const second = offer(fakeLink("alice@x/2"));
    answers[0]?.();
    await expect(first).rejects.toThrow("the link has ended");
    expect(await second).toMatchObject({ created: true });
    expect([catalog.services.size, discard.mock.calls.length]).toEqual([1, 0]);
  });

  it("fails as the store does, and the next one may succeed", async () => {
    const { catalog, offer, answers } = setUp();
    const link = fakeLink("alice@x/1");
    const failed = offer(link);
    answers[0]?.(new Error("the disk is full"));
    await expect(failed).rejects.toThrow("the disk is full");
    const next = offer(link);
    answers[1]?.();
    expect(await next).toMatchObject({ created: true });
    expect(catalog.services.size).toBe(1);
  });
});

it("an offer beyond what all may offer together is refused, and counted", async () => {
  const { offer, stats } = setUp({ ...limits, maxServices: 0 });
  await expect(offer(fakeLink("alice@x/1"))).rejects.toMatchObject({ code: "limit-exceeded" });
  expect(stats.overQuota).toBe(1);
});
