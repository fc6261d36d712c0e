import type { Client } from "@stanzapack/client";
import { configSchema, createComponent } from "@stanzapack/component";
import {
  createComponentConnection,
  NS,
  xml,
  type ComponentTlsOptions,
  type Connection,
  type Element,
} from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

describe.each(SERVERS)("errors that say what to do, through %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let bob: Client;
  let raw: Connection;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"], { componentTls: server === "ejabberd" });
    alice = await stack.connect("alice");
    bob = await stack.connect("bob");
    raw = await stack.raw("carol");
  });
  afterAll(() => stack.stop());

  const ask = (type: "get" | "set", child: Element): Promise<Element> =>
    raw.request(xml("iq", { type, to: stack.domain }, child), { timeoutMs: 5_000 });
  const subscribeWith = (node: string, fields: Record<string, string>): Element =>
    xml(
      "pubsub",
      NS.PUBSUB,
      xml("subscribe", { node, jid: raw.jid }),
      xml(
        "options",
        {},
        xml(
          "x",
          { xmlns: NS.DATA_FORMS, type: "submit" },
          ...Object.entries({ FORM_TYPE: NS.PUBSUB_SUBSCRIBE_OPTIONS, ...fields }).map(([name, value]) =>
            xml("field", { var: name }, xml("value", {}, value)),
          ),
        ),
      ),
    );

  it("a wrong password is final, at once", async () => {
    const started = Date.now();
    await expect(stack.connect("bob", { password: "wrong" })).rejects.toMatchObject({
      code: "auth-failed",
      retryable: false,
      message: expect.stringContaining("Check the JID and the password"),
    });
    // It does not spend 20 s on retries.
    expect(Date.now() - started).toBeLessThan(20_000);
  });

  it("no component behind the domain", async () => {
    await expect(stack.connect("bob", { component: "nobody.localhost" })).rejects.toMatchObject({
      code: "component-unavailable",
      message: expect.stringContaining("stanzapack serve"),
    });
  });

  it("nobody listens at the port", async () => {
    await expect(stack.connect("bob", { url: "xmpp://127.0.0.1:1" })).rejects.toMatchObject({
      code: "unreachable",
    });
  });

  it("a certificate of an authority not trusted", async () => {
    await expect(stack.connect("bob", { ca: "" })).rejects.toMatchObject({
      code: "tls-failed",
      message: expect.stringContaining("--ca"),
    });
  });

  it("a resource that another session has: the newer one gets it", async () => {
    const older = await stack.raw("bob", { resource: "desk" });
    const ended = new Promise((resolve) => older.on("ended", resolve));
    const newer = await stack.raw("bob", { resource: "desk" });
    expect(await ended).toMatchObject({ code: "conflict" });
    expect(newer.jid).toBe("bob@localhost/desk");
  });

  // Prosody 0.12 has no TLS on its component port.
  it.runIf(server === "ejabberd")("a component whose TLS the server's port does not match", async () => {
    const { host, ports, components, ca } = stack.sandbox;
    const { domain, secret } = components[1] as { domain: string; secret: string };
    const at = { domain, secret, host, timeouts: { onlineMs: 10_000 } };
    const start = async (options: { port: number; tls?: ComponentTlsOptions; retryStart?: boolean }) => {
      const connection = createComponentConnection({ ...at, ...options });
      await connection.start().finally(() => connection.stop());
    };
    const port = ports.component;
    await start({ port, tls: { ca } });
    await start({ port, tls: { ca, serverName: domain } });
    // This error is final, although a component otherwise waits for its server.
    await expect(start({ port, tls: {} })).rejects.toMatchObject({
      code: "tls",
      message: expect.stringContaining("certificate"),
    });
    const other = { ca, serverName: "elsewhere.localhost" };
    await expect(start({ port, tls: other })).rejects.toMatchObject({
      code: "tls",
      message: expect.stringContaining("elsewhere"),
    });
    await expect(start({ port: ports.c2s, tls: { ca } })).rejects.toMatchObject({ code: "tls" });
    await expect(start({ port, retryStart: false })).rejects.toMatchObject({
      message: expect.stringContaining("may require TLS (option `tls`)"),
    });
    const component = createComponent({
      ...configSchema.parse({ component: { domain, secret }, log: { level: "silent" } }),
      component: { domain, secret, host, port, tls: {} },
    });
    await expect(component.start()).rejects.toMatchObject({
      code: "tls-failed",
      message: expect.stringContaining("Compare component.tls"),
    });
    await component.stop();
  });

  it("an unknown service", async () => {
    await expect(bob.subscribe("alice@localhost/nothing")).rejects.toMatchObject({
      code: "no-such-service",
      scope: "subscription",
      message: expect.stringContaining("stanzapack services"),
    });
    expect(await bob.listServices("alice@localhost")).toEqual([]);
  });

  it("a node that is none", async () => {
    for (const node of [
      "temp",
      "alice@localhost/",
      "alice@localhost/a b",
      "/x",
      `alice@localhost/${"x".repeat(65)}`,
    ]) {
      await expect(bob.subscribe(node)).rejects.toMatchObject({ code: "bad-name" });
    }
    await expect(alice.offer("a/b")).rejects.toMatchObject({ code: "bad-name" });
  });

  it("a service on a whitelist without us: refused, hidden, and revoked at once", async () => {
    const service = await alice.offer("private", { access: "whitelist", members: ["carol@localhost"] });
    await expect(bob.subscribe("alice@localhost/private")).rejects.toMatchObject({
      code: "not-allowed",
      message: expect.stringContaining("whitelist"),
    });
    expect((await bob.listServices()).map(({ node }) => node)).not.toContain("alice@localhost/private");
    await service.configure({ members: ["bob@localhost"] });
    const subscription = await bob.subscribe("alice@localhost/private");
    await service.configure({ members: [] });
    await expect(subscription[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "not-allowed" });
    await service.stop();
  });

  it("a second publisher of the same name", async () => {
    const service = await alice.offer("taken");
    const other = await stack.connect("alice");
    await expect(other.offer("taken")).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("choose another name"),
    });
    await service.stop();
    await (await other.offer("taken")).stop();
    await other.close();
  });

  it("somebody else's node", async () => {
    // By hand, since the SDK would not even send this request.
    await expect(
      ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node: "alice@localhost/mine" }))),
    ).rejects.toMatchObject({ condition: "forbidden" });
    const service = await alice.offer("hers");
    for (const child of [
      xml("delete", { node: "alice@localhost/hers" }),
      xml("configure", { node: "alice@localhost/hers" }),
      xml("affiliations", { node: "alice@localhost/hers" }),
    ]) {
      await expect(ask("set", xml("pubsub", NS.PUBSUB_OWNER, child))).rejects.toMatchObject({
        condition: "forbidden",
        type: "auth",
      });
    }
    await service.stop();
  });

  it("options that are malformed, unknown, or of a later version", async () => {
    const service = await alice.offer("options");
    const node = "alice@localhost/options";
    await expect(bob.subscribe(node, { windowMs: -1 })).rejects.toMatchObject({ code: "invalid-options" });
    await expect(bob.subscribe(node, { windowMs: 1e12 })).rejects.toMatchObject({ code: "invalid-options" });
    await expect(
      ask("set", subscribeWith(node, { "pubsub#digest_frequency": "soon" })),
    ).rejects.toMatchObject({
      ...{ condition: "bad-request", application: { name: "invalid-options" } },
      text: expect.stringContaining("pubsub#digest_frequency"),
    });
    await expect(ask("set", subscribeWith(node, {}))).rejects.toMatchObject({
      condition: "unexpected-request",
      text: expect.stringContaining("In-Band Bytestream"),
    });
    await service.stop();
  });

  it("a request that XEP-0060 has and this component does not", async () => {
    await expect(
      ask("set", xml("pubsub", NS.PUBSUB, xml("publish", { node: "x@y/z" }))),
    ).rejects.toMatchObject({
      condition: "feature-not-implemented",
      application: { name: "unsupported", xmlns: NS.PUBSUB_ERRORS },
    });
    await expect(ask("get", xml("pubsub", NS.PUBSUB, xml("items", { node: "x@y/z" })))).rejects.toMatchObject(
      { condition: "feature-not-implemented" },
    );
  });

  it("values that cannot travel", async () => {
    const service = await alice.offer("strict");
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    for (const value of [
      undefined,
      () => 1,
      10n,
      new Date(),
      new Map(),
      circular,
      { a: [1n] },
      new URL("x:y"),
    ]) {
      expect(() => service.publish(value as never)).toThrow(
        expect.objectContaining({ code: "unencodable", scope: "update" }),
      );
    }
    expect(() => service.publish("x".repeat(100_000))).toThrow(
      expect.objectContaining({ code: "too-large" }),
    );
    await service.stop();
    expect(() => service.publish(1)).toThrow(expect.objectContaining({ code: "stopped" }));
  });

  it("what XML cannot carry is refused where it is given, and all else goes on", async () => {
    const service = await alice.offer<{ n: number; note?: string }>("goes-on", { kind: "log" });
    const subscription = await bob.subscribe(service.node);
    const breaks: unknown[] = [];
    for (const client of [alice, bob]) client.on("offline", (reason) => breaks.push(reason));
    const attempts: (() => Promise<unknown>)[] = [
      () => alice.offer("title", { title: "a\u0002b" }),
      () => alice.offer("surrogate", { title: "half \ud83d" }),
      () => alice.offer("long", { title: "x".repeat(257) }),
      () => alice.offer("members", { access: "whitelist", members: ["bo\u0002b@localhost"] }),
      () => service.configure({ title: "a\ufffe" }),
      () => bob.subscribe("al\u0002ice@localhost/goes-on"),
      () => bob.subscribe("alice@localhost/other", { fields: ["\u0007"] }),
      () => bob.subscribeAll(["al\u001fice@localhost/*"]),
      () => subscription.change({ fields: ["\udc00"] }),
      () => bob.listServices("ali\ufffece@localhost"),
      () => stack.connect("bob", { resource: "a\u0002" }),
    ];
    for (const attempt of attempts)
      await expect(attempt()).rejects.toMatchObject({ code: "invalid-options" });
    // A value may have any text. Fields that are undefined are left out.
    service.publish({ n: 1, note: "\u0002 \ud800" });
    service.publish({ n: 2, note: undefined as never });
    const values: unknown[] = [];
    for await (const { value } of subscription) if (values.push(value) === 2) break;
    expect(values).toEqual([{ n: 1, note: "\u0002 \ud800" }, { n: 2 }]);
    expect(breaks).toEqual([]);
    expect((await bob.listServices("alice@localhost")).map(({ node }) => node)).toContain(service.node);
    await service.stop();
  });

  it("what the component refuses names the SDK's own option", async () => {
    const service = await alice.offer("whole", { kind: "log" });
    const refused = {
      code: "invalid-options",
      text: expect.stringContaining("leave samples, maxRate and deadband out"),
    };
    await expect(bob.subscribe(service.node, { maxRate: 1 })).rejects.toMatchObject(refused);
    await expect(bob.subscribeAll([service.node], { samples: "latest" })).rejects.toMatchObject(refused);
    const subscription = await bob.subscribe(service.node);
    await expect(subscription.change({ deadband: 1 })).rejects.toMatchObject(refused);
    await service.stop();
  });
});
