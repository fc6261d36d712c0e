import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Subscription } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { publishCounter, SERVERS, upTo } from "./support/stack.js";
import { startStoredStack, type StoredStack } from "./support/stored-stack.js";

const SOON_MS = 5_000;
const isRoot = process.getuid?.() === 0;

/** What a subscriber of a counter received, and what it was told. */
function record(subscription: Subscription<number>): { values: number[]; told: string[] } {
  const values: number[] = [];
  const told: string[] = [];
  subscription.on("update", ({ value }) => values.push(value));
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, ({ from, to }) => told.push(`${event} ${from}-${to}`));
  return { values, told };
}

interface EventSource {
  once(event: "ended", listener: (error?: { readonly code: string }) => void): unknown;
}

describe.each(SERVERS)("a component with a store, behind %s", (server) => {
  let stack: StoredStack;
  beforeAll(
    async () =>
      void (stack = await startStoredStack(server, ["alice", "bob", "carol"], undefined, [
        "alice@localhost",
      ])),
  );
  afterAll(() => stack.stop());

  it("loses and repeats no update of a log with `sync` when its process is killed", async () => {
    const [alice, bob, carol] = [
      await stack.login("alice"),
      await stack.login("bob"),
      await stack.login("carol"),
    ];
    const log = await alice.offer("sync", { kind: "log", durability: "sync" });
    const live = record(await bob.subscribe<number>(log.node, { windowMs: 0, since: "first" }));
    const counter = publishCounter((value) => log.publish(value), 5);
    for (const count of [100, 200]) {
      await until(() => live.values.length >= count, SOON_MS, `${count} updates`);
      await stack.restart("SIGKILL");
    }
    await until(() => live.values.length >= 300, SOON_MS, "updates after the last kill");
    counter.stop();
    const published = counter.count;
    await until(() => live.values.length >= published, SOON_MS, "the last update");
    expect(live).toEqual({ values: upTo(published), told: [] });
    const late = record(await carol.subscribe<number>(log.node, { windowMs: 0, since: "first" }));
    await until(() => late.values.length >= published, SOON_MS, "the whole log");
    expect(late).toEqual({ values: upTo(published), told: [] });
  });

  it("brings a log with `sync` whole that is withdrawn while its updates wait for the disk", async () => {
    const [alice, bob] = [await stack.login("alice"), await stack.login("bob")];
    const log = await alice.offer("withdrawn", { kind: "log", durability: "sync" });
    const subscription = await bob.subscribe<number>(log.node, { windowMs: 0, since: "first" });
    const live = record(subscription);
    const ended = new Promise((resolve) => subscription.once("ended", resolve));
    for (const i of upTo(40)) log.publish(i);
    await log.stop();
    expect(await ended).toMatchObject({ code: "withdrawn" });
    expect(live).toEqual({ values: upTo(40), told: [] });
  });

  it("has the last value, the log, the members and who was allowed after a restart, without their publisher", async () => {
    const alice = await stack.login("alice");
    const value = await alice.offer("value", { title: "a value" });
    const log = await alice.offer("log", { kind: "log", access: "authorize", authorize: () => true });
    const bounded = await alice.offer("bounded", { kind: "log", maxItems: 5 });
    for (const i of upTo(20)) bounded.publish(i);
    const bob = await stack.login("bob");
    const before = record(await bob.subscribe<number>(value.node));
    const first = record(await bob.subscribe<number>(log.node, { since: "first" }));
    value.publish(7);
    for (const i of upTo(20)) log.publish(i);
    await until(() => before.values.includes(7) && first.values.length === 20, SOON_MS, "the updates");
    await alice.close();
    await bob.close();
    await stack.restart("SIGTERM");
    const again = await stack.login("bob");
    expect(await again.listServices()).toEqual(
      expect.arrayContaining([expect.objectContaining({ node: value.node, title: "a value" })]),
    );
    const after = record(await again.subscribe<number>(value.node));
    const whole = record(await again.subscribe<number>(log.node, { since: "first" }));
    const newest = record(await again.subscribe<number>(bounded.node, { since: "first" }));
    await until(() => after.values.length > 0 && whole.values.length === 20, SOON_MS, "what was stored");
    await until(() => newest.values.at(-1) === 20, SOON_MS, "the bounded log");
    expect(newest.values).toEqual(upTo(20).slice(-5));
    expect([after.values, whole]).toEqual([[7], { values: upTo(20), told: [] }]);
    const carol = await stack.login("carol");
    // She has not been allowed, and her request waits for the publisher.
    await expect(carol.subscribe(log.node, { timeoutMs: 500 } as object)).rejects.toThrow();
  });

  it("has nothing of an account any more that an administrator has purged, also after a restart", async () => {
    const [alice, bob, carol] = [
      await stack.login("alice"),
      await stack.login("bob"),
      await stack.login("carol"),
    ];
    const theirs = await bob.offer("theirs", { kind: "log", durability: "sync" });
    const asked = await alice.offer("asked", { kind: "log", access: "authorize", authorize: () => true });
    const subscription = await bob.subscribe<number>(asked.node, { cursor: "place" });
    const ended: string[] = [];
    for (const events of [theirs as EventSource, subscription as EventSource])
      events.once("ended", (error) => void ended.push(error?.code ?? "no error"));
    theirs.publish(1);
    await expect(carol.purge("bob@localhost", { dryRun: true })).rejects.toMatchObject({ code: "forbidden" });
    const found = await alice.purge("Bob@localhost", { dryRun: true });
    expect(Object.fromEntries(found.map(({ what, nodes }) => [what, nodes]))).toMatchObject({
      services: expect.arrayContaining([theirs.node]) as string[],
      cursors: expect.arrayContaining([`${asked.node} place`]) as string[],
      subscriptions: [asked.node],
      grants: expect.arrayContaining([asked.node]) as string[],
    });
    expect(await alice.purge("bob@localhost", { dryRun: false })).toEqual(found);
    await until(() => ended.length === 2, SOON_MS, "the ends");
    expect(ended.sort()).toEqual(["not-allowed", "withdrawn"]);
    await bob.close();
    await stack.restart("SIGKILL");
    const left = await alice.purge("bob@localhost", { dryRun: true });
    expect(left.map(({ count }) => count)).toEqual([0, 0, 0, 0, 0]);
  });

  it.runIf(isRoot)("delays a log with `sync` while the disk is full, and serves the rest", async () => {
    const disk = join(stack.folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]);
    onTestFinished(() => void execFileSync("umount", ["-l", disk]));
    const own = await startStoredStack(server, ["alice", "bob"], join(disk, "store"));
    onTestFinished(() => own.stop("SIGKILL"));
    const [alice, bob] = [await own.login("alice"), await own.login("bob")];
    const log = await alice.offer("big", { kind: "log", durability: "sync" });
    const plain = await alice.offer("plain", { durability: "none" });
    const delays: string[] = [];
    log.on("delayed", ({ code, text }) => delays.push(`${code}: ${text}`));
    const received: string[] = [];
    const subscription = await bob.subscribe<string>(log.node, { windowMs: 0, since: "first" });
    subscription.on("update", ({ value }) => received.push(value.slice(0, 8)));
    const values = record(await bob.subscribe<number>(plain.node, { windowMs: 0 }));
    const counter = publishCounter(
      (value) => log.publish(`${String(value).padStart(8)}${randomBytes(12_000).toString("base64")}`),
      200,
    );
    await until(() => delays.length > 0, 4 * SOON_MS, "a full disk");
    counter.stop();
    expect(delays[0]).toMatch(/^busy: the component cannot store updates/);
    plain.publish(1);
    await until(() => values.values.includes(1), SOON_MS, "a value that needs no disk");
    execFileSync("mount", ["-o", "remount,size=256m", disk]);
    await until(() => received.length >= counter.count, 4 * SOON_MS, "what waited for the disk");
    expect(received).toEqual(upTo(counter.count).map((value) => String(value).padStart(8)));
  });
});
