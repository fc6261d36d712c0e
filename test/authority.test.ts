import { readFileSync, writeFileSync } from "node:fs";
import { until } from "@stanzapack/testkit";
import type {
  BindSubscriptionFrame,
  CallFrame,
  ChangeFrame,
  DataFrame,
  Frame,
  HelloFrame,
  RequestFrame,
  ResumeFrame,
  SubscribeFrame,
} from "@stanzapack/wire";
import {
  bareJid,
  createComponentConnection,
  formatForm,
  NS,
  xml,
  type Connection,
  type Element,
} from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AUTHORITY, formatAuthority, WHO, type What, type Who } from "./support/authority-table.js";
import { RawPeer } from "./support/raw-peer.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

const OPEN = "alice@localhost/open";
const CLOSED = "alice@localhost/closed";
const LOG = "alice@localhost/log";
const MAP = "alice@localhost/map";
const MEMBERS = "{urn:stanzapack:0}members";
const TAKE_OVER = "{urn:stanzapack:0}take_over";

const pubsub = (...children: Element[]): Element => xml("pubsub", NS.PUBSUB, ...children);
const owned = (...children: Element[]): Element => xml("pubsub", NS.PUBSUB_OWNER, ...children);
const configure = (node: string | undefined, fields: Record<string, string | string[]>): Element =>
  xml("configure", { node }, formatForm("submit", NS.PUBSUB_NODE_CONFIG, fields));
const create = (node: string, fields?: Record<string, string | string[]>): Element =>
  pubsub(xml("create", { node }), ...(fields === undefined ? [] : [configure(undefined, fields)]));
const update = (alias: number, epoch: number): DataFrame => ({
  ...{ type: "data", alias, form: "rows", epoch, from: 1, to: 1, at: 0, spanMs: 0 },
  payload: Uint8Array.of(1),
});

describe("docs/reference/authority.md", () => {
  it("has the table that the tests go through", () => {
    const file = new URL("../docs/reference/authority.md", import.meta.url);
    const page = readFileSync(file, "utf8");
    const section = /(<!-- authority: [^>]*-->\n)[^]*?(\n<!-- \/authority -->)/;
    const made = page.replace(
      section,
      (_, before: string, after: string) => before + formatAuthority() + after,
    );
    if (process.env["UPDATE_DOCS"] !== undefined) writeFileSync(file, made);
    expect(page).toMatch(section);
    expect(made).toBe(page);
  });
});

describe.each(SERVERS)("who may do what, through %s", (server) => {
  let stack: Stack;
  let other: Connection;
  let peers: Record<Who, RawPeer>;
  let epoch = 0;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol", "mallory"]);
    const { domain, secret } = stack.sandbox.components[1] as { domain: string; secret: string };
    const { host, ports } = stack.sandbox;
    other = createComponentConnection({ domain, secret, host, port: ports.component });
    await other.start();
    const session = async (user: string, resource: string): Promise<RawPeer> =>
      new RawPeer(await stack.raw(user, { resource }), stack.domain);
    peers = {
      publisher: await session("alice", "one"),
      "owner elsewhere": await session("alice", "two"),
      member: await session("bob", "one"),
      "without link": await session("bob", "two"),
      stranger: await session("carol", "one"),
      lookalike: await session("mallory", "alice@localhost"),
      namesake: new RawPeer(other, stack.domain, `alice@${domain}/r`),
      domain: new RawPeer(other, stack.domain, domain),
    };
    expect(peers.lookalike.jid).toBe("mallory@localhost/alice@localhost");
    for (const who of Object.keys(WHO) as Who[])
      if (who !== "without link" && who !== "domain") await peers[who].link();
    await offer();
  });
  afterAll(async () => {
    await other.stop();
    await stack.stop();
  });

  async function offer(): Promise<void> {
    await peers.publisher.ask("set", create(OPEN));
    await peers.publisher.ask(
      "set",
      create(CLOSED, { "pubsub#access_model": "whitelist", [MEMBERS]: ["bob@localhost"] }),
    );
  }

  const subscribe = (node: string, jid: string, options: Record<string, string> = {}): Element =>
    pubsub(
      xml("subscribe", { node, jid }),
      xml("options", {}, formatForm("submit", NS.PUBSUB_SUBSCRIBE_OPTIONS, options)),
    );

  /** `subid` of the member's subscription to the open node. Subscribes if there is no subscription. */
  async function subidOfMember(): Promise<string> {
    const answer = await peers.member.ask("set", subscribe(OPEN, peers.member.jid));
    return subidIn(answer);
  }
  const subidIn = (answer: Element): string =>
    String(answer.getChild("pubsub", NS.PUBSUB)?.getChild("subscription")?.attrs["subid"]);

  /** Subscribes, and reports the outcome. A granted subscription is ended again, unless it is the member's. */
  async function subscribing(who: Who, child: Element): Promise<string> {
    const outcome = await peers[who].outcome("set", child);
    const node = child.getChild("subscribe")?.attrs["node"] as string;
    if (outcome === "result" && who !== "member")
      await peers[who].ask("set", pubsub(xml("unsubscribe", { node, jid: peers[who].jid })));
    return outcome;
  }

  /** Acts while the member has a cursor that nobody uses. */
  async function withCursor(act: () => Promise<string>): Promise<string> {
    const { publisher, member } = peers;
    await publisher.ask("set", create(LOG, { "{urn:stanzapack:0}kind": "log" }));
    const options = { "{urn:stanzapack:0}cursor": "main", "{urn:stanzapack:0}credit": "1" };
    await member.ask("set", subscribe(LOG, member.jid, options));
    await member.ask("set", pubsub(xml("unsubscribe", { node: LOG, jid: member.jid })));
    const outcome = await act();
    await publisher.ask("set", owned(xml("delete", { node: LOG })));
    return outcome;
  }

  /** Acts while the publisher offers a map without keys. */
  async function withMap(act: () => Promise<string>): Promise<string> {
    const { publisher } = peers;
    await publisher.ask("set", create(MAP, { "{urn:stanzapack:0}kind": "map" }));
    const bind = (): Frame | undefined =>
      publisher.frames.findLast((it) => it.type === "bind" && it.role === "service" && it.node === MAP);
    await until(() => bind() !== undefined, 5_000, "BIND of the map");
    const { alias } = bind() as { readonly alias: number };
    publisher.send({ ...update(alias, ++epoch), payload: Uint8Array.of(0x90) });
    await publisher.settled();
    const outcome = await act();
    await publisher.ask("set", owned(xml("delete", { node: MAP })));
    return outcome;
  }

  const optionsOf = (subid: string, jid: string): Element => xml("options", { node: OPEN, subid, jid });
  const changed = (subid: string, jid: string): Element => {
    const options = optionsOf(subid, jid);
    options.append(formatForm("submit", NS.PUBSUB_SUBSCRIBE_OPTIONS, { "pubsub#digest_frequency": "200" }));
    return pubsub(options);
  };

  /** Reports what the component did with frames that `send` sends. */
  async function sending(peer: RawPeer, send: () => void): Promise<string> {
    const { updatesIn } = stack.component.stats();
    peer.errors.length = 0;
    send();
    await peer.settled();
    if (stack.component.stats().updatesIn > updatesIn) return "taken";
    return peer.bye ?? peer.errors[0] ?? "nothing";
  }

  const publisherAlias = (): number => {
    const bind = peers.publisher.frames.findLast(
      (frame) => frame.type === "bind" && frame.role === "service" && frame.node === OPEN,
    );
    return (bind as { readonly alias: number }).alias;
  };

  /**
   * Outcome of a request by frame. Each request uses a new link, on which no alias has been used. Only the member keeps
   * its link, unless the request is a resume.
   */
  async function requesting(
    who: Who,
    request: Omit<SubscribeFrame, "request"> | Omit<ChangeFrame, "request"> | Omit<ResumeFrame, "request">,
  ): Promise<string> {
    const peer = peers[who];
    const frame = { ...request, request: 1 } as RequestFrame;
    if (!hasLink(who)) return await sending(peer, () => peer.send(frame));
    if (who !== "member" || request.type === "resume") await peer.link();
    if (who === "publisher") await offer();
    const from = peer.frames.length;
    peer.send(frame);
    await until(() => peer.frames.some(({ type }) => type === "done"), 5_000, "DONE");
    const answers = peer.frames.slice(from);
    const named = answers.flatMap((it) => ("subid" in it ? it.node.slice(it.node.indexOf("/") + 1) : []));
    const granted = answers.some(({ type }) => type === "grant");
    const refused = answers.find((it) => it.type === "refused");
    // A new link ends the subscriptions and patterns of the old link.
    await peer.link();
    if (who === "publisher") await offer();
    if (refused !== undefined) return refused.code;
    if (request.type === "subscribe" && request.nodes[0]?.endsWith("*") === true)
      return `granted ${named.filter((name) => name !== "gone").join(", ")}`;
    return granted ? "granted" : "done";
  }
  /** Alias of the peer's subscription to a node. Subscribes if there is no subscription. */
  async function aliasOf(peer: RawPeer, node = OPEN): Promise<number> {
    const subid = subidIn(await peer.ask("set", subscribe(node, peer.jid)));
    const bind = (): Frame | undefined =>
      peer.frames.find((frame) => "subid" in frame && frame.subid === subid);
    // The answer to the iq may arrive before the frame.
    await until(() => bind() !== undefined, 5_000, "BIND of the subscription");
    return (bind() as BindSubscriptionFrame).alias;
  }
  const aliasOfMember = (): Promise<number> => aliasOf(peers.member);

  /** Sends a frame about a call or a map, and waits for what becomes of it. */
  async function settling(
    peer: RawPeer,
    { send, isPassedOn }: { readonly send: () => void; readonly isPassedOn: () => boolean },
    success = "passed on",
  ): Promise<string> {
    peer.errors.length = 0;
    send();
    const outcome = (): string | undefined =>
      isPassedOn() ? success : (peer.bye ?? peer.errors[0] ?? undefined);
    await until(() => outcome() !== undefined, 5_000, "the outcome of a frame");
    return outcome() as string;
  }

  let calls = 0;
  const calling = (peer: RawPeer, alias: number): Promise<string> => {
    const id = Uint8Array.of(++calls >> 8, calls & 255);
    const frame: CallFrame = {
      ...{ type: "call", alias, call: calls, id, timeoutMs: 1_000, caller: null },
      ...{ again: false, method: "m", args: Uint8Array.of(1) },
    };
    return settling(peer, {
      send: () => peer.send(frame),
      isPassedOn: () =>
        peers.publisher.frames.some((it) => it.type === "call" && Buffer.compare(it.id, id) === 0),
    });
  };

  const repairing = (peer: RawPeer, alias: number): Promise<string> => {
    const from = peer.frames.length;
    return settling(
      peer,
      {
        send: () => peer.send({ type: "repair", role: "request", alias, ranges: [1], sums: null }),
        isPassedOn: () => peer.frames.slice(from).some(({ type }) => type === "repair"),
      },
      "answered",
    );
  };

  const hasLink = (who: Who): boolean => who !== "without link" && who !== "domain";

  const CELLS: Record<What, (who: Who, peer: RawPeer) => Promise<string>> = {
    "open a link": async (_, peer) => {
      const before = peer.sid;
      const outcome = await peer.open(`x${peer.sid}`);
      // A new link of the same session replaces the old link.
      await peer.outcome("set", xml("close", { xmlns: NS.IBB, sid: `x${before}` }));
      if (peer === peers.publisher) {
        await peer.link();
        await offer();
      } else if (before !== "") await peer.link();
      return outcome;
    },
    "offer a node of the owner's": async (_, peer) => {
      const outcome = await peer.outcome("set", create("alice@localhost/new"));
      if (outcome === "result") await peer.ask("set", owned(xml("delete", { node: "alice@localhost/new" })));
      return outcome;
    },
    "offer the node that is offered": (_, peer) => peer.outcome("set", create(OPEN)),
    "take over the node that is offered": async (who, peer) => {
      const taking = create(OPEN, { [TAKE_OVER]: "1" });
      const outcome = await peer.outcome("set", taking);
      if (outcome === "result" && who !== "publisher") await peers.publisher.ask("set", taking);
      return outcome;
    },
    "offer a node whose owner is spelt `ALICE@Localhost`": async (_, peer) => {
      const outcome = await peer.outcome("set", create("ALICE@Localhost/new"));
      if (outcome === "result") await peer.ask("set", owned(xml("delete", { node: "alice@localhost/new" })));
      return outcome;
    },
    "offer a node of one's own": async (_, peer) => {
      const node = `${bareJid(peer.jid)}/own`;
      const outcome = await peer.outcome("set", create(node));
      if (outcome === "result") await peer.ask("set", owned(xml("delete", { node })));
      return outcome;
    },
    "configure the node": (_, peer) => peer.outcome("set", owned(configure(OPEN, { "pubsub#title": "t" }))),
    "read its configuration": (_, peer) => peer.outcome("get", owned(xml("configure", { node: CLOSED }))),
    "read its affiliations": (_, peer) => peer.outcome("get", owned(xml("affiliations", { node: CLOSED }))),
    "put oneself on its whitelist": async (_, peer) => {
      const jid = bareJid(peer.jid);
      return await peer.outcome(
        "set",
        owned(xml("affiliations", { node: CLOSED }, xml("affiliation", { jid, affiliation: "member" }))),
      );
    },
    "delete a node of the owner's": async (_, peer) => {
      await peers.publisher.ask("set", create("alice@localhost/gone"));
      return await peer.outcome("set", owned(xml("delete", { node: "alice@localhost/gone" })));
    },
    "publish by iq": (_, peer) =>
      peer.outcome("set", pubsub(xml("publish", { node: OPEN }, xml("item", {}, xml("x", "urn:x"))))),
    "read items by iq": (_, peer) => peer.outcome("get", pubsub(xml("items", { node: OPEN }))),
    "find an open node": (_, peer) => peer.outcome("get", xml("query", { xmlns: NS.DISCO_INFO, node: OPEN })),
    "find a node with a whitelist": (_, peer) =>
      peer.outcome("get", xml("query", { xmlns: NS.DISCO_INFO, node: CLOSED })),
    "see it listed": async (_, peer) => {
      const answer = await peer.ask("get", xml("query", NS.DISCO_ITEMS));
      const nodes = answer
        .getChild("query", NS.DISCO_ITEMS)
        ?.getChildren("item")
        .map(({ attrs }) => attrs["node"] as string);
      expect(nodes).toContain(OPEN);
      return nodes?.includes(CLOSED) === true ? "yes" : "no";
    },
    "subscribe to an open node": (who, peer) => subscribing(who, subscribe(OPEN, peer.jid)),
    "subscribe to a node with a whitelist": (who, peer) => subscribing(who, subscribe(CLOSED, peer.jid)),
    "subscribe to an open node spelt `ALICE@Localhost`": (who, peer) =>
      subscribing(who, subscribe("ALICE@Localhost/open", peer.jid)),
    "subscribe the member's session": (who) => subscribing(who, subscribe(OPEN, peers.member.jid)),
    "subscribe one's bare JID": (who, peer) => subscribing(who, subscribe(OPEN, bareJid(peer.jid))),
    "subscribe with delivery `event`": (who, peer) =>
      subscribing(who, subscribe(OPEN, peer.jid, { "{urn:stanzapack:0}delivery": "event" })),
    "subscribe with delivery `body`": (who, peer) =>
      subscribing(who, subscribe(OPEN, peer.jid, { "{urn:stanzapack:0}delivery": "body" })),
    "read the member's options by JID and subid": async (_, peer) =>
      peer.outcome("get", pubsub(optionsOf(await subidOfMember(), peers.member.jid))),
    "read the member's options by subid, as one's own": async (_, peer) =>
      peer.outcome("get", pubsub(optionsOf(await subidOfMember(), peer.jid))),
    "change the member's options by JID and subid": async (_, peer) =>
      peer.outcome("set", changed(await subidOfMember(), peers.member.jid)),
    "change the member's options by subid, with a subscription of one's own": async (who, peer) => {
      const subid = await subidOfMember();
      if (!hasLink(who)) return await peer.outcome("set", changed(subid, peer.jid));
      await peer.ask("set", subscribe(OPEN, peer.jid));
      const outcome = await peer.outcome("set", changed(subid, peer.jid));
      if (who !== "member") await peer.ask("set", pubsub(xml("unsubscribe", { node: OPEN, jid: peer.jid })));
      return outcome;
    },
    "unsubscribe the member by JID and subid": async (_, peer) => {
      const subid = await subidOfMember();
      return await peer.outcome(
        "set",
        pubsub(xml("unsubscribe", { node: OPEN, subid, jid: peers.member.jid })),
      );
    },
    "unsubscribe the member by subid, as one's own": async (_, peer) => {
      const subid = await subidOfMember();
      return await peer.outcome("set", pubsub(xml("unsubscribe", { node: OPEN, subid, jid: peer.jid })));
    },
    "see the member's subscription listed": async (_, peer) => {
      const subid = await subidOfMember();
      const answer = await peer.ask("get", pubsub(xml("subscriptions")));
      const list = answer
        .getChild("pubsub", NS.PUBSUB)
        ?.getChild("subscriptions")
        ?.getChildren("subscription");
      return list?.some(({ attrs }) => attrs["subid"] === subid) === true ? "yes" : "no";
    },
    "see the member's cursor listed": (_, peer) =>
      withCursor(async () => {
        const answer = await peer.ask("get", xml("cursors", NS.STANZAPACK));
        const list = answer.getChild("cursors", NS.STANZAPACK)?.getChildren("cursor");
        return list?.some(({ attrs }) => attrs["node"] === LOG) === true ? "yes" : "no";
      }),
    "delete the member's cursor": (_, peer) =>
      withCursor(() =>
        peer.outcome("set", xml("cursors", NS.STANZAPACK, xml("delete", { node: LOG, name: "main" }))),
      ),
    "publish by the publisher's alias, on one's own link": async (who, peer) => {
      // A new link has no alias yet.
      if (hasLink(who) && who !== "publisher") await peer.link();
      const outcome = await sending(peer, () => peer.send(update(publisherAlias(), ++epoch)));
      if (outcome.startsWith("BYE")) await peer.link();
      return outcome;
    },
    "publish by the alias of one's subscription": async (who, peer) => {
      const alias = hasLink(who) ? await aliasOf(peer) : 0;
      const outcome = await sending(peer, () => peer.send(update(alias, ++epoch)));
      if (outcome.startsWith("BYE")) await peer.link();
      if (who === "publisher") await offer();
      return outcome;
    },
    "call by the alias of one's subscription": async (who, peer) => {
      const alias = hasLink(who) ? await aliasOf(peer) : 0;
      const outcome = await calling(peer, alias);
      if (hasLink(who) && who !== "member")
        await peer.ask("set", pubsub(xml("unsubscribe", { node: OPEN, jid: peer.jid })));
      return outcome;
    },
    "call by the member's alias, on one's own link": async (who, peer) => {
      const alias = await aliasOf(peers.member);
      // A new link has no alias yet.
      if (hasLink(who) && who !== "member") await peer.link();
      const outcome = await calling(peer, alias);
      if (outcome.startsWith("BYE")) await peer.link();
      if (who === "publisher") await offer();
      return outcome;
    },
    "answer a call that the publisher received, on one's own link": async (who, peer) => {
      const alias = await aliasOf(peers.member);
      // A new link has received no call yet.
      if (hasLink(who) && who !== "publisher" && who !== "member") await peer.link();
      expect(await calling(peers.member, alias)).toBe("passed on");
      const { call } = peers.publisher.frames.findLast(({ type }) => type === "call") as CallFrame;
      const from = peers.member.frames.length;
      const outcome = await settling(peer, {
        send: () => peer.send({ type: "result", call, ok: true, result: Uint8Array.of(1) }),
        isPassedOn: () => peers.member.frames.slice(from).some(({ type }) => type === "result"),
      });
      if (outcome.startsWith("BYE")) await peer.link();
      return outcome;
    },
    "ask by REPAIR about one's subscription to a map": (who, peer) =>
      withMap(async () => repairing(peer, hasLink(who) ? await aliasOf(peer, MAP) : 0)),
    "ask by REPAIR about the member's subscription, on one's own link": async (who, peer) => {
      const outcome = await withMap(async () => {
        const alias = await aliasOf(peers.member, MAP);
        // A new link has no alias yet.
        if (hasLink(who) && who !== "member") await peer.link();
        return await repairing(peer, alias);
      });
      if (outcome.startsWith("BYE")) await peer.link();
      if (who === "publisher") await offer();
      return outcome;
    },
    "send DIGEST or entries by REPAIR, as the component does": (who, peer) =>
      withMap(async () => {
        const head = { alias: hasLink(who) ? await aliasOf(peer, MAP) : 0, epoch: 1, position: 1, range: 1 };
        const outcomes: string[] = [];
        for (const frame of [
          { ...head, type: "digest", intervalMs: 0, sums: new Uint8Array(8) },
          { ...head, type: "repair", role: "entries", form: "rows", payload: new Uint8Array() },
        ] satisfies Frame[]) {
          outcomes.push(await sending(peer, () => peer.send(frame)));
          if (!hasLink(who)) break;
          await peer.link();
        }
        if (who === "publisher") await offer();
        expect(new Set(outcomes).size).toBe(1);
        return outcomes[0] as string;
      }),
    "SUBSCRIBE to an open node": (who) => requesting(who, { type: "subscribe", nodes: [OPEN], options: [] }),
    "SUBSCRIBE to a node with a whitelist": (who) =>
      requesting(who, { type: "subscribe", nodes: [CLOSED], options: [] }),
    "SUBSCRIBE to all that the owner offers": (who) =>
      requesting(who, { type: "subscribe", nodes: ["alice@localhost/*"], options: [] }),
    "CHANGE the member's subscription by its alias": async (who) =>
      requesting(who, {
        ...{ type: "change", aliases: [await aliasOfMember()], patterns: [] },
        options: [["pubsub#digest_frequency", "200"]],
      }),
    "stop the member's subscription by its alias": async (who) =>
      requesting(who, { type: "change", aliases: [await aliasOfMember()], patterns: [], options: null }),
    "RESUME by the member's token": async (who) => {
      await peers.member.link();
      const alias = await aliasOfMember();
      const hello = peers.member.frames.find((frame) => frame.type === "hello") as HelloFrame;
      const token = hello.token as Uint8Array;
      const positions = [{ alias, epoch: 0, offset: 0 }];
      return await requesting(who, { type: "resume", token, more: false, positions });
    },
    "publish by the publisher's sid": (who, peer) =>
      sending(peer, () => {
        if (who === "publisher") peer.send(update(publisherAlias(), ++epoch));
        else peer.sendBlock(peers.publisher.sid, 0, [update(publisherAlias(), ++epoch)]);
      }),
    "close the publisher's link by its sid": async (who, peer) => {
      const outcome = await peer.outcome("set", xml("close", { xmlns: NS.IBB, sid: peers.publisher.sid }));
      if (who === "publisher") {
        await peer.link();
        await offer();
      }
      return outcome;
    },
    "ask whether the publisher's link is there": (_, peer) =>
      peer.outcome("get", xml("ping", NS.PING), `${stack.domain}/${peers.publisher.sid}`),
  };

  describe.each(Object.keys(CELLS) as What[])("%s", (what) => {
    it.each(Object.keys(WHO) as Who[])("%s", async (who) => {
      expect(await CELLS[what](who, peers[who])).toBe(AUTHORITY[what][who]);
      if (what === "put oneself on its whitelist")
        await peers.publisher.ask("set", owned(configure(CLOSED, { [MEMBERS]: ["bob@localhost"] })));
    });
  });
});
