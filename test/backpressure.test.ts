import { until } from "@stanzapack/testkit";
import { describe, expect, it } from "vitest";
import { SERVERS, startStack } from "./support/stack.js";

/** The server accepts nothing from the component for a while, and the component still receives from the server. */
describe.each(SERVERS)("a component whose server falls behind, %s", (server) => {
  it("encodes nothing meanwhile, and goes on with what is newest", async () => {
    const stack = await startStack(server, ["alice", "bob"]);
    try {
      const publisher = await stack.connect("alice");
      const service = await publisher.offer("noise");
      const subscriptions = await Promise.all(
        Array.from({ length: 4 }, async () =>
          (await stack.connect("bob")).subscribe(service.node, { windowMs: 100 }),
        ),
      );
      const counts = subscriptions.map((subscription) => {
        const count = { delivered: 0, conflated: 0, lost: 0, newest: 0 };
        subscription.on("update", ({ offset }) => {
          count.delivered++;
          count.newest = offset;
        });
        subscription.on("conflated", ({ from, to }) => (count.conflated += to - from + 1));
        subscription.on("lost", ({ from, to }) => (count.lost += to - from + 1));
        return count;
      });
      await until(() => service.demand.subscribers === 4, 5_000, "the publisher knows");
      // 4 kB a value, incompressible: 160 kB/s to the four. So the component has asked how far its server is.
      const value = (): string =>
        Buffer.from(Array.from({ length: 3_000 }, () => Math.random() * 256)).toString("base64");
      const timer = setInterval(() => service.publish(value()), 100);
      try {
        await until(() => counts.every(({ delivered }) => delivered > 30), 20_000, "values come");
        stack.componentProxy.toServer.bytesPerSecond = 1;
        let encodes = 0;
        let since = 0;
        const heardWithoutEncoding = (): number => {
          const { laneEncodes, updatesIn } = stack.component.stats();
          if (laneEncodes !== encodes) [encodes, since] = [laneEncodes, updatesIn];
          return updatesIn - since;
        };
        await until(() => heardWithoutEncoding() >= 20, 10_000, "it hears twenty updates and encodes none");
      } finally {
        stack.componentProxy.toServer.bytesPerSecond = Infinity;
      }
      const { published } = service;
      await until(() => counts.every(({ newest }) => newest > published + 5), 10_000, "it goes on");
      clearInterval(timer);
      for (const count of counts) expect(count).toMatchObject({ lost: 0 });
    } finally {
      await stack.stop();
    }
  });
});
