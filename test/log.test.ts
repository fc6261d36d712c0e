import type { Client, RangeEvent, Subscription } from "@stanzapack/client";
import { startTcpProxy, until, type TcpProxy } from "@stanzapack/testkit";
import {
  createRawDeflate,
  createRowCodec,
  DataReader,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  Position,
} from "@stanzapack/wire";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { HELLO, openRawLink } from "./support/raw-link.js";
import { publishCounter, SERVERS, startStack, upTo, type Stack } from "./support/stack.js";

/** Number of updates that the small log keeps. */
const KEPT = 1_000;

interface Seen {
  readonly values: number[];
  readonly told: (RangeEvent & { readonly event: string })[];
}

function watch(subscription: Subscription<number>): Seen {
  const seen: Seen = { values: [], told: [] };
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, (range) => seen.told.push({ event, ...range }));
  subscription.on("update", ({ value }) => seen.values.push(value));
  return seen;
}

function createReader(): DataReader {
  return new DataReader(
    DEFAULT_CODEC_LIMITS,
    DEFAULT_LIMITS,
    createRowCodec(DEFAULT_LIMITS, createRawDeflate()),
  );
}

describe.each(SERVERS)("a log, behind %s", (server) => {
  let stack: Stack;
  let alice: Client;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"], {
      limits: { logMaxRows: KEPT, answerSeconds: 2 },
    });
    alice = await stack.connect("alice");
  });
  afterAll(() => stack.stop());

  it("keeps what nobody took, for whoever begins with the first, behind a position, at a time, or now", async () => {
    const service = await alice.offer("kept", { kind: "log" });
    for (let i = 1; i <= 300; i++) service.publish(i);
    await until(() => !service.pending, 5_000, "everything is sent");
    const later = await stack.connect("bob");
    const all = await later.subscribe<number>(service.node, { since: "first", windowMs: 100 });
    const first = watch(all);
    await until(() => first.values.length === 300, 5_000, "everything is there");
    expect(all.recovered).toBe(true);
    const between = Date.now();
    await until(() => Date.now() > between, 100, "a later time");
    service.publish(301);
    await until(() => first.values.length === 301, 5_000, "live");
    expect(first).toEqual({ values: upTo(301), told: [] });
    const [{ epoch }] = [await position(service.node, "carol")];

    for (const [since, from] of [
      [{ epoch, offset: 290 }, 291],
      [{ time: between }, 301],
      [undefined, 302],
    ] as const) {
      const client = await stack.connect("carol");
      const subscription = await client.subscribe<number>(service.node, since === undefined ? {} : { since });
      const seen = watch(subscription);
      if (since === undefined) service.publish(302);
      const to = since === undefined ? 302 : 301;
      await until(() => seen.values.at(-1) === to, 5_000, "what it asked for");
      expect(seen).toEqual({ values: upTo(to, from), told: [] });
      expect(subscription.recovered).toBe(since === undefined ? undefined : true);
      await client.close();
    }
    await later.close();
    await service.stop();
  });

  /** Position of the newest update of a log. */
  async function position(node: string, user: string): Promise<{ epoch: number; offset: number }> {
    const client = await stack.connect(user);
    const subscription = await client.subscribe(node, { since: "first" });
    const { value } = await subscription[Symbol.asyncIterator]().next();
    await client.close();
    if (value === undefined) throw new Error("no update");
    return { epoch: value.epoch, offset: value.offset };
  }

  it("tells what it does not keep any more, and what is of another life", async () => {
    const began = Date.now();
    const service = await alice.offer("short", { kind: "log" });
    for (let i = 1; i <= KEPT + 500; i++) service.publish(i);
    await until(() => !service.pending, 5_000, "everything is sent");
    const { epoch, offset } = await position(service.node, "bob");
    expect(offset).toBe(501);
    const bob = await stack.connect("bob");
    const old = await bob.subscribe<number>(service.node, { since: { epoch, offset: 100 } });
    const seen = watch(old);
    await until(() => seen.values.length === KEPT, 5_000, "what is kept");
    expect(old.recovered).toBe(false);
    expect(seen).toEqual({
      values: upTo(KEPT + 500, 501),
      told: [{ event: "lost", from: 101, to: 500, reason: "gap" }],
    });
    await old.stop();
    const other = await bob.subscribe<number>(service.node, { since: { epoch: epoch + 1, offset: 7 } });
    const anew = watch(other);
    await until(() => anew.values.length === KEPT, 5_000, "what is kept");
    expect(other.recovered).toBe(false);
    expect(anew.told).toEqual([{ event: "reset", from: 7, to: 501, reason: "epoch" }]);
    await other.stop();
    // Some of the updates since that time are no longer kept.
    const timed = await bob.subscribe<number>(service.node, { since: { time: began } });
    const since = watch(timed);
    await until(() => since.values.length === KEPT, 5_000, "what is kept");
    expect(timed.recovered).toBe(false);
    await bob.close();
    await service.stop();
  });

  it("brings every update once, in order, whoever's connection breaks", async () => {
    const proxies: TcpProxy[] = [];
    const connectThrough = async (user: string): Promise<{ client: Client; proxy: TcpProxy }> => {
      const proxy = await startTcpProxy({ host: stack.sandbox.host, port: stack.sandbox.ports.c2s });
      proxies.push(proxy);
      onTestFinished(() => proxy.close());
      return { proxy, client: await stack.connect(user, { url: `xmpp://127.0.0.1:${proxy.port}` }) };
    };
    const publisher = await connectThrough("alice");
    const subscriber = await connectThrough("bob");
    const service = await publisher.client.offer("through", { kind: "log" });
    const seen = watch(
      await subscriber.client.subscribe<number>(service.node, { since: "first", windowMs: 100 }),
    );
    const counter = publishCounter((value) => service.publish(value), 10);
    for (const { proxy } of [publisher, subscriber, publisher, subscriber]) {
      const before = seen.values.length;
      await until(() => seen.values.length > before + 20, 10_000, "updates between the faults");
      // Cut off for a while, so that neither session can be resumed at once.
      proxy.refuse = true;
      proxy.cut();
      const cutAt = counter.count;
      await until(() => counter.count > cutAt + 50, 1_000, "updates without a connection");
      proxy.refuse = false;
    }
    counter.stop();
    await until(() => seen.values.at(-1) === counter.count, 30_000, "the last update");
    expect(seen).toEqual({ values: upTo(counter.count), told: [] });
    await Promise.all([publisher.client.close(), subscriber.client.close()]);
  });

  it("goes on after the component lost its memory, with a reset, and the publisher's unacknowledged updates", async () => {
    const service = await alice.offer("anew", { kind: "log" });
    const bob = await stack.connect("bob");
    const seen = watch(await bob.subscribe<number>(service.node, { since: "first", windowMs: 100 }));
    const counter = publishCounter((value) => service.publish(value), 20);
    await until(() => seen.values.length > 20, 5_000, "updates");
    await stack.crashComponent(300);
    const before = counter.count;
    await until(() => (seen.values.at(-1) ?? 0) > before + 20, 30_000, "updates again");
    counter.stop();
    await until(() => seen.values.at(-1) === counter.count, 10_000, "the last update");
    expect(seen.told.map(({ event }) => event)).toEqual(["reset"]);
    // Nothing was acknowledged in so short a time. So the new component has all updates, and the earlier ones arrive a
    // second time.
    const again = seen.values.lastIndexOf(1);
    expect(seen.values.slice(0, again)).toEqual(upTo(again));
    expect(seen.values.slice(again)).toEqual(upTo(counter.count));
    await bob.close();
    await service.stop();
  });

  it("waits for whoever does not acknowledge, leaves nothing out for them, and holds up nobody", async () => {
    const service = await alice.offer("slow", { kind: "log" });
    const bob = await stack.connect("bob");
    const quick = watch(await bob.subscribe<number>(service.node));
    const link = await openRawLink(await stack.raw("carol"), stack.domain);
    link.send(HELLO);
    await link.subscribe(service.node);
    let published = 0;
    // Updates that are published while the client may receive no more.
    for (let beyond = 0; beyond < 50; published++) {
      service.publish(published + 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (link.dataStanzas >= 100) beyond++;
    }
    await until(() => quick.values.length === published, 5_000, "everything at the quick one");
    // The answer arrives after everything that the component has sent.
    await link.askAboutLink();
    const reader = createReader();
    const where = new Position();
    const values: unknown[] = [];
    let read = 0;
    const readAll = (): number => {
      for (const frame of link.frames.slice(read)) {
        read++;
        if (frame.type !== "data" && frame.type !== "coded") continue;
        const batch = reader.read(frame, true);
        for (const event of batch === undefined ? [] : where.advance(batch, 0)) {
          expect(event.event).toBe("row");
          if (event.event === "row") values.push(event.row);
        }
      }
      return values.length;
    };
    const unacknowledged = link.dataStanzas;
    expect(unacknowledged).toBeGreaterThanOrEqual(100);
    expect(readAll()).toBeLessThan(published);
    link.send({ type: "ack", stanzas: unacknowledged });
    await until(() => readAll() === published, 5_000, "the rest");
    expect(values).toEqual(upTo(published));
    expect(quick).toEqual({ values: upTo(published), told: [] });
    await bob.close();
    await service.stop();
  });

  it("waits for a consumer that reads slower than it comes, leaves nothing out, and holds up no other", async () => {
    const service = await alice.offer("read", { kind: "log" });
    const other = await alice.offer("beside");
    const bob = await stack.connect("bob");
    const slow = await bob.subscribe<number>(service.node, { since: "first", maxQueued: 50 });
    const beside = watch(await bob.subscribe<number>(other.node));
    const told: string[] = [];
    for (const event of ["lost", "conflated", "reset"] as const) slow.on(event, () => told.push(event));
    slow.on("status", ({ status, by }) => told.push(`${status} by ${by}`));
    const values: number[] = [];
    let goOn: () => void = () => undefined;
    const othersHaveAll = new Promise<void>((resolve) => (goOn = resolve));
    const reading = (async () => {
      for await (const { value } of slow) {
        values.push(value);
        if (value === 600) return;
        // It continues when the other subscriber has everything.
        if (value === 100) await othersHaveAll;
      }
    })();
    for (let i = 1; i <= 600; i++) {
      service.publish(i);
      other.publish(i);
      if (i % 100 === 0) await alice.listServices();
    }
    await until(() => beside.values.at(-1) === 600, 5_000, "the other one's newest");
    expect(values.length).toBeLessThanOrEqual(100);
    goOn();
    await reading;
    expect(values).toEqual(upTo(600));
    expect(told).toEqual([]);
    await bob.close();
    await Promise.all([service.stop(), other.stop()]);
  });

  it("is brought whole to who has not got all of it when it is withdrawn, noise and compressed streams too", async () => {
    const bob = await stack.connect("bob");
    const service = await alice.offer("short-lived", { kind: "log" });
    const noise = Array.from({ length: KEPT }, () => crypto.getRandomValues(new Uint8Array(100)));
    for (const row of noise) service.publish(row);
    await until(() => !service.pending, 5_000, "everything is sent");
    const link = await openRawLink(await stack.raw("carol"), stack.domain);
    link.send({ ...HELLO, codecs: ["rows", "deflated", "coded"], hop: "compressed" });
    const acknowledging = setInterval(() => link.send({ type: "ack", stanzas: link.dataStanzas }), 100);
    onTestFinished(() => clearInterval(acknowledging));
    await link.subscribe(service.node, { "{urn:stanzapack:0}since": "first" });
    const subscription = await bob.subscribe<Uint8Array>(service.node, { since: "first" });
    const values: Uint8Array[] = [];
    subscription.on("update", ({ value }) => values.push(value));
    const ended = new Promise((resolve) => subscription.on("ended", resolve));
    await service.stop();
    expect(await ended).toMatchObject({ code: "withdrawn" });
    expect(values).toEqual(noise);
    await until(() => link.frames.some(({ type }) => type === "error"), 5_000, "the end");
    const reader = createReader();
    const rows = link.frames.flatMap((frame) =>
      frame.type === "data" || frame.type === "coded" ? (reader.read(frame, true)?.rows ?? []) : [],
    );
    expect(rows).toEqual(noise);
    await bob.close();
  });

  it.each(["before", "after"])(
    "is brought whole to a session that was lost %s it was withdrawn, and its end is told",
    async (when) => {
      const proxy = await startTcpProxy({ host: stack.sandbox.host, port: stack.sandbox.ports.c2s });
      onTestFinished(() => proxy.close());
      const resource = `lost-${when}`;
      const bob = await stack.connect("bob", { url: `xmpp://127.0.0.1:${proxy.port}`, resource });
      const service = await alice.offer(resource, { kind: "log" });
      const subscription = await bob.subscribe<number>(service.node, { windowMs: 0 });
      const seen = watch(subscription);
      const ended = new Promise((resolve) => subscription.on("ended", resolve));
      service.publish(1);
      await until(() => seen.values.length === 1, 5_000, "the first");
      proxy.refuse = true;
      proxy.cut();
      /** Ends the link for good: another session takes its resource, so the old session cannot be resumed. */
      const lose = async (): Promise<void> => {
        const other = await stack.raw("bob", { resource });
        await other.stop();
        await until(() => stack.component.stats().links === before - 1, 30_000, "the link's end");
      };
      const before = stack.component.stats().links;
      if (when === "before") await lose();
      for (let i = 2; i <= 50; i++) service.publish(i);
      await service.stop();
      if (when === "after") await lose();
      proxy.refuse = false;
      expect(await ended).toMatchObject({ code: "withdrawn" });
      expect(seen).toEqual({ values: upTo(50), told: [] });
      await bob.close();
    },
  );

  it("refuses a `since` of what is no log, and one that is nothing", async () => {
    const service = await alice.offer("plain");
    const bob = await stack.connect("bob");
    await expect(bob.subscribe(service.node, { since: "first" })).rejects.toMatchObject({
      code: "invalid-options",
    });
    const raw = await openRawLink(await stack.raw("carol"), stack.domain);
    raw.send(HELLO);
    await expect(
      raw.subscribe(service.node, { "{urn:stanzapack:0}since": "yesterday" }),
    ).rejects.toMatchObject({
      condition: expect.anything(),
    });
    await bob.close();
    await service.stop();
  });
});
