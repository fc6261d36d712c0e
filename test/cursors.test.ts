import type { Client, CursorInfo, Subscription } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import type { BindSubscriptionFrame as BindFrame } from "@stanzapack/wire";
import { NS, xml } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { untilCursor } from "./support/cursors.js";
import { publishCounter, startStack, upTo, type Stack } from "./support/stack.js";
import { behind } from "./support/whole.js";

const SOON_MS = 10_000;
/** Longest time until everyone is back after a fault, in ms. */
const BACK_MS = 30_000;

/** Takes values until `last` is in hand. The last one is not taken. */
async function readTo(subscription: Subscription<number>, last: number): Promise<number[]> {
  const values: number[] = [];
  for (const iterator = subscription[Symbol.asyncIterator](); values.at(-1) !== last;) {
    const next = await iterator.next();
    if (next.done === true) break;
    values.push(next.value.value);
  }
  return values;
}

describe.each(behind("prosody"))("named cursors, behind %s", (server) => {
  let stack: Stack;
  let alice: Client;

  beforeAll(async () => {
    const limits = { maxCursorsPerJid: 20, maxCursorsPerService: 3 };
    stack = await startStack(server, ["alice", "bob", "carol", "dan"], { limits });
    alice = await stack.connect("alice");
  });
  afterAll(() => stack.stop());

  it("continue behind what was taken, not behind what was sent", async () => {
    const log = await alice.offer("taken", { kind: "log" });
    for (const i of upTo(50)) log.publish(i);
    const options = { cursor: "main", since: "first" } as const;
    const bob = await stack.connect("bob");
    expect(await readTo(await bob.subscribe<number>(log.node, options), 5)).toEqual(upTo(5));
    await bob.close();
    // The fifth was still in the hands of the program.
    const again = await stack.connect("bob");
    const subscription = await again.subscribe<number>(log.node, options);
    expect(subscription.recovered).toBe(true);
    expect(await readTo(subscription, 20)).toEqual(upTo(20, 5));
    subscription.markTaken({ ...(await position(again)), offset: 20 });
    await subscription.stop();
    const third = await again.subscribe<number>(log.node, options);
    const rest: number[] = [];
    third.on("update", ({ value }) => rest.push(value));
    await until(() => rest.length === 30, SOON_MS, "the rest");
    expect(rest).toEqual(upTo(50, 21));
    await third.stop();
    expect(await again.cursors(log.node)).toMatchObject([{ name: "main", offset: 50, used: false }]);
    await again.close();

    async function position(client: Client): Promise<CursorInfo> {
      return untilCursor(client, log.node, ({ offset }) => offset === 19);
    }
  });

  it("are the consumer's own, and go with the newest session that asks", async () => {
    const log = await alice.offer("owned", { kind: "log" });
    const [bob, other, carol] = [
      await stack.connect("bob"),
      await stack.connect("bob"),
      await stack.connect("carol"),
    ];
    const first = await bob.subscribe<number>(log.node, { cursor: "main" });
    const ended = new Promise((resolve) => first.once("ended", resolve));
    await carol.subscribe(log.node, { cursor: "main" });
    expect(await carol.cursors()).toMatchObject([{ node: log.node, name: "main", used: true }]);
    await expect(other.deleteCursor(log.node, "main")).rejects.toMatchObject({ code: "conflict" });
    await other.subscribe<number>(log.node, { cursor: "main" });
    expect(await ended).toMatchObject({ code: "conflict", origin: "peer" });
    await bob.subscribe(log.node, { cursor: "mine" });
    await expect(carol.deleteCursor(log.node, "mine")).rejects.toMatchObject({ code: "no-such-cursor" });
    await carol.close();
    const again = await stack.connect("carol");
    await untilCursor(again, log.node, ({ used }) => !used);
    await again.deleteCursor(log.node, "main");
    expect(await again.cursors()).toEqual([]);
    for (const client of [bob, other, again]) await client.close();
  });

  it("are refused with a bad name, without credit, for a value, and beyond their bounds", async () => {
    const [log, value] = [await alice.offer("refused", { kind: "log" }), await alice.offer("refused-value")];
    const bob = await stack.connect("bob");
    for (const cursor of ["", "a b", "x".repeat(65), "ä"]) {
      await expect(bob.subscribe(log.node, { cursor })).rejects.toMatchObject({ code: "invalid-options" });
      await expect(bob.deleteCursor(log.node, cursor)).rejects.toMatchObject({ code: "invalid-options" });
    }
    await expect(bob.subscribe(value.node, { cursor: "a" })).rejects.toMatchObject({
      code: "invalid-options",
    });
    await bob.subscribe(log.node, { cursor: "a" });
    await expect(bob.subscribe(log.node)).rejects.toMatchObject({ code: "invalid-options" });
    // Names and requests that the SDK does not send.
    const raw = await stack.raw("bob");
    const ask = (type: string, child: Parameters<typeof xml>[2]) =>
      raw.request(xml("iq", { type, to: stack.domain }, child)).then(
        (answer) => answer.getChild("cursors", NS.STANZAPACK)?.getChildren("cursor").length,
        (error: { condition: string }) => error.condition,
      );
    const remove = (attrs: object): Parameters<typeof xml>[2] =>
      xml("cursors", NS.STANZAPACK, xml("delete", { ...attrs }));
    expect([
      await ask("get", xml("cursors", { xmlns: NS.STANZAPACK, node: log.node })),
      await ask("get", xml("cursors", { xmlns: NS.STANZAPACK, node: value.node })),
      await ask("get", xml("cursors", NS.STANZAPACK, xml("set", NS.RSM, xml("max", {}, "x")))),
      await ask("set", xml("cursors", NS.STANZAPACK)),
      await ask("set", remove({ node: log.node })),
      await ask("set", remove({ node: log.node, name: "a b" })),
      await ask("set", remove({ node: log.node, name: "b" })),
      await ask("set", remove({ node: "nobody", name: "b" })),
    ]).toEqual([
      1,
      0,
      "bad-request",
      "bad-request",
      "bad-request",
      "bad-request",
      "item-not-found",
      "item-not-found",
    ]);
    const others = [await stack.connect("bob"), await stack.connect("carol"), await stack.connect("dan")];
    await others[0]?.subscribe(log.node, { cursor: "b" });
    await others[1]?.subscribe(log.node, { cursor: "a" });
    await expect(others[2]?.subscribe(log.node, { cursor: "a" })).rejects.toMatchObject({
      code: "limit-exceeded",
      text: expect.stringContaining("`alice@localhost/refused` has 3 cursors") as string,
    });
    for (const client of [bob, ...others]) await client.close();
  });

  it("are for any library: by a form, and by CREDIT that counts rows since BIND", async () => {
    const log = await alice.offer("raw", { kind: "log" });
    for (const i of upTo(30)) log.publish(i);
    await until(() => !log.pending, SOON_MS, "everything is sent");
    const fields = { "{urn:stanzapack:0}cursor": "main", "{urn:stanzapack:0}since": "first" };
    const open = async (): Promise<RawLink> => {
      const link = await openRawLink(await stack.raw("dan"), stack.domain);
      link.send(HELLO);
      return link;
    };
    const begin = async (link: RawLink, credit: string): Promise<string | undefined> => {
      const answer = await link.subscribe(log.node, { ...fields, "{urn:stanzapack:0}credit": credit });
      const form = answer.getChild("pubsub", NS.PUBSUB)?.getChild("options")?.getChild("x");
      const position = form
        ?.getChildren("field")
        .find(({ attrs }) => attrs["var"] === "{urn:stanzapack:0}position");
      return position?.getChildText("value")?.split(":")[1];
    };
    const rowsOf = ({ frames }: RawLink): number =>
      frames
        .flatMap((frame) => (frame.type === "data" ? frame.to - frame.from + 1 : []))
        .reduce((a, b) => a + b, 0);
    const link = await open();
    await expect(link.subscribe(log.node, fields)).rejects.toMatchObject({ condition: "bad-request" });
    expect(await begin(link, "30")).toBe("0");
    await until(() => rowsOf(link) === 30, SOON_MS, "all rows");
    const { alias } = link.frames.find(({ type }) => type === "bind") as BindFrame;
    // Thirty rows were sent. Twelve are taken. A late total changes nothing.
    link.send({ type: "credit", alias, total: 42 }, { type: "credit", alias, total: 33 });
    const dan = await stack.connect("dan");
    await untilCursor(dan, log.node, ({ offset }) => offset === 12);
    // Another session takes the cursor over.
    const other = await open();
    expect(await begin(other, "5")).toBe("12");
    await until(() => link.frames.some(({ type }) => type === "error"), SOON_MS, "the end of the first");
    expect(link.frames.at(-1)).toMatchObject({ type: "error", alias, code: "conflict" });
    await other.stream.close();
    await link.stream.close();
    await log.stop();
    await dan.close();
  });

  it("of a pattern are one in each log, and its values have none", async () => {
    const logs = [await alice.offer("p-one", { kind: "log" }), await alice.offer("p-two", { kind: "log" })];
    const value = await alice.offer("p-value");
    const dan = await stack.connect("dan");
    const group = await dan.subscribeAll<number>(value.node.replace("value", "*"), { cursor: "all" });
    const seen: string[] = [];
    group.on("update", ({ node, value: it }) => seen.push(`${node.slice(-3)} ${it}`));
    for (const i of [1, 2]) for (const service of [...logs, value]) service.publish(i);
    await until(
      () => seen.includes("lue 2") && seen.includes("one 2") && seen.includes("two 2"),
      SOON_MS,
      "values",
    );
    await group.stop();
    expect(await dan.cursors()).toMatchObject(logs.map(({ node }) => ({ node, name: "all", offset: 2 })));
    await dan.close();
  });

  it("lose and repeat nothing for a program whose link breaks", async () => {
    const log = await alice.offer("breaks", { kind: "log" });
    const bob = await stack.connect("bob");
    const subscription = await bob.subscribe<number>(log.node, { cursor: "main", maxQueued: 40 });
    const values: number[] = [];
    const told: string[] = [];
    for (const event of ["lost", "reset"] as const) subscription.on(event, () => told.push(event));
    const counter = publishCounter((value) => log.publish(value), 5);
    const reading = (async () => {
      for await (const { value } of subscription) values.push(value);
    })();
    await until(() => values.length > 100, SOON_MS, "values");
    await stack.sandbox.restart();
    await until(() => bob.online && alice.online, BACK_MS, "everyone is online");
    const { length } = values;
    await until(() => values.length > length + 100, BACK_MS, "more values");
    counter.stop();
    await until(() => values.length >= counter.count, BACK_MS, "the last value");
    expect([values, told]).toEqual([upTo(counter.count), []]);
    await untilCursor(bob, log.node, ({ offset }) => offset === counter.count);
    await bob.close();
    await reading;
  });

  it("go with the access, and with the service", async () => {
    const log = await alice.offer("gone", { kind: "log" });
    const [bob, carol] = [await stack.connect("bob"), await stack.connect("carol")];
    const mine = await bob.subscribe(log.node, { cursor: "gone" });
    await carol.subscribe(log.node, { cursor: "gone" });
    await log.configure({ access: "whitelist", members: ["bob@localhost"] });
    expect(await carol.cursors(log.node)).toEqual([]);
    expect(await bob.cursors(log.node)).toMatchObject([{ name: "gone", used: true }]);
    expect(mine.ended).toBe(false);
    await log.stop();
    expect(await bob.cursors(log.node)).toEqual([]);
    for (const client of [bob, carol]) await client.close();
  });

  it("expire when nobody has used them for their time, and not before", async () => {
    const own = await startStack(server, ["alice", "bob"], { limits: { cursorSeconds: 1 } });
    onTestFinished(() => own.stop());
    const [publisher, bob] = [await own.connect("alice"), await own.connect("bob")];
    const log = await publisher.offer("expires", { kind: "log" });
    const mine = await bob.subscribe(log.node, { cursor: "main" });
    const before = await untilCursor(bob, log.node, () => true);
    await untilCursor(bob, log.node, ({ at }) => at > before.at + 2_000);
    await mine.stop();
    await expect.poll(() => bob.cursors(log.node), { timeout: SOON_MS }).toEqual([]);
  });
});
