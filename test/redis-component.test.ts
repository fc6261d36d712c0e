import type { Client, Subscription } from "@stanzapack/client";
import { startPrivateRedis, until, type PrivateRedis } from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { untilCursor } from "./support/cursors.js";
import { publishCounter, SERVERS, upTo } from "./support/stack.js";
import { startStoredStack, type StoredStack } from "./support/stored-stack.js";

const SOON_MS = 10_000;
/** Longest time from a fault's end until everything goes on, in ms. */
const BACK_MS = 30_000;

/** What a subscriber of a counter received, and what it was told. */
function record(subscription: Subscription<number>): { values: number[]; told: string[] } {
  const values: number[] = [];
  const told: string[] = [];
  subscription.on("update", ({ value }) => values.push(value));
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, ({ from, to }) => told.push(`${event} ${from}-${to}`));
  return { values, told };
}

describe.each(SERVERS)("a component with its store in Redis, behind %s", (server) => {
  let redis: PrivateRedis;
  let stack: StoredStack;
  beforeAll(async () => {
    redis = await startPrivateRedis();
    const store = { kind: "redis", host: redis.host, port: redis.port };
    stack = await startStoredStack(server, ["alice", "bob", "carol"], undefined, [], store);
  });
  afterAll(async () => {
    await stack.stop();
    await redis.close();
  });

  it("loses and repeats no update of a log, whichever of the two is killed or halted", async () => {
    const [alice, bob, carol] = [
      await stack.login("alice"),
      await stack.login("bob"),
      await stack.login("carol"),
    ];
    const log = await alice.offer("log", { kind: "log", durability: "sync" });
    const live = record(await bob.subscribe<number>(log.node, { windowMs: 0, since: "first" }));
    const counter = publishCounter((value) => log.publish(value), 5);
    const faults = [
      () => stack.restart("SIGKILL"),
      async () => {
        await redis.kill();
        await redis.start();
      },
      async () => {
        await redis.stop();
        await stack.end("SIGKILL");
        await redis.start();
        await stack.start();
      },
    ];
    for (const [i, fault] of faults.entries()) {
      await until(() => live.values.length >= 100 * (i + 1), BACK_MS, `${100 * (i + 1)} updates`);
      await fault();
    }
    const { length } = live.values;
    await until(() => live.values.length >= length + 100, BACK_MS, "updates after the last fault");
    const halfTime = Date.now();
    const half = live.values.length;
    await until(() => live.values.length >= half + 700, BACK_MS, "more than memory keeps");
    counter.stop();
    const published = counter.count;
    await until(() => live.values.length >= published, SOON_MS, "the last update");
    expect(live).toEqual({ values: upTo(published), told: [] });
    // Of another process, which has nothing of the log in memory.
    await stack.restart("SIGTERM");
    const late = record(await carol.subscribe<number>(log.node, { windowMs: 0, since: "first" }));
    await until(() => late.values.length >= published, BACK_MS, "the whole log");
    expect(late).toEqual({ values: upTo(published), told: [] });
    const dave = await stack.login("carol");
    const timed = record(await dave.subscribe<number>(log.node, { windowMs: 0, since: { time: halfTime } }));
    await until(() => timed.values.at(-1) === published, BACK_MS, "the log from a time on");
    expect(timed.values[0]).toBeGreaterThan(half - 50);
    expect(timed.values).toEqual(upTo(published, timed.values[0]));
    for (const client of [alice, bob, carol, dave]) await client.close();
  });

  it("brings values, maps and cursors back after a restart of both, without their publisher", async () => {
    const [alice, bob] = [await stack.login("alice"), await stack.login("bob")];
    const value = await alice.offer("value", { title: "a value" });
    const log = await alice.offer("places", { kind: "log" });
    const map = await alice.offer<number>("map", { kind: "map" });
    // Nobody publishes a value that nobody takes.
    const before = record(await bob.subscribe<number>(value.node));
    value.publish(7);
    await until(() => before.values.includes(7), SOON_MS, "the value");
    for (const i of upTo(20)) log.publish(i);
    for (let i = 0; i < 1_000; i++) map.set(`key ${i}`, i);
    map.delete("key 0");
    await map.settled();
    const consumer = await bob.subscribe<number>(log.node, { cursor: "place", since: "first" });
    const taken = record(consumer);
    await until(() => taken.values.length === 20, SOON_MS, "the log");
    await untilCursor(bob, log.node, ({ offset }) => offset === 20);
    await alice.close();
    await bob.close();
    await stack.end("SIGTERM");
    await redis.kill();
    await redis.start();
    await stack.start();
    const again = await stack.login("bob");
    expect(await again.listServices()).toEqual(
      expect.arrayContaining([expect.objectContaining({ node: value.node, title: "a value" })]),
    );
    const last = record(await again.subscribe<number>(value.node));
    await until(() => last.values.length > 0, SOON_MS, "the last value");
    expect(last.values).toEqual([7]);
    const copy = await again.subscribe<number>(map.node);
    await expect.poll(() => [copy.synced, copy.map.size]).toEqual([true, 999]);
    const publisher = await stack.login("alice");
    const next = await publisher.offer("places", { kind: "log" });
    const rest = record(await again.subscribe<number>(log.node, { cursor: "place", since: "first" }));
    next.publish(21);
    await until(() => rest.values.length > 0, SOON_MS, "what is new");
    expect(rest).toEqual({ values: [21], told: [] });
    await next.stop();
    await closed(again, publisher);
  });

  it("goes on by itself when Redis comes back, and confirms nothing before", async () => {
    const [alice, bob] = [await stack.login("alice"), await stack.login("bob")];
    const log = await alice.offer("away", { kind: "log" });
    const live = record(await bob.subscribe<number>(log.node, { windowMs: 0 }));
    const plain = await alice.offer("plain", { durability: "none" });
    const values = record(await bob.subscribe<number>(plain.node, { windowMs: 0 }));
    log.publish(1);
    await until(() => live.values.length === 1, SOON_MS, "the first update");
    await redis.stop();
    for (const i of upTo(50, 2)) log.publish(i);
    plain.publish(1);
    await until(() => values.values.includes(1), SOON_MS, "a value that needs no store");
    expect(live.values).toEqual([1]);
    await redis.start();
    await until(() => live.values.length === 50, BACK_MS, "what waited");
    expect(live).toEqual({ values: upTo(50), told: [] });
    await closed(alice, bob);
  });
});

async function closed(...clients: Client[]): Promise<void> {
  await Promise.all(clients.map((client) => client.close()));
}
