import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { StanzapackError, type CallContext, type Client, type OfferedService } from "@stanzapack/client";
import { openOutboxStore } from "@stanzapack/client/store";
import { startTcpProxy, until } from "@stanzapack/testkit";
import {
  createHello,
  encodeUpdate,
  DEFAULT_LIMITS,
  type BindSubscriptionFrame,
  type CallFrame,
} from "@stanzapack/wire";
import { NS, xml, type Connection, type InBandBytestreams } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { loginEnvironment } from "./support/accounts.js";
import { COMMAND, startProgram, type Program } from "./support/program.js";
import { HELLO, openRawLink } from "./support/raw-link.js";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";
import { WHOLE } from "./support/whole.js";

const ANSWER = new URL("../examples/node/answer.mjs", import.meta.url);
const PATIENCE_MS = 20_000;
/** Longest time from a fault's end until everyone is back, in ms. */
const BACK_MS = 30_000;

/** Ends the client's link, as after a lost block. The client opens no other one until `open` is called. */
function holdLink(client: Client): { open(): Promise<void>; unlock(): void } {
  const { streams, keeper } = client as unknown as {
    streams: InBandBytestreams;
    keeper: { link: { end(error: StanzapackError): void } };
  };
  const open = streams.open.bind(streams);
  let unlock = (): void => undefined;
  const gate = new Promise<void>((resolve) => (unlock = resolve));
  streams.open = (...args) => gate.then(() => open(...args));
  const online = new Promise<void>((resolve) => client.once("online", () => resolve()));
  keeper.link.end(new StanzapackError("gap", "the test ends it"));
  return {
    unlock,
    async open() {
      unlock();
      await online;
      streams.open = open;
    },
  };
}

/** A method whose calls end when the test says so. */
function gated(service: Pick<OfferedService, "handle">, method: string) {
  const runs: { readonly args: unknown; readonly context: CallContext; finish(value: unknown): void }[] = [];
  onTestFinished(
    service.handle(method, (args, context) => new Promise((finish) => runs.push({ args, context, finish }))),
  );
  const running = (count = 1): Promise<void> =>
    until(() => runs.length >= count, PATIENCE_MS, "the call runs");
  return { runs, running };
}

const failsWith = (promise: Promise<unknown>, code: string, text = ""): Promise<void> =>
  expect(promise).rejects.toMatchObject({ code, message: expect.stringContaining(text) as string });

describe.each(SERVERS)("calls, through %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let bob: Client;
  let service: OfferedService<number>;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"]);
    alice = await stack.connect("alice");
    bob = await stack.connect("bob");
    service = await alice.offer<number>("valve");
  });
  afterAll(() => stack.stop());

  it("carry values both ways, and errors back, beside the updates", async () => {
    const valve = await bob.subscribe<number>(service.node);
    const counter = publishCounter((value) => service.publish(value), 20);
    let seen = 0;
    valve.on("update", ({ value }) => (seen = value));
    const failures: unknown[] = [];
    service.on("callFailed", ({ method, caller }) => failures.push([method, caller]));
    const undo = [
      service.handle("echo", (args) => args),
      service.handle("who", (_, { caller, method }) => ({ caller, method })),
      service.handle("nothing", () => undefined),
      service.handle("throws", () => Promise.reject(new TypeError("the valve is stuck"))),
    ];
    onTestFinished(() => undo.forEach((remove) => remove()));

    const values = [null, 1.5, "text", [1, [2]], { a: { b: true } }, Uint8Array.of(0, 255)];
    expect(await Promise.all(values.map((value) => valve.call("echo", value)))).toEqual(values);
    expect(await valve.call("who")).toEqual({ caller: "bob@localhost", method: "who" });
    expect(await valve.call("nothing", 1)).toBeNull();
    const error: unknown = await valve.call("throws").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "call-failed", text: "the valve is stuck", retryable: false });
    expect((error as StanzapackError).message).not.toContain("TypeError");
    expect(failures).toEqual([["throws", "bob@localhost"]]);
    await failsWith(valve.call("other"), "unknown-method");
    await expect(valve.call("")).rejects.toMatchObject({ code: "invalid-options" });
    await expect(valve.call("echo", 1, { timeoutMs: 0 })).rejects.toMatchObject({ code: "invalid-options" });
    // A publisher may call itself, over the same link.
    const own = await alice.subscribe(service.node);
    expect(await own.call("who")).toEqual({ caller: "alice@localhost", method: "who" });
    const before = counter.count;
    await until(() => seen > before, PATIENCE_MS, "updates continue");
    expect([service.ended, valve.ended, stack.component.stats().calls]).toEqual([false, false, 0]);
    await Promise.all([valve.stop(), own.stop()]);
    await failsWith(valve.call("echo"), "stopped");
  });

  it("of 48 KiB pass, and larger ones are refused on either side", async () => {
    const valve = await bob.subscribe(service.node);
    const undo = [
      service.handle("length", (args: Uint8Array) => args.length),
      service.handle("make", (length: number) => new Uint8Array(length)),
    ];
    onTestFinished(() => undo.forEach((remove) => remove()));
    // Three bytes of msgpack stand before the others.
    const most = DEFAULT_LIMITS.maxUpdateBytes - 3;
    expect(await valve.call("length", new Uint8Array(most))).toBe(most);
    expect((await valve.call<Uint8Array>("make", most)).length).toBe(most);
    await failsWith(valve.call("length", new Uint8Array(most + 1)), "too-large");
    await failsWith(valve.call("make", most + 1), "too-large");
    await failsWith(valve.call("length", "x".repeat(most + 10)), "too-large");
    await valve.stop();
  });

  it("without an answer in time have an unknown outcome, and without a link they were not sent", async () => {
    const valve = await bob.subscribe(service.node);
    const { runs, running } = gated(service, "wait");
    const late = failsWith(valve.call("wait", 1, { timeoutMs: 300 }), "outcome-unknown");
    await running();
    await late;
    await until(() => runs[0]?.context.signal.aborted === true, PATIENCE_MS, "the handler is told");
    await until(() => stack.component.stats().calls === 0, PATIENCE_MS, "the component forgets the call");
    // Its link is not harmed by the late result.
    runs[0]?.finish("late");
    const link = holdLink(bob);
    await failsWith(valve.call("wait", 2, { timeoutMs: 200 }), "timeout");
    const waiting = valve.call("wait", 3);
    await link.open();
    await running(2);
    runs[1]?.finish("done");
    expect(await waiting).toBe("done");
    expect(runs.map(({ args }) => args)).toEqual([1, 3]);
    await valve.stop();
  });

  it("need a subscription: a whitelist, a revoked right and a guessed alias call nothing", async () => {
    const closed = await alice.offer("closed", { access: "whitelist", members: ["carol@localhost"] });
    const { runs, running } = gated(closed, "wait");
    await failsWith(bob.subscribe(closed.node), "not-allowed");
    const carol = await stack.connect("carol");
    const taken = await carol.subscribe(closed.node);
    const revoked = failsWith(taken.call("wait"), "outcome-unknown");
    await running();
    await closed.revoke("carol@localhost");
    await revoked;
    runs[0]?.finish(1);
    await failsWith(taken.call("wait"), "stopped");

    const open = async () => {
      const link = await openRawLink(await stack.raw("bob"), stack.domain);
      link.send(createHello({ calls: true }));
      return link;
    };
    const callOf = (alias: number): CallFrame => ({
      ...{ type: "call", alias, call: 1, id: Uint8Array.of(alias), timeoutMs: 5_000, caller: null },
      ...{ again: false, method: "wait", args: encodeUpdate(null, DEFAULT_LIMITS) },
    });
    const link = await open();
    await link.subscribe(service.node);
    const bound = (): BindSubscriptionFrame | undefined =>
      link.frames.find((frame): frame is BindSubscriptionFrame => frame.type === "bind");
    await until(() => bound() !== undefined, PATIENCE_MS, "BIND");
    const alias = bound()?.alias ?? -1;
    await link.ask(
      "set",
      xml("pubsub", NS.PUBSUB, xml("unsubscribe", { node: service.node, jid: link.jid })),
    );
    link.send(callOf(alias));
    await until(() => link.frames.some(({ type }) => type === "result"), PATIENCE_MS, "an answer");
    expect(link.frames.at(-1)).toMatchObject({ type: "result", call: 1, ok: false, code: "not-subscribed" });
    // An alias that this link never had, as one of another link, ends the link.
    link.send(callOf(alias + 7));
    await until(() => link.frames.some(({ type }) => type === "bye"), PATIENCE_MS, "BYE");
    expect(link.frames.at(-1)).toMatchObject({ type: "bye", code: "unknown-alias" });
    const liar = await open();
    liar.send({ ...callOf(0), caller: "alice@localhost" });
    await until(() => liar.frames.some(({ type }) => type === "bye"), PATIENCE_MS, "BYE");
    expect(liar.frames.at(-1)).toMatchObject({ type: "bye", code: "protocol" });
    expect(runs.length).toBe(1);
    await Promise.all([carol.close(), closed.stop()]);
  });

  it("to a program without calls are unsupported", async () => {
    const link = await openRawLink(await stack.raw("carol"), stack.domain);
    link.send(HELLO);
    await link.ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node: "carol@localhost/old" })));
    const old = await bob.subscribe("carol@localhost/old");
    await failsWith(old.call("reset"), "unsupported");
    expect(link.frames.some(({ type }) => type === "call")).toBe(false);
    await old.stop();
    await link.stream.close();
  });

  it("from a shell: the command, to the program of the guide", async () => {
    const folder = await mkdtemp(join(tmpdir(), "stanzapack-calls-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const guide = await readFile(new URL("../docs/guides/call-a-publisher.md", import.meta.url), "utf8");
    expect(guide).toContain(await readFile(ANSWER, "utf8"));
    const start = async (user: string, file: string, ...args: string[]): Promise<Program> => {
      for (const [name, value] of Object.entries(loginEnvironment(stack.sandbox, user, folder)))
        vi.stubEnv(name, value);
      try {
        return startProgram(file, ...args);
      } finally {
        vi.unstubAllEnvs();
      }
    };
    const program = await start("carol", fileURLToPath(ANSWER));
    const node = "carol@localhost/valve";
    await until(
      () => program.output.stdout.includes(`offering ${node}`),
      PATIENCE_MS,
      "the valve is offered",
    );
    const call = async (...args: string[]): Promise<[number | null, string, string]> => {
      const { output, ended } = await start("bob", COMMAND, "call", ...args);
      const status = await ended;
      return [status, output.stdout, output.stderr];
    };
    expect(await call(node, "status")).toEqual([0, '{"percent":0}\n', ""]);
    const [status, json] = await call("CAROL@localhost/valve", "open", '{"percent": 40}', "--json");
    const ms = expect.any(Number) as number;
    expect(status).toBe(0);
    expect(JSON.parse(json)).toEqual([{ node, method: "open", result: { percent: 40 }, ms }]);
    await until(
      () => program.output.stdout.includes("bob@localhost opens the valve to 40 %"),
      PATIENCE_MS,
      "the program says so",
    );
    const failures = [
      [await call(node, "open", "400"), "call-failed: give { percent } from 0 to 100. "],
      [await call(node, "shut"), "unknown-method: `carol@localhost/valve` has no method `shut`. Check"],
      [await call("carol@localhost/none", "status"), "no-such-service: "],
    ] as const;
    for (const [[exit, stdout, stderr], line] of failures) {
      expect([exit, stdout]).toEqual([1, ""]);
      expect(stderr.trimEnd().split("\n").at(-1)).toContain(`stanzapack: ${line}`);
    }
    expect(program.output.stderr).toContain("open of bob@localhost: give { percent }");
  });

  describe("whose publisher goes", () => {
    let carol: Client;
    let tap: OfferedService;

    beforeAll(async () => {
      carol = await stack.connect("carol");
      tap = await carol.offer("tap");
    });

    it("and is back in time get the answer; it ran once", async () => {
      const subscription = await bob.subscribe(tap.node);
      const { runs, running } = gated(tap, "wait");
      const [early, late] = [subscription.call("wait", 1), subscription.call("wait", 2)];
      await running(2);
      const link = holdLink(carol);
      // The result of the first is ready while there is no link.
      runs[0]?.finish("early");
      await until(() => subscription.status === "offline", PATIENCE_MS, "the publisher is offline");
      await failsWith(subscription.call("wait", 3), "publisher-offline");
      await link.open();
      expect(await early).toBe("early");
      runs[1]?.finish("late");
      expect(await late).toBe("late");
      expect(runs.map(({ args }) => args)).toEqual([1, 2]);
      await subscription.stop();
    });

    it("for good have an unknown outcome: at once after a stop, in time after a crash", async () => {
      const subscription = await bob.subscribe(tap.node);
      const { running } = gated(tap, "wait");
      const crashed = failsWith(subscription.call("wait", 1, { timeoutMs: 1_500 }), "outcome-unknown");
      await running();
      const link = holdLink(carol);
      await crashed;
      await link.open();
      const stopped = failsWith(
        subscription.call("wait", 2, { timeoutMs: PATIENCE_MS }),
        "outcome-unknown",
        "stopped",
      );
      await running(2);
      await carol.close();
      await stopped;
      await failsWith(subscription.call("wait", 3), "publisher-offline");
      await subscription.stop();
    });

    it("and another program in its place does not know the call, which runs nowhere twice", async () => {
      carol = await stack.connect("carol");
      tap = await carol.offer("tap");
      const subscription = await bob.subscribe(tap.node);
      const { runs, running } = gated(tap, "wait");
      const call = failsWith(subscription.call("wait", 1, { timeoutMs: PATIENCE_MS }), "outcome-unknown");
      await running();
      const held = holdLink(carol);
      const next = await stack.connect("carol");
      const again = await next.offer("tap", { takeOver: true });
      const other = gated(again, "wait");
      await call;
      const fresh = subscription.call("wait", 2);
      await other.running();
      other.runs[0]?.finish("fresh");
      expect(await fresh).toBe("fresh");
      expect([runs.length, other.runs.length]).toEqual([1, 1]);
      held.unlock();
      await Promise.all([subscription.stop(), carol.close(), next.close()]);
    });
  });

  it("run once where the caller's link breaks, and the answer comes on the next link", async () => {
    const valve = await bob.subscribe(service.node);
    const { runs, running } = gated(service, "wait");
    const [early, late] = [valve.call("wait", 1), valve.call("wait", 2)];
    await running(2);
    const results = (): number => stack.component.stats().framesReceived.result;
    const before = results();
    const link = holdLink(bob);
    // The publisher remembers this result; the component has nobody to give it to.
    runs[0]?.finish("early");
    await until(() => results() > before, PATIENCE_MS, "the result arrives");
    await link.open();
    expect(await early).toBe("early");
    runs[1]?.finish("late");
    expect(await late).toBe("late");
    expect(runs.map(({ args }) => args)).toEqual([1, 2]);
    await valve.stop();
  });

  it("outlive a break of the network, at either end, and wait for it to pass", async () => {
    const { host, ports } = stack.sandbox;
    const proxy = await startTcpProxy({ host, port: ports.c2s });
    onTestFinished(() => proxy.close());
    const carol = await stack.connect("carol", { url: `xmpp://127.0.0.1:${proxy.port}` });
    const { connection } = carol as unknown as { connection: Connection };
    const pump = await carol.offer("pump");
    const [valve, own] = [await carol.subscribe(service.node), await bob.subscribe(pump.node)];
    const [asked, asker] = [gated(service, "wait"), gated(pump, "wait")];
    const [result, other] = [valve.call("wait", 1), own.call("wait", "a")];
    await Promise.all([asked.running(), asker.running()]);
    proxy.refuse = true;
    proxy.cut();
    await until(() => connection.state !== "online", PATIENCE_MS, "the break is noticed");
    const meanwhile = valve.call("wait", 2);
    for (const { runs } of [asked, asker]) runs[0]?.finish("done");
    proxy.refuse = false;
    expect(await Promise.all([result, other])).toEqual(["done", "done"]);
    await asked.running(2);
    asked.runs[1]?.finish("later");
    expect(await meanwhile).toBe("later");
    expect([...asked.runs, ...asker.runs].map(({ args }) => args)).toEqual([1, 2, "a"]);
    await Promise.all([valve.stop(), own.stop()]);
    await carol.close();
  });

  it("of one account in a flood cost nobody else anything", async () => {
    const carol = await stack.connect("carol");
    const [flooding, valve] = [
      await carol.subscribe(service.node),
      await bob.subscribe<number>(service.node),
    ];
    const { runs } = gated(service, "wait");
    onTestFinished(service.handle("echo", (args) => args));
    const counter = publishCounter((value) => service.publish(value), 20);
    const seen: number[] = [];
    const lost = vi.fn();
    valve.on("update", ({ value }) => seen.push(value));
    valve.on("lost", lost);
    const codes = new Map<string, number>();
    const count = (error: unknown): void => {
      const { code } = error as StanzapackError;
      codes.set(code, (codes.get(code) ?? 0) + 1);
    };
    const flood = Promise.all(
      Array.from({ length: 250 }, (_, i) => flooding.call("wait", i, { timeoutMs: 60_000 }).catch(count)),
    );
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const from = performance.now();
      expect(await valve.call("echo", i)).toBe(i);
      times.push(performance.now() - from);
    }
    // 32 of one account wait at a time. The others were refused before the publisher saw them.
    await until(() => runs.length + (codes.get("busy") ?? 0) === 250, PATIENCE_MS, "each ran or was refused");
    expect(runs.length).toBe(32);
    for (const run of runs) run.finish("done");
    await flood;
    expect(Object.fromEntries(codes)).toEqual({ busy: 218 });
    console.log(`${server}: beside a flood, a call takes ${Math.max(...times).toFixed(0)} ms at most`);
    const before = counter.count;
    await until(() => (seen.at(-1) ?? 0) > before, PATIENCE_MS, "updates continue");
    expect(lost).not.toHaveBeenCalled();
    await until(() => stack.component.stats().calls === 0, PATIENCE_MS, "nothing is left");
    await Promise.all([carol.close(), valve.stop()]);
  });

  it("outlive a restart of the server, and a crash of the component", async () => {
    const valve = await bob.subscribe(service.node);
    const { runs, running } = gated(service, "wait");
    const first = valve.call("wait", 1, { timeoutMs: 60_000 });
    await running();
    await stack.sandbox.restart();
    await until(() => alice.online && bob.online, BACK_MS, "everyone is online");
    runs[0]?.finish("first");
    expect(await first).toBe("first");
    const second = valve.call("wait", 2, { timeoutMs: 60_000 });
    await running(2);
    await stack.crashComponent(100);
    // The component knows nothing of the call. Its publisher does.
    runs[1]?.finish("second");
    expect(await second).toBe("second");
    expect(runs.map(({ args }) => args)).toEqual([1, 2]);
    await valve.stop();
  });

  const queued = WHOLE || server === "prosody" ? 500 : 100;
  it(`queue offline through a restart: ${queued} run once each, the ${queued / 25} that differ are reported`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "stanzapack-commands-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const stock = await alice.offer<number>("stock", { kind: "map" });
    const keys = Array.from({ length: queued }, (_, i) => `item/${i}`);
    const master = new Map<string, number>();
    const set = (key: string, count: number): void => {
      master.set(key, count);
      stock.set(key, count);
    };
    stock.batch(() => keys.forEach((key) => set(key, 10)));
    const runs: string[] = [];
    stock.handle("take", (key: string) => {
      const left = (master.get(key) ?? 0) - 1;
      runs.push(key);
      set(key, left);
      return left;
    });

    const { host, ports } = stack.sandbox;
    const proxy = await startTcpProxy({ host, port: ports.c2s });
    onTestFinished(() => proxy.close());
    const carol = await stack.connect("carol", { url: `xmpp://127.0.0.1:${proxy.port}` });
    let store = await openOutboxStore(folder);
    const seen = await carol.subscribe<number>(stock.node);
    await until(() => seen.map.size === queued, PATIENCE_MS, "the copy of the map");
    const { connection } = carol as unknown as { connection: Connection };
    proxy.refuse = true;
    proxy.cut();
    await until(() => connection.state !== "online", PATIENCE_MS, "the break is noticed");
    const queue = await carol.commands(store);
    const view = queue.view(seen);
    const calls = keys.map((key) =>
      queue.call(seen, "take", key, {
        change: (map) => {
          const left = (map.get(key) ?? 0) - 1;
          map.set(key, left);
          return left;
        },
      }),
    );
    await Promise.all(calls);
    expect([view.map.get("item/7"), seen.map.get("item/7"), runs.length]).toEqual([9, 10, 0]);
    // Others take from the same stock meanwhile.
    const changed = keys.filter((_, i) => i % 25 === 3);
    for (const key of changed) set(key, 5);
    await carol.close();
    await store.close();

    store = await openOutboxStore(folder);
    const again = await stack.connect("carol");
    const replay = await again.commands(store);
    expect(replay.pending.map(({ args }) => args)).toEqual(keys);
    const variances: unknown[] = [];
    let done = 0;
    replay.on("done", () => done++);
    replay.on("variance", ({ command, expected, result }) =>
      variances.push([command.args, expected, result]),
    );
    replay.on("failed", ({ error }) => variances.push(error));
    const from = performance.now();
    const copy = await again.subscribe<number>(stock.node);
    const shown = replay.view(copy).map;
    await until(() => replay.pending.length === 0, 180_000, "all commands have run");
    const ms = performance.now() - from;
    console.log(`${server}: ${queued} commands are replayed in ${ms.toFixed(0)} ms`);
    expect(runs).toEqual(keys);
    expect([done, variances]).toEqual([queued - changed.length, changed.map((key) => [key, 9, 4])]);
    const isMaster = (map: ReadonlyMap<string, number>): boolean =>
      map.size === master.size && [...map].every(([key, count]) => master.get(key) === count);
    await until(() => isMaster(copy.map) && isMaster(shown), PATIENCE_MS, "the publisher's map");
    await again.close();
    await store.close();
    // Nothing is left to run.
    store = await openOutboxStore(folder);
    const idle = await stack.connect("carol");
    expect((await idle.commands(store)).pending).toEqual([]);
    await idle.close();
    await store.close();
    await stock.stop();
  });

  it("have an unknown outcome where the component restarts and the publisher is gone", async () => {
    const carol = await stack.connect("carol");
    const tap = await carol.offer("gone");
    const subscription = await bob.subscribe(tap.node);
    const { running } = gated(tap, "wait");
    const call = failsWith(subscription.call("wait", 1, { timeoutMs: 8_000 }), "outcome-unknown");
    await running();
    const held = holdLink(carol);
    await stack.restartComponent(100);
    await call;
    held.unlock();
    await Promise.all([carol.close(), subscription.stop()]);
  });
});
