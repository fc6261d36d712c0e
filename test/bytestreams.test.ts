import { startSandbox, type Sandbox } from "@stanzapack/sandbox";
import { until } from "@stanzapack/testkit";
import {
  createClientConnection,
  createComponentConnection,
  createInBandBytestreams,
  encodeBase64,
  NS,
  StanzaError,
  xml,
  type Bytestream,
  type BytestreamEnd,
  type BytestreamOptions,
  type Connection,
  type InBandBytestreams,
} from "@stanzapack/xmpp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { credentialsOf } from "./support/accounts.js";
import { SERVERS } from "./support/stack.js";
import { WHOLE } from "./support/whole.js";

const block = (content: string | Buffer): string =>
  encodeBase64(typeof content === "string" ? Buffer.from(content) : content);

/** One side of a stream, and what it has received. */
interface Side {
  readonly stream: Bytestream;
  readonly blocks: string[];
  readonly states: string[];
  end: BytestreamEnd | undefined;
}
function watch(stream: Bytestream): Side {
  const side: Side = { stream, blocks: [], states: [], end: undefined };
  stream.onBlock = (bytes) => side.blocks.push(Buffer.from(bytes).toString());
  stream.onState = (state) => side.states.push(state);
  stream.onEnd = (end) => (side.end = end);
  return side;
}

/** Writes every block, and waits when the stream must wait. */
async function writeAll(stream: Bytestream, texts: readonly (string | Buffer)[]): Promise<void> {
  for (const text of texts) {
    while (!stream.write(block(text))) {
      if (stream.state === "closed") throw new Error("the stream closed");
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        stream.onDrain = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
const numbers = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe.each(SERVERS)("In-Band Bytestreams (XEP-0047) through %s", (server) => {
  let sandbox: Sandbox;
  let connections: Record<"alice" | "bob" | "component", Connection>;
  let managers: InBandBytestreams[] = [];

  beforeAll(async () => {
    sandbox = await startSandbox({ server, users: ["alice", "bob"] });
    const client = (user: string): Connection => createClientConnection(credentialsOf(sandbox, user));
    const { domain, secret } = sandbox.components[0] as { domain: string; secret: string };
    const port = sandbox.ports.component;
    connections = {
      alice: client("alice"),
      bob: client("bob"),
      component: createComponentConnection({ domain, secret, host: sandbox.host, port }),
    };
    await Promise.all(Object.values(connections).map((connection) => connection.start()));
    // Without presence a server may not deliver messages to a full JID.
    for (const user of ["alice", "bob"] as const) connections[user].sendElement(xml("presence"));
  });
  afterEach(() => {
    for (const manager of managers) manager.dispose();
    managers = [];
  });
  afterAll(async () => {
    await Promise.all(Object.values(connections).map((connection) => connection.stop()));
    await sandbox.stop();
  });

  function manage(who: keyof typeof connections, options: BytestreamOptions = {}): InBandBytestreams {
    const manager = createInBandBytestreams(connections[who], options);
    managers.push(manager);
    manager.onOpen = () => undefined;
    return manager;
  }

  async function openBetween(
    from: keyof typeof connections,
    to: keyof typeof connections,
    stanza: "message" | "iq",
    options: { readonly blockSizeBytes?: number; readonly responder?: BytestreamOptions } = {},
  ): Promise<[opened: Side, accepted: Side]> {
    const opener = manage(from);
    let accepted: Side | undefined;
    manage(to, options.responder).onStream = (stream) => (accepted = watch(stream));
    const { blockSizeBytes = 4_096 } = options;
    const opened = watch(await opener.open(connections[to].jid, { stanza, blockSizeBytes }));
    return [opened, accepted as Side];
  }

  it.each(
    (["message", "iq"] as const).flatMap((stanza) =>
      (
        [
          ["alice", "bob"],
          ["alice", "component"],
          ["component", "bob"],
        ] as const
      ).map(([from, to]) => ({ stanza, from, to })),
    ),
  )(
    "carries blocks both ways in order, and closes with flush: $stanza mode, $from to $to",
    async ({ stanza, from, to }) => {
      const [opened, accepted] = await openBetween(from, to, stanza);
      expect(accepted.stream.mode).toBe(stanza);
      const there = numbers("there ", 100);
      const back = numbers("back ", 100);
      await Promise.all([writeAll(opened.stream, there), writeAll(accepted.stream, back)]);
      await Promise.all([opened.stream.close(), accepted.stream.close()]);
      expect(accepted.blocks).toEqual(there);
      expect(opened.blocks).toEqual(back);
      expect([opened.end?.error, accepted.end?.error]).toEqual([undefined, undefined]);
    },
  );

  it.each(["message", "iq"] as const)(
    "closes from the responder's side, and what remains the other way still comes: %s mode",
    async (stanza) => {
      const [opened, accepted] = await openBetween("alice", "bob", stanza);
      opened.stream.onState = (state) => {
        if (state === "closing") for (const text of numbers("last ", 5)) opened.stream.write(block(text));
      };
      const texts = numbers("b ", 20);
      await writeAll(accepted.stream, texts);
      await accepted.stream.close();
      expect(opened.blocks).toEqual(texts);
      expect(accepted.blocks).toEqual(numbers("last ", 5));
      expect(accepted.end).toEqual({ by: "local" });
      expect(opened.end).toEqual({ by: "peer" });
    },
  );

  it.runIf(WHOLE || server === "prosody")(
    "§2.2: seq wraps after 65535: 70,000 blocks in message mode",
    async () => {
      const [opened, accepted] = await openBetween("component", "bob", "message");
      let last = -1;
      let count = 0;
      accepted.stream.onBlock = (bytes) => {
        expect(bytes.length).toBe(3);
        last = ((bytes[0] as number) << 16) | ((bytes[1] as number) << 8) | (bytes[2] as number);
        if (last === count) count++;
      };
      const total = 70_000;
      for (let i = 0; i < total && accepted.end === undefined; i++) {
        // Message mode has no flow control of its own, and ejabberd ends a session that is 5,000 stanzas behind.
        while (i - count > 400 && accepted.end === undefined)
          await new Promise((resolve) => setImmediate(resolve));
        await writeAll(opened.stream, [Buffer.from([i >> 16, (i >> 8) & 255, i & 255])]);
      }
      await until(() => count === total || accepted.end !== undefined, 90_000, "every block");
      expect({ count, last, end: accepted.end }).toEqual({ count: total, last: total - 1, end: undefined });
      await opened.stream.close();
    },
  );

  it("§2.1: agrees on the smaller block-size", async () => {
    const responder = { maxBlockSizeBytes: 5_000 };
    const [opened, accepted] = await openBetween("alice", "bob", "iq", { blockSizeBytes: 65_535, responder });
    expect([opened.stream.blockSizeBytes, accepted.stream.blockSizeBytes]).toEqual([4_095, 4_095]);
    const full = "x".repeat(4_095);
    await writeAll(opened.stream, [full]);
    expect(() => opened.stream.write(block(`${full}x`))).toThrow(RangeError);
    await opened.stream.close();
    expect(accepted.blocks).toEqual([full]);
  });

  it("§2.2 and §2.3: unknown sids are answered item-not-found", async () => {
    manage("bob");
    const to = connections.bob.jid;
    const data = xml("data", { xmlns: NS.IBB, sid: "none", seq: "0" }, "YQ==");
    const notFound = { condition: "item-not-found", type: "cancel" };
    const { alice } = connections;
    await expect(alice.request(xml("iq", { type: "set", to }, data))).rejects.toMatchObject(notFound);
    const close = xml("close", { xmlns: NS.IBB, sid: "none" });
    await expect(alice.request(xml("iq", { type: "set", to }, close))).rejects.toMatchObject(notFound);
    const answers: string[] = [];
    const undo = alice.onStanza((stanza) => {
      if (stanza.name === "message") answers.push(String(stanza));
      return stanza.name === "message";
    });
    alice.sendElement(xml("message", { to, type: "headline", id: "m1" }, data));
    await until(() => answers.length > 0, 5_000, "the answer to a message");
    undo();
    expect(answers[0]).toMatch(/type=['"]error/);
    expect(answers[0]).toContain("item-not-found");
    expect(answers[0]).toMatch(/sid=['"]none/);
  });

  it("§2.2: a stream whose peer forgot it is closed, in either mode", async () => {
    for (const stanza of ["iq", "message"] as const) {
      const [opened, accepted] = await openBetween("alice", "bob", stanza);
      accepted.stream.abandon({ by: "local" });
      opened.stream.write("YQ==");
      await until(() => opened.end !== undefined, 5_000, "the end");
      expect(opened.end).toMatchObject({ by: "peer", error: { condition: "item-not-found" } });
      // The first manager of a connection would take the stanzas of the second.
      for (const manager of managers.splice(0)) manager.dispose();
    }
  });

  it("§2.2: recipient-unavailable suspends, and the stream goes on where it was", async () => {
    const sending = { retryMs: 200 };
    const opener = createInBandBytestreams(connections.alice, { sending });
    managers.push(opener);
    const got: string[] = [];
    let away = false;
    let refusals = 0;
    const { bob } = connections;
    const undo = [
      bob.onIq("set", NS.IBB, "open", () => undefined),
      bob.onIq("set", NS.IBB, "close", () => undefined),
      bob.onIq("set", NS.IBB, "data", ({ child }) => {
        if (away) {
          refusals++;
          throw new StanzaError("recipient-unavailable", "wait");
        }
        got.push(`${child.attrs["seq"]} ${Buffer.from(child.text(), "base64").toString()}`);
        return undefined;
      }),
    ];
    const side = watch(await opener.open(bob.jid, { stanza: "iq" }));
    for (const text of ["a", "b", "c"]) side.stream.write(block(text));
    await until(() => got.length === 3, 5_000, "the first blocks");
    away = true;
    for (const text of ["d", "e"]) side.stream.write(block(text));
    await until(() => refusals >= 2, 5_000, "two failures");
    expect(side.states).toContain("suspended");
    away = false;
    await side.stream.close();
    expect(got).toEqual(["0 a", "1 b", "2 c", "3 d", "4 e"]);
    expect(side.end).toEqual({ by: "local" });
    for (const off of undo) off();
  });

  it("§2.2: data to a full JID that is gone ends the stream, or suspends it", async () => {
    const second = createClientConnection(credentialsOf(sandbox, "bob"));
    await second.start();
    const responder = createInBandBytestreams(second);
    responder.onOpen = () => undefined;
    const opener = manage("alice");
    const side = watch(await opener.open(second.jid, { stanza: "iq" }));
    side.stream.write("YQ==");
    await second.stop();
    side.stream.write("YQ==");
    // A block that arrived but was never answered is given up after 30 s.
    await until(() => side.end !== undefined || side.stream.state === "suspended", 45_000, "it is noticed");
    side.stream.abandon({ by: "local" });
  });
});
