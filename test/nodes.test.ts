import type { Client } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "./support/eventually.js";
import { startNodes, type NodeStack } from "./support/nodes.js";
import { publishCounter, SERVERS } from "./support/stack.js";
import { upTo } from "./support/stack.js";

describe.each(SERVERS)("two nodes behind %s", (server) => {
  let stack: NodeStack;
  beforeAll(async () => {
    stack = await startNodes(server, ["alice", "bob", "carol"]);
  });
  afterAll(() => stack.stop());

  it.each(["none", "interval", "sync"] as const)(
    "carry a value of durability %s to subscribers of the other node",
    async (durability) => {
      const alice = await stack.connect("alice", 0);
      const bob = await stack.connect("bob", 1);
      const name = `value-${durability}`;
      const service = await alice.offer<number>(name, { durability });
      const counter = publishCounter((value) => service.publish(value), 20);
      await listed(bob, name);
      const subscription = await bob.subscribe<number>(`alice@localhost/${name}`, { windowMs: 100 });
      const values: number[] = [];
      subscription.on("update", ({ value }) => values.push(value));
      await until(() => values.length > 30, 10_000, "values");
      expect(service.demand).toEqual({ subscribers: 1, windowMs: 100 });
      counter.stop();
      await until(() => values.at(-1) === counter.count, 5_000, "the newest value");
      expect(values).toEqual([...values].sort((a, b) => a - b));
      await subscription.stop();
      await until(() => service.demand.windowMs === null, 5_000, "no demand");
      await Promise.all([alice.close(), bob.close()]);
    },
  );

  it("carry a log whole, from its beginning", async () => {
    const alice = await stack.connect("alice", 0);
    const bob = await stack.connect("bob", 1);
    const log = await alice.offer<number>("log", { kind: "log", durability: "sync" });
    for (let i = 1; i <= 500; i++) await log.publish(i);
    await listed(bob, "log");
    const subscription = await bob.subscribe<number>("alice@localhost/log", { since: "first" });
    const values: number[] = [];
    const other: unknown[] = [];
    subscription.on("update", ({ value }) => values.push(value));
    for (const event of ["lost", "conflated", "reset"] as const) subscription.on(event, (range) => other.push(range));
    for (let i = 501; i <= 1_000; i++) await log.publish(i);
    await until(() => values.length >= 1_000, 10_000, "all updates");
    expect(values).toEqual(upTo(1_000));
    expect(other).toEqual([]);
    await Promise.all([alice.close(), bob.close()]);
  });

  it("carry a map", async () => {
    const alice = await stack.connect("alice", 0);
    const bob = await stack.connect("bob", 1);
    const map = await alice.offer<number>("map", { kind: "map" });
    for (let i = 0; i < 100; i++) map.set(`k${i}`, i);
    await listed(bob, "map");
    const subscription = await bob.subscribe<number>("alice@localhost/map");
    await until(() => subscription.map.size === 100, 10_000, "the map");
    map.delete("k3");
    map.set("k4", 44);
    await until(() => subscription.map.size === 99 && subscription.map.get("k4") === 44, 10_000, "its changes");
    await Promise.all([alice.close(), bob.close()]);
  });
});

/** Waits until the client's node lists the service, online. */
async function listed(client: Client, name: string): Promise<void> {
  await eventually(async () => {
    const found = (await client.listServices()).find(({ node }) => node === `alice@localhost/${name}`);
    expect(found?.online).toBe(true);
  });
}
