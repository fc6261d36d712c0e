import { until } from "@stanzapack/testkit";
import type { DataFrame, Frame } from "@stanzapack/wire";
import {
  createComponentConnection,
  formatForm,
  formatStanzaError,
  NS,
  StanzaError,
  xml,
  type Connection,
  type Element,
} from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RawPeer } from "./support/raw-peer.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

const NODE = "alice@localhost/s";
const MEMBERS = "{urn:stanzapack:0}members";
const EPOCH = 7;

const pubsub = (...children: Element[]): Element => xml("pubsub", NS.PUBSUB, ...children);
const owned = (...children: Element[]): Element => xml("pubsub", NS.PUBSUB_OWNER, ...children);
const configure = (fields: Record<string, string | string[]>): Element =>
  xml("configure", { node: NODE }, formatForm("submit", NS.PUBSUB_NODE_CONFIG, fields));
const update = (sequence: number): DataFrame => ({
  ...{ type: "data", alias: 0, form: "rows", epoch: EPOCH, from: sequence, to: sequence, at: 0, spanMs: 0 },
  payload: Uint8Array.of(sequence),
});
const data = (frames: readonly Frame[]): DataFrame[] => frames.filter((frame) => frame.type === "data");

describe.each(SERVERS)("what is forged, late or sent again, through %s", (server) => {
  let stack: Stack;
  let other: Connection;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"]);
    const { domain, secret } = stack.sandbox.components[1] as { domain: string; secret: string };
    other = createComponentConnection({
      domain,
      secret,
      host: "127.0.0.1",
      port: stack.sandbox.ports.component,
    });
    await other.start();
  });
  afterAll(async () => {
    await other.stop();
    await stack.stop();
  });

  async function peer(user: string, resource: string): Promise<[RawPeer, Connection]> {
    const connection = await stack.raw(user, { resource });
    return [new RawPeer(connection, stack.domain), connection];
  }
  const subscribe = (who: RawPeer, options: Record<string, string> = {}): Promise<string> =>
    who.outcome(
      "set",
      pubsub(
        xml("subscribe", { node: NODE, jid: who.jid }),
        xml("options", {}, formatForm("submit", NS.PUBSUB_SUBSCRIBE_OPTIONS, options)),
      ),
    );
  const errorAbout = (sid: string | undefined): [Element, Record<string, string>] => [
    sid === undefined
      ? formatStanzaError(new StanzaError("item-not-found", "cancel"))
      : xml("data", { xmlns: NS.IBB, sid, seq: "0" }),
    { type: "error" },
  ];

  it("a `from` that is not the sender's own: the server ends its stream, or puts the true one there", async () => {
    const [alice] = await peer("alice", "one");
    await (await alice.link()).ask("set", pubsub(xml("create", { node: NODE })));
    const before = stack.component.stats();
    const [, mallory] = await peer("carol", "forger");
    const forgers = [mallory, other].map((connection) => {
      const forger = { connection, offline: 0 };
      connection.on("offline", () => forger.offline++);
      for (const from of [alice.jid, "alice@localhost", stack.domain]) {
        const attrs = { type: "set", from, to: stack.domain, id: "f" };
        connection.send(String(xml("iq", attrs, owned(xml("delete", { node: NODE })))));
      }
      return forger;
    });
    // Prosody corrects clients' addresses: the requests arrive with their real sender, and are `forbidden`.
    const corrected = (): number => stack.component.stats().refusals - before.refusals;
    await until(
      () => forgers.every(({ offline }, i) => offline > 0 || (i === 0 && corrected() === 3)),
      10_000,
      "the end of the forgers' streams, or their refusal",
    );
    await until(() => forgers.every(({ connection }) => connection.state === "online"), 20_000, "both again");
    await alice.settled();
    expect(corrected()).toBe(server === "prosody" ? 3 : 0);
    expect(stack.component.stats().services).toBe(before.services);
    expect(alice.bye).toBeUndefined();
  });

  it("data of an earlier session of the same resource", async () => {
    const [first, connection] = await peer("alice", "two");
    const node = "alice@localhost/again";
    await (await first.link()).ask("set", pubsub(xml("create", { node })));
    first.send(update(1));
    await first.settled();
    const { updatesIn, strays } = stack.component.stats();
    const earlier = first.sid;
    await connection.stop();

    const [second] = await peer("alice", "two");
    expect(second.jid).toBe(first.jid);
    // The component may not know yet that this is another session, and has received this block already.
    second.sendBlock(earlier, 1, [update(1)]);
    await second.settled();
    await second.link();
    await second.ask("set", pubsub(xml("create", { node })));
    second.sendBlock(earlier, 1, [update(1)]);
    second.sendBlock(earlier, 2, [update(2)]);
    await second.settled();
    expect(second.errors).toEqual(["unexpected-request", "item-not-found", "item-not-found"]);
    expect(await second.outcome("set", xml("close", { xmlns: NS.IBB, sid: earlier }))).toBe("item-not-found");
    expect(await second.open(earlier)).toBe("not-acceptable");
    expect(stack.component.stats()).toMatchObject({ updatesIn, strays: strays + 4 });

    second.send(update(2));
    await second.settled();
    expect(stack.component.stats().updatesIn).toBe(updatesIn + 1);
  });

  it("an offer whose link ends while the node's holder is asked whether it lives", async () => {
    const create = pubsub(xml("create", { node: "alice@localhost/held" }));
    const [holder, connection] = await peer("alice", "holder");
    await (await holder.link()).ask("set", create);
    // The component does not hear of the end, and will ask.
    await connection.stop();
    const [next] = await peer("alice", "next");
    const outcome = (await next.link()).outcome("set", create);
    const close = next.outcome("set", xml("close", { xmlns: NS.IBB, sid: next.sid }));
    // On a busy machine the component may know of the holder's end before the close arrives.
    expect(["unexpected-request", "result"]).toContain(await outcome);
    expect(await close).toBe("result");
    // The dead link holds no service.
    await next.link();
    expect(await next.outcome("set", create)).toBe("result");
  });

  it("errors that come late, or from somebody else", async () => {
    const [alice] = await peer("alice", "one");
    await (await alice.link()).ask("set", pubsub(xml("create", { node: NODE })));
    const [bob] = await peer("bob", "one");
    const [carol] = await peer("carol", "one");
    await carol.link();
    const earlier = (await bob.link()).sid;
    await bob.link();
    expect(await subscribe(bob)).toBe("result");
    const { strays } = stack.component.stats();
    bob.write(...errorAbout(earlier));
    bob.write(...errorAbout(undefined));
    carol.write(...errorAbout(bob.sid));
    await Promise.all([bob.settled(), carol.settled()]);
    expect(stack.component.stats().strays).toBe(strays + 2);
    alice.send(update(1));
    await until(() => data(bob.frames).length === 1, 20_000, "a value after the errors");
    expect([alice.bye, bob.bye, carol.bye]).toEqual([undefined, undefined, undefined]);
  });

  it("access that is taken ends at once, also for what was on its way", async () => {
    const [alice] = await peer("alice", "one");
    await (await alice.link()).ask("set", pubsub(xml("create", { node: NODE })));
    const [bob] = await peer("bob", "one");
    const [carol] = await peer("carol", "one");
    for (const who of [bob, carol]) {
      await who.link();
      expect(await subscribe(who, { "pubsub#digest_frequency": "1000" })).toBe("result");
    }
    alice.send(update(1));
    await until(() => data(carol.frames).length > 0, 20_000, "the first value, which goes at once");
    // This value waits for the end of the window.
    alice.send(update(2));
    await alice.settled();
    const access = { "pubsub#access_model": "whitelist", [MEMBERS]: ["bob@localhost"] };
    expect(await alice.outcome("set", owned(configure(access)))).toBe("result");
    expect(await subscribe(carol)).toBe("not-allowed, closed-node");
    alice.send(update(3));
    const newest = (frames: readonly Frame[]): number | undefined => data(frames).at(-1)?.to;
    await until(() => newest(bob.frames) === 3, 20_000, "the rest for who may have it");
    await until(
      () => carol.frames.some(({ type }) => type === "error"),
      20_000,
      "the end of the other's subscription",
    );
    expect(carol.frames.find(({ type }) => type === "error")).toMatchObject({ code: "not-allowed" });
    await carol.settled();
    // On a busy machine the second value may have been sent in time. The third was published later.
    expect(newest(carol.frames)).toBeLessThan(3);

    const none = xml("affiliation", { jid: "bob@localhost", affiliation: "none" });
    await alice.ask("set", owned(xml("affiliations", { node: NODE }, none)));
    alice.send(update(4));
    await until(() => bob.frames.some(({ type }) => type === "error"), 20_000, "the end of the member's");
    await bob.settled();
    expect(newest(bob.frames)).toBe(3);
    expect(stack.component.stats().subscriptions).toBe(0);
  });

  it("two accounts that XEP-0106 would write alike stay two", async () => {
    const raw = await new RawPeer(other, stack.domain, "a\\b@basic.localhost/r").link();
    const escaped = await new RawPeer(other, stack.domain, "a\\5cb@basic.localhost/r").link();
    for (const [one, another] of [
      [raw, "a\\5cb"],
      [escaped, "a\\b"],
    ] as const)
      expect(await one.outcome("set", pubsub(xml("create", { node: `${another}@basic.localhost/x` })))).toBe(
        "forbidden",
      );
    const node = "a\\5cb@basic.localhost/x";
    const access = { "pubsub#access_model": "whitelist", [MEMBERS]: ["A\\B@Basic.Localhost/any"] };
    const config = xml("configure", {}, formatForm("submit", NS.PUBSUB_NODE_CONFIG, access));
    expect(await escaped.outcome("set", pubsub(xml("create", { node }), config))).toBe("result");
    const from = (jid: string): Element => pubsub(xml("subscribe", { node, jid }));
    expect(await raw.outcome("set", from(raw.jid))).toBe("result");
    const third = await new RawPeer(other, stack.domain, "a\\5c5cb@basic.localhost/r").link();
    expect(await third.outcome("set", from(third.jid))).toBe("not-allowed, closed-node");
  });
});
