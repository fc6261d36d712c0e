import type { Client, OfferedMap, OfferedService, Subscription } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "./support/eventually.js";
import { sever, startNodes, type NodeStack } from "./support/nodes.js";
import { SERVERS, upTo } from "./support/stack.js";
import { WHOLE } from "./support/whole.js";

/** Time after a fault until everybody must receive again, in ms. */
const BACK_MS = 10_000;
/** Time between two updates, in ms. */
const PUBLISH_MS = 20;
const SUBSCRIBERS = ["bob", "carol", "dave"];

interface Watcher {
  readonly client: Client;
  readonly log: Subscription<number>;
  readonly map: ReadonlyMap<string, number>;
  readonly values: number[];
  readonly seen: number[];
  /** What the log says beside its updates. */
  readonly told: string[];
}

/** Three nodes, a publisher at the first, and a subscriber at each. */
describe.skipIf(!WHOLE).each(SERVERS)("three nodes behind %s", (server) => {
  let stack: NodeStack;
  let alice: Client;
  let log: OfferedService<number>;
  let map: OfferedMap<number>;
  let value: OfferedService<number>;
  let watchers: Watcher[];
  let count = 0;
  let publishing: NodeJS.Timeout | undefined;

  async function watch(user: string, node: number): Promise<Watcher> {
    const client = await stack.connect(user, node);
    const subscription = await eventually(() =>
      client.subscribe<number>("alice@localhost/log", { since: "first", windowMs: 0 }),
    );
    const copy = await eventually(() => client.subscribe<number>("alice@localhost/map"));
    const newest = await eventually(() => client.subscribe<number>("alice@localhost/value"));
    const [values, seen, told]: [number[], number[], string[]] = [[], [], []];
    subscription.on("update", (update) => values.push(update.value));
    newest.on("update", (update) => seen.push(update.value));
    for (const event of ["lost", "reset"] as const)
      subscription.on(event, ({ from, to }) => told.push(`${event} ${from}-${to}`));
    return { client, log: subscription, map: copy.map, values, seen, told };
  }

  beforeAll(async () => {
    stack = await startNodes(server, ["alice", ...SUBSCRIBERS], { count: 3 });
    alice = await stack.connect("alice", 0);
    log = await alice.offer<number>("log", { kind: "log", durability: "sync" });
    map = await alice.offer<number>("map", { kind: "map", durability: "sync" });
    value = await alice.offer<number>("value");
    watchers = await Promise.all(SUBSCRIBERS.map((user, node) => watch(user, node)));
    publishing = setInterval(() => {
      count++;
      log.publish(count);
      map.set(`key${count % 10}`, count);
      value.publish(count);
    }, PUBLISH_MS);
    await flow(BACK_MS, "updates at each node");
    const clients = [alice, ...watchers.map(({ client }) => client)];
    const know = (): boolean => clients.every(({ components }) => components.length === 3);
    await until(know, BACK_MS, "all nodes are known to all clients");
  });
  afterAll(() => {
    clearInterval(publishing);
    return stack?.stop();
  });

  /** Resolves when every subscriber has received each service's updates of after the call. */
  async function flow(ms: number, what: string): Promise<void> {
    const before = count;
    const arrived = (watcher: Watcher): boolean =>
      (watcher.values.at(-1) ?? 0) > before &&
      (watcher.seen.at(-1) ?? 0) > before &&
      Math.max(...watcher.map.values()) > before;
    await until(() => watchers.every(arrived), ms, what).catch((error: unknown) => {
      const stands = watchers.map(({ client, values, seen, map: copy, log: { status } }) =>
        [client.component, status, values.at(-1), seen.at(-1), Math.max(...copy.values())].join(" "),
      );
      throw new Error(`${String(error)}: at ${count}, ${alice.component}; ${stands.join("; ")}`);
    });
  }

  const nodesOf = (): string[] => watchers.map(({ client }) => client.component);

  it("a node that is killed: its publisher and its subscriber go on elsewhere", async () => {
    const { domain } = stack.node(0);
    await stack.node(0).end("SIGKILL");
    await flow(BACK_MS, "updates after a kill");
    expect([alice.component, ...nodesOf()]).not.toContain(domain);
    await stack.node(0).start();
  });

  it("a node that drains: everybody goes on elsewhere at once", async () => {
    const index = stack.indexOf(alice.component);
    await stack.node(index).end("SIGTERM");
    await flow(BACK_MS, "updates after SIGTERM");
    expect([alice.component, ...nodesOf()]).not.toContain(stack.node(index).domain);
    await stack.node(index).start();
  });

  it("a node that is cut from its server", async () => {
    const index = stack.indexOf(alice.component);
    const { toServer } = stack.node(index);
    sever(toServer);
    await flow(BACK_MS, "updates without the server's line");
    toServer.refuse = false;
  });

  it("a node that is cut from Redis: what is at it waits, or goes on elsewhere", async () => {
    const index = stack.indexOf(alice.component);
    const { toRedis } = stack.node(index);
    sever(toRedis);
    await flow(20_000, "updates without the line to Redis");
    toRedis.refuse = false;
  });

  it("have lost and repeated nothing, and have equal maps", async () => {
    clearInterval(publishing);
    const all = upTo(count);
    const hasAll = ({ values }: Watcher): boolean => values.length >= all.length;
    await until(() => watchers.every(hasAll), BACK_MS, "the last update").catch((error: unknown) => {
      const lacking = watchers.map(({ values, told, log: { status } }) => {
        const missing = all.filter((each) => !values.includes(each));
        return `${status} ${values.length} of ${all.length}, ${missing.length} from ${missing[0]}, ${told.join(" ")}`;
      });
      throw new Error(`${String(error)}: ${lacking.join("; ")}`);
    });
    for (const { values, told } of watchers) expect({ values, told }).toEqual({ values: all, told: [] });
    await until(
      () => watchers.every((watcher) => watcher.map.get(`key${count % 10}`) === count),
      BACK_MS,
      "the last change of the map",
    );
    const expected = Object.fromEntries(all.slice(-10).map((each) => [`key${each % 10}`, each] as const));
    for (const watcher of watchers) expect(Object.fromEntries(watcher.map)).toEqual(expected);
  });
});
