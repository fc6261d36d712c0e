import type { Client, RangeEvent, StatusEvent, Subscription } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import { NS, type Connection } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Records what a subscription emits: values by offset, ranges, statuses. */
function record(subscription: Subscription<number>) {
  const told = {
    values: [] as number[],
    offsets: [] as number[],
    ranges: [] as (RangeEvent & { event: string })[],
    statuses: [] as StatusEvent[],
  };
  subscription.on("update", ({ value, offset }) => {
    told.values.push(value);
    told.offsets.push(offset);
  });
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, (range) => told.ranges.push({ ...range, event }));
  subscription.on("status", (status) => told.statuses.push(status));
  return told;
}

/** Expects that every offset from the first value to the last was a value, or in a reported range. */
function expectNothingUntold(told: ReturnType<typeof record>): void {
  const all = new Set(told.offsets);
  expect(all.size).toBe(told.offsets.length);
  for (const { from, to } of told.ranges) for (let offset = from; offset <= to; offset++) all.add(offset);
  const [first, last] = [Math.min(...told.offsets), Math.max(...told.offsets)];
  for (let offset = first; offset <= last; offset++)
    if (!all.has(offset)) expect.fail(`offset ${offset} is untold`);
}

describe.each(SERVERS)("inactive clients (XEP-0352) on %s", (server) => {
  let stack: Stack;
  let alice: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"]);
    alice = await stack.connect("alice");
  });
  afterAll(() => stack.stop());

  it("would have their values held by a server that takes headlines for unimportant", async () => {
    const service = await alice.offer("naive");
    // Not lean: ejabberd would keep only the newest lean stanza.
    const carol = await stack.connect("carol", { envelope: "ibb" });
    const subscription = await carol.subscribe<number>("alice@localhost/naive", { windowMs: 100 });
    let [arrived, lastArrivedAt] = [0, 0];
    subscription.on("update", () => {
      arrived++;
      lastArrivedAt = counter.count;
    });
    const counter = publishCounter((value) => service.publish(value), 50);
    await until(() => arrived > 20, 5_000, "flow");
    // The server is told that the client is inactive, and nothing else is done, as by a program that does not know
    // Stanzapack's way.
    const { connection } = carol as unknown as { connection: Connection };
    expect(connection.offers(NS.CSI)).toBe(true);
    connection.send(`<inactive xmlns='${NS.CSI}'/>`, 0);
    // Prosody sends for five more seconds, then holds the values until the client sends something. ejabberd lets
    // headlines pass.
    if (server === "prosody")
      await until(() => counter.count > lastArrivedAt + 25, 20_000, "much is published, and nothing comes");
    else {
      const from = arrived;
      await until(() => arrived > from + 120, 20_000, "values go on coming");
    }
    counter.stop();
    await carol.close();
    await service.stop();
  });

  it("are slowed before the server knows, and have the newest value at once when they are back", async () => {
    const service = await alice.offer("slowed");
    const bob = await stack.connect("bob");
    const subscription = await bob.subscribe<number>("alice@localhost/slowed", { windowMs: 100 });
    const told = record(subscription);
    const counter = publishCounter((value) => service.publish(value), 20);
    await until(() => told.values.length > 20, 5_000, "flow");

    await bob.setActive(false);
    expect(bob.active).toBe(false);
    expect(subscription).toMatchObject({ status: "slowed", windowMs: 100_000 });
    await until(() => service.demand.windowMs === 100_000, 5_000, "demand follows");
    let blocks = 0;
    bob.onBlock = (_, frames) =>
      (blocks += frames.some(({ frame }) => frame.type === "data" || frame.type === "coded") ? 1 : 0);
    const from = counter.count;
    await until(() => counter.count > from + 200, 10_000, "much is published");
    // A boundary of the window may lie in this time.
    expect(blocks).toBeLessThan(3);
    expect(told.values.at(-1)).toBeLessThan(counter.count);

    const newest = counter.count;
    await bob.setActive(true);
    await until(() => (told.values.at(-1) as number) >= newest, 5_000, "the newest value");
    // At once, and not when the window of a hundred seconds ends.
    expect(counter.count - newest).toBeLessThan(1_000);
    expect(subscription).toMatchObject({ status: "online", windowMs: 100 });
    const before = told.values.length;
    await until(() => told.values.length > before + 20, 5_000, "flow again");
    counter.stop();
    await until(() => told.values.at(-1) === counter.count, 5_000, "the last value");
    expectNothingUntold(told);
    expect(told.ranges.filter(({ event }) => event !== "conflated")).toEqual([]);
    expect(told.statuses.map(({ status, by }) => `${status} by ${by}`)).toEqual([
      "slowed by client",
      "online by publisher",
    ]);
    await bob.close();
    await service.stop();
  });

  it("are paused where that is asked for: nothing is sent at all, and the subscription goes on", async () => {
    const service = await alice.offer("paused");
    const bob = await stack.connect("bob", { inactive: "pause" });
    const subscription = await bob.subscribe<number>("alice@localhost/paused", { windowMs: 100 });
    const told = record(subscription);
    const counter = publishCounter((value) => service.publish(value), 20);
    await until(() => told.values.length > 20, 5_000, "flow");

    await bob.setActive(false);
    expect(subscription).toMatchObject({ status: "paused", ended: false });
    await until(() => service.demand.windowMs === null, 5_000, "no demand");
    // A subscription that is made meanwhile is paused too, once it is granted.
    const other = await alice.offer("other");
    const late = await bob.subscribe<number>("alice@localhost/other");
    expect(late.status).toBe("paused");
    await expect(bob.subscribe("alice@localhost/none")).rejects.toMatchObject({ code: "no-such-service" });
    let blocks = 0;
    bob.onBlock = (_, frames) =>
      (blocks += frames.some(({ frame }) => frame.type === "data" || frame.type === "coded") ? 1 : 0);
    const from = counter.count;
    await until(() => counter.count > from + 50, 5_000, "much is published");
    // The answer arrives after everything that was sent before it.
    await bob.listServices();
    expect(blocks).toBe(0);

    const newest = counter.count;
    await bob.setActive(true);
    await until(() => (told.values.at(-1) as number) >= newest, 2_000, "the newest value");
    expect([subscription.status, late.status]).toEqual(["online", "online"]);
    counter.stop();
    await until(() => told.values.at(-1) === counter.count, 5_000, "the last value");
    expectNothingUntold(told);
    expect(told.ranges.filter(({ event }) => event !== "conflated")).toEqual([]);
    await bob.close();
    await service.stop();
    await other.stop();
  });

  it("hear at once who subscribes to what they offer", async () => {
    const publisher = await stack.connect("carol");
    const service = await publisher.offer("offered");
    await publisher.setActive(false);
    const later = await publisher.offer("later");
    // Prosody keeps sending for five seconds after the client's last stanza, so this client is silent for longer.
    if (server === "prosody") await sleep(6_500);
    const bob = await stack.connect("bob");
    for (const one of [service, later]) {
      await bob.subscribe<number>(one.node);
      await until(() => one.demand.subscribers === 1, 2_000, `demand for ${one.node}`);
    }
    expect(publisher.active).toBe(false);
    await bob.close();
    await publisher.close();
  });

  it("stay inactive over a restarted component, and come back", async () => {
    const service = await alice.offer("restart");
    const bob = await stack.connect("bob");
    const subscription = await bob.subscribe<number>("alice@localhost/restart", { windowMs: 100 });
    const told = record(subscription);
    const counter = publishCounter((value) => service.publish(value), 50);
    await until(() => told.values.length > 5, 5_000, "flow");
    await bob.setActive(false);
    const again = new Promise<void>((resolve) => bob.on("online", () => resolve()));
    await stack.restartComponent(300);
    await again;
    await until(() => subscription.status === "slowed", 20_000, "slowed again");
    expect(subscription.windowMs).toBe(100_000);
    await bob.setActive(true);
    const newest = counter.count;
    await until(() => (told.values.at(-1) as number) >= newest, 5_000, "the newest value");
    counter.stop();
    expect(told.statuses.map(({ status }) => status)).toContain("disconnected");
    await bob.close();
    await service.stop();
  });
});
