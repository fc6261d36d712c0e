import { NS, xml, type Connection, type Element, type IqHandler } from "@stanzapack/xmpp";
import { describe, expect, it, vi } from "vitest";
import type { Holdings, Purge } from "../admin/purge.js";
import type { Broker } from "../broker/broker.js";
import { Commands, PURGE } from "./commands.js";

const ROOT = "root@x/1";
const HELD: Holdings = {
  services: Array.from({ length: 150 }, (_, i) => `carol@x/${i}`),
  cursors: ["alice@x/log c"],
  subscriptions: [],
  grants: [`${"é".repeat(40_000)}`],
  requests: [],
};

function setUp() {
  const purge = { find: vi.fn(() => HELD), run: vi.fn(() => Promise.resolve(HELD)) };
  const broker = { budgets: { request: () => undefined }, refused: () => undefined } as unknown as Broker;
  const settings = { admins: ["root@x"] };
  const commands = new Commands(broker, purge as unknown as Purge, settings);
  let handler: IqHandler | undefined;
  commands.register({
    onIq: (_type: string, _ns: string, _name: string, act: IqHandler) => {
      handler = act;
      return () => undefined;
    },
  } as unknown as Connection);
  const ask = (attrs: object, children: readonly Element[] = [], from = ROOT): Promise<Element> => {
    const child = xml("command", { xmlns: NS.COMMANDS, node: PURGE, ...attrs }, ...children);
    return handler?.({ from, to: "c.x", child, id: "1" } as never) as Promise<Element>;
  };
  return { purge, commands, settings, ask };
}

function form(fields: Readonly<Record<string, string>>, type = "submit", formType = PURGE): Element {
  const all = Object.entries({ FORM_TYPE: formType, ...fields });
  return xml(
    "x",
    { xmlns: NS.DATA_FORMS, type },
    ...all.map(([name, value]) => xml("field", { var: name }, xml("value", {}, value))),
  );
}

describe("the ad-hoc command of administrators (XEP-0050)", () => {
  it("asks for an account, and reports or removes as the form says", async () => {
    const { ask, purge } = setUp();
    const first = await ask({ action: "execute" });
    expect(first.attrs).toMatchObject({ node: PURGE, status: "executing" });
    expect(first.getChild("actions")?.toString()).toBe('<actions execute="complete"><complete/></actions>');
    const { sessionid } = first.attrs as { sessionid: string };
    // Nothing is removed unless the form says so.
    const dry = await ask({ sessionid, action: "complete" }, [form({ accountjid: "Carol@X" })]);
    expect(dry.attrs).toMatchObject({ sessionid, status: "completed" });
    expect(purge.find).toHaveBeenCalledWith("carol@x");
    expect(purge.run).not.toHaveBeenCalled();
    expect(dry.getChildText("note")).toBe(
      "The component keeps of carol@x: 150 services, 1 cursors, 0 subscriptions, 1 grants, 0 requests",
    );
    // A program sends the filled form at once.
    const done = await ask({}, [form({ accountjid: "carol@x", dry_run: "0" })]);
    expect(done.attrs["status"]).toBe("completed");
    expect(purge.run).toHaveBeenCalledWith("carol@x", "root@x");
    const values = (name: string): number =>
      done.getChild("x")?.getChildByAttr("var", name)?.getChildren("value").length ?? -1;
    // Long lists are cut, so that servers carry the answer.
    expect([values("services"), values("cursors"), values("grants")]).toEqual([100, 1, 0]);
  });

  it("does nothing when it is cancelled", async () => {
    const { ask, purge } = setUp();
    expect((await ask({ sessionid: "s", action: "cancel" })).attrs["status"]).toBe("canceled");
    expect((await ask({}, [form({}, "cancel")])).attrs["status"]).toBe("canceled");
    expect(purge.run).not.toHaveBeenCalled();
  });

  it("is for administrators alone, as the config says now", async () => {
    const { ask, purge, commands, settings } = setUp();
    const removal = [form({ accountjid: "carol@x", dry_run: "0" })];
    await expect(ask({}, removal, "bob@x/1")).rejects.toMatchObject({ condition: "forbidden" });
    await expect(ask({}, [], "bob@x/1")).rejects.toMatchObject({ condition: "forbidden" });
    expect(commands.listFor("bob@x")).toEqual([]);
    expect(commands.listFor("root@x")).toMatchObject([{ node: PURGE }]);
    settings.admins = [];
    await expect(ask({}, removal)).rejects.toMatchObject({ condition: "forbidden" });
    expect(purge.run).not.toHaveBeenCalled();
  });

  it.each<[string, object, readonly Element[], string]>([
    ["another command", { node: "urn:x" }, [], "item-not-found"],
    ["no command", { node: undefined }, [], "item-not-found"],
    ["a step back", { action: "prev" }, [], "bad-request"],
    ["an unknown action", { action: "boom" }, [], "bad-request"],
    ["a form of somebody else", {}, [form({ accountjid: "carol@x" }, "submit", "urn:x")], "bad-request"],
    ["a form that is to be filled in", {}, [form({ accountjid: "carol@x" }, "form")], "bad-request"],
    ["no account", {}, [form({})], "bad-request"],
    ["what is no account", {}, [form({ accountjid: "@x" })], "bad-request"],
    ["what is no boolean", {}, [form({ accountjid: "carol@x", dry_run: "maybe" })], "bad-request"],
  ])("refuses %s", async (_, attrs, children, condition) => {
    const { ask, purge } = setUp();
    await expect(ask(attrs, children)).rejects.toMatchObject({ condition });
    expect(purge.run).not.toHaveBeenCalled();
    expect(purge.find).not.toHaveBeenCalled();
  });
});
