import type { Client } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import type { DataFrame, Frame } from "@stanzapack/wire";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { publishCounter, startStack, type Stack } from "./support/stack.js";
import { behind } from "./support/whole.js";

const CREDIT = "{urn:stanzapack:0}credit";

describe.each(behind("prosody"))("credit, behind %s", (server) => {
  let stack: Stack;
  let alice: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol", "mallory"], {
      limits: { withdrawnSeconds: 1 },
    });
    alice = await stack.connect("alice");
  });
  afterAll(() => stack.stop());

  const open = async (user: string): Promise<RawLink> => {
    const link = await openRawLink(await stack.raw(user), stack.domain);
    link.send(HELLO);
    return link;
  };
  /** Waits for BIND: the answer to the iq may arrive first. */
  const aliasOf = async (link: RawLink, node: string): Promise<number> => {
    const bind = (): Frame | undefined =>
      link.frames.find((frame) => frame.type === "bind" && frame.node === node);
    await until(() => bind() !== undefined, 5_000, "BIND");
    return (bind() as { alias: number }).alias;
  };
  /** Number of rows. The values are small integers of a byte each. */
  const rowsOf = (frames: readonly DataFrame[]): number =>
    frames.reduce((sum, { payload }) => sum + payload.length, 0);
  const dataOf = (link: RawLink, alias: number): DataFrame[] =>
    link.frames.filter((frame): frame is DataFrame => frame.type === "data" && frame.alias === alias);

  it("of a subscription stops it alone, and what comes with more credit is the newest", async () => {
    const [stalled, beside] = [await alice.offer("stalled"), await alice.offer("beside")];
    const counters = [stalled, beside].map((service) =>
      publishCounter((value) => service.publish(value), 20),
    );
    const link = await open("bob");
    await link.subscribe(stalled.node, { [CREDIT]: "20" });
    await link.subscribe(beside.node);
    const [first, second] = [await aliasOf(link, stalled.node), await aliasOf(link, beside.node)];
    const acknowledging = setInterval(() => link.send({ type: "ack", stanzas: link.dataStanzas }), 200);
    try {
      await until(() => rowsOf(dataOf(link, second)) > 100, 15_000, "the other one goes on");
      const before = dataOf(link, first);
      // The last stanza may exceed the credit.
      expect(rowsOf(before)).toBeGreaterThanOrEqual(20);
      expect(rowsOf(before.slice(0, -1))).toBeLessThan(20);
      const published = stalled.published;
      const more = rowsOf(before) + 5;
      link.send({ type: "credit", alias: first, total: more });
      // A later, smaller total takes no credit back.
      link.send({ type: "credit", alias: first, total: 3 });
      await until(() => rowsOf(dataOf(link, first)) >= more, 5_000, "five more");
      // The next values of the other subscription arrive after any stanza beyond the credit.
      const later = rowsOf(dataOf(link, second)) + 20;
      await until(() => rowsOf(dataOf(link, second)) >= later, 5_000, "the other one's next");
      const after = dataOf(link, first).slice(before.length);
      expect(rowsOf(after.slice(0, -1))).toBeLessThan(5);
      expect(after[0]?.from).toBe((before.at(-1)?.to as number) + 1);
      expect(after[0]?.to).toBeGreaterThan(published - 20);
    } finally {
      clearInterval(acknowledging);
      for (const counter of counters) counter.stop();
    }
    await Promise.all([stalled.stop(), beside.stop()]);
  });

  it("keeps no withdrawn log for whoever gives none: what is missing is told as lost", async () => {
    const service = await alice.offer("pinned", { kind: "log" });
    // More than one body holds: the last body may exceed the credit.
    for (let i = 1; i <= 100; i++) service.publish(new Uint8Array(2_000).fill(i));
    await until(() => !service.pending, 5_000, "everything is sent");
    const link = await open("mallory");
    await link.subscribe(service.node, { [CREDIT]: "5", "{urn:stanzapack:0}since": "first" });
    const alias = await aliasOf(link, service.node);
    await until(() => dataOf(link, alias).length > 0, 5_000, "what its credit is for");
    await service.stop();
    await until(() => link.frames.some((it) => it.type === "error" && it.alias === alias), 10_000, "its end");
    const [first, last, ...more] = dataOf(link, alias);
    expect(first?.to).toBeLessThan(50);
    expect(last).toMatchObject({ from: 100, to: 100 });
    expect(more).toEqual([]);
    expect(link.frames.at(-1)).toMatchObject({ type: "error", code: "withdrawn" });
    expect(stack.component.stats().subscriptions).toBe(0);
    await link.stream.close();
  });

  it("is not given by a consumer that reads nothing, whose bytes stop then", async () => {
    const service = await alice.offer("unread");
    const bob = await stack.connect("bob");
    const subscription = await bob.subscribe<number>(service.node, { maxQueued: 20 });
    let lastArrivedAt = 0;
    bob.onBlock = (_, frames) => {
      if (frames.some(({ frame }) => frame.type === "data" || frame.type === "coded"))
        lastArrivedAt = counter.count;
    };
    const conflated: [number, number][] = [];
    subscription.on("conflated", ({ from, to }) => conflated.push([from, to]));
    const counter = publishCounter((value) => service.publish(value), 10);
    await until(() => counter.count > lastArrivedAt + 100, 10_000, "much is published, and nothing comes");
    counter.stop();
    // The component now has all updates.
    await alice.listServices();
    const values: number[] = [];
    for await (const { value } of subscription) {
      values.push(value);
      if (value === counter.count) break;
    }
    // The values that waited, and the newest one. All others are reported.
    expect(values.length).toBeLessThan(50);
    const told = conflated.reduce((sum, [from, to]) => sum + to - from + 1, 0);
    expect(values.length + told).toBe(counter.count);
    await bob.close();
    await service.stop();
  });

  it("of a log is given as it is read, also after it was withdrawn", async () => {
    const service = await alice.offer("last-words", { kind: "log" });
    const bob = await stack.connect("bob");
    const subscription = await bob.subscribe<number>(service.node, { since: "first", maxQueued: 50 });
    const told: string[] = [];
    for (const event of ["lost", "conflated", "reset", "status"] as const)
      subscription.on(event, () => told.push(event));
    for (let i = 1; i <= 1_000; i++) service.publish(i);
    await until(() => !service.pending, 5_000, "everything is sent");
    await service.stop();
    const values: number[] = [];
    const reading = (async () => {
      for await (const { value } of subscription) {
        values.push(value);
        // A reader that does something else now and then.
        if (value % 100 === 0) await bob.listServices();
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: "withdrawn" });
    expect(values).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
    expect(told).toEqual([]);
    await bob.close();
  });

  it("of the link is asked for at once when much is out, and a way that does not answer gets no more", async () => {
    const service = await alice.offer("large");
    const link = await open("carol");
    await link.subscribe(service.node);
    const asked = (): Frame[] =>
      link.frames.filter((frame) => frame.type === "credit" && frame.alias === null);
    const text = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(1_500))).toString("base64");
    const counter = publishCounter(() => service.publish(text()), 50);
    await until(() => asked().length === 1, 10_000, "the component asks");
    // 32 kB of stanzas of about 3 kB each, long before a hundred stanzas.
    const before = link.frames.slice(0, link.frames.indexOf(asked()[0] as Frame));
    expect(before.filter(({ type }) => type === "data").length).toBeLessThan(30);
    await until(() => service.published > 120, 15_000, "more than may be out");
    const held = link.dataStanzas;
    expect(held).toBeLessThan(90);
    link.send({ type: "ack", stanzas: link.dataStanzas });
    await until(() => link.dataStanzas > held, 5_000, "it goes on");
    counter.stop();
    await service.stop();
  });

  it("is answered at once when a client asks", async () => {
    const link = await open("carol");
    link.send({ type: "credit", alias: null, total: 0 });
    await until(() => link.frames.some(({ type }) => type === "ack"), 2_000, "the acknowledgement");
  });

  it("for what is no subscription of the link ends it; for one that has ended it is late", async () => {
    const service = await alice.offer("short");
    const late = await open("bob");
    await late.subscribe(service.node);
    const alias = await aliasOf(late, service.node);
    await service.stop();
    late.send({ type: "credit", alias, total: 5 });
    const link = await open("mallory");
    link.send({ type: "credit", alias: 9, total: 5 });
    await until(() => link.end !== undefined, 5_000, "the link ends");
    expect(link.frames.at(-1)).toMatchObject({ type: "bye", code: "unknown-alias" });
    expect(late.end).toBeUndefined();
  });

  it.each(["0", "-1", "many", "1.5", "10000000000"])("of %s rows is refused", async (rows) => {
    const service = await alice.offer("choosy");
    const link = await open("mallory");
    await expect(link.subscribe(service.node, { [CREDIT]: rows })).rejects.toMatchObject({
      condition: "bad-request",
    });
    await service.stop();
  });
});
