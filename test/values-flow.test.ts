import type { Client, OfferedService, Update } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectComplete, hear } from "./support/completeness.js";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";

describe.each(
  SERVERS.flatMap((server) => (["recommended", "stock"] as const).map((settings) => ({ server, settings }))),
)("values flow through $server ($settings settings)", ({ server, settings }) => {
  let stack: Stack;
  let alice: Client;
  let bob: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"], { settings });
    alice = await stack.connect("alice");
    bob = await stack.connect("bob");
  });
  afterAll(() => stack.stop());

  /**
   * Barrier for counting. The component has read everything that a client sent, and everything that the component sent
   * before has arrived.
   */
  async function everythingIsRead(client: Client): Promise<void> {
    await client.listServices();
  }

  it("carries every kind of value unchanged and in order", async () => {
    const values = [
      0,
      -1,
      1.5,
      2 ** 53,
      -(2 ** 40),
      true,
      false,
      null,
      "",
      "ü€😀",
      { a: { b: [1, "x", null] }, c: 1e300 },
      [],
      new Uint8Array([0, 255, 193]),
    ];
    const service = await alice.offer("kinds");
    const subscription = await bob.subscribe("alice@localhost/kinds", { windowMs: 100 });
    await until(() => service.demand.subscribers === 1, 5_000, "demand");
    for (const value of values) service.publish(value);
    const got: Update<unknown>[] = [];
    for await (const update of subscription) {
      got.push(update);
      if (got.length === values.length) break;
    }
    expect(got.map(({ value }) => value)).toEqual(values);
    expect(got.map(({ offset }) => offset)).toEqual(values.map((_, i) => i + 1));
    expect(subscription.ended).toBe(true);
    await service.stop();
  });

  it("finds services, grants rungs, changes live and loses nothing", async () => {
    const startedAt = Date.now();
    const service = await alice.offer("counter", { title: "Counts" });
    const counter = publishCounter((value) => service.publish(value), 20);
    expect(await bob.listServices()).toContainEqual({
      node: "alice@localhost/counter",
      kind: "value",
      access: "open",
      windowMs: null,
      online: true,
      title: "Counts",
    });

    const subscription = await bob.subscribe<number>("alice@localhost/counter", { windowMs: 150 });
    const heard = hear(subscription);
    expect(subscription.windowMs).toBe(200);
    const outOfTime: unknown[] = [];
    subscription.on("update", ({ value, at }) => {
      // The time of publishing: not before the first update, and not in the future.
      if (at < startedAt || at > Date.now() + 1) outOfTime.push({ value, at });
    });
    await until(() => heard.updates.length > 20, 10_000, "values");
    expect(await subscription.change({ windowMs: 900 })).toEqual({ windowMs: 1000 });
    await until(() => service.demand.windowMs === 1000, 5_000, "demand follows the change");
    await until(() => heard.updates.length > 150, 10_000, "values in the wider window");
    expect(await subscription.change({ windowMs: 0 })).toEqual({ windowMs: 0 });
    await until(() => heard.updates.length > 200, 10_000, "values at once");
    counter.stop();
    await until(() => heard.updates.at(-1)?.value === counter.count, 5_000, "the newest value");
    expectComplete(heard);
    expect(outOfTime).toEqual([]);
    await service.stop();
  });

  it("stops the frames of a stopped service, and sends nothing that nobody takes", async () => {
    const service = await alice.offer("quiet");
    const counter = publishCounter((value) => service.publish(value), 20);
    const frames = (): number => {
      const { data, coded } = stack.component.stats().framesReceived;
      return data + coded;
    };
    const more = (): Promise<void> => {
      const target = counter.count + 25;
      return until(() => counter.count >= target, 1_000, "more is published");
    };
    const before = frames();
    await more();
    await everythingIsRead(alice);
    expect(frames()).toBe(before);

    const subscription = await bob.subscribe<number>("alice@localhost/quiet", { windowMs: 100 });
    await until(() => frames() > before + 3, 5_000, "data while there is demand");
    await subscription.stop();
    await until(() => service.demand.windowMs === null, 5_000, "no demand");
    // Updates that were under way when the demand ended have arrived.
    await everythingIsRead(alice);
    await everythingIsRead(bob);
    const after = frames();
    let blocks = 0;
    bob.onBlock = () => blocks++;
    await more();
    await everythingIsRead(alice);
    await everythingIsRead(bob);
    expect(frames()).toBe(after);
    expect(blocks).toBe(0);
    bob.onBlock = undefined;
    counter.stop();
    await service.stop();
  });

  it("sends HELLO, ACK and ENVELOPE alone from a publisher without subscribers", async () => {
    const before = stack.component.stats().framesReceived;
    const carol = await stack.connect("carol");
    const service = await carol.offer("alone");
    const counter = publishCounter((value) => service.publish(value), 10);
    await until(() => counter.count >= 50, 1_000, "much is published");
    counter.stop();
    await everythingIsRead(carol);
    const now = stack.component.stats().framesReceived;
    const fresh = Object.entries(now).flatMap(([type, count]) => {
      const more = count - before[type as keyof typeof before];
      return more > 0 && type !== "ack" ? [[type, more]] : [];
    });
    // The last stanza confirms the component's probe.
    expect(fresh).toEqual([
      ["hello", 1],
      ["envelope", 1],
    ]);
    await carol.close();
  });

  it("gives a new subscriber the last value at once, also when its publisher is gone", async () => {
    const carol = await stack.connect("carol");
    const service = await carol.offer("rare");
    const first = await bob.subscribe<number>("carol@localhost/rare");
    await until(() => service.demand.subscribers === 1, 5_000, "demand");
    service.publish(41);
    service.publish(42);
    const it = first[Symbol.asyncIterator]();
    expect((await it.next()).value?.value).toBe(41);
    expect((await it.next()).value?.value).toBe(42);
    const second = await alice.subscribe<number>("carol@localhost/rare", { windowMs: 60_000 });
    expect((await second[Symbol.asyncIterator]().next()).value?.value).toBe(42);
    const statuses: string[] = [];
    first.on("status", ({ status }) => statuses.push(status));
    await carol.close();
    await until(() => statuses.includes("offline"), 20_000, "subscribers hear that the publisher went");
    await second.stop();
    const third = await alice.subscribe<number>("carol@localhost/rare");
    expect((await third[Symbol.asyncIterator]().next()).value?.value).toBe(42);
    await until(() => third.status === "offline", 5_000, "the newcomer hears it too");
    await first.stop();
    await third.stop();
  });

  it("ends subscriptions when the service is withdrawn, with the reason", async () => {
    const service: OfferedService = await alice.offer("brief");
    const subscription = await bob.subscribe("alice@localhost/brief");
    await service.stop();
    await expect(subscription[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: "withdrawn",
      origin: "peer",
    });
  });
});
