import { isDeepStrictEqual } from "node:util";
import type { Client } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import {
  ChainEncoder,
  createRawDeflate,
  createRowCodec,
  DataReader,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  type BindServiceFrame,
  type CodedFrame,
  type DataFrame,
  type Frame,
  type Value,
} from "@stanzapack/wire";
import { NS, xml } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { publishCounter, startStack, type Stack } from "./support/stack.js";
import { behind } from "./support/whole.js";

const READS_CODED = { ...HELLO, codecs: ["rows", "deflated", "coded"] } as const;

type Data = DataFrame | CodedFrame;

function dataOf(link: RawLink): Data[] {
  return link.frames.filter((frame): frame is Data => frame.type === "data" || frame.type === "coded");
}

function createReader(): DataReader {
  return new DataReader(
    DEFAULT_CODEC_LIMITS,
    DEFAULT_LIMITS,
    createRowCodec(DEFAULT_LIMITS, createRawDeflate()),
  );
}

describe.each(behind("prosody"))("lanes and their chains, through %s", (server) => {
  let stack: Stack;
  let alice: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol", "dave"]);
    alice = await stack.connect("alice");
  });
  afterAll(() => stack.stop());

  async function open(user: string, hello: typeof HELLO = READS_CODED): Promise<RawLink> {
    const link = await openRawLink(await stack.raw(user), stack.domain);
    link.send(hello);
    return link;
  }

  it("begins a chain for the first subscriber, and lets the next one join at a key", async () => {
    const service = await alice.offer("chained");
    const counter = publishCounter((value) => service.publish({ n: value, text: "some text" }), 20);
    const bob = await open("bob");
    const window = { "pubsub#digest_frequency": "100" };
    await bob.subscribe(service.node, window);
    await until(() => dataOf(bob).length > 10, 10_000, "a chain");
    const forms = dataOf(bob).map(({ form }) => form);
    // First the values that it must receive at once, then the chain.
    expect(forms.indexOf("key")).toBeLessThan(3);
    expect(new Set(forms.slice(forms.indexOf("key") + 1))).toEqual(new Set(["chained"]));
    const before = dataOf(bob).length;

    const carol = await open("carol");
    await carol.subscribe(service.node, window);
    await until(() => dataOf(carol).some(({ form }) => form === "key"), 15_000, "a key");
    await until(() => dataOf(carol).at(-1)?.form === "chained", 5_000, "the chain");
    const early = dataOf(carol).findIndex(({ form }) => form === "key");
    expect(
      dataOf(carol)
        .slice(0, early)
        .map(({ form }) => form),
    ).not.toContain("chained");
    // From there on they share every byte.
    const [payload] = dataOf(carol).slice(-1);
    await until(
      () => dataOf(bob).some((frame) => Buffer.compare(frame.payload, (payload as Data).payload) === 0),
      5_000,
      "the same body",
    );
    counter.stop();
    expect(
      dataOf(bob)
        .slice(before)
        .filter(({ form }) => form === "key"),
    ).toHaveLength(1);

    for (const link of [bob, carol]) {
      const reader = createReader();
      const values = dataOf(link).flatMap((frame) => reader.read(frame, true)?.rows ?? []);
      const numbers = values.map((value) => (value as { n: number }).n);
      // The first value may arrive as the last value, and again with its window. Receivers drop rows at or below their
      // position.
      const [first = 0] = numbers;
      const rest = numbers.filter((n, i) => i === 0 || n > first);
      expect(numbers.length - rest.length).toBeLessThanOrEqual(6);
      expect(rest).toEqual(rest.map((_, i) => first + i));
    }
    await service.stop();
  });

  it("speaks rows to a client that reads no other form, beside others on a chain", async () => {
    const service = await alice.offer("both");
    const counter = publishCounter((value) => service.publish(value), 20);
    const [bob, dave] = [await open("bob"), await open("dave", HELLO)];
    for (const link of [bob, dave]) await link.subscribe(service.node, { "pubsub#digest_frequency": "100" });
    await until(() => dataOf(bob).length > 8 && dataOf(dave).length > 8, 10_000, "values");
    counter.stop();
    expect(dataOf(dave).map(({ type }) => type)).not.toContain("coded");
    expect(dataOf(bob).map(({ form }) => form)).toContain("chained");
    await service.stop();
  });

  it("sends each the last value in a form that it reads, whoever asked before it", async () => {
    const value = {
      temperature: 21.5,
      humidity: 60,
      temperatures: [21.5, 21.5, 21.5, 21.5],
      humidities: [60, 60],
    };
    const service = await alice.offer("last");
    const carol = await open("carol");
    await carol.subscribe(service.node);
    service.publish(value);
    await until(() => dataOf(carol).length > 0, 5_000, "a value");
    const forms: string[] = [];
    const hellos: (typeof HELLO)[] = [
      READS_CODED,
      HELLO,
      { ...HELLO, hop: "compressed" },
      { ...HELLO, codecs: ["rows"] },
    ];
    for (const hello of hellos) {
      const link = await open("bob", hello);
      await link.subscribe(service.node);
      await until(() => dataOf(link).length > 0, 5_000, "the last value");
      expect(dataOf(link).flatMap((frame) => createReader().read(frame, true)?.rows ?? [])).toEqual([value]);
      forms.push(dataOf(link)[0]?.form ?? "");
    }
    // Which form is smallest also depends on whether the stream is compressed. Deflated rows are for clients that list
    // them.
    expect(forms).toEqual(["independent", "deflated", "rows", "rows"]);
    await service.stop();
  });

  it.each([
    ["as columns", READS_CODED],
    ["as rows", HELLO],
  ])("brings values that JSON or UTF-8 cannot say, %s", async (_, hello) => {
    const sent: Value[] = [
      [-0, NaN, Infinity, -Infinity, 2 ** 53, 5e-324, 0.1 + 0.2],
      ["\ud800", "a\udc00b", "\ude00\ud83d", "\u{1f600}"],
      JSON.parse('{"z":1,"__proto__":{"a":2},"constructor":null,"a":3}') as Value,
      { "\udfff": Uint8Array.of(0, 0xc1, 255) },
    ];
    const service = await alice.offer("strange");
    const link = await open("dave", hello);
    await link.subscribe(service.node);
    for (const value of sent) {
      const before = dataOf(link).length;
      service.publish(value);
      await until(() => dataOf(link).length > before, 5_000, "the value");
    }
    const reader = createReader();
    const values = dataOf(link).flatMap((frame) => reader.read(frame, true)?.rows ?? []);
    expect(isDeepStrictEqual(values, sent)).toBe(true);
    // The order of keys must be the same too.
    expect(JSON.stringify(values)).toBe(JSON.stringify(sent));
    await service.stop();
  });

  it("passes a publisher's chain on", async () => {
    const link = await open("dave");
    const node = "dave@localhost/chain";
    await link.ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node })));
    const bind = (): Frame | undefined => link.frames.find(({ type }) => type === "bind");
    await until(() => bind() !== undefined, 5_000, "BIND");
    const { alias } = bind() as BindServiceFrame;
    const chain = new ChainEncoder(DEFAULT_CODEC_LIMITS);
    const batch = { epoch: 7, rows: ["a text"], at: 0, spanMs: 0 };
    for (const from of [1, 2])
      link.send({ type: "coded", alias, ...chain.encode({ ...batch, from, to: from }, 0, 1) });
    const bye = (): Frame | undefined => link.frames.find(({ type }) => type === "bye");
    const bob = await stack.connect("bob");
    const subscription = await bob.subscribe<string>(node);
    const texts: string[] = [];
    subscription.on("update", ({ value }) => texts.push(value));
    await until(() => texts.length > 0, 5_000, "the last value");
    expect(texts[0]).toBe("a text");
    await bob.close();
    expect(bye()).toBeUndefined();
    await link.stream.close();
  });
});
