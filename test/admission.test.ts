import type { Client } from "@stanzapack/client";
import { describe, expect, it } from "vitest";
import { openRawLink } from "./support/raw-link.js";
import { SERVERS, startStack } from "./support/stack.js";

const RATE = 10;
const BURST = 5;
/** Share of one account, in per cent. */
const SHARE = 40;
const CLIENTS = 40;
/** Resources of one account; Debian's ejabberd allows ten. */
const RESOURCES = 8;

describe.each(SERVERS)("many links at once, behind %s", (server) => {
  it("are admitted so many a second, those refused are told when to come, and all get in", async () => {
    const users = Array.from({ length: CLIENTS / RESOURCES }, (_, i) => `bob${i}`);
    const limits = { opensPerSecond: RATE, opensBurst: BURST, opensSharePercent: SHARE };
    const stack = await startStack(server, [...users, "mallory", "alice"], { limits });
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
      // A client is refused by its account's limit, and once or twice by the limit of all.
      expect(refusals).toBeLessThanOrEqual(3 * CLIENTS);
      // Between any two samples: at most a burst, and the rate for the time between them.
      for (const [i, { atMs, links }] of samples.entries())
        for (const earlier of samples.slice(0, i)) {
          const seconds = (atMs - earlier.atMs) / 1_000;
          expect(links - earlier.links).toBeLessThanOrEqual(RATE * seconds + BURST + 1);
        }

      // All are linked. One more client does not wait as it is told, and gets no more than its share.
      const raw = await stack.raw("mallory");
      const startedAt = performance.now();
      let admitted = 0;
      let refused = 0;
      const tryToOpen = async (): Promise<void> => {
        try {
          await openRawLink(raw, stack.domain);
          admitted++;
        } catch (error) {
          refused++;
          expect(error).toMatchObject({
            ...{ condition: "resource-constraint", type: "wait" },
            application: { name: "retry-after", attrs: { ms: expect.stringMatching(/^\d+$/) as string } },
          });
        }
      };
      let others = 0;
      const comeAndGo = async (): Promise<void> => {
        for (; others < 3; others++) await (await stack.connect("alice", { timeoutMs: 60_000 })).close();
      };
      const visiting = comeAndGo();
      while (others < 3) await Promise.all(Array.from({ length: 5 }, tryToOpen));
      await visiting;
      const seconds = (performance.now() - startedAt) / 1_000;
      expect(admitted).toBeLessThanOrEqual(((RATE * seconds + BURST) * SHARE) / 100 + 2);
      expect(refused).toBeGreaterThan(0);
    } finally {
      await stack.stop();
    }
  });
});
