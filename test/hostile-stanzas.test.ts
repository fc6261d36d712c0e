import { bareJid, NS, StanzaError, xml, type Connection, type Element } from "@stanzapack/xmpp";
import { until } from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { openRawStream } from "./support/raw-stream.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

/**
 * Servers write each quote as six characters. The component still reads a stanza with this many; no server accepts them
 * in an answer.
 */
const QUOTES = "'".repeat(90_000);
/** More quotes than the component reads in one stanza. Servers accept up to 262,144 bytes from a client. */
const MANY_QUOTES = "'".repeat(180_000);

describe.each(SERVERS)("one client's stanzas cannot end the component's stream, through %s", (server) => {
  let stack: Stack;
  let mallory: Connection;
  let link: RawLink;

  beforeAll(async () => {
    // Here the server's pace bounds the answers, not the budgets.
    stack = await startStack(server, ["mallory"], {
      limits: { silentSeconds: 2, requestsPerSecond: 1_000_000 },
    });
    mallory = await stack.raw("mallory");
    link = await openRawLink(mallory, stack.domain);
    link.send(HELLO);
  });
  afterAll(() => stack.stop());

  /**
   * An iq written by hand. Our own writer would escape quotes as servers do, and the stanza would be too long for the
   * server.
   */
  function iq(type: "get" | "set", content: string): Element {
    const element = xml("iq", { type });
    element.toString = () =>
      `<iq type="${type}" to="${stack.domain}" id="${element.attrs["id"]}">${content}</iq>`;
    return element;
  }

  /** Outcome of a request: the error's condition, `result`, or `none` after 20 s. */
  async function answerTo(request: Element): Promise<string> {
    request.attrs["to"] = stack.domain;
    try {
      await mallory.request(request, { timeoutMs: 20_000 });
      return "result";
    } catch (error) {
      return error instanceof StanzaError ? error.condition : "none";
    }
  }

  const node = (name: string): string => `${bareJid(mallory.jid)}/${name}`;
  const create = (name: string, field: string, values: readonly string[]): Element =>
    iq(
      "set",
      `<pubsub xmlns="${NS.PUBSUB}"><create node="${node(name)}"/><configure><x xmlns="${NS.DATA_FORMS}" type="submit">` +
        `<field var="FORM_TYPE"><value>${NS.PUBSUB_NODE_CONFIG}</value></field>` +
        `<field var="${field}">${values.map((value) => `<value>${value}</value>`).join("")}</field></x></configure></pubsub>`,
    );

  it.each<[string, string, () => Element]>([
    ["nested deeper than is read", "bad-request", () => iq("set", "<a>".repeat(300) + "</a>".repeat(300))],
    [
      "with a text longer than is read",
      "bad-request",
      () => iq("set", `<x xmlns="urn:x">${MANY_QUOTES}</x>`),
    ],
    [
      "with an attribute longer than is read",
      "bad-request",
      () => iq("set", `<x xmlns="urn:x" y="${MANY_QUOTES}"/>`),
    ],
    ["with an option to be quoted", "not-acceptable", () => create("x", "{urn:stanzapack:0}kind", [QUOTES])],
    [
      "with a request that is not there",
      "bad-request",
      () => iq("set", `<pubsub xmlns="${NS.PUBSUB}"><${"y".repeat(250_000)}/></pubsub>`),
    ],
    [
      "that asks for the items of a long node",
      "item-not-found",
      () => iq("get", `<query xmlns="${NS.DISCO_ITEMS}" node="${QUOTES}"/>`),
    ],
    [
      "that opens with a long sid",
      "bad-request",
      () => iq("set", `<open xmlns="${NS.IBB}" sid="${QUOTES}" block-size="4096" stanza="message"/>`),
    ],
    [
      "of data with a long sid",
      "item-not-found",
      () => iq("set", `<data xmlns="${NS.IBB}" sid="${QUOTES}" seq="0"/>`),
    ],
  ])("one %s", async (_, condition, make) => {
    const streams = stack.componentProxy.accepted;
    expect(await answerTo(make())).toBe(condition);
    expect(stack.componentProxy.accepted).toBe(streams);
  });

  it("one with a long id, which is answered all the same", async () => {
    const streams = stack.componentProxy.accepted;
    const raw = await openRawStream(stack, "mallory", "");
    const ids = ["x".repeat(2_000), "é".repeat(60_000), QUOTES];
    for (const id of [...ids, MANY_QUOTES])
      raw.write(`<iq type="get" to="${stack.domain}" id="${id}"><ping xmlns="${NS.PING}"/></iq>`);
    const refusals = (): number => raw.text.split("<policy-violation").length - 1;
    // The component answers the longest only if it reads it in one piece.
    await until(() => refusals() >= ids.length, 20_000, "an answer to each");
    const quotes = raw.text.replace(/&apos;|&#39;/g, "'");
    expect(ids.map((id) => quotes.includes(id))).toEqual([true, true, true]);
    expect(await answerTo(xml("iq", { type: "get" }, xml("query", NS.DISCO_INFO)))).toBe("result");
    expect(stack.componentProxy.accepted).toBe(streams);
    raw.close();
  });

  // ejabberd 23.01 passes these stanzas on unchanged, without the declaration of their prefix.
  it("one whose prefix is declared in its sender's stream alone", async () => {
    const streams = stack.componentProxy.accepted;
    const raw = await openRawStream(stack, "mallory", "xmlns:foo='urn:foo'");
    for (const to of [stack.domain, mallory.jid])
      raw.write(
        `<message to='${to}'><foo:bar foo:a='1'>x</foo:bar></message><message to='${to}' foo:a='1'/>` +
          `<iq type='get' id='${to}' to='${to}'><foo:query/></iq>`,
      );
    const ids = [stack.domain, mallory.jid];
    await until(() => ids.every((id) => new RegExp(`id=.${id}`).test(raw.text)), 20_000, "answers");
    expect(await answerTo(xml("iq", { type: "get" }, xml("query", NS.DISCO_INFO)))).toBe("result");
    expect(stack.componentProxy.accepted).toBe(streams);
    expect(link.end).toBeUndefined();
    raw.close();
  });

  it("one that opens a link, and goes without a word, is found gone", async () => {
    const gone = await stack.raw("mallory");
    const left = await openRawLink(gone, stack.domain);
    left.send(HELLO);
    await left.ask("get", xml("query", NS.DISCO_INFO));
    expect(stack.component.stats().links).toBe(2);
    await gone.stop();
    await until(() => stack.component.stats().links === 1, 15_000, "the end of its link");
    expect(link.end).toBeUndefined();
  });

  it("one that asks for more than servers carry", async () => {
    const streams = stack.componentProxy.accepted;
    const titles = Array.from({ length: 400 }, (_, i) => create(`n${i}`, "pubsub#title", ["'".repeat(256)]));
    expect(new Set(await Promise.all(titles.map(answerTo)))).toEqual(new Set(["result"]));
    const items = await link.ask("get", xml("query", NS.DISCO_ITEMS));
    const listed = items.getChild("query", NS.DISCO_ITEMS)?.getChildren("item") ?? [];
    // As many as fit into an answer. The SDK asks for the others.
    expect(listed.length).toBeGreaterThan(100);
    expect(listed.length).toBeLessThan(400);
    const client = await stack.connect("mallory", { timeoutMs: 60_000 });
    expect((await client.listServices()).length).toBeGreaterThanOrEqual(400);
    await client.close();

    const members = Array.from({ length: 9_000 }, (_, i) => String(i));
    expect(await answerTo(create("many", "{urn:stanzapack:0}members", members))).toBe("result");
    const all: string[] = [];
    for (let after: Element[] = []; ;) {
      const pubsub = xml("pubsub", NS.PUBSUB_OWNER, xml("affiliations", { node: node("many") }), ...after);
      const answer = (await link.ask("get", pubsub)).getChild("pubsub", NS.PUBSUB_OWNER);
      const page = answer?.getChild("affiliations")?.getChildren("affiliation") ?? [];
      if (page.length === 0) break;
      all.push(...page.map(({ attrs }) => String(attrs["jid"])));
      const last = answer?.getChild("set", NS.RSM)?.getChildText("last") ?? "";
      after = [xml("set", NS.RSM, xml("after", {}, last))];
    }
    expect([all.length, new Set(all).size]).toEqual([9_001, 9_001]);
    expect(stack.componentProxy.accepted).toBe(streams);
    expect(link.end).toBeUndefined();
  });

  it("one that asks for more than its server reads: its requests wait, and are refused beyond a bound", async () => {
    const { componentProxy, component } = stack;
    const streams = componentProxy.accepted;
    const { throttled } = component.stats();
    componentProxy.toServer.bytesPerSecond = 100_000;
    const outcomes: string[] = [];
    const asking = Array.from({ length: 200 }, async () => {
      outcomes.push(await answerTo(xml("iq", { type: "get" }, xml("query", NS.DISCO_ITEMS))));
    });
    await until(() => component.stats().throttled > throttled, 20_000, "refusals");
    const answered = (): number => outcomes.filter((outcome) => outcome === "result").length;
    const early = answered();
    componentProxy.toServer.bytesPerSecond = Infinity;
    await Promise.all(asking);
    expect(new Set(outcomes)).toEqual(new Set(["result", "resource-constraint"]));
    // Requests that waited were answered later. The number that may wait depends on processor time.
    expect(answered()).toBeGreaterThan(early);
    expect(componentProxy.accepted).toBe(streams);
  });
});
