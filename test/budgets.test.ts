import type { Client, OfferedService, Subscription } from "@stanzapack/client";
import type { ComponentStats } from "@stanzapack/component";
import { until } from "@stanzapack/testkit";
import type { DataFrame } from "@stanzapack/wire";
import { NS, xml, type Connection, type StanzaError } from "@stanzapack/xmpp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { publishCounter, startStack, type Stack } from "./support/stack.js";
import { behind } from "./support/whole.js";

const LIMITS = {
  ...{ updatesPerSecond: 2_000, requestsPerSecond: 40, maxLinksPerJid: 3, maxSubscriptionsPerJid: 100 },
  ...{ burstSeconds: 1, cutOffDebtSeconds: 30, cutOffSeconds: 3 },
};

describe.each(behind("ejabberd"))("budgets, behind %s", (server) => {
  let stack: Stack;
  beforeAll(async () => {
    const users = ["alice", "bob", "carol", "dave", "erin", "mallory", "oscar", "peggy"];
    stack = await startStack(server, users, { limits: LIMITS });
  });
  afterAll(() => stack.stop());
  beforeEach(() => void (before = stack.component.stats()));

  /** The counters before this test. */
  let before: ComponentStats;
  const counted = (name: "slowdowns" | "cutOffs" | "throttled" | "overQuota"): number =>
    stack.component.stats()[name] - before[name];

  /** A publisher and a subscriber within their budgets, with ten updates a second. */
  async function bystanders(): Promise<{ stop(): Promise<void> }> {
    const [carol, dave] = [await stack.connect("carol"), await stack.connect("dave")];
    const service = await carol.offer("quiet");
    const subscription = await dave.subscribe<number>(service.node, { windowMs: 100 });
    const values: number[] = [];
    const told: string[] = [];
    subscription.on("update", ({ value }) => values.push(value));
    for (const event of ["lost", "conflated", "reset", "status", "ended"] as const)
      subscription.on(event, () => told.push(event));
    await until(() => service.demand.windowMs === 100, 5_000, "their demand");
    const counter = publishCounter((value) => service.ended || service.publish(value), 100);
    return {
      async stop() {
        counter.stop();
        await until(() => values.at(-1) === counter.count, 5_000, "their newest value");
        expect(values).toEqual(Array.from({ length: counter.count }, (_, i) => i + 1));
        expect(told).toEqual([]);
        await Promise.all([carol.close(), dave.close()]);
      },
    };
  }

  it("slow a publisher down while it floods, conflate its values, leave nothing out of a log, and end by themselves", async () => {
    const others = await bystanders();
    const [alice, bob] = [await stack.connect("alice"), await stack.connect("bob")];
    const flood = await alice.offer("flood");
    const got = watch(await bob.subscribe<number>(flood.node, { windowMs: 100 }));
    await until(() => flood.demand.windowMs === 100, 5_000, "demand");

    // A log of another session, which has its own budget.
    const logger = await stack.connect("erin");
    const log = await logger.offer("log", { kind: "log" });
    const logged = watch(await bob.subscribe<number>(log.node, { windowMs: 100 }));
    const LOGGED = 17_000;
    for (let i = 1; i <= LOGGED; i++) log.publish(i);

    let published = 0;
    const flooding = setInterval(() => {
      for (let i = 0; i < 100; i++) flood.publish(++published);
    }, 10);
    try {
      await until(() => flood.demand.windowMs === 1_000, 10_000, "a wider window");
      await until(() => logged.values.length === LOGGED, 10_000, "the log");
      await until(() => got.events.includes("conflated"), 5_000, "conflated values");
    } finally {
      clearInterval(flooding);
    }
    await until(() => got.values.at(-1) === published, 10_000, "the newest value");
    await until(() => flood.demand.windowMs === 100, 30_000, "the window as before");
    await until(() => log.unacknowledged === 0, 30_000, "acknowledgements");
    expect(logged.values).toEqual(Array.from({ length: LOGGED }, (_, i) => i + 1));
    expect(logged.events).toEqual([]);
    expect(new Set(got.events)).toEqual(new Set(["conflated"]));
    flood.publish(++published);
    await until(() => got.values.at(-1) === published, 5_000, "a value afterwards");
    // The flood and the log. The flood a second time, if it went on after its window had returned to normal.
    expect(counted("slowdowns")).toBeGreaterThanOrEqual(2);
    expect(counted("cutOffs")).toBe(0);
    await Promise.all([alice.close(), bob.close(), logger.close(), others.stop()]);
  });

  /** Opens a link. Whenever the component says to wait, waits that long and tries again. */
  async function openWhenAllowed(connection: Connection): Promise<RawLink> {
    for (;;) {
      const answer = await openRawLink(connection, stack.domain).catch(
        (error: unknown) => error as StanzaError,
      );
      if (!(answer instanceof Error)) return answer;
      const waitMs = Number(answer.application?.attrs?.["ms"]);
      expect(waitMs).toBeGreaterThan(0);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  it("cut off who goes on nevertheless, say so, and let it back after the stated time", async () => {
    const others = await bystanders();
    const bob = await stack.connect("bob");
    const mallory = await stack.raw("mallory");
    const open = async (): Promise<RawLink> => {
      const link = await openRawLink(mallory, stack.domain);
      link.send(HELLO);
      await link.ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node: "mallory@localhost/flood" })));
      await until(() => link.frames.some((frame) => frame.type === "bind"), 5_000, "BIND");
      return link;
    };
    const link = await open();
    const taken = watch(await bob.subscribe<number>("mallory@localhost/flood"));
    const ROWS = 2_000;
    const data = (from: number): DataFrame => ({
      ...{ type: "data", alias: 0, form: "rows", epoch: 1, from, to: from + ROWS - 1, at: 0, spanMs: 0 },
      payload: new Uint8Array(ROWS).fill(7),
    });
    let sent = 0;
    const { updatesIn } = stack.component.stats();
    const startedAt = performance.now();
    while (link.end === undefined && sent < 200) {
      link.send(data(1 + sent++ * ROWS));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await until(() => link.end !== undefined, 5_000, "the end");
    // A burst, the debt that is allowed, the rate for the time meanwhile, and a block.
    const { updatesPerSecond, burstSeconds, cutOffDebtSeconds } = LIMITS;
    const may = updatesPerSecond * (burstSeconds + cutOffDebtSeconds);
    const meanwhile = (updatesPerSecond * (performance.now() - startedAt)) / 1_000;
    expect(sent * ROWS).toBeGreaterThanOrEqual(may);
    expect(stack.component.stats().updatesIn - updatesIn).toBeLessThanOrEqual(may + meanwhile + ROWS);
    expect(link.frames.at(-1)).toMatchObject({ type: "bye", code: "busy" });
    const refused = await openRawLink(mallory, stack.domain).catch((error: unknown) => error as StanzaError);
    expect(refused).toMatchObject({
      ...{ condition: "resource-constraint", type: "wait" },
      application: { name: "retry-after", attrs: { ms: expect.stringMatching(/^\d+$/) } },
    });
    const waitMs = Number((refused as StanzaError).application?.attrs?.["ms"]);
    expect(waitMs).toBeLessThanOrEqual(LIMITS.cutOffSeconds * 1_000);
    await expect(link.ask("get", xml("query", NS.DISCO_INFO))).rejects.toMatchObject({ type: "wait" });
    // The bare JID is not cut off: another session may open a link.
    const session = await openRawLink(await stack.raw("mallory"), stack.domain);
    session.send(HELLO);
    await until(() => taken.subscription.status === "offline", 5_000, "the subscriber hears of it");

    await (await openWhenAllowed(mallory)).stream.close();
    const again = await open();
    const before = taken.values.length;
    again.send({ ...data(1), epoch: 2 });
    await until(() => taken.values.length > before, 5_000, "its values");
    expect(again.end).toBeUndefined();
    expect(counted("cutOffs")).toBe(1);
    await Promise.all([bob.close(), others.stop()]);
  });

  it("tell who asks too often when to come again, and cut off who does not listen", async () => {
    const others = await bystanders();
    const [alice, bob] = [await stack.connect("alice"), await stack.connect("bob")];
    // More than are allowed at once. The SDK waits as it is told.
    const services = await Promise.all(Array.from({ length: 60 }, (_, i) => alice.offer(`s${i}`)));
    expect(counted("throttled")).toBeGreaterThan(0);
    // About one refusal for each service: after a refusal the SDK sends one request at a time.
    expect(counted("throttled")).toBeLessThan(200);

    const oscar = await stack.raw("oscar");
    const link = await openRawLink(oscar, stack.domain);
    link.send(HELLO);
    const node = (services[0] as OfferedService).node;
    const told: StanzaError[] = [];
    let granted = 0;
    const ask = async (): Promise<void> => {
      try {
        await link.subscribe(node);
        granted++;
        await link.ask("set", xml("pubsub", NS.PUBSUB, xml("unsubscribe", { node, jid: oscar.jid })));
      } catch (error) {
        // If two requests run at once, one may end the subscription of both.
        if ((error as StanzaError).condition !== "unexpected-request") told.push(error as StanzaError);
      }
    };
    for (let i = 0; i < 20; i++) await ask();
    // A slow machine may need several rounds to ask too often.
    while (told.length === 0 && link.end === undefined) await Promise.all(Array.from({ length: 20 }, ask));
    for (const error of told)
      expect(error).toMatchObject({
        ...{ condition: "resource-constraint", type: "wait" },
        application: { name: "retry-after" },
      });
    expect(link.end).toBeUndefined();

    // Meanwhile other accounts subscribe as usual.
    const flooding = (async () => {
      while (link.end === undefined) await Promise.all(Array.from({ length: 50 }, ask));
    })();
    for (const { node: theirs } of services.slice(1, 4)) await (await bob.subscribe(theirs)).stop();
    await flooding;
    expect(link.frames.at(-1)).toMatchObject({ type: "bye", code: "busy" });
    expect(granted).toBeLessThan(LIMITS.requestsPerSecond * 10);
    expect(counted("cutOffs")).toBe(1);
    const again = await openWhenAllowed(oscar);
    again.send(HELLO);
    await again.subscribe(node);
    await Promise.all([alice.close(), bob.close(), others.stop()]);
  });

  it("bound how many links one account has", async () => {
    const clients: Client[] = [];
    for (let i = 0; i < LIMITS.maxLinksPerJid; i++) clients.push(await stack.connect("peggy"));
    await expect(stack.connect("peggy", { timeoutMs: 10_000 })).rejects.toMatchObject({
      code: "busy",
      retryAfterMs: 60_000,
      message: expect.stringContaining("peggy@localhost has 3 links"),
    });
    expect(counted("overQuota")).toBe(1);
    await clients[0]?.close();
    const { links } = stack.component.stats();
    await stack.connect("peggy");
    expect(stack.component.stats().links).toBe(links + 1);
  });
});

interface Watch {
  readonly subscription: Subscription<number>;
  readonly values: number[];
  readonly events: string[];
}

function watch(subscription: Subscription<number>): Watch {
  const it: Watch = { subscription, values: [], events: [] };
  subscription.on("update", ({ value }) => it.values.push(value));
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, () => it.events.push(event));
  return it;
}
