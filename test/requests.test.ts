import {
  StanzapackError,
  type Client,
  type OfferedService,
  type Subscription,
  type SubscriptionGroup,
} from "@stanzapack/client";
import { startTcpProxy, until } from "@stanzapack/testkit";
import { StanzaError, type Connection, type Element, type InBandBytestreams } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

interface Watched {
  /** Requests by iq to the component, and single subscriptions by frame, as `subscribe alice@localhost/a`. */
  readonly asked: string[];
  /** While set, it answers in place of the component. The component still receives the requests by iq. */
  answer: ((what: string) => Promise<never> | undefined) | undefined;
}

interface Gathering {
  subscribe(subscription: { readonly node: string }, router: unknown): Promise<boolean>;
}

/** Records the requests of a client, and can replace their answers. */
function watch(client: Client): Watched {
  const { connection } = client as unknown as { connection: Connection };
  const watched: Watched = { asked: [], answer: undefined };
  const request = connection.request.bind(connection);
  connection.request = async (iq, options) => {
    const child = iq.getChild("pubsub")?.children[0] as Element | undefined;
    if (child === undefined) return request(iq, options);
    const what = `${child.name} ${String(child.attrs["node"])}`;
    watched.asked.push(what);
    const answer = request(iq, options);
    answer.catch(() => undefined);
    return watched.answer?.(what) ?? answer;
  };
  const { gathering } = (
    client as unknown as { keeper: { held: { subscriptions: { gathering: Gathering } } } }
  ).keeper.held.subscriptions;
  const subscribe = gathering.subscribe.bind(gathering);
  gathering.subscribe = (subscription, router) => {
    const what = `subscribe ${subscription.node}`;
    watched.asked.push(what);
    return watched.answer?.(what) ?? subscribe(subscription, router);
  };
  return watched;
}

describe.each(SERVERS)("requests that meet a bad moment, through %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let bob: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob"]);
    alice = await stack.connect("alice");
    bob = await stack.connect("bob");
  });
  afterAll(() => stack.stop());

  /** Ends the clients' links, and runs `during` without a link. Then waits for new links, with everything restored. */
  async function withoutLink<T>(clients: readonly Client[], during: () => T | Promise<T>): Promise<T> {
    const gates = clients.map((client) => {
      const { streams, keeper } = client as unknown as {
        streams: InBandBytestreams;
        keeper: { link: { abandon(error: StanzapackError): void } };
      };
      const open = streams.open.bind(streams);
      let unlock = (): void => undefined;
      const gate = new Promise<void>((resolve) => (unlock = resolve));
      streams.open = (...args) => gate.then(() => open(...args));
      keeper.link.abandon(new StanzapackError("disconnected", "the test ends it"));
      expect(client.online).toBe(false);
      const online = new Promise<unknown>((resolve) => client.once("online", resolve));
      return { open: unlock, restore: () => (streams.open = open), online };
    });
    const done = await during();
    for (const gate of gates) gate.open();
    await Promise.all(gates.map(({ online }) => online));
    for (const gate of gates) gate.restore();
    return done;
  }

  it("are made once each when the link is back, and the link stays", async () => {
    for (const name of ["a", "b", "c", "gone"]) await alice.offer(name);
    const offered = (name: string): string => `alice@localhost/${name}`;
    const kept = await bob.subscribe(offered("b"));
    const [hers, his] = [watch(alice), watch(bob)];
    const { subscribe: frames } = stack.component.stats().framesReceived;
    const made = await withoutLink([alice, bob], async () => {
      const requests = [
        bob.subscribe(offered("a")),
        bob.subscribeAll([offered("c")]),
        bob.offer("own").then(() => bob.subscribe("bob@localhost/own")),
        alice.offer("d"),
      ] as const;
      await kept.change({ windowMs: 500 });
      return requests;
    });
    expect(await made[0]).toMatchObject({ ended: false });
    await Promise.all(made);
    // Barriers: every earlier request has its answer then.
    await Promise.all([alice.listServices(), bob.listServices()]);
    await until(() => kept.windowMs === 500, 10_000, "the change");
    const count = ({ asked }: Watched, what: string): number => asked.filter((one) => one === what).length;
    expect(count(his, `subscribe ${offered("a")}`)).toBe(1);
    expect(count(his, "create bob@localhost/own")).toBe(1);
    expect(count(his, "subscribe bob@localhost/own")).toBe(1);
    expect(count(hers, `create ${offered("d")}`)).toBe(1);
    expect(stack.component.stats().framesReceived.subscribe).toBe(frames + 3);
    expect([alice.online, bob.online]).toEqual([true, true]);
  });

  it("withdraw a service that was stopped meanwhile, and offer what was configured", async () => {
    const gone = await alice.offer("stopped");
    const titled = await alice.offer("titled");
    const taken = await bob.subscribe("alice@localhost/stopped");
    const ended = new Promise((resolve) => taken.once("ended", resolve));
    await withoutLink([alice], async () => {
      await gone.stop();
      await titled.configure({ title: "Later" });
    });
    expect(await ended).toMatchObject({ code: "withdrawn" });
    const services = await bob.listServices("alice@localhost");
    expect(services.find(({ node }) => node.endsWith("/titled"))).toMatchObject({ title: "Later" });
    expect(services.some(({ node }) => node.endsWith("/stopped"))).toBe(false);
  });

  it("that a client makes before its first link are made once", async () => {
    const early = await stack.connect("bob", { startOffline: true });
    const his = watch(early);
    const [own, a] = await Promise.all([early.offer("early"), early.subscribe("alice@localhost/a")]);
    await early.listServices();
    expect(his.asked.toSorted()).toEqual(["create bob@localhost/early", "subscribe alice@localhost/a"]);
    expect([early.online, own.ended, a.ended]).toEqual([true, false, false]);
    await early.close();
  });

  it("whose link is lost before the answer are made again on the next one", async () => {
    const his = watch(bob);
    const hers = watch(alice);
    const lose = (): Promise<never> => new Promise(() => undefined);
    his.answer = (what) => (what.startsWith("subscribe") ? lose() : undefined);
    hers.answer = (what) => (what.startsWith("create") ? lose() : undefined);
    const making = Promise.all([bob.subscribe("alice@localhost/gone"), alice.offer("new")]);
    await until(() => his.asked.length > 0 && hers.asked.length > 0, 10_000, "the requests");
    his.answer = hers.answer = undefined;
    await withoutLink([alice, bob], () => undefined);
    const [subscription, service] = await making;
    expect([subscription.ended, service.ended]).toEqual([false, false]);
    expect(his.asked.filter((what) => what === "subscribe alice@localhost/gone")).toHaveLength(2);
    expect(hers.asked.filter((what) => what === "create alice@localhost/new")).toHaveLength(2);
    await subscription.stop();
  });

  it("that were given up before the answer leave no service behind", async () => {
    const { host, ports } = stack.sandbox;
    const proxy = await startTcpProxy({ host, port: ports.c2s });
    onTestFinished(() => proxy.close());
    const late = await stack.connect("bob", {
      ...{ url: `xmpp://127.0.0.1:${proxy.port}`, timeoutMs: 1_000 },
    });
    const before = stack.component.stats().services;
    proxy.toClient.delayMs = 3_000;
    await expect(late.offer("given-up")).rejects.toMatchObject({ code: "timeout" });
    expect(stack.component.stats().services).toBe(before + 1);
    proxy.heal();
    await until(() => stack.component.stats().services === before, 5_000, "it is withdrawn");
    await late.close();
  });

  it("of a restoration that fail for a while are made again on the same link; others are final", async () => {
    const faults = new Map([
      ["subscribe alice@localhost/e", new StanzaError("internal-server-error", "cancel")],
      ["subscribe alice@localhost/f", new StanzaError("undefined-condition", "wait")],
      ["subscribe alice@localhost/g", new StanzaError("not-allowed", "cancel")],
      ["create alice@localhost/e", new StanzaError("service-unavailable", "cancel")],
    ]);
    const services: OfferedService[] = [];
    for (const name of ["e", "f", "g"]) services.push(await alice.offer(name));
    const taken: Subscription[] = [];
    // Different options, so that each is restored by its own request.
    for (const [i, name] of ["e", "f", "g"].entries())
      taken.push(await bob.subscribe(`alice@localhost/${name}`, { windowMs: 100 * (i + 1) }));
    const tries = new Map<string, number>();
    for (const watched of [watch(alice), watch(bob)])
      watched.answer = (what) => {
        const fault = faults.get(what);
        tries.set(what, (tries.get(what) ?? 0) + 1);
        return fault !== undefined && (tries.get(what) ?? 0) <= 2 ? Promise.reject(fault) : undefined;
      };
    const ended = new Promise((resolve) => taken[2]?.once("ended", resolve));
    const back = [alice, bob].map((client) => new Promise((resolve) => void client.once("online", resolve)));
    await stack.restartComponent(0);
    await Promise.all(back);
    const offline = vi.fn();
    bob.on("offline", offline);
    onTestFinished(() => void bob.off("offline", offline));
    expect(await ended).toMatchObject({ code: "not-allowed" });
    await until(() => taken.every(({ ended, status }) => ended || status === "online"), 30_000, "restored");
    await until(() => (tries.get("create alice@localhost/e") ?? 0) > 2, 30_000, "the offer");
    expect(services.map((service) => service.ended)).toEqual([false, false, false]);
    expect(tries.get("create alice@localhost/e")).toBeGreaterThanOrEqual(3);
    expect(tries.get("subscribe alice@localhost/g")).toBe(1);
    expect(offline).not.toHaveBeenCalled();
  });

  it("go on whatever the application's functions throw, which is an uncaught exception", async () => {
    const uncaught: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => uncaught.push((error as Error).message));
    onTestFinished(() => void vi.unstubAllGlobals());
    const fail = (name: string) => (): never => {
      throw new Error(name);
    };
    const [her, him] = [await stack.connect("alice"), await stack.connect("bob")];
    const offline = [fail("offline"), fail("offline")];
    her.on("offline", offline[0] as () => void);
    him.on("offline", offline[1] as () => void);
    const authorize = fail("authorize");
    const service = await her.offer("throws", { access: "authorize", authorize, members: ["bob@localhost"] });
    const asked = await her.offer("asked", { access: "authorize", authorize });
    service.on("demand", fail("demand"));
    asked.on("decided", fail("decided"));
    const subscription = await him.subscribe<number>("alice@localhost/throws");
    const group: SubscriptionGroup = await him.subscribeAll("alice@localhost/thr*");
    subscription.on("status", fail("status"));
    const heard: number[] = [];
    subscription.on("update", fail("update"));
    subscription.on("update", ({ value }) => heard.push(value));
    await expect(
      him.subscribe("alice@localhost/asked", { onPending: fail("onPending") }),
    ).rejects.toMatchObject({ code: "not-allowed" });
    for (let i = 1; i <= 3; i++) {
      service.publish(i);
      await until(() => heard.at(-1) === i, 10_000, "the update");
    }
    await until(() => uncaught.filter((name) => name === "update").length >= 3, 10_000, "the exceptions");
    expect(uncaught).toEqual(expect.arrayContaining(["demand", "decided", "onPending"]));
    expect(uncaught).not.toContain("offline");
    await group.stop();
    await Promise.all([her.close(), him.close()]);
  });

  it("made as something ends find it ended: a service, a subscription, the client", async () => {
    const service = await alice.offer("ends");
    const anew = new Promise<OfferedService>((resolve, reject) =>
      service.once("ended", () => void alice.offer("ends").then(resolve, reject)),
    );
    await service.stop();
    const again = await anew;
    const own = await stack.connect("bob");
    const group = await own.subscribeAll<number>([again.node]);
    const next = new Promise<Subscription<number>>((resolve, reject) =>
      group.subscriptions
        .get(again.node)
        ?.once("ended", () => void own.subscribe<number>(again.node).then(resolve, reject)),
    );
    await group.stop();
    const subscription = await next;
    await until(() => again.demand.subscribers === 1, 5_000, "demand");
    again.publish(7);
    expect(await subscription[Symbol.asyncIterator]().next()).toMatchObject({ value: { value: 7 } });
    const closed = vi.fn();
    own.on("closed", closed);
    subscription.on("ended", () => void own.close());
    await Promise.all([own.close(), own.close()]);
    expect(closed).toHaveBeenCalledOnce();
    await again.stop();
  });

  it("of a group that joins others and refuses what comes first end it, and its end is told", async () => {
    const service = await alice.offer("refused");
    const reader = await bob.subscribe<number>(service.node);
    service.publish(1);
    expect(await reader[Symbol.asyncIterator]().next()).toMatchObject({ value: { value: 1 } });
    const parse = (): never => {
      throw new Error("no");
    };
    const group = await bob.subscribeAll<number>([service.node], { parse });
    const ended = new Promise((resolve) => group.on("ended", resolve));
    expect(await ended).toMatchObject({ code: "unencodable" });
    expect([group.ended, group.subscriptions.size]).toEqual([true, 0]);
    const single = await bob.subscribe<number>(service.node, { parse });
    expect(await new Promise((resolve) => single.on("ended", resolve))).toMatchObject({
      code: "unencodable",
    });
    await Promise.all([reader.stop(), service.stop()]);
  });

  it("about access go one after another, and hold after a restart too", async () => {
    const members = ["bob@localhost", "carol@localhost"];
    const service = await alice.offer("members", { access: "whitelist", members });
    await Promise.all([service.revoke("bob@localhost"), service.revoke("carol@localhost")]);
    expect(service.options.members).toEqual([]);
    const watched = watch(alice);
    watched.answer = () => Promise.reject(new StanzaError("internal-server-error", "wait"));
    const failing = service.configure({ access: "open" });
    const next = service.configure({ title: "for nobody" });
    await expect(failing).rejects.toMatchObject({ retryable: true });
    watched.answer = undefined;
    await next.catch(() => undefined);
    await service.configure({ title: "for nobody" });
    expect(service.options).toMatchObject({ access: "whitelist", members: [], title: "for nobody" });
    await stack.restartComponent(0);
    await until(() => stack.component.stats().services > 0 && service.isBound, 20_000, "it is offered again");
    await expect(bob.subscribe(service.node)).rejects.toMatchObject({ code: "not-allowed" });
    await service.stop();
  });

  it("of one client for one node share a subscription, which the last of them ends", async () => {
    const service = await alice.offer("shared");
    const asker = await stack.connect("bob");
    const his = watch(asker);
    const node = "alice@localhost/shared";
    const [first, second] = await Promise.all([asker.subscribe(node), asker.subscribe(node)]);
    const group = await asker.subscribeAll([node]);
    expect(his.asked).toEqual([`subscribe ${node}`]);
    await expect(asker.subscribe(node, { windowMs: 1_000 })).rejects.toMatchObject({
      code: "invalid-options",
      text: expect.stringContaining("windowMs"),
    });
    const heard: unknown[] = [];
    // The first subscription is never read.
    second.on("update", ({ value }) => heard.push(value));
    await until(() => service.demand.subscribers === 1, 10_000, "the demand");
    for (let i = 1; i <= 3_000; i++) {
      service.publish(i);
      if (i % 500 === 0) await until(() => heard.at(-1) === i, 10_000, "the updates");
    }
    const late = await asker.subscribe(node);
    const next = await late[Symbol.asyncIterator]().next();
    expect(next.value).toMatchObject({ value: 3_000 });
    await Promise.all([first.stop(), second.stop(), group.stop()]);
    service.publish(3_001);
    const after = await late[Symbol.asyncIterator]().next();
    expect(after.value).toMatchObject({ value: 3_001 });
    await late.stop();
    expect(his.asked).toEqual([`subscribe ${node}`]);
    await until(() => service.demand.subscribers === 0, 10_000, "no demand");
    await asker.close();
  });

  it("by a prefix take the services that it means, now, later and after a break, and no others", async () => {
    const names = (group: SubscriptionGroup): string[] => [...group.subscriptions.keys()].toSorted();
    for (const name of ["p.one", "q.one"]) await alice.offer(name);
    const group = await bob.subscribeAll("alice@localhost/p.*");
    expect(names(group)).toEqual(["alice@localhost/p.one"]);
    for (const name of ["p.two", "q.two"]) await alice.offer(name);
    await until(() => group.subscriptions.size === 2, 10_000, "the later one");
    expect(names(group)).toEqual(["alice@localhost/p.one", "alice@localhost/p.two"]);
    await expect(bob.subscribeAll("alice@localhost/p.t*")).rejects.toMatchObject({ code: "usage" });
    const others = await bob.subscribeAll(["alice@localhost/q.*", "alice@localhost/q.t*"]);
    expect(names(others)).toEqual(["alice@localhost/q.one", "alice@localhost/q.two"]);
    for (const bad of ["alice@localhost/*p", "alice@localhost/p**", "alice@localhost*", "/p*"])
      await expect(bob.subscribeAll(bad)).rejects.toMatchObject({ code: "bad-name" });
    await stack.restartComponent(0);
    await until(() => bob.online && alice.online && group.subscriptions.size === 2, 30_000, "restored");
    await alice.offer("p.three");
    await alice.offer("q");
    await until(() => group.subscriptions.size === 3, 10_000, "one after the break");
    expect(names(others)).toHaveLength(2);
    await Promise.all([group.stop(), others.stop()]);
  });
});
