import { WHOLE } from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import { createStats } from "../base/stats.js";
import type { ClientLink } from "../links/client-link.js";
import { known } from "../testing/known.js";
import { createWholeBroker } from "../testing/whole-broker.js";
import { createMetrics } from "./metrics.js";
import { survey } from "./survey.js";

const LINKS = 1_000;
const SUBSCRIPTIONS_PER_LINK = 4;
const SERVICES = 1_000;
const SCRAPES = 20;
/** Longest processor time of a scrape, in ms: ten times what it may take on a machine without other work. */
const MOST_MS = 100;

/** A broker with that many links, services and subscriptions, each of another window. */
function createBusyBroker() {
  const whole = createWholeBroker();
  const links: ClientLink[] = [];
  const nodes: string[] = [];
  const now = monotonicNow();
  for (let i = 0; i < SERVICES; i++) {
    const owner = `p${i}@example`;
    nodes.push(known(whole.offer(whole.open(`${owner}/a`).link, `${owner}/t`, {})).node);
  }
  for (let i = 0; i < LINKS; i++) {
    const { link } = whole.open(`u${i}@example/b`, { stream: { leanChars: i % 4 === 0 ? 0 : 1_024 } });
    links.push(link);
    for (let s = 0; s < SUBSCRIPTIONS_PER_LINK; s++) {
      const node = nodes[(i * SUBSCRIPTIONS_PER_LINK + s) % SERVICES] as string;
      const asked = {
        windowMs: 100,
        selection: WHOLE,
        since: undefined,
        credit: Infinity,
        cursor: undefined,
      };
      known(whole.broker.subscriptions.subscribe(link, node, asked, now));
    }
  }
  return { broker: whole.broker, links };
}

describe("a look at every link and every service", () => {
  it("counts them, and a scrape of a thousand links takes little time", async () => {
    const { broker, links } = createBusyBroker();
    const look = () => survey(links, broker.catalog.services.values(), monotonicNow());
    expect(look()).toMatchObject({
      links: { lean: 750, ibb: 250 },
      services: [{ kind: "value", online: true, count: SERVICES }],
      subscriptions: new Map([["link", LINKS * SUBSCRIPTIONS_PER_LINK]]),
      ...{ suspendedLinks: 0, oldestUnackedMs: 0, waiting: { credit: 0, room: 0 } },
    });
    const stats = createStats();
    const metrics = createMetrics({
      ...{ stats: () => stats, survey: look, online: () => true, cursors: () => 0 },
      memory: () => ({ lanes: 0, logs: 0, maps: 0 }),
      store: () => undefined,
    });
    const times: number[] = [];
    for (let i = 0; i < SCRAPES; i++) {
      const before = process.cpuUsage();
      await metrics.text();
      const { user, system } = process.cpuUsage(before);
      times.push((user + system) / 1_000);
    }
    const median = times.sort((a, b) => a - b)[SCRAPES / 2] as number;
    expect(median).toBeLessThan(MOST_MS);
    if (process.env["STANZAPACK_TEST"] === "whole")
      process.stderr.write(`a scrape: ${median.toFixed(1)} ms\n`);
  });
});
