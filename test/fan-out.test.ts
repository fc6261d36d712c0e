import { until } from "@stanzapack/testkit";
import { describe, expect, it } from "vitest";
import { startStack } from "./support/stack.js";
import { behind } from "./support/whole.js";

const SUBSCRIBERS = 100;
/** Resources of one account; Debian's ejabberd allows ten. */
const RESOURCES = 10;
/** Number of updates in each measurement. */
const MEASURED = 60;

describe.each(behind("prosody"))("fan-out behind %s", (server) => {
  it(`encodes each batch once for ${SUBSCRIBERS} subscribers of one 10 Hz service`, async () => {
    const users = Array.from({ length: SUBSCRIBERS / RESOURCES }, (_, i) => `bob${i}`);
    const stack = await startStack(server, ["alice", ...users]);
    try {
      const alice = await stack.connect("alice");
      const service = await alice.offer("tick");
      const received = new Array<number>(SUBSCRIBERS).fill(0);
      for (let i = 0; i < SUBSCRIBERS; i += users.length) {
        await Promise.all(
          users.map(async (user, j) => {
            const client = await stack.connect(user, { timeoutMs: 60_000 });
            const subscription = await client.subscribe<number>("alice@localhost/tick", { windowMs: 100 });
            const holes = (): void => void (received[i + j] = NaN);
            subscription.on("lost", holes).on("conflated", holes);
            subscription.on("update", () => received[i + j]!++);
          }),
        );
      }
      await until(() => service.demand.windowMs === 100, 5_000, "demand");
      received.fill(0);
      const before = stack.component.stats();
      let published = 0;
      const timer = setInterval(() => service.publish(published++ / 10), 100);
      await until(() => published >= MEASURED, 20_000, "the updates");
      clearInterval(timer);
      await until(() => received.every((count) => count === published), 10_000, "everyone has everything");
      const after = stack.component.stats();
      const bodies = after.laneEncodes - before.laneEncodes;
      const stanzas = after.dataStanzasSent - before.dataStanzasSent;
      // Subscribers with the same options share one lane.
      expect(after.lanes).toBe(1);
      // Encoded once per batch, not once per subscriber. A batch has the updates of one tick of 100 ms.
      expect(stanzas).toBe(bodies * SUBSCRIBERS);
      expect(bodies).toBeLessThanOrEqual(published);
      expect(after.singleEncodes).toBe(before.singleEncodes);
      expect(after.detachments).toBe(0);
      // One write has the stanzas of one tick for all subscribers, in pieces of 64 KiB.
      expect(after.writes - before.writes).toBeLessThanOrEqual(bodies * 3 + 250);
    } finally {
      await stack.stop();
    }
  });
});
