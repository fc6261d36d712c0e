import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client, MapChangeEvent, OfferedMap, Subscription, Value } from "@stanzapack/client";
import { startTcpProxy, until } from "@stanzapack/testkit";
import { DEFAULT_LIMITS, encodeUpdate, type Frame } from "@stanzapack/wire";
import { formatForm, NS, xml } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { loginEnvironment } from "./support/accounts.js";
import { COMMAND } from "./support/program.js";
import { HELLO, openRawLink } from "./support/raw-link.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";
import { startStoredStack, type StoredStack } from "./support/stored-stack.js";
import { untilCursor } from "./support/cursors.js";
import { inTurn } from "./support/whole.js";

const SOON_MS = 10_000;
/** Longest time from a fault's end until everyone is back, in ms. */
const BACK_MS = 30_000;

interface Reading {
  readonly t: number;
  readonly h: number;
}

/** Makes the same changes in a map that is offered, and in one that a test compares with. */
class Twin {
  readonly map = new Map<string, Reading>();

  constructor(private readonly offered: OfferedMap<Reading>) {}

  set(key: string, t: number): void {
    const value = { t, h: t * 2 };
    this.offered.set(key, value);
    this.map.set(key, value);
  }
  delete(key: string): void {
    this.offered.delete(key);
    this.map.delete(key);
  }
  clear(): void {
    this.offered.clear();
    this.map.clear();
  }
}

const keyOf = (i: number): string => `sensor/${String(i).padStart(5, "0")}`;

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Everything that a subscription says of its map. A copy that follows `change` alone is in `copy`. */
function record(subscription: Subscription<Reading>) {
  const seen = {
    copy: new Map<string, Reading>(),
    changes: [] as MapChangeEvent<Reading>[],
    syncing: 0,
    synced: 0,
  };
  subscription.on("change", (event) => {
    seen.changes.push(event);
    expect(seen.copy.get(event.key)).toEqual(event.previous);
    if (event.value === undefined) seen.copy.delete(event.key);
    else seen.copy.set(event.key, event.value);
  });
  subscription.on("syncing", () => seen.syncing++);
  subscription.on("synced", () => seen.synced++);
  return seen;
}

/** Resolves when the subscriber's map equals the publisher's. */
async function same(subscription: Subscription<Reading>, twin: Twin, ms = SOON_MS): Promise<void> {
  // Asked every few milliseconds, of thousands of keys: no sorting here.
  const isSame = (): boolean => {
    if (!subscription.synced || subscription.map.size !== twin.map.size) return false;
    for (const [key, value] of subscription.map) {
      const wanted = twin.map.get(key);
      if (value.t !== wanted?.t || value.h !== wanted.h) return false;
    }
    return true;
  };
  await until(isSame, ms, "the map of the publisher").catch((error: unknown) => {
    expect(sorted(subscription.map)).toEqual(sorted(twin.map));
    throw error;
  });
}

describe.each(SERVERS)("maps, through %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let count = 0;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"], { limits: { mapDigestSeconds: 1 } });
    alice = await stack.connect("alice");
  });
  afterAll(() => stack.stop());

  async function offer(): Promise<{ offered: OfferedMap<Reading>; twin: Twin }> {
    const offered = await alice.offer<Reading>(`map${++count}`, { kind: "map" });
    return { offered, twin: new Twin(offered) };
  }

  it("equal their publisher's after each change", async () => {
    const bob = await stack.connect("bob");
    const { offered, twin } = await offer();
    const forms = new Set<string>();
    bob.onBlock = (_, frames) => {
      for (const { frame } of frames) if (frame.type === "coded") forms.add(frame.form);
    };
    const subscription = await bob.subscribe<Reading>(offered.node);
    const seen = record(subscription);
    await same(subscription, twin);
    expect(subscription.map.size).toBe(0);
    twin.set("a", 1);
    await same(subscription, twin);
    twin.set("a", 2);
    twin.set("b", 1);
    await same(subscription, twin);
    twin.delete("a");
    twin.delete("not there");
    await same(subscription, twin);
    twin.clear();
    twin.set("c", 3);
    await same(subscription, twin);
    const [one, two, three] = [1, 2, 3].map((t) => ({ t, h: t * 2 }));
    expect(seen.changes).toEqual([
      { key: "a", value: one, previous: undefined },
      { key: "a", value: two, previous: one },
      { key: "b", value: one, previous: undefined },
      { key: "a", value: undefined, previous: two },
      { key: "b", value: undefined, previous: one },
      { key: "c", value: three, previous: undefined },
    ]);
    // Each key has a memory of its own in the chain.
    expect(forms).toContain("map");
    // An empty map may be whole before the program listens.
    expect(seen.syncing).toBe(0);
    expect(seen.synced).toBeLessThanOrEqual(1);
    await offered.stop();
    await until(() => subscription.ended, SOON_MS, "the end of the map");
  });

  it("send a snapshot of some thousand keys while they change, and every batch as a whole", async () => {
    const [bob, carol] = [await stack.connect("bob"), await stack.connect("carol")];
    const { offered, twin } = await offer();
    const before = await carol.subscribe<Reading>(offered.node, { windowMs: 200 });
    const keys = 5_000;
    offered.batch(() => {
      for (let i = 0; i < keys; i++) twin.set(keyOf(i), i);
    });
    await same(before, twin);
    const subscription = await bob.subscribe<Reading>(offered.node);
    const seen = record(subscription);
    let halves = 0;
    subscription.on("change", () => {
      const [x, y] = [subscription.map.get("x"), subscription.map.get("y")];
      if (x?.t !== y?.t) halves++;
    });
    for (let i = 1; !subscription.synced || i < 20; i++) {
      offered.batch(() => {
        twin.set("x", i);
        twin.set("y", i);
      });
      twin.set(keyOf((i * 7) % keys), -i);
      twin.delete(keyOf((i * 11) % keys));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const it of [subscription, before]) await same(it, twin);
    expect(seen.syncing).toBeGreaterThan(2);
    expect([seen.synced, halves]).toEqual([1, 0]);
    expect(sorted(seen.copy)).toEqual(sorted(twin.map));
  });

  it("give a subscriber that was cut off what changed meanwhile", async () => {
    const proxy = await startTcpProxy({ host: stack.sandbox.host, port: stack.sandbox.ports.c2s });
    onTestFinished(() => proxy.close());
    const resource = "cut-off";
    const bob = await stack.connect("bob", { url: `xmpp://127.0.0.1:${proxy.port}`, resource });
    const { offered, twin } = await offer();
    offered.batch(() => {
      for (let i = 0; i < 3_000; i++) twin.set(keyOf(i), i);
    });
    const subscription = await bob.subscribe<Reading>(offered.node);
    const seen = record(subscription);
    await same(subscription, twin);
    const { length } = seen.changes;
    const { links, resumed } = stack.component.stats();
    proxy.refuse = true;
    proxy.cut();
    // Another session takes the resource, so that the old one cannot be resumed, and its link ends.
    await (await stack.raw("bob", { resource })).stop();
    await until(() => stack.component.stats().links === links - 1, BACK_MS, "the end of the link");
    for (let i = 0; i < 10; i++) for (let n = 0; n < 5; n++) twin.set(keyOf(i), 1_000 + n);
    for (let i = 100; i < 105; i++) twin.delete(keyOf(i));
    await offered.settled();
    expect(subscription.map.size).toBe(3_000);
    // The publisher sends once a second. Whoever is back before that receives each change.
    await offered.settled();
    proxy.refuse = false;
    await same(subscription, twin, BACK_MS);
    expect(stack.component.stats().resumed).toBe(resumed + 1);
    expect(seen.changes.length - length).toBe(15);
    expect(sorted(seen.copy)).toEqual(sorted(twin.map));
  });

  it("give a client that paused what changed meanwhile", async () => {
    const bob = await stack.connect("bob", { inactive: "pause" });
    const { offered, twin } = await offer();
    for (let i = 0; i < 500; i++) twin.set(keyOf(i), i);
    const subscription = await bob.subscribe<Reading>(offered.node);
    const seen = record(subscription);
    await same(subscription, twin);
    await bob.setActive(false);
    await until(() => subscription.status === "paused", SOON_MS, "the pause");
    expect([subscription.synced, seen.synced]).toEqual([false, 1]);
    for (let i = 0; i < 7; i++) twin.set(keyOf(i), -i - 1);
    twin.delete(keyOf(8));
    await bob.setActive(true);
    await same(subscription, twin);
    expect([seen.changes.length, seen.synced]).toEqual([508, 2]);
  });

  it("come back from their publisher when the component has lost its memory, with changes for what differs", async () => {
    const bob = await stack.connect("bob");
    const { offered, twin } = await offer();
    for (let i = 0; i < 2_000; i++) twin.set(keyOf(i), i);
    const subscription = await bob.subscribe<Reading>(offered.node);
    const seen = record(subscription);
    await same(subscription, twin);
    const { length } = seen.changes;
    await stack.crashComponent(0);
    twin.set(keyOf(0), -1);
    twin.delete(keyOf(1));
    await same(subscription, twin, BACK_MS);
    expect(seen.changes.slice(length).map(({ key }) => key)).toEqual(
      expect.arrayContaining([keyOf(0), keyOf(1)]),
    );
    expect(seen.changes.length).toBe(length + 2);
  });

  it("give a subscriber the keys that it asks for", async () => {
    const [bob, carol] = [await stack.connect("bob"), await stack.connect("carol")];
    const { offered, twin } = await offer();
    for (let i = 0; i < 30; i++) twin.set(`a/${i}`, i);
    for (let i = 0; i < 30; i++) twin.set(`b/${i}`, i);
    const begun = await bob.subscribe<Reading>(offered.node, { prefix: "a/" });
    const seen = record(begun);
    const some = await carol.subscribe<Reading>(offered.node, { keys: ["b/3", "a/1", "none"] });
    const isSame = (copy: Subscription<Reading>, takes: (key: string) => boolean): boolean => {
      const wanted = sorted(twin.map).filter(([key]) => takes(key));
      return copy.synced && JSON.stringify(sorted(copy.map)) === JSON.stringify(wanted);
    };
    const both = (): boolean =>
      isSame(begun, (key) => key.startsWith("a/")) &&
      isSame(some, (key) => ["b/3", "a/1", "none"].includes(key));
    await until(both, SOON_MS, "the selected keys");
    expect([begun.map.size, some.map.size]).toEqual([30, 2]);
    // Nobody takes these keys. A subscriber may still be on its way to its lane, but then nothing is sent.
    let unsent = 0;
    for (let i = 0; i < 100 && unsent < 3; i++) {
      const { dataStanzasSent } = stack.component.stats();
      twin.set(`b/${10 + (i % 20)}`, -i);
      await offered.settled();
      unsent = stack.component.stats().dataStanzasSent === dataStanzasSent ? unsent + 1 : 0;
    }
    expect(unsent).toBe(3);
    offered.batch(() => {
      twin.set("b/3", 99);
      twin.delete("a/1");
      twin.set("a/new", 1);
      twin.set("none", 7);
    });
    await until(both, SOON_MS, "the changes");
    twin.clear();
    twin.set("a/1", 5);
    await until(both, SOON_MS, "the clear");
    await stack.sandbox.restart();
    twin.set("a/2", 6);
    twin.set("b/3", 7);
    await until(both, BACK_MS, "the changes after a break");
    expect(sorted(seen.copy)).toEqual(sorted(begun.map));
    const another = bob.subscribe(offered.node, { prefix: "b/" });
    await expect(another).rejects.toMatchObject({ code: "invalid-options" });
    const value = await alice.offer(`plain${count}`);
    await expect(carol.subscribe(value.node, { prefix: "a" })).rejects.toMatchObject({
      code: "invalid-options",
    });
  });

  it("notice within the interval what differs in a replica, and repair that alone", async () => {
    const bob = await stack.connect("bob");
    const { offered, twin } = await offer();
    offered.batch(() => {
      for (let i = 0; i < 2_000; i++) twin.set(keyOf(i), i);
    });
    const subscription = await bob.subscribe<Reading>(offered.node);
    const changed: string[] = [];
    subscription.on("change", ({ key }) => changed.push(key));
    const repairs: number[] = [];
    subscription.on("repaired", ({ keys }) => repairs.push(keys));
    await same(subscription, twin);
    const { rangesRepaired, mapsResent } = stack.component.stats();
    expect(await subscription.verify()).toEqual({ keys: 2_000, repaired: 0 });
    changed.length = 0;
    const held = subscription.map.get(keyOf(7)) as { t: number };
    held.t ^= 1;
    await until(() => repairs.length > 0, SOON_MS, "the repair of a flipped bit");
    await same(subscription, twin);
    expect(changed).toEqual([keyOf(7)]);
    expect(stack.component.stats()).toMatchObject({ rangesRepaired: rangesRepaired + 1, mapsResent });
    const map = subscription.map as Map<string, Reading>;
    map.delete(keyOf(8));
    map.set("no such key", { t: 0, h: 0 });
    map.set(keyOf(9), { t: 0, h: 0 });
    twin.set(keyOf(10), -1);
    expect(await subscription.verify()).toEqual({ keys: 2_000, repaired: 3 });
    expect([subscription.repaired, repairs]).toEqual([4, [1, 3]]);
    await same(subscription, twin);
    const carol = await stack.connect("carol");
    const part = await carol.subscribe<Reading>(offered.node, { prefix: "sensor/0001" });
    await until(() => part.synced, SOON_MS, "the part of the map");
    (part.map as Map<string, Reading>).delete(keyOf(12));
    expect(await part.verify()).toEqual({ keys: 10, repaired: 1 });
  });

  it("refuse what is too large, and keys and values that cannot travel", async () => {
    const { offered, twin } = await offer();
    const bob = await stack.connect("bob");
    const subscription = await bob.subscribe<Reading>(offered.node);
    twin.set("k".repeat(512), 1);
    const other = offered as unknown as OfferedMap<Value>;
    const codeOf = (act: () => unknown): string | undefined => {
      try {
        act();
      } catch (error) {
        return (error as { code?: string }).code;
      }
      return undefined;
    };
    expect(codeOf(() => offered.delete("k".repeat(513)))).toBe("unencodable");
    expect(codeOf(() => other.set("", 1))).toBe("unencodable");
    expect(codeOf(() => other.set("a", "x".repeat(49_152)))).toBe("too-large");
    expect(codeOf(() => other.set("a", new Date() as never))).toBe("unencodable");
    expect(codeOf(() => other.publish(1))).toBe("usage");
    expect(codeOf(() => offered.batch(() => Promise.resolve(other.set("a", 1))))).toBe("usage");
    const boom = (): never => {
      other.set("b", 1);
      throw new Error("boom");
    };
    expect(() => offered.batch(boom)).toThrow("boom");
    await same(subscription, twin);
    await expect(subscription[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "usage" });
    await expect(bob.subscribe(offered.node, { maxRate: 1 })).rejects.toMatchObject({
      code: "invalid-options",
    });
    const carol = await stack.connect("carol");
    for (const options of [{ fields: ["t"] }, { deadband: 1 }, { since: "first" as const }])
      await expect(carol.subscribe(offered.node, options)).rejects.toMatchObject({ code: "invalid-options" });
    await expect(alice.offer("sealed", { kind: "map", opaque: true })).rejects.toMatchObject({
      code: "invalid-options",
    });
  });

  it("end a publisher's offer that exceeds their bounds, and stay as they are", async () => {
    const limits = { mapMaxKeys: 10, mapMaxBytes: 100_000 };
    const small = await startStack(server, ["alice", "bob"], { limits });
    onTestFinished(() => small.stop());
    const [her, bob] = [await small.connect("alice"), await small.connect("bob")];
    const offered = await her.offer<Reading>("small", { kind: "map" });
    const twin = new Twin(offered);
    const subscription = await bob.subscribe<Reading>(offered.node);
    for (let i = 0; i < 10; i++) twin.set(keyOf(i), i);
    await same(subscription, twin);
    const ended = new Promise((resolve) => offered.once("ended", resolve));
    offered.set("one too many", { t: 1, h: 2 });
    expect(await ended).toMatchObject({
      code: "limit-exceeded",
      message: expect.stringContaining("would have 11 keys, and 10 keys are allowed") as string,
    });
    await until(() => subscription.status === "offline", SOON_MS, "the end of the offer");
    expect(sorted(subscription.map)).toEqual(sorted(twin.map));
    // Bounds of the publisher: known to its client, or, with keys of an earlier program, to the component alone.
    const own = await her.offer<Value>("own", { kind: "map", maxItems: 2 });
    own.set("a", 1);
    own.set("b", 1);
    expect(() => own.set("c", 1)).toThrow("3 keys, and 2 are allowed (`maxItems`)");
    await own.configure({ maxItems: 3 });
    own.set("c", 1);
    await own.settled();
    await her.close();
    const next = await small.connect("alice");
    const later = await next.offer<Value>("own", { kind: "map" });
    const copy = await bob.subscribe(later.node);
    const refused = new Promise((resolve) => later.once("ended", resolve));
    later.set("d", 1);
    expect(await refused).toMatchObject({
      code: "limit-exceeded",
      message: expect.stringContaining("would have 4 keys, and its publisher allows 3 keys") as string,
    });
    await until(() => copy.synced, SOON_MS, "the map");
    expect([...copy.map.keys()].sort()).toEqual(["a", "b", "c"]);
    const again = await next.offer<Value>("small", { kind: "map" });
    const endedAgain = new Promise((resolve) => again.once("ended", resolve));
    for (let i = 0; i < 3; i++) again.set(keyOf(i), "x".repeat(40_000));
    expect(await endedAgain).toMatchObject({
      code: "limit-exceeded",
      message: expect.stringContaining("100000 bytes are allowed") as string,
    });
  });

  it("end the link of a peer that sends what is no update of a map, and nobody else's", async () => {
    const { offered, twin } = await offer();
    const bob = await stack.connect("bob");
    const subscription = await bob.subscribe<Reading>(offered.node);
    twin.set("a", 1);
    await same(subscription, twin);
    for (const row of [1, ["a"], [["", 1]], [["a", 1, 2]], [[1, 2]], [["k".repeat(513), 1]], [null, ["a"]]]) {
      const raw = await openRawLink(await stack.raw("carol"), stack.domain);
      raw.send({ ...HELLO, maps: true });
      const fields = formatForm("submit", NS.PUBSUB_NODE_CONFIG, { "{urn:stanzapack:0}kind": "map" });
      const node = `${raw.jid.slice(0, raw.jid.indexOf("/"))}/bad${++count}`;
      await raw.ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node }), xml("configure", {}, fields)));
      const bind = (): Frame | undefined => raw.frames.find(({ type }) => type === "bind");
      await until(() => bind() !== undefined, SOON_MS, "BIND");
      const { alias } = bind() as { alias: number } & Frame;
      raw.send({
        ...{ type: "data", alias, form: "rows", epoch: 7, from: 1, to: 1, at: 0, spanMs: 0 },
        payload: encodeUpdate(row, DEFAULT_LIMITS),
      });
      await until(() => raw.frames.some(({ type }) => type === "bye"), SOON_MS, "BYE");
      const bye = raw.frames.find((frame) => frame.type === "bye");
      expect(["malformed", "limit-exceeded"]).toContain(bye?.code);
    }
    twin.set("a", 2);
    await same(subscription, twin);
  });

  it("are refused to a client that does not know them, and left out of its patterns", async () => {
    const { offered } = await offer();
    const value = await alice.offer(`value${count}`);
    const raw = await openRawLink(await stack.raw("carol"), stack.domain);
    raw.send(HELLO);
    const refused = raw.subscribe(offered.node);
    await expect(refused).rejects.toMatchObject({ condition: "feature-not-implemented" });
    await expect(refused).rejects.toThrow("this client does not know maps");
    raw.send({
      type: "subscribe",
      request: 1,
      nodes: [`${alice.jid.slice(0, alice.jid.indexOf("/"))}/*`],
      options: [],
    });
    await until(() => raw.frames.some(({ type }) => type === "done"), SOON_MS, "DONE");
    const bound = raw.frames.flatMap((frame) => (frame.type === "bind" ? [frame.node] : []));
    expect(bound).toContain(value.node);
    expect(bound).not.toContain(offered.node);
    expect(raw.frames.some(({ type }) => type === "refused")).toBe(false);
  });
});

describe("the command `map`", () => {
  let stack: Stack;
  let folder: string;

  beforeAll(async () => {
    stack = await startStack("prosody", ["alice", "bob"]);
    folder = mkdtempSync(join(tmpdir(), "stanzapack-map-cli-"));
  });
  afterAll(async () => {
    await stack.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts the command as a user. */
  function start(user: string, ...args: string[]) {
    return startCommand(user, "map", ...args);
  }
  function startCommand(user: string, ...args: string[]) {
    const child = spawn(COMMAND, args, {
      stdio: "pipe",
      env: { PATH: process.env["PATH"], ...loginEnvironment(stack.sandbox, user, folder) },
    });
    onTestFinished(() => void child.kill());
    const run = {
      child,
      stdout: "",
      stderr: "",
      code: once(child, "close").then(([code]) => code as number),
    };
    child.stdout.on("data", (bytes: Buffer) => (run.stdout += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => (run.stderr += bytes.toString()));
    return run;
  }
  async function end(run: ReturnType<typeof start>, input = ""): Promise<{ code: number; rows: unknown[] }> {
    run.child.stdin.end(input);
    const code = await run.code;
    const lines = run.stdout.split("\n").filter((line) => line !== "");
    return { code, rows: run.stdout.startsWith("[") ? [] : lines.map((line) => JSON.parse(line) as unknown) };
  }

  it("sets, removes, imports, prints and exports keys", async () => {
    const node = `${stack.sandbox.accounts[0]?.jid ?? ""}/fleet`;
    expect(await end(start("alice", "set", "fleet", "b", '{"fuel":7}'))).toEqual({ code: 0, rows: [] });
    expect((await end(start("alice", "set", "fleet", "a", "plain text"))).code).toBe(0);
    const rows = [
      { key: "a", value: "plain text" },
      { key: "b", value: { fuel: 7 } },
    ];
    const exported = start("bob", "export", node);
    expect(await end(exported)).toEqual({ code: 0, rows });
    expect(await end(start("bob", "get", node, "b"))).toEqual({ code: 0, rows: rows.slice(1) });
    const json = start("bob", "get", node, "--json");
    await end(json);
    expect(JSON.parse(json.stdout)).toEqual(rows);
    const missing = start("bob", "get", node, "b", "c");
    expect(await end(missing)).toEqual({ code: 1, rows: rows.slice(1) });
    expect(missing.stderr).toContain("has no key `c`");

    const watching = start("bob", "watch", node);
    await until(() => watching.stdout.includes("synced"), SOON_MS, "the whole map");
    expect((await end(start("alice", "delete", "fleet", "a", "b"))).code).toBe(0);
    expect((await end(start("alice", "import", "fleet"), exported.stdout)).code).toBe(0);
    expect((await end(start("alice", "import", "fleet", "--replace"), '{"key":"n","value":1}')).code).toBe(0);
    await until(() => watching.stdout.includes('{"key":"n","value":1}'), SOON_MS, "the new key");
    watching.child.kill("SIGTERM");
    const watched = (await end(watching)).rows.filter((row) => !JSON.stringify(row).includes("status"));
    expect(watched).toEqual([
      ...[...rows.toReversed(), { event: "synced" }],
      ...[{ key: "a", removed: true }, { key: "b", removed: true }, ...rows],
      ...[
        { key: "a", removed: true },
        { key: "b", removed: true },
        { key: "n", value: 1 },
      ],
    ]);
    const bad = start("alice", "import", "fleet", "--replace");
    expect((await end(bad, '{"key":"x","value":1}\nno\n')).code).toBe(1);
    expect(bad.stderr).toContain("stdin:2: it is not JSON");
    expect((await end(start("bob", "export", node))).rows).toEqual([{ key: "n", value: 1 }]);
  });

  it("offers lines as a map within its bounds, and feeds other programs by a cursor", async () => {
    const offering = startCommand("alice", "offer", "lines", "--kind", "map", "--max-items", "2");
    const node = `${stack.sandbox.accounts[0]?.jid ?? ""}/lines`;
    const feed = async (...args: string[]): Promise<unknown[]> => {
      const run = start("bob", "watch", node, ...args);
      await until(() => run.stdout.includes("synced"), SOON_MS, "the map");
      run.child.kill("SIGTERM");
      return (await end(run)).rows;
    };
    offering.child.stdin.write('{"key":"a","value":1}\n{"key":"b","value":2}\n{"key":"c","value":3}\nno\n');
    await until(() => offering.stderr.includes("stdin:4"), SOON_MS, "the fourth line");
    expect(offering.stderr).toContain(
      "stdin:3 is skipped: `alice@localhost/lines` would have 3 keys, and 2 are",
    );
    expect(offering.stderr).toContain("stdin:4 is skipped: it is not JSON");
    const [a, b] = [
      { key: "a", value: 1 },
      { key: "b", value: 2 },
    ];
    expect(await feed("--cursor", "db")).toEqual([a, b, { event: "synced" }]);
    expect(await feed("--key", "b", "c")).toEqual([b, { event: "synced" }]);
    offering.child.stdin.write('{"key":"b","removed":true}\n{"key":"d","value":4}\n');
    const copy = await (await stack.connect("bob")).subscribe(node);
    await until(() => copy.map.has("d"), SOON_MS, "the changes");
    const d = { key: "d", value: 4 };
    expect(await feed("--cursor", "db")).toEqual([{ key: "b", removed: true }, d, { event: "synced" }]);
    expect(await feed("--prefix", "d")).toEqual([d, { event: "synced" }]);
    offering.child.kill("SIGTERM");
    expect((await end(offering)).code).toBe(1);
  });

  it("says that a service is no map, or one, and that its map was withdrawn", async () => {
    const alice = await stack.connect("alice");
    const value = await alice.offer("value");
    const wrong = start("bob", "get", value.node);
    expect((await end(wrong)).code).toBe(1);
    expect(wrong.stderr).toContain("is of kind value, and no map: use `stanzapack subscribe`");
    const map = await alice.offer("gone", { kind: "map" });
    const other = startCommand("bob", "subscribe", map.node);
    expect((await end(other)).code).toBe(1);
    expect(other.stderr).toContain("is a map, which has no updates: use `stanzapack map watch`");
    const pattern = startCommand("bob", "subscribe", map.node.replace("gone", "*"), "--count", "1");
    await until(() => pattern.stderr.includes("`alice@localhost/gone` is a map"), SOON_MS, "the notice");
    value.publish(1);
    expect(await end(pattern)).toMatchObject({ code: 0, rows: [{ node: value.node, value: 1 }] });
    const watching = start("bob", "watch", map.node);
    await until(() => watching.stdout.includes("synced"), SOON_MS, "the whole map");
    await map.stop();
    expect((await end(watching)).code).toBe(1);
    expect(watching.stderr).toContain("withdrawn");
  });
});

describe.each(SERVERS)("maps in a store, behind %s", (server) => {
  let stack: StoredStack;
  beforeAll(async () => void (stack = await startStoredStack(server, ["alice", "bob"])));
  afterAll(() => stack.stop());

  it.each(inTurn(server, ["interval", "sync"] as const))(
    "survive a restart and a kill of the component, with durability %s",
    async (durability) => {
      const [alice, bob] = [await stack.login("alice"), await stack.login("bob")];
      const offered = await alice.offer<Reading>(durability, { kind: "map", durability });
      const twin = new Twin(offered);
      for (let i = 0; i < 1_000; i++) twin.set(keyOf(i), i);
      const subscription = await bob.subscribe<Reading>(offered.node);
      const seen = record(subscription);
      await same(subscription, twin);
      twin.delete(keyOf(0));
      for (const by of ["SIGTERM", "SIGKILL"] as const) {
        await same(subscription, twin);
        const { length } = seen.changes;
        await stack.end(by);
        twin.set(keyOf(1), -length);
        twin.delete(keyOf(by === "SIGTERM" ? 2 : 3));
        await stack.start();
        await same(subscription, twin, BACK_MS);
        expect(seen.changes.length - length).toBe(2);
      }
      expect(sorted(seen.copy)).toEqual(sorted(twin.map));
      // Without its publisher, for somebody who has nothing of it.
      await alice.close();
      await stack.restart("SIGTERM");
      const again = await (await stack.login("bob")).subscribe<Reading>(offered.node);
      await same(again, twin, BACK_MS);
      // The next program continues with the keys that are there.
      const next = await (await stack.login("alice")).offer<Reading>(durability, { kind: "map", durability });
      next.set("new", { t: 1, h: 2 });
      twin.map.set("new", { t: 1, h: 2 });
      await same(again, twin);
      // The next program of a consumer with a cursor receives only what has changed, also over a restart.
      const consumer = await stack.login("bob");
      const first = await consumer.subscribe<Reading>(offered.node, { cursor: "db" });
      record(first);
      await same(first, twin);
      await untilCursor(consumer, offered.node, ({ offset }) => offset === first.position?.offset);
      await consumer.close();
      next.delete(keyOf(10));
      next.set("newer", { t: 3, h: 4 });
      await next.settled();
      await stack.restart("SIGTERM");
      const copy = [...twin.map].flatMap(([key, { t, h }]): [string, Value][] =>
        key === keyOf(11) ? [] : [[key, { t, h }]],
      );
      const later = await (await stack.login("bob")).subscribe<Reading>(offered.node, { cursor: "db", copy });
      const changed: string[] = [];
      later.on("change", ({ key }) => changed.push(key));
      twin.map.delete(keyOf(10));
      twin.map.set("newer", { t: 3, h: 4 });
      await until(() => later.synced && changed.length >= 2, BACK_MS, "the changes");
      // A checksum finds what its copy lacks.
      await later.verify();
      expect(changed).toEqual([keyOf(10), "newer", keyOf(11)]);
      expect([later.recovered, later.repaired]).toEqual([true, 1]);
      await same(later, twin);
      next.clear();
      twin.map.clear();
      await same(again, twin);
      await next.stop();
    },
  );
});
