import type { AuthorizeRequest, Client, SubscriptionStatus } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import {
  formatForm,
  NS,
  parseForm,
  xml,
  type Connection,
  type DataForm,
  type Element,
} from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink } from "./support/raw-link.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

const MAX_PER_OWNER = 3;
const MAX_PER_ASKER = 2;

describe.each(SERVERS)("access model authorize, behind %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let bob: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol", "mallory"], {
      limits: { maxPendingPerOwner: MAX_PER_OWNER, maxPendingPerAsker: MAX_PER_ASKER, denialSeconds: 1 },
    });
    alice = await stack.connect("alice");
    bob = await stack.connect("bob");
  });
  afterAll(() => stack.stop());

  /** An application whose decisions the test makes. */
  function decider(): {
    authorize: (request: AuthorizeRequest) => Promise<boolean>;
    asked: AuthorizeRequest[];
    decide: (allowed: boolean) => void;
  } {
    const waiting: ((allowed: boolean) => void)[] = [];
    const asked: AuthorizeRequest[] = [];
    return {
      asked,
      authorize(request) {
        asked.push(request);
        return new Promise((resolve) => waiting.push(resolve));
      },
      decide: (allowed) => {
        for (const resolve of waiting.splice(0)) resolve(allowed);
      },
    };
  }

  it("asks the publisher's application once for each JID, and remembers its yes", async () => {
    const { authorize, asked, decide } = decider();
    const service = await alice.offer("asked", { access: "authorize", authorize });
    const decisions: unknown[] = [];
    service.on("decided", (decision) => decisions.push(decision));
    const { node } = service;
    expect(
      (await bob.listServices("alice@localhost")).map((info) => [info.node, info.access]),
    ).toContainEqual([node, "authorize"]);
    let pending = 0;
    const subscribing = bob.subscribe<number>(node, { windowMs: 100, onPending: () => pending++ });
    // The question and the answer `pending` travel on different links, so either may be first.
    await until(() => asked.length === 1 && pending === 1, 5_000, "the question, and the answer");
    expect(asked).toEqual([{ jid: "bob@localhost", node }]);
    expect(stack.component.stats()).toMatchObject({ pendingApprovals: 1, subscriptions: 0 });
    decide(true);
    const subscription = await subscribing;
    expect(subscription).toMatchObject({ status: "online", windowMs: 100 });
    service.publish(7);
    expect((await subscription[Symbol.asyncIterator]().next()).value?.value).toBe(7);
    expect(decisions).toEqual([{ jid: "bob@localhost", allowed: true, error: undefined }]);

    const again = await stack.connect("bob");
    await again.subscribe(node);
    await subscription.stop();
    await bob.subscribe(node);
    expect(asked.length).toBe(1);
    expect(stack.component.stats().pendingApprovals).toBe(0);
    await again.close();
    await service.stop();
  });

  it("denies with a clear error, by a throw too, remembers it for a while, and then asks again", async () => {
    const jids: string[] = [];
    let answer: () => boolean = () => false;
    const service = await alice.offer("denied", {
      access: "authorize",
      authorize: ({ jid }) => {
        jids.push(jid);
        return answer();
      },
    });
    const refused = {
      code: "not-allowed",
      message: expect.stringContaining("alice@localhost did not allow"),
    };
    await expect(bob.subscribe(service.node)).rejects.toMatchObject(refused);
    await expect(bob.subscribe(service.node)).rejects.toMatchObject(refused);
    expect(jids).toEqual(["bob@localhost"]);
    let thrown: unknown;
    service.on("decided", ({ error }) => (thrown = error));
    answer = () => {
      throw new Error("the directory is away");
    };
    const carol = await stack.connect("carol");
    await expect(carol.subscribe(service.node)).rejects.toMatchObject(refused);
    expect(thrown).toMatchObject({ message: "the directory is away" });
    await carol.close();
    answer = () => true;
    await expect
      .poll(() =>
        bob.subscribe(service.node).then(
          ({ status }) => status,
          () => "refused",
        ),
      )
      .toBe("online");
    expect(jids).toEqual(["bob@localhost", "carol@localhost", "bob@localhost"]);
    await service.stop();
  });

  it("revokes at once, members and approved ones, and asks when they come again", async () => {
    let asked = 0;
    const service = await alice.offer("revoked", {
      access: "authorize",
      members: ["carol@localhost"],
      authorize: () => ++asked === 1,
    });
    const carol = await stack.connect("carol");
    const ends = await Promise.all(
      [bob, carol].map(async (client) => {
        const subscription = await client.subscribe(service.node);
        return { ended: new Promise((resolve) => subscription.on("ended", resolve)) };
      }),
    );
    expect(asked).toBe(1);
    await service.revoke("bob@localhost/some-session");
    expect(await ends[0]?.ended).toMatchObject({ code: "not-allowed", origin: "peer" });
    expect(stack.component.stats().subscriptions).toBe(1);
    await service.revoke("Carol@localhost");
    expect(await ends[1]?.ended).toMatchObject({ code: "not-allowed", origin: "peer" });
    await expect(bob.subscribe(service.node)).rejects.toMatchObject({ code: "not-allowed" });
    await expect(carol.subscribe(service.node)).rejects.toMatchObject({ code: "not-allowed" });
    expect(asked).toBe(3);
    // The service knows no members any more, even after the next offer.
    expect(service.options.members).toEqual([]);
    await service.configure({ access: "open" });
    await expect(service.revoke("bob@localhost")).rejects.toMatchObject({ code: "usage" });
    await carol.subscribe(service.node);
    await carol.close();
    await service.stop();
  });

  it("keeps the question while the publisher is away, and puts it when the service is back", async () => {
    const first = await stack.connect("alice");
    const name = "away";
    const node = `alice@localhost/${name}`;
    await first.offer(name, { access: "authorize", authorize: () => false });
    await first.close();
    await expect
      .poll(async () => (await bob.listServices()).find((info) => info.node === node)?.online)
      .toBe(false);
    const subscribing = bob.subscribe(node);
    await until(() => stack.component.stats().pendingApprovals === 1, 5_000, "the request");
    const asked: AuthorizeRequest[] = [];
    const service = await alice.offer(name, {
      access: "authorize",
      authorize: (request) => asked.push(request) === 1,
    });
    await subscribing;
    expect(asked).toEqual([{ jid: "bob@localhost", node }]);
    await service.stop();
  });

  it("gives up after its deadline, when the service ends, and when everybody may", async () => {
    const { authorize, asked, decide } = decider();
    const service = await alice.offer("slow", { access: "authorize", authorize });
    await expect(bob.subscribe(service.node, { approvalMs: 200 })).rejects.toMatchObject({
      code: "pending",
      message: expect.stringContaining("within 200 ms"),
    });
    expect(stack.component.stats().pendingApprovals).toBe(0);
    const opened = bob.subscribe(service.node);
    await until(() => stack.component.stats().pendingApprovals === 1, 5_000, "the second request");
    await service.configure({ access: "open" });
    await (await opened).stop();
    await service.configure({ access: "authorize" });
    const withdrawn = bob.subscribe(service.node).catch((error: unknown) => error);
    await until(() => stack.component.stats().pendingApprovals === 1, 5_000, "the third request");
    await service.stop();
    expect(await withdrawn).toMatchObject({ code: "withdrawn" });
    // A decision that comes too late counts for nobody.
    decide(true);
    expect(asked.length).toBeGreaterThan(0);
    await expect(alice.offer("slow", { access: "authorize" })).rejects.toMatchObject({
      code: "invalid-options",
    });
  });

  it("bounds what awaits approval, for each asker and for each publisher", async () => {
    const { authorize, asked, decide } = decider();
    const services = await Promise.all(
      ["one", "two", "three", "four"].map((name) => alice.offer(name, { access: "authorize", authorize })),
    );
    const node = (index: number): string => services[index]?.node as string;
    const mallory = await stack.raw("mallory");
    const link = await openRawLink(mallory, stack.domain);
    link.send(HELLO);
    for (let i = 0; i < MAX_PER_ASKER; i++)
      expect(stateOf(await link.subscribe(node(i)))).toMatchObject({ subscription: "pending" });
    const full = { condition: "resource-constraint", type: "wait", application: { name: "retry-after" } };
    await expect(link.subscribe(node(2))).rejects.toMatchObject({
      ...full,
      text: expect.stringContaining("mallory@localhost"),
    });
    const carolConnection = await stack.raw("carol");
    const carol = await openRawLink(carolConnection, stack.domain);
    carol.send(HELLO);
    for (let i = MAX_PER_ASKER; i < MAX_PER_OWNER; i++) await carol.subscribe(node(i));
    await expect(carol.subscribe(node(3))).rejects.toMatchObject({
      ...full,
      text: expect.stringContaining("alice@localhost"),
    });
    // A request that is given up makes room for another.
    await carol.ask(
      "set",
      xml("pubsub", NS.PUBSUB, xml("unsubscribe", { node: node(2), jid: carolConnection.jid })),
    );
    await carol.subscribe(node(3));
    expect(stack.component.stats().pendingApprovals).toBe(MAX_PER_OWNER);
    await until(() => asked.length === MAX_PER_OWNER + 1, 5_000, "every question");
    decide(false);
    await until(() => stack.component.stats().pendingApprovals === 0, 5_000, "all are answered");
    await Promise.all(services.map((service) => service.stop()));
  });

  it("asks again after the component forgot, and shows `pending` meanwhile", async () => {
    const { authorize, asked, decide } = decider();
    const service = await alice.offer("forgotten", { access: "authorize", authorize });
    const subscribing = bob.subscribe<number>(service.node);
    await until(() => asked.length === 1, 5_000, "the question");
    decide(true);
    const subscription = await subscribing;
    const states: SubscriptionStatus[] = [];
    subscription.on("status", ({ status }) => states.push(status));
    await stack.restartComponent(0);
    await until(() => asked.length === 2 && subscription.status === "pending", 20_000, "the question again");
    decide(true);
    await until(() => subscription.status === "online", 5_000, "the subscription");
    service.publish(1);
    for await (const { value } of subscription) {
      expect(value).toBe(1);
      break;
    }
    expect(states).toContain("disconnected");
    await service.stop();
  });

  it("is XEP-0060 §8.6 for everyone else: pending, the form, the answer, the word to the subscriber", async () => {
    const node = "alice@localhost/plain";
    const owner = await stack.raw("alice");
    const ownerLink = await openRawLink(owner, stack.domain);
    ownerLink.send(HELLO);
    const forms: DataForm[] = [];
    const questions: Element[] = [];
    const errors: Element[] = [];
    owner.onStanza((stanza) => {
      if (!stanza.is("message")) return false;
      const form = parseForm(stanza);
      if (form === undefined) return true;
      forms.push(form);
      questions.push(stanza);
      return true;
    });
    const config = formatForm("submit", NS.PUBSUB_NODE_CONFIG, { "pubsub#access_model": "authorize" });
    await ownerLink.ask(
      "set",
      xml("pubsub", NS.PUBSUB, xml("create", { node }), xml("configure", {}, config)),
    );

    const connection = await stack.raw("carol");
    const link = await openRawLink(connection, stack.domain);
    link.send(HELLO);
    const events: Element[] = [];
    connection.onStanza((stanza) => {
      if (stanza.getChild("event", NS.PUBSUB_EVENT) === undefined) return false;
      events.push(stanza);
      return true;
    });
    expect(stateOf(await link.subscribe(node))).toEqual({
      node,
      jid: connection.jid,
      subscription: "pending",
    });
    await expect(link.subscribe(node)).rejects.toMatchObject({
      ...{ condition: "not-authorized", type: "auth" },
      application: { name: "pending-subscription", xmlns: NS.PUBSUB_ERRORS },
    });
    const listed = await link.ask("get", xml("pubsub", NS.PUBSUB, xml("subscriptions")));
    expect(listed.getChild("pubsub")?.getChild("subscriptions")?.getChild("subscription")?.attrs).toEqual({
      ...{ node, jid: connection.jid, subscription: "pending" },
    });

    await until(() => forms.length === 1, 5_000, "the form");
    const [form] = forms as [DataForm];
    expect([form.type, form.formType]).toEqual(["form", NS.PUBSUB_SUBSCRIBE_AUTHORIZATION]);
    // §8.6, example: an id, a text for people, and the meaning of each field.
    const [question] = questions as [Element];
    expect(question.attrs["id"]).toMatch(/^approve-./);
    expect(question.getChildText("body")).toContain(`carol@localhost asks to subscribe to ${node}`);
    const types = question.getChild("x")?.getChildren("field");
    expect(types?.map(({ attrs }) => attrs["type"] as string)).toEqual([
      ...["hidden", "hidden", "text-single", "jid-single", "boolean"],
    ]);
    const fields = Object.fromEntries(form.fields);
    expect(fields).toEqual({
      "pubsub#subid": [expect.any(String)],
      "pubsub#node": [node],
      "pubsub#subscriber_jid": ["carol@localhost"],
      "pubsub#allow": ["false"],
    });

    // Nobody answers in the owner's place, and nobody answers a question that was not asked.
    const allowed = { ...fields, "pubsub#allow": ["true"] };
    const answer = (by: Connection, values: Record<string, string[]>): void =>
      void by.sendElement(
        xml("message", { to: stack.domain, id: "answer" }, formatForm("submit", form.formType, values)),
      );
    const forged: Element[] = [];
    const mallory = await stack.raw("mallory");
    mallory.onStanza((stanza) => stanza.attrs["type"] === "error" && forged.push(stanza) > 0);
    answer(mallory, allowed);
    answer(connection, allowed);
    const session = await stack.raw("alice");
    session.onStanza((stanza) => stanza.attrs["type"] === "error" && errors.push(stanza) > 0);
    answer(session, { ...allowed, "pubsub#subid": ["another"] });
    answer(session, { ...allowed, "pubsub#subscriber_jid": ["mallory@localhost"] });
    answer(session, { ...allowed, "pubsub#allow": ["perhaps"] });
    // A form that is not submitted is no decision. A cancelled form leaves the request pending.
    for (const type of ["form", "result", "cancel"] as const)
      session.sendElement(
        xml("message", { to: stack.domain, id: type }, formatForm(type, form.formType, allowed)),
      );
    await until(() => errors.length === 5 && forged.length === 1, 5_000, "the refusals");
    expect(forged[0]?.getChild("error")?.getChild("forbidden")).toBeDefined();
    expect(stack.component.stats()).toMatchObject({ pendingApprovals: 1, subscriptions: 0 });
    expect(events).toEqual([]);

    // Any session of the owner may answer.
    answer(session, allowed);
    await until(() => events.length === 1, 5_000, "the word to the subscriber");
    const told = events[0]?.getChild("event")?.getChild("subscription")?.attrs;
    expect(told).toEqual({
      node,
      jid: connection.jid,
      subid: expect.any(String),
      subscription: "subscribed",
    });
    await until(() => link.frames.some((frame) => frame.type === "bind"), 5_000, "BIND");
    expect(link.frames.find((frame) => frame.type === "bind")).toMatchObject({
      node,
      subid: told?.["subid"],
    });

    const affiliations = await ownerLink.ask(
      "get",
      xml("pubsub", NS.PUBSUB_OWNER, xml("affiliations", { node })),
    );
    const list = affiliations.getChild("pubsub")?.getChild("affiliations")?.getChildren("affiliation");
    expect(list?.map(({ attrs }) => attrs as unknown)).toContainEqual({
      jid: "carol@localhost",
      affiliation: "member",
    });
    await ownerLink.ask("set", xml("pubsub", NS.PUBSUB_OWNER, xml("delete", { node })));
  });
});

function stateOf(result: Element): Record<string, string> {
  return result.getChild("pubsub")?.getChild("subscription")?.attrs as Record<string, string>;
}
