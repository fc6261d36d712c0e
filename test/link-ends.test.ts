import type { Client, OfferedService } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import type { DataFrame, HelloFrame } from "@stanzapack/wire";
import { createInBandBytestreams, NS, StanzaError, xml, type Connection } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

const PATIENCE_MS = 30_000;
const NODE = "alice@localhost/s";

describe.each(SERVERS)("the end of a link, through %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let service: OfferedService;

  beforeAll(async () => {
    // Small limits: clients are soon asked for acknowledgements, and soon over their budget.
    const limits = { unackedSeconds: 1, updatesPerSecond: 1_000, burstSeconds: 1, cutOffDebtSeconds: 1 };
    stack = await startStack(server, ["alice", "bob", "carol"], { limits });
    alice = await stack.connect("alice");
    service = await alice.offer("s");
  });
  afterAll(() => stack.stop());

  async function open(user = "bob", says: HelloFrame = HELLO): Promise<[RawLink, Connection]> {
    const connection = await stack.raw(user);
    const link = await openRawLink(connection, stack.domain);
    link.send(says);
    return [link, connection];
  }
  const sayBye = (link: RawLink): string | undefined => {
    const last = link.frames.at(-1);
    return last?.type === "bye" ? last.code : undefined;
  };
  /** Waits for the reason of the end, and for `<close/>`. */
  async function goodbye(link: RawLink): Promise<string | undefined> {
    await until(() => link.end !== undefined, PATIENCE_MS, "the link's end");
    expect(link.end).toEqual({ by: "peer" });
    return sayBye(link);
  }
  /** Subscribes, and waits until data was sent, which the client need not acknowledge. */
  async function subscribed(link: RawLink): Promise<void> {
    await link.subscribe(NODE);
    await until(() => service.demand.subscribers > 0, PATIENCE_MS, "demand");
    service.publish(1);
    await until(() => link.dataStanzas > 0, PATIENCE_MS, "a value");
  }
  const write = (connection: Connection, link: RawLink, seq: number | string, base64: string): void =>
    void connection.send(link.stream.stanza(base64).replace(/seq='\d+'/, `seq='${seq}'`));

  it.each<[string, string, (link: RawLink, connection: Connection) => void]>([
    ["a block is missing", "gap", (link, connection) => write(connection, link, 9, "wMDA")],
    ["`seq` is no number", "malformed", (link, connection) => write(connection, link, "x", "wMDA")],
    ["a block is no base64", "malformed", (link, connection) => write(connection, link, 1, "wMD")],
    [
      "a block is too large",
      "limit-exceeded",
      (link, connection) => write(connection, link, 1, "wMDA".repeat(30_000)),
    ],
    ["a frame is rubbish", "malformed", (link) => link.sendBytes(Uint8Array.of(0xc1))],
    [
      "its client refuses a block",
      "gap",
      ({ stream }, connection) =>
        void connection.send(
          `<message to='${stack.domain}' type='error'><data xmlns='${NS.IBB}' sid='${stream.sid}' seq='0'/><error type='cancel'><unexpected-request xmlns='${NS.STANZA_ERRORS}'/></error></message>`,
        ),
    ],
  ])("where %s: BYE `%s`, then `<close/>`", async (_, code, act) => {
    const [link, connection] = await open();
    await link.askAboutLink();
    act(link, connection);
    expect(await goodbye(link)).toBe(code);
  });

  it("a newer one of the same session: BYE `conflict`, then `<close/>`, and the newer one works", async () => {
    const connection = await stack.raw("bob");
    const streams = createInBandBytestreams(connection);
    const older = await openRawLink(connection, stack.domain, streams);
    older.send(HELLO);
    const newer = await openRawLink(connection, stack.domain, streams);
    newer.send(HELLO);
    expect(await goodbye(older)).toBe("conflict");
    await newer.askAboutLink();
    expect(newer.end).toBeUndefined();
  });

  it("resumed by another session: BYE `conflict`, then `<close/>`", async () => {
    const [older] = await open();
    await until(() => older.frames.length > 0, PATIENCE_MS, "HELLO");
    const token = (older.frames[0] as HelloFrame).token as Uint8Array;
    const [newer] = await open();
    newer.send({ type: "resume", request: 1, token, more: false, positions: [] });
    expect(await goodbye(older)).toBe("conflict");
  });

  it("over its budget: BYE `busy`, then `<close/>`", async () => {
    const [link] = await open("carol");
    await link.ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node: "carol@localhost/much" })));
    const rows: DataFrame = {
      ...{ type: "data", alias: 0, form: "rows", epoch: 1, from: 1, to: 4_000, at: 0, spanMs: 0 },
      payload: new Uint8Array(4_000),
    };
    link.send(rows);
    expect(await goodbye(link)).toBe("busy");
  });

  it("its client ends it: the component answers `<close/>`, and a BYE alone by its own", async () => {
    const [polite] = await open();
    polite.send({ type: "bye", code: "stopped", text: "" });
    expect(await polite.stream.close()).toEqual({ by: "local" });
    const [terse] = await open();
    terse.send({ type: "bye", code: "stopped", text: "" });
    await until(() => terse.end !== undefined, PATIENCE_MS, "`<close/>`");
    expect([terse.end, sayBye(terse)]).toEqual([{ by: "peer" }, undefined]);
  });

  it("not where its client answers a ping with an error, and acknowledges; where it does not: BYE `timeout`", async () => {
    const [link, connection] = await open();
    let pings = 0;
    // An ordinary client without XEP-0199 (RFC 6120 §8.4).
    connection.onIq("get", NS.PING, "ping", () => {
      pings++;
      throw new StanzaError("service-unavailable", "cancel");
    });
    let acknowledges = true;
    const { onBlock } = link.stream;
    link.stream.onBlock = (block, info) => {
      const before = link.frames.length;
      onBlock?.(block, info);
      const asked = link.frames.slice(before).some((frame) => frame.type === "credit");
      if (asked && acknowledges) link.send({ type: "ack", stanzas: link.dataStanzas });
    };
    await subscribed(link);
    await until(() => pings > 0, PATIENCE_MS, "a question whether it lives");
    service.publish(2);
    await until(() => link.dataStanzas > 1, PATIENCE_MS, "the next value");
    expect(link.end).toBeUndefined();
    acknowledges = false;
    expect(await goodbye(link)).toBe("timeout");
  });

  it("soon, where its session is gone: the server answers as such a client does, and nobody acknowledges", async () => {
    const [link, connection] = await open();
    await subscribed(link);
    const { links } = stack.component.stats();
    await connection.stop();
    await until(() => stack.component.stats().links < links, PATIENCE_MS, "the end of its link");
    const ping = xml("iq", { type: "get", to: connection.jid }, xml("ping", NS.PING));
    await expect((await stack.raw("carol")).request(ping)).rejects.toMatchObject({
      ...{ condition: "service-unavailable", type: "cancel" },
    });
  });

  it("the component stops: BYE `component-unavailable`, then `<close/>`, for everybody", async () => {
    const [link] = await open();
    await stack.restartComponent(0);
    expect(await goodbye(link)).toBe("component-unavailable");
    await until(() => alice.online, PATIENCE_MS, "the SDK's link again");
  });
});
