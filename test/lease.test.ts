import type { Client, OfferedService, Subscription } from "@stanzapack/client";
import { startTcpProxy, until } from "@stanzapack/testkit";
import type { StanzapackError } from "@stanzapack/wire";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { HELLO, openRawLink } from "./support/raw-link.js";
import { publishCounter, startStack, upTo, type Stack } from "./support/stack.js";
import { behind } from "./support/whole.js";
import { formatForm, NS, xml } from "@stanzapack/xmpp";

function valuesOf(subscription: Subscription<number>): number[] {
  const values: number[] = [];
  subscription.on("update", ({ value }) => values.push(value));
  return values;
}

function endOf(service: OfferedService): Promise<StanzapackError | undefined> {
  return new Promise((resolve) => service.on("ended", resolve));
}

describe.each(behind("ejabberd"))("the writer's lease, behind %s", (server) => {
  let stack: Stack;
  let bob: Client;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob"]);
    bob = await stack.connect("bob");
  });
  afterAll(() => stack.stop());
  const clients: Client[] = [];
  afterEach(async () => void (await Promise.all(clients.splice(0).map((client) => client.close()))));

  async function session(url?: string): Promise<Client> {
    const client = await stack.connect("alice", url === undefined ? {} : { url });
    clients.push(client);
    return client;
  }

  it.each(["log", "value"] as const)(
    "of a %s is taken over from one that lives, at once: it ends, with what it has left; all else goes on",
    async (kind) => {
      const first = await session();
      const second = await session();
      const old = await first.offer("taken", { kind });
      const beside = await first.offer("beside");
      const ended = endOf(old);
      const values = valuesOf(await bob.subscribe<number>(old.node, { windowMs: 100 }));
      const others = valuesOf(await bob.subscribe<number>(beside.node));
      const counter = publishCounter((value) => {
        if (!old.ended) old.publish(value);
        beside.publish(value);
      }, 5);
      await until(() => values.length > 50, 10_000, "values");
      await expect(second.offer("taken", { kind })).rejects.toMatchObject({ code: "conflict" });

      const fresh = await second.offer("taken", { kind, takeOver: true });
      for (let i = 1; i <= 20; i++) fresh.publish(-i);
      const error = await ended;
      expect(error).toMatchObject({ code: "fenced", scope: "subscription", origin: "peer" });
      expect(error?.text).toContain(second.jid);
      expect(() => old.publish(0)).toThrow(expect.objectContaining({ code: "stopped" }));
      await until(() => values.at(-1) === -20, 10_000, "the newest value of the second");
      const before = counter.count;
      await until(() => (others.at(-1) ?? 0) > before + 20, 5_000, "values of the first's other service");
      counter.stop();
      // No value of the first publisher may arrive after a value of the second.
      const from = values.findIndex((value) => value < 0);
      expect(values.slice(from).every((value) => value < 0)).toBe(true);
      if (kind === "log") {
        expect(values.slice(0, from)).toEqual(upTo(from));
        expect(values.slice(from)).toEqual(upTo(20).map((i) => -i));
        // Updates that did not arrive are reported as not acknowledged.
        expect(old.unacknowledged).toBeGreaterThanOrEqual(old.published - from);
        expect(error?.text).toContain(`${old.unacknowledged} updates are not acknowledged`);
      }
      // The first takes the service back.
      const again = await first.offer("taken", { kind, takeOver: true });
      again.publish(1_000_000);
      await until(() => values.at(-1) === 1_000_000, 10_000, "the first's again");
      expect([fresh.ended, again.ended]).toEqual([true, false]);
      await Promise.all([again.stop(), beside.stop()]);
    },
  );

  it("is lost by one that was taken for dead: it does not write when it comes back, and says what it has left", async () => {
    const proxy = await startTcpProxy({ host: stack.sandbox.host, port: stack.sandbox.ports.c2s });
    onTestFinished(() => proxy.close());
    const first = await session(`xmpp://127.0.0.1:${proxy.port}`);
    const second = await session();
    const old = await first.offer("dead", { kind: "log" });
    const beside = await first.offer("alive");
    const values = valuesOf(await bob.subscribe<number>(old.node, { since: "first", windowMs: 100 }));
    for (let i = 1; i <= 50; i++) old.publish(i);
    await until(() => values.length === 50, 10_000, "the first's values");
    const ended = endOf(old);
    proxy.refuse = true;
    proxy.cut();
    const counter = publishCounter((value) => !old.ended && old.publish(50 + value), 20);

    const fresh = await second.offer("dead", { kind: "log" });
    for (let i = 1; i <= 50; i++) fresh.publish(-i);
    await until(() => values.at(-1) === -50, 10_000, "the second's values");
    proxy.refuse = false;
    const error = await ended;
    counter.stop();
    expect(error).toMatchObject({ code: "fenced" });
    expect(old.unacknowledged).toBeGreaterThanOrEqual(old.published - 50);
    expect(old.published).toBeGreaterThan(50);
    fresh.publish(-51);
    await until(() => values.at(-1) === -51, 10_000, "the second's");
    await until(() => first.online, 10_000, "the first's link");
    const others = valuesOf(await bob.subscribe<number>(beside.node));
    beside.publish(1);
    await until(() => others.at(-1) === 1, 10_000, "the first's other service goes on");
    expect(values).toEqual([...upTo(50), ...upTo(51).map((i) => -i)]);
    await fresh.stop();
  });

  it("is nobody's who holds an alias of before: what it writes is dropped, and it was told before that was acknowledged", async () => {
    const link = await openRawLink(await stack.raw("alice"), stack.domain);
    link.send(HELLO);
    const node = "alice@localhost/raw";
    await link.ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node })));
    await until(() => link.frames.some(({ type }) => type === "bind"), 5_000, "BIND");
    const bind = link.frames.find((frame) => frame.type === "bind") as { alias: number };
    const values = valuesOf(await bob.subscribe<number>(node));
    const send = (from: number): void =>
      link.send({
        ...{ type: "data", alias: bind.alias, form: "rows", epoch: 9, from, to: from, at: 0, spanMs: 0 },
        payload: Uint8Array.of(from),
      });
    send(1);
    await until(() => values.length === 1, 5_000, "its value");
    const second = await session();
    const service = await second.offer("raw", { takeOver: true });
    for (let from = 2; from <= 60; from++) send(from);
    service.publish(-1);
    await until(() => values.at(-1) === -1, 5_000, "the second's value");
    // The component answers a question about the link, and acknowledges first everything that has arrived.
    await link.askAboutLink();
    expect(values).toEqual([1, -1]);
    const types = link.frames.map((frame) => (frame.type === "ack" ? frame.stanzas : frame.type));
    expect(types.at(-1)).toBe(60);
    expect(types.slice(types.indexOf("error")).filter((it) => typeof it === "number").length).toBeGreaterThan(
      0,
    );
    expect(types.slice(0, types.indexOf("error")).some((it) => typeof it === "number" && it > 1)).toBe(false);
    expect(link.frames.find(({ type }) => type === "error")).toMatchObject({
      alias: bind.alias,
      code: "fenced",
    });
    await service.stop();
  });

  it("is asked for in a form that is checked", async () => {
    const link = await openRawLink(await stack.raw("alice"), stack.domain);
    link.send(HELLO);
    const offer = (name: string, value: string): Promise<unknown> =>
      link.ask(
        "set",
        xml(
          "pubsub",
          NS.PUBSUB,
          xml("create", { node: "alice@localhost/form" }),
          xml(
            "configure",
            {},
            formatForm("submit", NS.PUBSUB_NODE_CONFIG, { [`{urn:stanzapack:0}${name}`]: value }),
          ),
        ),
      );
    for (const [name, value] of [
      ["incarnation", "0"],
      ["incarnation", "1.5"],
      ["incarnation", "9007199254740992"],
      ["take_over", "yes"],
    ] as const)
      await expect(offer(name, value)).rejects.toMatchObject({ application: { name: "invalid-options" } });
    await offer("incarnation", "9007199254740991");
  });

  it("ends with the service, when another session withdraws it", async () => {
    const service = await (await session()).offer("gone", { kind: "log" });
    const ended = endOf(service);
    const link = await openRawLink(await stack.raw("alice"), stack.domain);
    await link.ask("set", xml("pubsub", NS.PUBSUB_OWNER, xml("delete", { node: service.node })));
    expect(await ended).toMatchObject({ code: "withdrawn" });
  });
});
