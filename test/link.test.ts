import type { Client } from "@stanzapack/client";
import { encodeFrame, type DataFrame, type Frame } from "@stanzapack/wire";
import { createInBandBytestreams, NS, xml } from "@stanzapack/xmpp";
import { until } from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";

/** Most stanzas with data that may be unacknowledged, unless credit replaces this limit. */
const MAX_UNACKED = 100;

describe.each(SERVERS)("links of peers that are no SDK, through %s", (server) => {
  let stack: Stack;
  let alice: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "mallory"]);
    alice = await stack.connect("alice");
  });
  afterAll(() => stack.stop());

  async function open(user = "mallory"): Promise<RawLink> {
    const connection = await stack.raw(user);
    return openRawLink(connection, stack.domain);
  }
  const data = (fields: Partial<DataFrame>): Frame => ({
    type: "data",
    alias: 0,
    form: "rows",
    epoch: 1,
    from: 1,
    to: 1,
    at: 0,
    spanMs: 0,
    payload: Uint8Array.of(1),
    ...fields,
  });

  it("sends no more than HELLO says", async () => {
    const service = await alice.offer("large");
    const node = "alice@localhost/large";
    const link = await open();
    // XEP-0478: a stanza of this length has room for a block of 4,095 bytes, but not for one of 16,383.
    link.send({ ...HELLO, maxStanzaBytes: 10_000 });
    const sizes: number[] = [];
    const { onBlock } = link.stream;
    link.stream.onBlock = (block, info) => {
      sizes.push(info.stanzaChars);
      onBlock?.(block, info);
    };
    await link.subscribe(node, { "pubsub#digest_frequency": "100" });
    await until(() => service.demand.subscribers === 1, 5_000, "demand");
    // Random values, which deflate makes no smaller. Three of them fit into a block.
    for (let i = 0; i < 40; i++) service.publish(crypto.getRandomValues(new Uint8Array(1_100)));
    const rows = (): number =>
      link.frames.reduce((sum, frame) => sum + (frame.type === "data" ? frame.to - frame.from + 1 : 0), 0);
    await until(() => rows() === 40, 5_000, "all updates");
    expect(sizes.length).toBeGreaterThan(6);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000);
    await service.stop();
  });

  it("sends all to a client that acknowledges nothing but the number that CREDIT names", async () => {
    const service = await alice.offer("questions", { kind: "log" });
    const link = await open();
    link.send(HELLO);
    let questions = 0;
    const { onBlock } = link.stream;
    link.stream.onBlock = (block, info) => {
      onBlock?.(block, info);
      for (const frame of link.frames.splice(0)) {
        if (frame.type === "data") positions.push(frame.to);
        if (frame.type !== "credit" || frame.alias !== null) continue;
        questions++;
        link.send({ type: "ack", stanzas: frame.total });
      }
    };
    const positions: number[] = [];
    await link.subscribe("alice@localhost/questions");
    await until(() => service.demand.subscribers === 1, 5_000, "demand");
    // Random values, which deflate makes no smaller: a stanza for each. Two of them are a quarter of the data that may
    // be unacknowledged.
    for (let i = 0; i < 24; i++) {
      service.publish(crypto.getRandomValues(new Uint8Array(20_000)));
      const arrived = positions.length;
      await until(() => positions.length > arrived, 20_000, `update ${i + 1}`);
    }
    expect(questions).toBeGreaterThan(5);
    await service.stop();
  });

  it.each([
    ["takes too little", { maxBlockBytes: 4_000 }, false, "limit-exceeded"],
    ["takes too little in a stanza", { maxStanzaBytes: 100 }, false, "limit-exceeded"],
    ["comes with less after a subscription", { maxInflatedBytes: 20_000 }, true, "protocol"],
  ])("ends a link whose HELLO %s", async (_, fields, late, code) => {
    const service = await alice.offer("hello");
    const link = await open();
    if (late) await link.subscribe("alice@localhost/hello");
    link.send({ ...HELLO, ...fields });
    await until(() => link.frames.some((frame) => frame.type === "bye"), 5_000, "a goodbye");
    expect(link.frames.at(-1)).toMatchObject({ type: "bye", code });
    await service.stop();
  });

  it("ends a `connect` that is told to stop, also while a peer is silent to the link's opening", async () => {
    const silent = await stack.raw("mallory");
    const cancel = new AbortController();
    silent.onStanza((stanza) => {
      if (stanza.getChild("open", NS.IBB) === undefined) return false;
      cancel.abort();
      return true;
    });
    // Only the signal can end it.
    const connecting = stack.connect("bob", {
      ...{ component: silent.jid, signal: cancel.signal, timeoutMs: 1_000_000 },
    });
    await expect(connecting).rejects.toMatchObject({ name: "StanzapackError" });
    await silent.stop();
  });

  it("answers subscription options that are wrong with XEP-0060's conditions", async () => {
    const service = await alice.offer("options");
    const node = "alice@localhost/options";
    const link = await open();
    link.send(HELLO);
    const invalid = {
      condition: "bad-request",
      application: { name: "invalid-options", xmlns: NS.PUBSUB_ERRORS },
    };
    await expect(link.subscribe(node, { "pubsub#digest_frequency": "soon" })).rejects.toMatchObject(invalid);
    await expect(link.subscribe(node, { "pubsub#digest_frequency": "-5" })).rejects.toMatchObject(invalid);
    await expect(link.subscribe(node, { "pubsub#digest_frequency": ["1", "2"] })).rejects.toMatchObject(
      invalid,
    );
    await expect(link.subscribe(node, { "pubsub#digest": "perhaps" })).rejects.toMatchObject(invalid);
    await expect(link.subscribe(node, { "{urn:stanzapack:0}delivery": "pigeon" })).rejects.toMatchObject(
      invalid,
    );
    await expect(link.subscribe(node, { "{urn:stanzapack:0}sampels": "all" })).rejects.toMatchObject({
      ...invalid,
      text: expect.stringContaining("{urn:stanzapack:0}samples"),
    });
    await expect(link.subscribe(node, { "{urn:stanzapack:0}overflow": "1" })).rejects.toMatchObject({
      condition: "feature-not-implemented",
    });
    await expect(link.subscribe("alice@localhost/nope")).rejects.toMatchObject({
      condition: "item-not-found",
    });
    const ownJid = (await stack.raw("bob")).jid;
    await expect(
      link.ask("set", xml("pubsub", NS.PUBSUB, xml("subscribe", { node, jid: ownJid }))),
    ).rejects.toMatchObject({ application: { name: "invalid-jid" } });
    await expect(
      link.ask("set", xml("pubsub", NS.PUBSUB, xml("unsubscribe", { node, jid: link.jid }))),
    ).rejects.toMatchObject({ application: { name: "not-subscribed" } });
    await expect(
      link.ask("set", xml("pubsub", NS.PUBSUB, xml("subscribe", { jid: ownJid }))),
    ).rejects.toMatchObject({ application: { name: "nodeid-required" } });

    const answer = await link.subscribe(node, { "pubsub#digest": "1", "pubsub#digest_frequency": "130" });
    const subscription = answer.getChild("pubsub", NS.PUBSUB)?.getChild("subscription");
    expect(subscription?.attrs).toMatchObject({ node, subscription: "subscribed" });
    // XEP-0060 §6.1.6: a second subscribe returns the current state.
    const again = await link.subscribe(node, { "pubsub#digest": "1", "pubsub#digest_frequency": "130" });
    expect(again.getChild("pubsub", NS.PUBSUB)?.getChild("subscription")?.attrs["subid"]).toBe(
      subscription?.attrs["subid"],
    );
    await expect(
      link.ask("set", xml("pubsub", NS.PUBSUB, xml("unsubscribe", { node, jid: link.jid, subid: "other" }))),
    ).rejects.toMatchObject({ application: { name: "invalid-subid" } });
    await link.ask("set", xml("pubsub", NS.PUBSUB, xml("unsubscribe", { node, jid: link.jid })));
    await service.stop();
  });

  it("acknowledges what has come before it answers a question about a link", async () => {
    const link = await open();
    link.send(HELLO);
    await link.ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node: "mallory@localhost/asked" })));
    await until(() => link.frames.some(({ type }) => type === "bind"), 5_000, "the service's alias");
    link.send(data({ from: 1, to: 1 }), data({ from: 2, to: 2 }));
    link.send(data({ from: 3, to: 3 }));
    const before = link.frames.length;
    await link.askAboutLink();
    expect(link.frames.slice(before)).toEqual([{ type: "ack", stanzas: 2 }]);
    // Without new stanzas there is no acknowledgement.
    await link.askAboutLink();
    expect(link.frames).toHaveLength(before + 1);
    await expect(link.askAboutLink("other")).rejects.toMatchObject({ condition: "item-not-found" });
  });

  it("shows services and itself by service discovery", async () => {
    const service = await alice.offer("shown", { title: "Shown & <told>" });
    const link = await open();
    const info = await link.ask("get", xml("query", NS.DISCO_INFO));
    const features = info
      .getChild("query", NS.DISCO_INFO)
      ?.getChildren("feature")
      .map(({ attrs }) => attrs["var"] as string);
    expect(features).toEqual(
      expect.arrayContaining([NS.DISCO_INFO, NS.PUBSUB, `${NS.PUBSUB}#subscribe`, NS.IBB]),
    );
    const items = await link.ask("get", xml("query", NS.DISCO_ITEMS));
    expect(
      items
        .getChild("query", NS.DISCO_ITEMS)
        ?.getChildren("item")
        .map(({ attrs }) => attrs),
    ).toContainEqual({ jid: stack.domain, node: "alice@localhost/shown", name: "Shown & <told>" });
    await service.stop();
  });

  it("conflates to the newest for a subscriber that acknowledges nothing, until it does", async () => {
    const service = await alice.offer("unacked");
    const counter = publishCounter((value) => service.publish(value), 5);
    const link = await open("bob");
    link.send(HELLO);
    await link.subscribe("alice@localhost/unacked");
    await until(() => link.dataStanzas === MAX_UNACKED, 10_000, "data until the bound");
    const atBound = counter.count;
    await until(() => counter.count > atBound + 100, 2_000, "much is published");
    // The answer arrives after everything that was sent before it.
    await link.askAboutLink();
    expect(link.dataStanzas).toBe(MAX_UNACKED);
    const frames = (): DataFrame[] => link.frames.filter((frame) => frame.type === "data");
    const before = frames().at(-1) as DataFrame;

    link.send({ type: "ack", stanzas: MAX_UNACKED });
    await until(() => link.dataStanzas > MAX_UNACKED, 5_000, "the newest value after the acknowledgement");
    const first = frames().find(({ from }) => from === before.to + 1) as DataFrame;
    // More than a hundred values were published meanwhile. Some may still have been under way to the component.
    expect(first.to).toBeGreaterThan(before.to + 10);
    expect(first.to).toBeLessThanOrEqual(service.published);
    expect(first).toMatchObject({ form: "rows", spanMs: 0 });
    await until(() => link.dataStanzas > MAX_UNACKED + 10, 5_000, "its lane again");
    counter.stop();
    await service.stop();
  });

  it.each<[string, string, (link: RawLink) => void]>([
    ["DATA before HELLO", "protocol", (link) => link.send(data({}))],
    ["an alias never bound", "unknown-alias", (link) => link.send(HELLO, data({ alias: 7 }))],
    ["a second HELLO", "protocol", (link) => link.send(HELLO, HELLO)],
    ["another version", "version-mismatch", (link) => link.send({ ...HELLO, version: 200 })],
    ["ACK of what was never sent", "protocol", (link) => link.send(HELLO, { type: "ack", stanzas: 1 })],
    [
      "a frame that is the component's to send",
      "protocol",
      (link) => link.send(HELLO, { type: "demand", alias: 0, subscribers: 1, windowMs: 0 }),
    ],
    ["rubbish", "malformed", (link) => link.sendBytes(Uint8Array.of(0xc7, 1, 2))],
    ["half a frame", "malformed", (link) => link.sendBytes(encodeFrame(HELLO).subarray(0, 6))],
  ])(
    "ends the link of a peer that sends %s, with the reason, and no other link",
    async (_, code, misbehave) => {
      const service = await alice.offer("bystander");
      const bystander = await stack.connect("bob");
      const subscription = await bystander.subscribe<number>("alice@localhost/bystander");
      await until(() => service.demand.subscribers === 1, 5_000, "demand");
      const link = await open();
      misbehave(link);
      await until(() => link.end !== undefined, 5_000, "the link's end");
      expect(link.frames.find(({ type }) => type === "bye")).toMatchObject({ type: "bye", code });
      service.publish(1);
      expect((await subscription[Symbol.asyncIterator]().next()).value?.value).toBe(1);
      await bystander.close();
      await service.stop();
    },
  );

  it("refuses links with blocks too small, and none from a bare JID", async () => {
    const connection = await stack.raw("mallory");
    const openWith = (blockSize: number): Promise<unknown> =>
      connection.request(
        xml(
          "iq",
          { type: "set", to: stack.domain },
          xml("open", { xmlns: NS.IBB, sid: "abcd", "block-size": blockSize, stanza: "message" }),
        ),
        { timeoutMs: 5_000 },
      );
    await expect(openWith(1_000)).rejects.toMatchObject({
      condition: "not-acceptable",
      text: expect.stringContaining("4095"),
    });
    await expect(
      createInBandBytestreams(connection).open(stack.domain, { stanza: "iq" }),
    ).rejects.toMatchObject({
      condition: "not-acceptable",
      text: expect.stringContaining("stanza='message'"),
    });
  });
});
