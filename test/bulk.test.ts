import type { Client, OfferedService, SubscriptionGroup } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import type { AnswerFrame, Frame } from "@stanzapack/wire";
import { encodeElements } from "../packages/wire/src/msgpack/update.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

const MANY = 1_000;
const PATIENCE_MS = 30_000;

function isAnswer(frame: Frame): frame is AnswerFrame {
  return frame.type === "grant" || frame.type === "refused" || frame.type === "done";
}

/** Joins the answers of several turns: grants, and refusals for the same reason. */
function merged(answers: readonly AnswerFrame[]): AnswerFrame[] {
  const all: AnswerFrame[] = [];
  for (const answer of answers) {
    const same = all.findIndex(
      (other) =>
        other.type === answer.type &&
        (other.type !== "refused" || other.text === (answer as typeof other).text),
    );
    const other = all[same];
    if (answer.type === "grant" && other?.type === "grant" && answer.positions === null)
      all[same] = { ...other, aliases: [...other.aliases, ...answer.aliases] };
    else if (answer.type === "refused" && other?.type === "refused")
      all[same] = { ...other, targets: [...other.targets, ...answer.targets] };
    else all.push(answer);
  }
  return all;
}

/** Sends a request and returns its answers. */
async function answersTo(
  link: RawLink,
  frame: Extract<Frame, { readonly request: number }>,
): Promise<Frame[]> {
  link.send(frame);
  const ours = (): AnswerFrame[] =>
    link.frames.filter(isAnswer).filter(({ request }) => request === frame.request);
  await until(() => ours().some(({ type }) => type === "done"), PATIENCE_MS, "DONE");
  return merged(ours());
}

describe.each(SERVERS)("many subscriptions at once, through %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let bob: Client;

  beforeAll(async () => {
    // The budget of requests counts processor time, and this test does not measure it.
    stack = await startStack(server, ["alice", "bob", "carol"], { limits: { requestsPerSecond: 100_000 } });
    [alice, bob] = await Promise.all([stack.connect("alice"), stack.connect("bob")]);
  });
  afterAll(() => stack.stop());

  const offer = (client: Client, prefix: string, count: number): Promise<OfferedService[]> =>
    Promise.all(Array.from({ length: count }, (_, i) => client.offer(`${prefix}${i}`)));
  const stopAll = (services: readonly OfferedService[]): Promise<unknown> =>
    Promise.all(services.map((service) => service.stop()));
  const collect = (group: SubscriptionGroup<number>): Map<string, number> => {
    const seen = new Map<string, number>();
    group.on("update", ({ node, value }) => seen.set(node, value));
    return seen;
  };

  it("are a thousand in one frame, changed and stopped in one, for a small part of what iqs take", async () => {
    const sensors = await offer(alice, "sensor-", MANY);
    const nodes = sensors.map(({ node }) => node);
    const stanzas = (): number => stack.component.stats().stanzasSent;
    const measure = async (
      { meter }: Pick<Client, "meter">,
      act: () => Promise<unknown>,
    ): Promise<{ bytes: number; stanzasDown: number }> => {
      const total = (): number => meter.sent.xmpp + meter.received.xmpp;
      const [bytes, sent] = [total(), stanzas()];
      await act();
      return { bytes: total() - bytes, stanzasDown: stanzas() - sent };
    };
    const connection = await stack.raw("bob");
    const link = await openRawLink(connection, stack.domain);
    link.send(HELLO);
    const window = { "pubsub#digest_frequency": "1000", "{urn:stanzapack:0}credit": "1000" };
    // All at once, their answers could be more than a busy server reads in time. The component then refuses the rest.
    const byIq = await measure(connection, async () => {
      for (let i = 0; i < MANY; i += 100)
        await Promise.all(nodes.slice(i, i + 100).map((node) => link.subscribe(node, window)));
    });
    await link.stream.close();
    await until(() => stack.component.stats().subscriptions === 0, PATIENCE_MS, "the subscriptions' end");

    const before = stack.component.stats().framesReceived;
    let all: SubscriptionGroup<number> | undefined;
    const byFrame = await measure(
      bob,
      async () => (all = await bob.subscribeAll<number>(nodes, { windowMs: 1_000 })),
    );
    const group = all as unknown as SubscriptionGroup<number>;
    expect(group.subscriptions.size).toBe(MANY);
    expect(group.refused.size).toBe(0);
    const frames = (): object => {
      const { subscribe, change } = stack.component.stats().framesReceived;
      return { subscribe: subscribe - before.subscribe, change: change - before.change };
    };
    expect(frames()).toEqual({ subscribe: 1, change: 0 });
    const figures = `${byFrame.bytes} bytes by a frame, ${byIq.bytes} by iqs, both ways`;
    console.log(`${server}: ${MANY} subscriptions take ${figures}; ${byFrame.stanzasDown} stanzas down`);
    expect(byFrame.bytes).toBeLessThan(byIq.bytes / 10);
    // BINDs fill blocks, and everything that one turn grants is sent together. The publisher's demand is among the
    // stanzas.
    expect(byFrame.stanzasDown).toBeLessThan(MANY / 5);

    const seen = collect(group);
    await until(() => sensors.every(({ demand }) => demand.windowMs === 1_000), PATIENCE_MS, "demand");
    for (const [i, sensor] of sensors.entries()) sensor.publish(i);
    await until(() => seen.size === MANY, PATIENCE_MS, "every value");
    for (const [i, node] of nodes.entries()) expect(seen.get(node)).toBe(i);

    await group.change({ windowMs: 5_000 });
    expect([...group.subscriptions.values()].every(({ windowMs }) => windowMs === 5_000)).toBe(true);
    expect(frames()).toEqual({ subscribe: 1, change: 1 });
    await until(() => sensors.every(({ demand }) => demand.windowMs === 5_000), PATIENCE_MS, "wider demand");
    await group.stop();
    expect(stack.component.stats().subscriptions).toBe(0);
    expect(frames()).toEqual({ subscribe: 1, change: 2 });

    // One by one in one turn, they are gathered.
    const subscriptions = await Promise.all(nodes.map((node) => bob.subscribe(node, { windowMs: 1_000 })));
    expect(frames()).toEqual({ subscribe: 2, change: 2 });
    await Promise.all(subscriptions.map((subscription) => subscription.stop()));
    expect(stack.component.stats().subscriptions).toBe(0);
    expect(frames()).toEqual({ subscribe: 2, change: 3 });
    // A client that leaves withdraws all its services at once.
    await alice.close();
    alice = await stack.connect("alice");
  });

  it("follow a pattern: what is there, what comes, and not what was stopped", async () => {
    const carol = await stack.connect("carol");
    const [a, b] = (await offer(carol, "p", 2)) as [OfferedService, OfferedService];
    const hidden = await carol.offer("hidden", { access: "whitelist" });
    const all = await bob.subscribeAll<number>("carol@localhost/*", { windowMs: 100 });
    expect([...all.subscriptions.keys()].sort()).toEqual([a.node, b.node]);
    const came: string[] = [];
    all.on("subscribed", ({ node }) => came.push(node));
    const later = await carol.offer("later", { kind: "log" });
    await until(() => came.length === 1, PATIENCE_MS, "the later one");
    later.publish(1);
    later.publish(2);
    a.publish(3);
    const got: unknown[] = [];
    for await (const { node, value, offset } of all) {
      got.push([node, value, offset]);
      if (got.length === 3) break;
    }
    expect(got).toEqual(
      expect.arrayContaining([
        [later.node, 1, 1],
        [later.node, 2, 2],
        [a.node, 3, 1],
      ]),
    );
    // Leaving the loop has ended all subscriptions, and the pattern.
    expect(stack.component.stats().subscriptions).toBe(0);
    const last = await carol.offer("last");
    const again = await bob.subscribeAll<number>(["carol@localhost/*"], { windowMs: 100 });
    expect(again.subscriptions.size).toBe(4);
    await again.subscriptions.get(b.node)?.stop();
    await last.stop();
    await until(() => again.subscriptions.size === 2, PATIENCE_MS, "the withdrawn one's end");
    // The component forgets everything. The pattern finds the services that their owner offers again.
    await stack.restartComponent(100);
    await until(() => stack.component.stats().subscriptions === 2, 40_000, "everything again");
    const seen = collect(again);
    await until(() => a.demand.windowMs === 100, PATIENCE_MS, "demand");
    a.publish(7);
    await until(() => seen.get(a.node) === 7, PATIENCE_MS, "values again");
    await carol.offer("after");
    await until(() => again.subscriptions.size === 3, PATIENCE_MS, "one that came after");
    expect([...again.subscriptions.keys()].sort()).toEqual(
      [a.node, later.node, "carol@localhost/after"].sort(),
    );
    await again.stop();
    await until(() => stack.component.stats().subscriptions === 0, PATIENCE_MS, "the end");
    await Promise.all([hidden, carol].map((it) => ("close" in it ? it.close() : it.stop())));
  });

  it("tell which were refused, and why, and keep the others", async () => {
    const [open, log] = await Promise.all([alice.offer("open"), alice.offer("log", { kind: "log" })]);
    const closed = await alice.offer("closed", { access: "whitelist" });
    const nobody = Array.from({ length: 5 }, (_, i) => `nobody@localhost/n${i}`);
    const all = await bob.subscribeAll<number>([open.node, closed.node, ...nobody, log.node]);
    expect([...all.subscriptions.keys()]).toEqual([open.node, log.node]);
    expect([...all.refused].map(([node, { code }]) => [node, code])).toEqual(
      expect.arrayContaining([
        [closed.node, "not-allowed"],
        ...nobody.map((node) => [node, "no-such-service"]),
      ]),
    );
    expect(all.refused.size).toBe(6);
    const other = { windowMs: 5_000 };
    await expect(bob.subscribeAll([open.node], other)).rejects.toMatchObject({ code: "invalid-options" });
    await expect(bob.subscribeAll(nobody)).rejects.toMatchObject({ code: "no-such-service" });
    await expect(bob.subscribeAll("carol@localhost/")).rejects.toMatchObject({ code: "bad-name" });
    await expect(bob.subscribeAll(nobody, { windowMs: -1 })).rejects.toMatchObject({
      code: "invalid-options",
    });
    const seen = collect(all);
    await until(() => open.demand.subscribers === 1, PATIENCE_MS, "demand");
    open.publish(1);
    await until(() => seen.get(open.node) === 1, PATIENCE_MS, "a value");
    await closed.stop();
    await all.stop();
    // The log from its beginning, and the newest values.
    log.publish(10);
    await until(() => log.unacknowledged === 0 || !log.pending, PATIENCE_MS, "the log is sent");
    const kept = await bob.subscribeAll<number>("alice@localhost/*", { since: "first" });
    const values = collect(kept);
    await until(() => values.get(log.node) === 10, PATIENCE_MS, "what the log kept");
    expect(kept.subscriptions.get(log.node)?.recovered).toBe(true);
    await kept.stop();
    await stopAll([open, log]);
  });

  it("wait for a publisher's approval, while the others have what they have", async () => {
    const decide: ((allowed: boolean) => void)[] = [];
    const authorize = (): Promise<boolean> => new Promise((resolve) => void decide.push(resolve));
    const [open, asked] = await Promise.all([
      alice.offer("open"),
      alice.offer("asked", { access: "authorize", authorize }),
    ]);
    let pending = 0;
    const all = await bob.subscribeAll<number>([open.node, asked.node], { onPending: () => pending++ });
    const statuses = (): unknown[] => [...all.subscriptions.values()].map(({ status }) => status);
    expect([all.refused.size, pending, ...statuses()]).toEqual([0, 1, "online", "pending"]);
    await until(() => decide.length === 1, PATIENCE_MS, "the question");
    // The subscriptions end while the question is open, so the decision below has no effect.
    await all.stop();
    await until(() => stack.component.stats().pendingApprovals === 0, PATIENCE_MS, "no question");
    decide[0]?.(false);

    const again = await bob.subscribeAll<number>([open.node, asked.node], { maxQueued: 4 });
    await until(() => decide.length === 2, PATIENCE_MS, "the question again");
    decide[1]?.(true);
    const member = again.subscriptions.get(asked.node);
    await until(() => member?.status === "online", PATIENCE_MS, "the approval");
    await until(() => asked.demand.subscribers === 1, PATIENCE_MS, "demand");
    const seen = collect(again);
    // More than the subscriber accepts before it grants credit.
    for (let value = 1; value <= 20; value++) {
      asked.publish(value);
      await until(() => seen.get(asked.node) === value, PATIENCE_MS, "a value");
    }
    await again.stop();
    await stopAll([open, asked]);
  });

  it("of peers that are no SDK: wrong ones are refused, hostile ones lose their link, and nobody else", async () => {
    const [service, other] = (await offer(alice, "raw", 2)) as [OfferedService, OfferedService];
    const bystander = await bob.subscribe<number>(service.node);
    const connection = await stack.raw("carol");
    const link = await openRawLink(connection, stack.domain);
    link.send(HELLO);
    const options = [["pubsub#digest_frequency", "130"]] as const;
    const nodes = [service.node, "/raw1", "/nope", "no node", "/", "a/b/*"];
    expect(await answersTo(link, { type: "subscribe", request: 1, nodes, options })).toMatchObject([
      {
        type: "grant",
        aliases: [0, 1],
        options: [
          ["pubsub#digest", "1"],
          ["pubsub#digest_frequency", "200"],
          ["delivery", "link"],
        ],
        positions: null,
      },
      { type: "refused", targets: [2], code: "no-such-service" },
      { type: "refused", targets: [3, 4, 5], code: "bad-name" },
      { type: "done" },
    ]);
    // A second subscribe, in another window: no BIND, and the same aliases.
    expect(
      await answersTo(link, { type: "subscribe", request: 2, nodes: [other.node], options: [] }),
    ).toMatchObject([{ type: "grant", aliases: [1] }, { type: "done" }]);
    expect(link.frames.filter(({ type }) => type === "bind").length).toBe(2);
    for (const [name, code] of [
      ["nonsense", "invalid-options"],
      ["since", "invalid-options"],
      ["pubsub#digest_frequency", "invalid-options"],
    ] as const) {
      const request = link.frames.length + 10;
      expect(
        await answersTo(link, { type: "subscribe", request, nodes: [other.node], options: [[name, "soon"]] }),
      ).toMatchObject([{ type: "refused", targets: [], code }, { type: "done" }]);
    }
    // XEP-0004 §3.1: an unknown field of another namespace is ignored.
    const foreign = { nodes: [other.node], options: [["pubsub#nonsense", "soon"]] as [string, string][] };
    expect(await answersTo(link, { type: "subscribe", request: 5, ...foreign })).toMatchObject([
      { type: "grant", aliases: [1] },
      { type: "done" },
    ]);
    // Aliases that are not bound on this link, whatever they mean on other links.
    expect(
      await answersTo(link, {
        type: "change",
        request: 3,
        aliases: [1, 1, 77],
        patterns: [9],
        options: null,
      }),
    ).toMatchObject([
      { type: "refused", targets: [1], code: "not-subscribed" },
      { type: "refused", targets: [2], code: "unknown-alias" },
      { type: "done" },
    ]);
    const owners = Array.from({ length: 101 }, (_, i) => `u${i}@localhost/*`);
    expect(
      await answersTo(link, { type: "subscribe", request: 4, nodes: owners, options: [] }),
    ).toMatchObject([{ type: "refused", targets: [100], code: "limit-exceeded" }, { type: "done" }]);

    const hostile = async (act: (link: RawLink) => void, code: string): Promise<void> => {
      const theirs = await openRawLink(await stack.raw("carol"), stack.domain);
      theirs.send(HELLO);
      act(theirs);
      const bye = (): Frame | undefined => theirs.frames.find(({ type }) => type === "bye");
      await until(() => bye() !== undefined, PATIENCE_MS, "a goodbye");
      expect(bye()).toMatchObject({ code });
    };
    const ask = (request: number): Frame => ({ type: "subscribe", request, nodes: [], options: [] });
    await hostile((it) => it.send(...Array.from({ length: 17 }, (_, i) => ask(i))), "limit-exceeded");
    await hostile((it) => it.send(ask(1), ask(1)), "protocol");
    await hostile((it) => it.send({ type: "done", request: 1 }), "protocol");
    await hostile((it) => it.sendBytes(encodeElements([3, 1, "text", []])), "malformed");
    await hostile(
      (it) => it.sendBytes(encodeElements([25, 1, Array(10_001).fill(0), [], null])),
      "limit-exceeded",
    );

    expect(link.end).toBeUndefined();
    const values: number[] = [];
    bystander.on("update", ({ value }) => values.push(value));
    service.publish(5);
    await until(() => values.includes(5), PATIENCE_MS, "the bystander's value");
    await bystander.stop();
    await stopAll([service, other]);
  });
});
