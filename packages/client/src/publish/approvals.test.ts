import { formatForm, NS, parseForm, xml, type Connection, type Element } from "@stanzapack/xmpp";
import { expect, it, vi } from "vitest";
import { Approvals } from "./approvals.js";
import type { Authorize } from "../options/offer-options.js";
import type { OfferedService } from "./offered-service.js";

const NODE = "alice@x/t";

function setUp(authorize: Authorize) {
  const sent: (string | undefined)[] = [];
  let receive: (stanza: Element) => boolean = () => false;
  const connection = {
    onStanza: (handler: typeof receive) => {
      receive = handler;
      return () => undefined;
    },
    sendElement: (stanza: Element) => {
      const fields = parseForm(stanza)?.fields;
      sent.push(`${fields?.get("pubsub#subid")?.[0]} ${fields?.get("pubsub#allow")?.[0]}`);
      return true;
    },
  } as unknown as Connection;
  const link = { up: true };
  const tell = vi.fn();
  const service = { node: NODE, options: { authorize }, ended: false, tell } as unknown as OfferedService;
  const services = new Map([[NODE, service]]);
  const approvals = new Approvals(
    connection,
    { domain: "streams.x" },
    services,
    () => link.up,
    () => undefined,
  );
  approvals.register();
  const ask = (subid: string): boolean =>
    receive(
      xml(
        "message",
        { from: "streams.x" },
        formatForm("form", NS.PUBSUB_SUBSCRIBE_AUTHORIZATION, {
          "pubsub#node": NODE,
          "pubsub#subid": subid,
          "pubsub#subscriber_jid": "bob@x",
        }),
      ),
    );
  return { approvals, services, ask, sent, link, tell };
}

it("asks the application once, and gives what it decided without a link when it is asked again", async () => {
  let decide = (_: boolean): void => undefined;
  const authorize = vi.fn(() => new Promise<boolean>((resolve) => (decide = resolve)));
  const { ask, sent, link, tell } = setUp(authorize);
  ask("1");
  link.up = false;
  decide(true);
  await vi.waitFor(() => expect(tell).toHaveBeenCalledOnce());
  expect(sent).toEqual([]);
  link.up = true;
  ask("2");
  expect(sent).toEqual(["2 true"]);
  expect(authorize).toHaveBeenCalledOnce();
  // The next question is a new one.
  ask("3");
  expect(authorize).toHaveBeenCalledTimes(2);
  decide(true);
  await vi.waitFor(() => expect(sent).toEqual(["2 true", "3 true"]));
});

it("forgets what it decided without a link when access is to be decided anew", async () => {
  const authorize = vi.fn(() => true);
  const { approvals, ask, sent, link, tell } = setUp(authorize);
  link.up = false;
  ask("1");
  await vi.waitFor(() => expect(tell).toHaveBeenCalledOnce());
  approvals.forget(NODE);
  link.up = true;
  ask("2");
  await vi.waitFor(() => expect(sent).toEqual(["2 true"]));
  expect(authorize).toHaveBeenCalledTimes(2);
});

it("asks again where access is to be decided anew meanwhile, and of the others not", async () => {
  const decide: ((allowed: boolean) => void)[] = [];
  const authorize = vi.fn(() => new Promise<boolean>((resolve) => decide.push(resolve)));
  const { approvals, ask, sent } = setUp(authorize);
  ask("1");
  approvals.forget(NODE, "carol@x");
  approvals.forget("alice@x/other");
  approvals.forget(NODE, "bob@x");
  decide[0]?.(true);
  await vi.waitFor(() => expect(authorize).toHaveBeenCalledTimes(2));
  expect(sent).toEqual([]);
  decide[1]?.(false);
  await vi.waitFor(() => expect(sent).toEqual(["1 false"]));
});

it("asks the service that is offered now, whatever an earlier one of its name still decides", async () => {
  let decide = (_: boolean): void => undefined;
  const { services, ask, sent } = setUp(() => new Promise<boolean>((resolve) => (decide = resolve)));
  ask("1");
  const anew = { node: NODE, options: { authorize: () => true }, ended: false, tell: vi.fn() };
  services.set(NODE, anew as unknown as OfferedService);
  ask("2");
  await vi.waitFor(() => expect(sent).toEqual(["2 true"]));
  decide(false);
  await new Promise((resolve) => setImmediate(resolve));
  expect(sent).toEqual(["2 true"]);
});

it("calls an `authorize` that changes access itself twice, and leaves the rest to the next question", async () => {
  const authorize = vi.fn(() => {
    approvals.forget(NODE);
    return true;
  });
  const { approvals, ask, sent, tell } = setUp(authorize);
  ask("1");
  await vi.waitFor(() => expect(authorize).toHaveBeenCalledTimes(2));
  await new Promise((resolve) => setImmediate(resolve));
  expect(authorize).toHaveBeenCalledTimes(2);
  expect([sent, tell.mock.calls]).toEqual([[], []]);
  ask("2");
  expect(authorize).toHaveBeenCalledTimes(3);
});
