import { StanzapackError } from "@stanzapack/wire";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, type Client } from "../client.js";
import { openOutboxStore } from "../store/level-store.js";

const LOGIN = {
  ...{ jid: "bob@localhost", password: "p", component: "streams.localhost" },
  ...{ url: "xmpp://127.0.0.1:1", startOffline: true },
};
const NODE = "alice@localhost/temp";

/** A client that is never online, so each refusal is its own. */
let client: Client;
beforeAll(async () => {
  client = await connect(LOGIN);
});
afterAll(() => client.close());

type Call = (options: never) => unknown;
const connecting: Call = (options) => connect(Object.assign({}, LOGIN, options));
const subscribing: Call = (options) => client.subscribe(NODE, options);
const offering: Call = (options) => client.offer("temp", options);

/** Returns the text of the error that a call throws, or with which it rejects. */
async function refusal(call: () => unknown): Promise<string> {
  const error: unknown = await (async () => call())().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StanzapackError);
  expect(error).toMatchObject({ code: "invalid-options" });
  expect((error as StanzapackError).message).not.toMatch(/pubsub#|urn:stanzapack/);
  return (error as StanzapackError).text;
}

describe("an option that does not exist names the one that was meant", () => {
  it.each<[string, Call, object, string]>([
    ["subscribe", subscribing, { windowms: 500 }, "windowMs"],
    ["subscribe", subscribing, { window: 500 }, "windowMs"],
    ["subscribe", subscribing, { max_rate: 1 }, "maxRate"],
    ["subscribe", subscribing, { Fields: ["a"] }, "fields"],
    ["subscribe", subscribing, { heartbeat: 1 }, "heartbeatMs"],
    ["subscribeAll", (o) => client.subscribeAll([NODE], o), { maxQueue: 1 }, "maxQueued"],
    ["offer", offering, { acess: "open" }, "access"],
    ["offer", offering, { takeover: true }, "takeOver"],
    ["connect", connecting, { timeout: 1 }, "timeoutMs"],
    ["connect", connecting, { passwort: "x", password: undefined }, "password"],
    ["openOutboxStore", (o) => openOutboxStore("/nowhere", o), { synch: true }, "sync"],
  ])("%s: %o %o", async (name, call, options, meant) => {
    expect(await refusal(() => call(options as never))).toContain(`did you mean \`${meant}\`?`);
    expect(await refusal(() => call(options as never))).toMatch(new RegExp(`^${name}: \``));
  });

  it("or all there are", async () => {
    expect(await refusal(() => client.subscribe(NODE, { zzz: 1 } as object))).toMatch(
      /^subscribe: `zzz` is not an option; there are windowMs, samples, /,
    );
  });
});

const WINDOW = "must be a whole number of ms from 0 to 86,400,000";
const SINCE = 'must be "first", { epoch, offset } or { time }';

describe("a value that no option takes", () => {
  it.each<[string, unknown, string]>([
    ["windowMs", 1.5, `${WINDOW}, not 1.5`],
    ["windowMs", NaN, `${WINDOW}, not NaN`],
    ["windowMs", Infinity, WINDOW],
    ["windowMs", -1, `${WINDOW}, not -1`],
    ["windowMs", 86_400_001, WINDOW],
    ["windowMs", "500", `${WINDOW}, not "500"`],
    ["windowMs", null, `${WINDOW}, not null`],
    ["windowMs", 500n, WINDOW],
    ["windowMs", [500], `${WINDOW}, not Array`],
    ["since", true, SINCE],
    ["since", null, SINCE],
    ["since", "last", SINCE],
    ["since", {}, SINCE],
    ["since", { time: "now" }, "must be a number from 0 to"],
    ["since", { time: NaN }, "must be a number from 0 to"],
    ["since", { time: 1e300 }, "must be a number from 0 to 253,402,300,799,999"],
    ["since", { epoch: 1 }, SINCE],
    ["since", { epoch: 1, offset: 1, time: 1 }, SINCE],
    ["since", { epoch: 1, offset: -1 }, "must be a whole number from 0 to"],
    ["since", new Date(), SINCE],
    ["fields", "a", "must be a list of names"],
    ["fields", [1], "must be a name of 1 to 256 characters, not 1"],
    ["fields", [""], "must be a name of 1 to 256 characters"],
    ["fields", ["a\u0002"], "contains U+0002, which XML cannot carry"],
    ["fields", Array(65).fill("a"), "0 to 64 of them"],
    ["fields", Array(2), "must be a name"],
    ["fields", new Set(["a"]), "must be a list of names"],
    ["samples", "none", 'must be "all" or "latest", not "none"'],
    ["maxRate", 0, "must be a number of updates a second from 0.001 to 1,000, not 0"],
    ["maxRate", NaN, "must be a number"],
    ["deadband", -1, "must be a number from 0 on, not -1"],
    ["deadband", Infinity, "must be a number from 0 on, not Infinity"],
    ["heartbeatMs", 999, "from 1,000 to 86,400,000, not 999"],
    ["maxQueued", 0, "must be a whole number of updates from 1"],
    ["approvalMs", 2 ** 31, "must be a whole number of ms from 0"],
    ["parse", {}, "must be a function"],
    ["onPending", "yes", "must be a function"],
    ["copy", 7, "must be pairs of a key and a value"],
    ["copy", {}, "must be pairs of a key and a value"],
  ])("subscribe: %s (%#)", async (name, value, text) => {
    const given = await refusal(() => client.subscribe(NODE, { [name]: value }));
    expect(given).toMatch(new RegExp(`^subscribe: \`${name}[.0-9a-z]*\` `));
    expect(given).toContain(text);
  });

  it.each<[string, unknown, string]>([
    ["kind", "set", 'must be "value" or "log" or "map", not "set"'],
    ["access", "roster", "must be"],
    ["members", "bob@localhost", "must be a list of bare JIDs"],
    ["members", ["bob@localhost", 7], "must be an address of 1 to 3,071 characters, not 7"],
    ["authorize", true, "must be a function, not true"],
    ["title", 7, "must be text of 0 to 256 characters, not 7"],
    ["title", "x".repeat(257), "must be text of 0 to 256 characters"],
    ["title", "a\ud800b", "contains U+D800"],
    ["title", "a\ufffe", "contains U+FFFE"],
    ["title", "a\0", "contains U+0000"],
    ["title", "a\r\nb", "contains U+000D"],
    ["store", {}, "must be a store"],
    ["takeOver", 1, "must be true or false, not 1"],
  ])("offer: %s (%#)", async (name, value, text) => {
    const given = await refusal(() => client.offer("temp", { [name]: value }));
    expect(given).toMatch(new RegExp(`^offer: \`${name}`));
    expect(given).toContain(text);
  });

  it.each<[string, unknown, string]>([
    ["jid", undefined, "is missing: it must be an address"],
    ["jid", "", "must be an address"],
    ["jid", "localhost", "has no `user@` part"],
    ["jid", "bo\u0002b@localhost", "contains U+0002"],
    ["component", 5, "must be an address"],
    ["url", "ftp://a", "`url` ftp://a is not"],
    ["url", 5, "must be an address"],
    ["urls", "wss://a/b", "must be a list of addresses"],
    ["urls", [], "1 to 100 of them"],
    ["ca", "file.pem", "must be PEM text"],
    ["compress", "zlib", "must be true or false"],
    ["resource", "a\u0007", "contains U+0007"],
    ["timeoutMs", 0, "must be a whole number of ms from 1"],
    ["inactive", "stop", 'must be "pause" or { windowMs'],
    ["inactive", { windowMs: -1 }, "must be a whole number of ms"],
    ["inactive", { window: 1 }, 'must be "pause" or'],
    ["signal", {}, "must be an AbortSignal"],
    ["startOffline", null, "must be true or false, not null"],
  ])("connect: %s (%#)", async (name, value, text) => {
    const given = await refusal(() => connecting({ [name]: value } as never));
    expect(given).toContain(`\`${name}`);
    expect(given).toContain(text);
  });

  it("a list without end is refused at once", async () => {
    expect(await refusal(() => client.subscribe(NODE, { fields: Array<string>(4e9) }))).toContain("0 to 64");
  });

  it("a password is never shown", async () => {
    const given = await refusal(() => connect({ ...LOGIN, password: { hunter2: 1 } as never }));
    expect(given).toBe("connect: `password` must be text of 1 to 65,535 characters");
    expect(await refusal(() => connect({ ...LOGIN, password: "hunter2\r" }))).not.toContain("hunter2");
  });
});

it.each<[string, unknown]>([
  ["null", null],
  ["a string", "windowMs"],
  ["a list", [{ windowMs: 1 }]],
  ["a Map", new Map([["windowMs", 1]])],
  ["a promise", Promise.resolve({})],
  ["a function", () => undefined],
])("options that are %s are refused", async (_, options) => {
  expect(await refusal(() => client.subscribe(NODE, options as object))).toMatch(
    /^subscribe: .*must be an object/,
  );
  expect(await refusal(() => client.subscribeAll(NODE, options as object))).toMatch(/^subscribeAll: /);
  expect(await refusal(() => client.offer("temp", options as object))).toMatch(/^offer: /);
  expect(await refusal(() => connect(options as never))).toMatch(/^connect: /);
});

it("a getter is read once, and its throw is told", async () => {
  let reads = 0;
  const options = {
    get windowMs(): number {
      if (++reads > 1) throw new Error("read again");
      return 1.5;
    },
  };
  expect(await refusal(() => client.subscribe(NODE, options))).toContain("not 1.5");
  const cause = new TypeError("mine");
  const throwing = {
    get windowMs(): number {
      throw cause;
    },
  };
  const error: unknown = await client.subscribe(NODE, throwing).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "invalid-options", cause });
});

it.each<[string, () => unknown, string]>([
  [
    "a node",
    () => client.subscribe(7 as never),
    "subscribe: `node` must be a string of 0 to 4,096 characters, not 7",
  ],
  ["nodes", () => client.subscribeAll([NODE, undefined as never]), "subscribeAll: `nodes.1` is missing"],
  ["no nodes", () => client.subscribeAll([]), "subscribeAll: `nodes` must be a list"],
  [
    "nodes in a Set",
    () => client.subscribeAll(new Set([NODE]) as never),
    "subscribeAll: `nodes` must be a list",
  ],
  ["a name", () => client.offer(42 as never), "offer: `name` must be a string"],
  [
    "an owner",
    () => client.listServices({} as never),
    "listServices: `owner` must be a string of 0 to 4,096 characters, not Object",
  ],
  ["a flag", () => client.setActive("no" as never), "setActive: `active` must be true or false"],
  ["a location", () => openOutboxStore(undefined as never), "openOutboxStore: `location` is missing"],
])("%s of another type", async (_, call, text) => {
  expect(await refusal(call)).toContain(text);
});

it("what belongs together is checked together", async () => {
  expect(await refusal(() => client.offer("temp", { access: "authorize" }))).toContain("`authorize`");
  const store = { open: () => Promise.reject(new Error("not to be opened")) };
  expect(await refusal(() => client.offer("temp", { store }))).toContain("`store`");
  expect(await refusal(() => connect({ ...LOGIN, urls: ["xmpp://a"] }))).toContain("exclude each other");
});

it("undefined is as if left out", async () => {
  const pending = client.subscribe(NODE, { windowMs: undefined, fields: undefined, parse: undefined });
  await client.close();
  await expect(pending).rejects.not.toMatchObject({ code: "invalid-options" });
});
