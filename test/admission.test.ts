import type { Client } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import { describe, expect, it } from "vitest";
import { openRawLink } from "./support/raw-link.js";
import { SERVERS, startStack } from "./support/stack.js";

const RATE = 10;
const BURST = 5;
const CLIENTS = 40;
/** Resources of one account; Debian's ejabberd allows ten. */
const RESOURCES = 8;

describe.each(SERVERS)("many links at once, behind %s", (server) => {
  it("are admitted so many a second, those refused are told when to come, and all get in", async () => {
    const users = Array.from({ length: CLIENTS / RESOURCES }, (_, i) => `bob${i}`);
    const stack = await startStack(server, users, { limits: { opensPerSecond: RATE, opensBurst: BURST } });
    try {
      const samples: { readonly atMs: number; readonly links: number }[] = [];
      const timer = setInterval(
        () => samples.push({ atMs: performance.now(), links: stack.component.stats().links }),
        100,
      );
      const clients: Client[] = await Promise.all(
        Array.from({ length: CLIENTS }, (_, i) =>
          stack.connect(users[i % users.length] as string, { timeoutMs: 60_000 }),
        ),
      );
      clearInterval(timer);
      expect(clients.every(({ online }) => online)).toBe(true);
      const { links: open, refusals } = stack.component.stats();
      expect(open).toBe(CLIENTS);
      expect(refusals).toBeGreaterThan(0);
      expect(refusals).toBeLessThanOrEqual(2 * CLIENTS);
      // Between any two looks: a burst, and the rate for as long as passed.
      for (const [i, { atMs, links }] of samples.entries())
        for (const earlier of samples.slice(0, i)) {
          const seconds = (atMs - earlier.atMs) / 1_000;
          expect(links - earlier.links).toBeLessThanOrEqual(RATE * seconds + BURST + 1);
        }

      // They are there, and one more that does not know how to wait is told.
      const raw = await stack.raw("bob0");
      const told = await Promise.all(
        Array.from({ length: 30 }, () =>
          openRawLink(raw, stack.domain).then(
            () => undefined,
            (error: unknown) => error,
          ),
        ),
      );
      expect(told.find((error) => error !== undefined)).toMatchObject({
        ...{ condition: "resource-constraint", type: "wait" },
        application: { name: "retry-after", attrs: { ms: expect.stringMatching(/^\d+$/) as string } },
      });
      await until(() => stack.component.stats().links >= CLIENTS, 5_000, "nobody else is the worse for it");
    } finally {
      await stack.stop();
    }
  });
});
