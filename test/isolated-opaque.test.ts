import type { Client } from "@stanzapack/client";
import type { CodedFrame, DataFrame, Value } from "@stanzapack/wire";
import { NS, parseForm, xml } from "@stanzapack/xmpp";
import { until } from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

const WINDOW = { "pubsub#digest_frequency": "100" };

function formsOf(link: RawLink): string[] {
  return link.frames
    .filter((frame): frame is DataFrame | CodedFrame => frame.type === "data" || frame.type === "coded")
    .map(({ form }) => form);
}

/** Text of one person, about two lines long. */
const said = (i: number): string =>
  Array.from({ length: 25 }, (_, j) => `word${((i + 1) * (j + 3)) % 53}`).join(" ");

describe.each(SERVERS)("services that are not coded as usual, through %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let bob: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"]);
    [alice, bob] = [await stack.connect("alice"), await stack.connect("bob")];
  });
  afterAll(() => stack.stop());

  /** A link that reads every form. */
  async function open(node: string): Promise<RawLink> {
    const link = await openRawLink(await stack.raw("carol"), stack.domain);
    link.send({ ...HELLO, codecs: ["rows", "deflated", "coded"] });
    await link.subscribe(node, WINDOW);
    return link;
  }

  /** Value of a field of a service in service discovery. */
  async function shown(link: RawLink, node: string, field: string): Promise<string | undefined> {
    const result = await link.ask("get", xml("query", { xmlns: NS.DISCO_INFO, node }));
    const query = result.getChild("query", NS.DISCO_INFO);
    return query && parseForm(query)?.fields.get(`{urn:stanzapack:0}${field}`)?.[0];
  }

  it("`isolated`: no update is coded by another, until the publisher shares again", async () => {
    const service = await alice.offer("chat", { kind: "log", compression: "isolated" });
    const got: Value[] = [];
    const subscription = await bob.subscribe(service.node, { windowMs: 100 });
    subscription.on("update", ({ value }) => got.push(value));
    const carol = await open(service.node);
    expect(await shown(carol, service.node, "compression")).toBe("isolated");
    const sent: Value[] = [];
    const publish = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const value = i % 4 >= 2 ? i : { from: `user${i % 5}`, text: said(i) };
        sent.push(value);
        service.publish(value);
        if (i % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 120));
      }
      await until(() => got.length === sent.length, 10_000, "everything");
    };
    await publish(20);
    expect(got).toEqual(sent);
    await until(() => formsOf(carol).length > 5, 5_000, "bodies");
    expect(formsOf(carol)).toContain("independent");
    for (const form of formsOf(carol)) expect(["rows", "independent"]).toContain(form);

    await service.configure({ compression: "shared" });
    expect(await shown(carol, service.node, "compression")).toBe("shared");
    await publish(20);
    expect(got).toEqual(sent);
    await until(() => formsOf(carol).includes("chained"), 5_000, "a chain");
    await subscription.stop();
    await service.stop();
  });

  it("`opaque`: bytes pass as they are, whoever could read more", async () => {
    const service = await alice.offer("sealed", { kind: "log", opaque: true });
    const sent = Array.from({ length: 12 }, (_, i) => crypto.getRandomValues(new Uint8Array(i * 97)));
    for (const value of sent.slice(0, 3)) service.publish(value);
    expect(() => service.publish("text" as unknown as Uint8Array)).toThrow(
      expect.objectContaining({ code: "unencodable" }),
    );
    const subscription = await bob.subscribe<Uint8Array>(service.node, { windowMs: 100, since: "first" });
    const got: Uint8Array[] = [];
    subscription.on("update", ({ value }) => got.push(value.slice()));
    const carol = await open(service.node);
    expect(await shown(carol, service.node, "opaque")).toBe("1");
    for (const value of sent.slice(3)) service.publish(value);
    await until(() => got.length === sent.length, 10_000, "everything");
    expect(got).toEqual(sent);
    await until(() => formsOf(carol).length > 0, 5_000, "bodies");
    expect(new Set(formsOf(carol))).toEqual(new Set(["rows"]));

    const late = await stack.connect("carol");
    await expect(late.subscribe(service.node, { fields: ["a"] })).rejects.toMatchObject({
      code: "invalid-options",
    });
    await late.close();
    await subscription.stop();
    await service.stop();
  });
});
