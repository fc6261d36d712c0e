import type { Client, RangeEvent, Subscription } from "@stanzapack/client";
import { startTcpProxy, until, type TcpProxy } from "@stanzapack/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { xml } from "@stanzapack/xmpp";
import { HELLO, openRawLink } from "./support/raw-link.js";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";

/** Longest time from a fault's end until everyone is back, in ms. */
const BACK_MS = 30_000;

interface Watch {
  readonly subscription: Subscription<number>;
  readonly values: number[];
  readonly offsets: number[];
  readonly told: ({ readonly event: string } & RangeEvent)[];
}

function watch(subscription: Subscription<number>): Watch {
  const it: Watch = { subscription, values: [], offsets: [], told: [] };
  subscription.on("update", ({ value, offset }) => {
    it.values.push(value);
    it.offsets.push(offset);
  });
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, (range) => it.told.push({ event, ...range }));
  return it;
}

/**
 * Expects that every offset between the first and the last was delivered once, in order, or reported. A reset begins
 * anew.
 */
function expectNothingUntold({ offsets, told }: Watch): void {
  const missing = told.filter(({ event }) => event !== "reset");
  let last = offsets[0] as number;
  for (const offset of offsets.slice(1)) {
    if (offset <= last) {
      expect(
        told.some(({ event, to }) => event === "reset" && to === offset),
        `offset ${offset} after ${last} without a reset`,
      ).toBe(true);
    } else {
      for (let hole = last + 1; hole < offset; hole++) {
        expect(
          missing.some(({ from, to }) => from <= hole && hole <= to),
          `offset ${hole} neither came nor was told`,
        ).toBe(true);
      }
    }
    last = offset;
  }
}

describe.each(SERVERS)("faults, behind %s", (server) => {
  let stack: Stack;
  let proxy: TcpProxy;
  let alice: Client;
  let bob: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob"]);
    proxy = await startTcpProxy({ host: stack.sandbox.host, port: stack.sandbox.ports.c2s });
  });
  afterAll(async () => {
    await stack.stop();
    await proxy.close();
  });
  beforeEach(async () => {
    alice = await stack.connect("alice", { url: `xmpp://127.0.0.1:${proxy.port}` });
    bob = await stack.connect("bob", { url: `xmpp://127.0.0.1:${proxy.port}` });
  });
  afterEach(async () => {
    proxy.refuse = false;
    await Promise.all([alice.close(), bob.close()]);
  });

  async function flowing(name: string): Promise<{ counter: { count: number; stop(): void }; seen: Watch }> {
    const service = await alice.offer(name);
    const counter = publishCounter((value) => service.publish(value), 50);
    const seen = watch(await bob.subscribe<number>(`alice@localhost/${name}`, { windowMs: 100 }));
    await until(() => seen.values.length > 10, 10_000, "values before the fault");
    return { counter, seen };
  }

  async function backAtNewest(counter: { count: number; stop(): void }, seen: Watch): Promise<void> {
    const atFaultsEnd = counter.count;
    await until(() => (seen.values.at(-1) ?? 0) > atFaultsEnd, BACK_MS, "values after the fault");
    counter.stop();
    await until(() => seen.values.at(-1) === counter.count, 5_000, "the newest value");
    expectNothingUntold(seen);
  }

  it("TCP killed: the session resumes and nothing is lost", async () => {
    const { counter, seen } = await flowing("tcp");
    proxy.cut();
    await backAtNewest(counter, seen);
    expect(seen.told.filter(({ event }) => event === "reset")).toEqual([]);
  });

  it("TCP killed and away while fifty values are published", async () => {
    const { counter, seen } = await flowing("away");
    proxy.refuse = true;
    proxy.cut();
    const cutAt = counter.count;
    await until(() => counter.count >= cutAt + 50, 5_000, "values without a connection");
    proxy.refuse = false;
    await backAtNewest(counter, seen);
  });

  it("server restarted", async () => {
    const { counter, seen } = await flowing("server");
    await stack.sandbox.restart();
    // Updates under way may be lost, and are then reported. A clean stop may also have delivered all of them.
    await backAtNewest(counter, seen);
  });

  it("component restarted: offsets begin anew, and the application is told", async () => {
    const { counter, seen } = await flowing("component");
    await stack.restartComponent(1_000);
    await backAtNewest(counter, seen);
    expect(seen.told.map(({ event }) => event)).toContain("reset");
  });

  it("component crashed: found out by the publisher's data and the subscriber's silence", async () => {
    const { counter, seen } = await flowing("crash");
    await stack.crashComponent(2_000);
    await backAtNewest(counter, seen);
    expect(seen.told.map(({ event }) => event)).toContain("reset");
  });

  it("component crashed while nobody sends anything: found out by asking", async () => {
    const service = await alice.offer("idle");
    const seen = watch(await bob.subscribe<number>("alice@localhost/idle"));
    await until(() => service.demand.subscribers === 1, 5_000, "demand");
    service.publish(1);
    await until(() => seen.values.length === 1, 5_000, "the first value");
    await stack.crashComponent(0);
    const bothAreBack = (): boolean => {
      const { links, subscriptions } = stack.component.stats();
      return links === 2 && subscriptions === 1;
    };
    await until(bothAreBack, BACK_MS, "both have found out");
    service.publish(2);
    await until(() => seen.values.at(-1) === 2, 5_000, "the value after the crash");
  });

  it("component cut off from its server for a moment", async () => {
    const { counter, seen } = await flowing("cut-off");
    stack.componentProxy.cut();
    await backAtNewest(counter, seen);
    expect(seen.told.filter(({ event }) => event === "reset")).toEqual([]);
  });

  it("publisher's process gone and back", async () => {
    const { counter, seen } = await flowing("publisher");
    counter.stop();
    await alice.close();
    await until(() => seen.subscription.status === "offline", BACK_MS, "status offline");
    alice = await stack.connect("alice");
    const service = await alice.offer("publisher");
    const again = publishCounter((value) => service.publish(value), 50);
    await until(() => seen.subscription.status === "online", 5_000, "status online");
    await until(
      () => (seen.values.at(-1) ?? 0) > 5 && seen.values.at(-1) !== counter.count,
      5_000,
      "values of the new process",
    );
    again.stop();
    await until(() => seen.values.at(-1) === again.count, 5_000, "the newest value");
    expectNothingUntold(seen);
  });
});

describe.each(SERVERS)("clients that go without a word, behind %s", (server) => {
  let stack: Stack;
  beforeAll(
    async () => void (stack = await startStack(server, ["alice", "bob"], { limits: { unackedSeconds: 3 } })),
  );
  afterAll(() => stack.stop());

  it("are cleaned up when their server says that they are gone", async () => {
    const alice = await stack.connect("alice");
    await alice.offer("gone");
    const connection = await stack.raw("bob");
    const link = await openRawLink(connection, stack.domain);
    link.send(HELLO);
    await link.subscribe("alice@localhost/gone");
    connection.sendElement(xml("presence", { to: stack.domain }));
    expect(stack.component.stats()).toMatchObject({ links: 2, subscriptions: 1 });
    await connection.stop();
    await until(() => stack.component.stats().links === 1, 10_000, "its link has ended");
    expect(stack.component.stats()).toMatchObject({ subscriptions: 0, lanes: 0 });
    await alice.close();
  });

  it("are cleaned up when they answer nothing, though their session hibernates", async () => {
    const proxy = await startTcpProxy({ host: stack.sandbox.host, port: stack.sandbox.ports.c2s });
    const alice = await stack.connect("alice");
    const service = await alice.offer("hibernated");
    const bob = await stack.connect("bob", { url: `xmpp://127.0.0.1:${proxy.port}` });
    await bob.subscribe("alice@localhost/hibernated", { windowMs: 100 });
    const counter = publishCounter((value) => service.publish(value), 100);
    proxy.refuse = true;
    proxy.cut();
    await until(() => stack.component.stats().subscriptions === 0, 30_000, "the subscription has ended");
    await until(() => service.demand.windowMs === null, 5_000, "the publisher hears that nobody listens");
    counter.stop();
    await bob.close();
    await alice.close();
    await proxy.close();
  });
});
