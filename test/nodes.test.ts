import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loginEnvironment } from "./support/accounts.js";
import { eventually } from "./support/eventually.js";
import { sever, startNodes, type NodeStack } from "./support/nodes.js";
import { COMMAND } from "./support/program.js";
import { publishCounter, SERVERS, upTo } from "./support/stack.js";
import { WHOLE } from "./support/whole.js";

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
    for (let i = 1; i <= 500; i++) log.publish(i);
    await listed(bob, "log");
    const subscription = await bob.subscribe<number>("alice@localhost/log", { since: "first" });
    const values: number[] = [];
    const other: unknown[] = [];
    subscription.on("update", ({ value }) => values.push(value));
    for (const event of ["lost", "conflated", "reset"] as const)
      subscription.on(event, (range) => other.push(range));
    for (let i = 501; i <= 1_000; i++) log.publish(i);
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
    await until(
      () => subscription.map.size === 99 && subscription.map.get("k4") === 44,
      10_000,
      "its changes",
    );
    await Promise.all([alice.close(), bob.close()]);
  });
});

describe.skipIf(!WHOLE).each(SERVERS)("the choice of a node behind %s", (server) => {
  it("follows weights, and tries the next node that the program names", async () => {
    const stack = await startNodes(server, ["alice"], { weights: [0, 100] });
    try {
      const [first, second] = [stack.node(0), stack.node(1)];
      const client = await eventually(async () => {
        const connected = await stack.connect("alice", 0);
        // The nodes hear of each other once a second.
        expect(connected.component).toBe(second.domain);
        return connected;
      });
      await client.offer("value");
      await second.end("SIGTERM");
      await until(() => client.online && client.component === first.domain, 10_000, "the node of weight 0");
      const components = [second.domain, first.domain];
      const other = await stack.connect("alice", 0, { component: undefined, components });
      expect(other.component).toBe(first.domain);
    } finally {
      await stack.stop();
    }
  });
});

describe.skipIf(!WHOLE).each(SERVERS)("administrators of two nodes behind %s", (server) => {
  it("see both, and one that is gone", async () => {
    const stack = await startNodes(server, ["alice", "admin"], { admins: ["admin@localhost"] });
    const folder = mkdtempSync(join(tmpdir(), "stanzapack-nodes-"));
    try {
      const alice = await stack.connect("alice", 0);
      await alice.offer("value");
      const env = loginEnvironment(stack.sandbox, "admin", folder);
      await eventually(async () => {
        const { status, stdout } = await run(["nodes", "--json"], env);
        expect(status).toBe(0);
        expect(JSON.parse(stdout)).toMatchObject([
          { domain: "streams1.localhost", region: "here", isAlive: true, weight: 100, services: 1 },
          { domain: "streams2.localhost", region: "here", isAlive: true, weight: 100, services: 0 },
        ]);
      });
      await stack.node(1).end("SIGKILL");
      await eventually(async () => {
        const { status, stdout } = await run(["nodes"], env);
        expect(stdout).toMatch(/streams1.*alive[^]*streams2.*away/);
        expect(status).toBe(1);
      });
    } finally {
      rmSync(folder, { recursive: true });
      await stack.stop();
    }
  });
});

const PUBLISHERS = Array.from({ length: 8 }, (_, i) => `alice${i}`);

describe.skipIf(!WHOLE).each(SERVERS)("ownership among nodes behind %s", (server) => {
  let stack: NodeStack;
  let tests = 0;
  /** Each test has a publisher of its own. */
  let alice: string;
  beforeAll(async () => {
    stack = await startNodes(server, [...PUBLISHERS, "bob", "carol"]);
  });
  beforeEach(() => {
    alice = PUBLISHERS[tests++] as string;
  });
  afterEach(() => stack.closeClients());
  afterAll(() => stack.stop());

  it("moves with the publisher, and everybody goes on", async () => {
    const [first, second] = [await stack.connect(alice, 0), await stack.connect(alice, 1)];
    const [bob, carol] = [await stack.connect("bob", 0), await stack.connect("carol", 1)];
    const before = await first.offer<number>("log", { kind: "log", durability: "sync" });
    const map = await first.offer<number>("map", { kind: "map", durability: "sync" });
    await Promise.all([listed(carol, "log", alice), listed(carol, "map", alice)]);
    const heard = await Promise.all([bob, carol].map((client) => follow(client, alice)));
    for (let i = 1; i <= 100; i++) before.publish(i);
    map.set("a", 1);
    await until(
      () => heard.every(({ values }) => values.length === 100),
      10_000,
      "what the first node stores",
    );
    await until(() => heard.every((each) => each.map.get("a") === 1), 10_000, "the first node's map");
    const ended = Promise.all([once(before, "ended"), once(map, "ended")]);
    const after = await second.offer<number>("log", { kind: "log", durability: "sync", takeOver: true });
    const newMap = await second.offer<number>("map", { kind: "map", durability: "sync", takeOver: true });
    for (const error of await ended) expect(error).toMatchObject({ code: "fenced" });
    for (let i = 101; i <= 200; i++) after.publish(i);
    newMap.set("b", 2);
    for (const { values, other, map: copy } of heard) {
      await until(() => values.length >= 200, 10_000, "all updates");
      expect(values).toEqual(upTo(200));
      expect(other).toEqual([]);
      await until(() => copy.get("b") === 2, 10_000, "the map");
    }
  });

  it("passes to the node at which the publisher comes back after a crash", async () => {
    const [bob, carol] = [await stack.connect("bob", 1), await stack.connect("carol", 1)];
    const publisher = await stack.connect(alice, 0);
    const log = await publisher.offer<number>("log", { kind: "log", durability: "sync" });
    await publisher.offer<number>("map", { kind: "map" });
    await listed(carol, "map", alice);
    const heard = await follow(bob, alice);
    for (let i = 1; i <= 100; i++) log.publish(i);
    await until(() => heard.values.length === 100, 10_000, "what the first node has stored");
    await stack.node(0).end("SIGKILL");
    const again = await stack.connect(alice, 1);
    const after = await eventually(() => again.offer<number>("log", { kind: "log", durability: "sync" }));
    for (let i = 101; i <= 200; i++) after.publish(i);
    await until(() => heard.values.length >= 200, 10_000, "all updates");
    expect(heard.values).toEqual(upTo(200));
    expect(heard.other).toEqual([]);
    // A subscriber that comes later reads on where the journal is.
    const late = await follow(carol, alice);
    await until(() => late.values.length === 200, 10_000, "the whole log");
    await stack.node(0).start();
  });

  it.each([4_000, 12_000])(
    "is not a halted node's any more, when it continues after %i ms",
    async (haltMs) => {
      const [first, second] = [await stack.connect(alice, 0), await stack.connect(alice, 1)];
      const [bob, carol] = [await stack.connect("bob", 0), await stack.connect("carol", 1)];
      const before = await first.offer<number>("log", { kind: "log", durability: "sync" });
      const value = await first.offer<string>("value", { durability: "none" });
      await first.offer<number>("map", { kind: "map" });
      await Promise.all([listed(carol, "map", alice), listed(carol, "value", alice)]);
      const heard = await Promise.all([bob, carol].map((client) => follow(client, alice)));
      const seen = await Promise.all(
        [bob, carol].map(async (client) => {
          const values: string[] = [];
          const subscription = await client.subscribe<string>(`${alice}@localhost/value`);
          subscription.on("update", (update) => values.push(update.value));
          return values;
        }),
      );
      for (let i = 1; i <= 20; i++) before.publish(i);
      value.publish("old owner");
      await until(() => heard.every(({ values }) => values.length === 20), 10_000, "updates");
      await until(() => seen.every((values) => values.includes("old owner")), 10_000, "a value");
      const fenced = Promise.all([once(before, "ended"), once(value, "ended")]);
      stack.node(0).halt();
      // What the former owner receives now, it must not give to anybody.
      for (let i = 1_001; i <= 1_010; i++) before.publish(i);
      value.publish("too late");
      const [after, newValue] = await Promise.all([
        second.offer<number>("log", { kind: "log", durability: "sync", takeOver: true }),
        second.offer<string>("value", { durability: "none", takeOver: true }),
      ]);
      for (let i = 21; i <= 40; i++) after.publish(i);
      newValue.publish("new owner");
      const halted = new Promise((resolve) => setTimeout(resolve, haltMs));
      await until(() => heard[1]?.values.length === 40, 10_000, "the other node goes on");
      await halted;
      stack.node(0).resume();
      for (const error of await fenced) expect(error).toMatchObject({ code: "fenced" });
      await until(() => heard[0]?.values.length === 40, 20_000, "the halted node follows");
      await until(
        () => seen.every((values) => values.at(-1) === "new owner"),
        20_000,
        "the new owner's value",
      );
      for (const { values, other } of heard) {
        expect(values).toEqual(upTo(40));
        expect(other).toEqual([]);
      }
      expect(seen.flat()).not.toContain("too late");
    },
  );

  it("ends when its owner withdraws", async () => {
    const publisher = await stack.connect(alice, 0);
    const bob = await stack.connect("bob", 1);
    const log = await publisher.offer<number>("log", { kind: "log" });
    await publisher.offer<number>("map", { kind: "map" });
    await listed(bob, "map", alice);
    const { log: subscription, values } = await follow(bob, alice);
    log.publish(1);
    await until(() => values.length === 1, 10_000, "an update");
    const ended = once(subscription, "ended");
    await log.stop();
    expect(await ended).toMatchObject({ code: "withdrawn" });
  });

  it("is left alone by a node that loses its server, and the others go on", async () => {
    const publisher = await stack.connect(alice, 0);
    const bob = await stack.connect("bob", 1);
    const log = await publisher.offer<number>("log", { kind: "log", durability: "sync" });
    await publisher.offer<number>("map", { kind: "map" });
    await listed(bob, "map", alice);
    const { values, other } = await follow(bob, alice);
    for (let i = 1; i <= 10; i++) log.publish(i);
    await until(() => values.length === 10, 10_000, "updates");
    const { toServer } = stack.node(0);
    sever(toServer);
    for (let i = 11; i <= 20; i++) log.publish(i);
    toServer.refuse = false;
    await until(() => values.length === 20, 30_000, "all updates");
    expect(values).toEqual(upTo(20));
    expect(other).toEqual([]);
  });

  it("lets values flow while Redis is away, and makes logs complete afterwards", async () => {
    const publisher = await stack.connect(alice, 0);
    const bob = await stack.connect("bob", 1);
    const log = await publisher.offer<number>("log", { kind: "log", durability: "sync" });
    await publisher.offer<number>("map", { kind: "map" });
    await listed(bob, "map", alice);
    const { values, other } = await follow(bob, alice);
    for (let i = 1; i <= 10; i++) log.publish(i);
    await until(() => values.length === 10, 10_000, "updates");
    const { toRedis } = stack.node(1);
    sever(toRedis);
    for (let i = 11; i <= 100; i++) log.publish(i);
    toRedis.refuse = false;
    for (let i = 101; i <= 110; i++) log.publish(i);
    await until(() => values.length >= 110, 30_000, "all updates");
    expect(values).toEqual(upTo(110));
    expect(other).toEqual([]);
  });

  it("carries calls, approvals and cursors from node to node", async () => {
    const publisher = await stack.connect(alice, 0);
    const bob = await stack.connect("bob", 1);
    const asked: string[] = [];
    const service = await publisher.offer<number>("log", {
      ...{ kind: "log", access: "authorize" },
      authorize: ({ jid }) => {
        asked.push(jid);
        return jid === "bob@localhost";
      },
    });
    service.handle("double", (value: number) => value * 2);
    await listed(bob, "log", alice);
    const subscription = await bob.subscribe<number>(`${alice}@localhost/log`, {
      cursor: "mine",
      since: "first",
    });
    expect(asked).toEqual(["bob@localhost"]);
    expect(await subscription.call("double", 21)).toBe(42);
    await expect(subscription.call("nothing")).rejects.toMatchObject({ code: "unknown-method" });
    const carol = await stack.connect("carol", 1);
    await expect(carol.subscribe(`${alice}@localhost/log`)).rejects.toMatchObject({ code: "not-allowed" });
    for (let i = 1; i <= 5; i++) service.publish(i);
    const taken: number[] = [];
    for await (const { value } of subscription) if (taken.push(value) === 5) break;
    await subscription.stop();
    for (let i = 6; i <= 8; i++) service.publish(i);
    // The same consumer goes on at the other node.
    const elsewhere = await stack.connect("bob", 0);
    const rest: number[] = [];
    const next = await elsewhere.subscribe<number>(`${alice}@localhost/log`, { cursor: "mine" });
    next.on("update", ({ value }) => rest.push(value));
    await until(() => rest.includes(8), 10_000, "the rest");
    // The consumer had not asked for what follows 5, so 5 does not count as taken.
    expect(rest).toEqual([5, 6, 7, 8]);
  });
});

/** Runs the command, and returns how it ended and what it printed. */
function run(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly stdout: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [COMMAND, ...args], { env }, (error, stdout) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout }),
    );
  });
}

/** Subscribes to the log from its beginning, and to the map. */
async function follow(client: Client, publisher: string) {
  const log = await client.subscribe<number>(`${publisher}@localhost/log`, { since: "first" });
  const { map } = await client.subscribe<number>(`${publisher}@localhost/map`);
  const [values, other]: [number[], unknown[]] = [[], []];
  log.on("update", ({ value }) => values.push(value));
  for (const event of ["lost", "conflated", "reset"] as const)
    log.on(event, (range) => other.push([event, range]));
  return { values, other, log, map };
}

/** Resolves with the error with which it ends. */
function once(
  ending: { on(event: "ended", listener: (error: unknown) => void): unknown },
  event: "ended",
): Promise<unknown> {
  return new Promise((resolve) => ending.on(event, resolve));
}

/** Waits until the client's node lists the service, online. */
async function listed(client: Client, name: string, publisher = "alice"): Promise<void> {
  await eventually(async () => {
    const found = (await client.listServices()).find(({ node }) => node === `${publisher}@localhost/${name}`);
    expect(found?.online).toBe(true);
  });
}
