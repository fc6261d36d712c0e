import { StanzapackError, type Value } from "@stanzapack/wire";
import { afterEach, describe, expect, it, vi } from "vitest";
import { argsOf, CommandStage, NODE, until } from "../testing/command-stage.js";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
/** Whole numbers below a limit, the same in each run (xorshift32). */
function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state % limit;
  };
}
const failsWith = (promise: Promise<unknown>, code: string, text = ""): Promise<void> =>
  expect(promise).rejects.toMatchObject({ code, message: expect.stringContaining(text) as string });

/** A publisher that takes stock out: it returns what is left, and refuses what is not there. */
function stocked(stage: CommandStage, of: Record<string, number> = {}): Map<string, number> {
  const runs = new Map<string, number>();
  for (const [key, count] of Object.entries(of)) stage.set(key, count);
  stage.handlers.handle("take", (key: string) => {
    runs.set(key, (runs.get(key) ?? 0) + 1);
    const left = (stage.master.get(key) as number | undefined) ?? 0;
    if (left === 0) throw new Error(`no ${key} is left`);
    stage.set(key, left - 1);
    return left - 1;
  });
  return runs;
}

/** What the subscriber expects of `take`. */
const taken = (key: string) => ({
  change: (map: {
    get(key: string): number | undefined;
    set(key: string, value: number): unknown;
  }): Value => {
    const left = (map.get(key) ?? 0) - 1;
    map.set(key, left);
    return left;
  },
});

describe("a queue of commands", () => {
  it("replays a day offline in order, each once, and reports what met a changed master", async () => {
    const stage = new CommandStage();
    const keys = range(500).map((i) => `item/${i}`);
    const runs = stocked(stage, Object.fromEntries(keys.map((key) => [key, 10])));
    stage.online();
    stage.offline();
    const { commands, events } = stage.open();
    const view = commands.view(stage.subscription);
    await Promise.all(keys.map((key) => commands.call(stage.subscription, "take", key, taken(key))));
    expect(commands.pending).toHaveLength(500);
    // All of one turn are one write.
    expect(stage.store.writes).toHaveLength(1);
    expect([view.map.get("item/7"), stage.subscription.map.get("item/7")]).toEqual([9, 10]);
    // Others were here meanwhile.
    const changed = keys.filter((_, i) => i % 25 === 3);
    for (const key of changed) stage.set(key, 5);
    expect(runs.size).toBe(0);

    stage.online();
    await until(() => commands.pending.length === 0, "all have run");
    expect([...runs]).toEqual(keys.map((key) => [key, 1]));
    expect(events.filter(([event]) => event === "variance")).toEqual(
      changed.map((key) => ["variance", key, [9, 4]]),
    );
    expect(events).toHaveLength(500);
    expect(stage.calls.map(argsOf)).toEqual(keys);
    expect([...view.map].sort()).toEqual([...stage.master].sort());
    await until(() => stage.store.kept.size === 0, "nothing is stored");
    await commands.close();
    expect(stage.store.closed).toBe(1);
  });

  it("continues after a restart of its program, and asks for what was sent", async () => {
    const stage = new CommandStage();
    const runs = stocked(stage, { a: 1, b: 1, c: 1 });
    const first = stage.open();
    for (const key of ["a", "b", "c"]) await first.commands.call(NODE, "take", key, { expect: 0 });
    const before = first.commands.pending;
    stage.dropResults = true;
    stage.online();
    await until(() => runs.size === 1, "the first has run");
    stage.offline();
    await first.commands.close();
    expect(first.events).toEqual([["ended", undefined]]);

    stage.resubscribe();
    stage.dropResults = false;
    const { commands, events } = stage.open();
    expect(commands.pending).toEqual(before.map((it, i) => ({ ...it, sent: i === 0 })));
    stage.online();
    await until(() => commands.pending.length === 0, "all have run");
    expect(events).toEqual(["a", "b", "c"].map((key) => ["done", key, 0]));
    expect([...runs]).toEqual(["a", "b", "c"].map((key) => [key, 1]));
    expect(stage.calls.map(({ again }) => again)).toEqual([false, true, false, false]);
    expect(stage.calls[1]?.id).toEqual(stage.calls[0]?.id);
  });

  it("shows changes from the store again after a restart, above a map that is there later", async () => {
    const stage = new CommandStage();
    stocked(stage, { a: 3, b: 3 });
    stage.online();
    stage.offline();
    const first = stage.open();
    await first.commands.call(stage.subscription, "take", "a", taken("a"));
    await first.commands.call(stage.subscription, "take", "a", taken("a"));
    await first.commands.close();
    stage.resubscribe();
    stage.publisherIs("offline");
    const { commands, events } = stage.open();
    const view = commands.view(stage.subscription);
    const heard: unknown[] = [];
    view.on("change", ({ key, value, previous }) => heard.push([key, value, previous]));
    expect(Object.fromEntries(view.map)).toEqual({ a: 1 });
    stage.online();
    expect(Object.fromEntries(view.map)).toEqual({ a: 1, b: 3 });
    expect(heard).toEqual([["b", 3, undefined]]);
    expect(commands.view(stage.subscription)).toBe(view);
    stage.publisherIs("online");
    await until(() => commands.pending.length === 0, "both have run");
    expect(events).toEqual([
      ["done", "a", 2],
      ["done", "a", 1],
    ]);
    expect(heard).toHaveLength(1);
    await commands.close();
  });

  it("stores a command before it shows its changes, and the next builds on it already", async () => {
    const stage = new CommandStage();
    stocked(stage, { a: 9 });
    stage.online();
    stage.offline();
    const { commands } = stage.open();
    const view = commands.view(stage.subscription);
    let open = (): void => undefined;
    stage.store.gate = () => new Promise((resolve) => (open = resolve));
    const calls = ["a", "a"].map((key) => commands.call(stage.subscription, "take", key, taken(key)));
    await until(() => open.length === 1, "the write has begun");
    expect([view.map.get("a"), commands.pending]).toEqual([9, []]);
    open();
    expect((await Promise.all(calls)).map(({ expected }) => expected)).toEqual([8, 7]);
    expect(view.map.get("a")).toBe(7);
  });
});

describe("the outcome of a command", () => {
  it("takes a wrong expectation back, and keeps a right one until the map has it", async () => {
    const stage = new CommandStage();
    stocked(stage, { a: 5, b: 5, c: 0 });
    stage.online();
    stage.offline();
    const { commands, events } = stage.open();
    const view = commands.view(stage.subscription);
    const keys = ["a", "b", "c"];
    for (const key of keys) await commands.call(stage.subscription, "take", key, taken(key));
    stage.set("b", 2);
    stage.online();
    stage.mapIsLate = true;
    await until(() => commands.pending.length === 0, "all have run");
    expect(events).toEqual([
      ["done", "a", 4],
      ["variance", "b", [4, 1]],
      ["failed", "c", "call-failed"],
    ]);
    // The result of `a` came before the map's change.
    expect(Object.fromEntries(view.map)).toEqual({ a: 4, b: 2, c: 0 });
    expect(Object.fromEntries(stage.subscription.map)).toEqual({ a: 5, b: 2, c: 0 });
    const heard: unknown[] = [];
    view.on("change", ({ key, value }) => heard.push([key, value]));
    stage.tellLate();
    expect(Object.fromEntries(view.map)).toEqual({ a: 4, b: 1, c: 0 });
    expect(heard).toEqual([["b", 1]]);
  });

  it("is told after changes were taken back, and before the command leaves the store", async () => {
    const stage = new CommandStage();
    stocked(stage, { a: 0 });
    stage.online();
    stage.offline();
    const { commands } = stage.open();
    const view = commands.view(stage.subscription);
    await commands.call(stage.subscription, "take", "a", taken("a"));
    const seen: unknown[] = [];
    commands.on("failed", () => seen.push([view.map.get("a"), stage.store.kept.size]));
    stage.online();
    await until(() => stage.store.kept.size === 0, "the command leaves the store");
    expect(seen).toEqual([[0, 1]]);
  });

  it("without an expectation is done, whatever it is, and errors of the publisher end it", async () => {
    const stage = new CommandStage();
    stage.handlers.handle("echo", (args) => args);
    const { commands, events } = stage.open();
    await commands.call(NODE, "echo", [1]);
    await commands.call(NODE, "none", 2);
    await commands.call(NODE, "echo", null, { expect: null });
    await commands.call(NODE, "echo", 3, { expect: null });
    stage.online();
    await until(() => commands.pending.length === 0, "all have run");
    expect(events).toEqual([
      ["done", [1], [1]],
      ["failed", 2, "unknown-method"],
      ["done", null, null],
      ["variance", 3, [null, 3]],
    ]);
  });

  it("reaches the other listeners, and the replay continues, if a listener throws or closes the queue", async () => {
    const stage = new CommandStage();
    const uncaught: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => uncaught.push(error));
    stage.handlers.handle("echo", (args) => args);
    const { commands, events } = stage.open();
    commands.on("done", () => {
      throw new Error("mine");
    });
    commands.on("done", ({ command }) => {
      if (command.args === 2) void commands.close();
    });
    for (const i of [0, 1, 2, 3]) await commands.call(NODE, "echo", i);
    stage.online();
    await until(() => events.some(([event]) => event === "ended"), "the end");
    expect(events).toEqual([...range(3).map((i) => ["done", i, i]), ["ended", undefined]]);
    expect(uncaught).toHaveLength(3);
    // The one that was done when the queue closed is not there any more.
    expect(stage.open().commands.pending.map(({ args, sent }) => [args, sent])).toEqual([[3, false]]);
    await failsWith(commands.call(NODE, "echo"), "stopped");
  });

  it("is unknown where another program of the publisher has taken its place", async () => {
    const stage = new CommandStage();
    let runs = 0;
    stage.handlers.handle("once", () => void runs++);
    const { commands, events } = stage.open();
    stage.dropResults = true;
    stage.online();
    await commands.call(NODE, "once", "x", { expect: null });
    await until(() => runs === 1, "it runs");
    stage.offline();
    stage.dropResults = false;
    stage.restartPublisher();
    stage.handlers.handle("once", () => void runs++);
    stage.online();
    await until(() => commands.pending.length === 0, "the end");
    expect([events, runs]).toEqual([[["failed", "x", "outcome-unknown"]], 1]);
  });
});

it("a listener of `variance` can cancel the commands behind", async () => {
  const stage = new CommandStage();
  const runs = stocked(stage, { a: 9, b: 9 });
  stage.online();
  stage.offline();
  const { commands, events } = stage.open();
  for (const key of ["a", "b", "a"]) await commands.call(stage.subscription, "take", key, taken(key));
  stage.set("a", 3);
  commands.on("variance", ({ command }) => {
    for (const other of commands.pending) if (other.args === command.args) void commands.cancel(other);
  });
  stage.online();
  await until(() => stage.store.kept.size === 0, "the end");
  expect(events).toEqual([
    ["variance", "a", [8, 2]],
    ["done", "b", 8],
  ]);
  expect([...runs.values()]).toEqual([1, 1]);
});

describe("a command that cannot run now", () => {
  it("waits for its publisher, and for the time that a busy component names", async () => {
    vi.useFakeTimers();
    const stage = new CommandStage();
    stage.handlers.handle("echo", (args) => args);
    const { commands, events } = stage.open();
    stage.online();
    stage.publisherIs("offline");
    await commands.call(NODE, "echo", 1);
    await vi.advanceTimersByTimeAsync(300_000);
    const tries = stage.calls.length;
    // At most once in a second at first, and soon once in a minute.
    expect(tries).toBeGreaterThan(3);
    expect(tries).toBeLessThan(25);
    expect(commands.pending).toMatchObject([{ sent: false }]);
    expect(new Set(stage.calls.map(({ id, again }) => `${id.join()} ${again}`)).size).toBe(1);
    stage.publisherIs("online");
    await vi.advanceTimersByTimeAsync(10);
    expect(events).toEqual([["done", 1, 1]]);

    stage.refusal = { code: "busy", retryAfterMs: 7_000 };
    await commands.call(NODE, "echo", 2);
    await vi.advanceTimersByTimeAsync(10);
    const asked = stage.calls.length;
    stage.refusal = undefined;
    // News of the publisher does not shorten it.
    stage.publisherIs("online");
    await vi.advanceTimersByTimeAsync(6_900);
    expect(stage.calls).toHaveLength(asked);
    await vi.advanceTimersByTimeAsync(200);
    expect(events.at(-1)).toEqual(["done", 2, 2]);
    await commands.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits for a subscription, and delays no other node", async () => {
    const stage = new CommandStage();
    stage.handlers.handle("echo", (args) => args);
    stage.unsubscribe();
    const { commands, events } = stage.open();
    await commands.call("Bob@example.org/other", "echo", 0);
    await commands.call(NODE, "echo", 1);
    stage.resubscribe();
    stage.online();
    await until(() => events.length === 1, "the one with a subscription has run");
    expect(events).toEqual([["done", 1, 1]]);
    expect(commands.pending).toMatchObject([{ node: "bob@example.org/other" }]);
    await failsWith(commands.call("no node", "echo"), "bad-name");
  });

  it("waits for another subscription where the first is refused before the call is sent", async () => {
    const stage = new CommandStage();
    stage.handlers.handle("echo", (args) => args);
    const { commands, events } = stage.open();
    await commands.call(NODE, "echo", 1);
    // The link breaks while it is stored that the command is sent.
    stage.store.gate = async () => stage.offline();
    stage.online();
    await until(() => stage.store.writes.length === 2, "the note is stored");
    await new Promise((resolve) => setImmediate(resolve));
    stage.shared.finish(new StanzapackError("not-allowed", "revoked"));
    stage.store.gate = () => Promise.resolve();
    stage.resubscribe();
    stage.online();
    await until(() => events.length > 0, "it has run");
    expect(events).toEqual([["done", 1, 1]]);
  });

  it("ends when its time is over, and does not run", async () => {
    vi.useFakeTimers();
    const stage = new CommandStage();
    stage.handlers.handle("echo", (args) => args);
    const { commands, events } = stage.open();
    const week = 604_800_000;
    await commands.call(stage.subscription, "echo", "week", { change: (map) => void map.set("k", 1) });
    await commands.call(NODE, "echo", "hour", { keepMs: 3_600_000 });
    const view = commands.view(stage.subscription);
    await vi.advanceTimersByTimeAsync(3_599_999);
    expect(events).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(events).toEqual([["failed", "hour", "timeout"]]);
    await vi.advanceTimersByTimeAsync(week - 3_600_001);
    expect([events.length, view.map.get("k")]).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(1);
    expect([events.at(-1), view.map.size]).toEqual([["failed", "week", "timeout"], 0]);
    stage.online();
    await vi.advanceTimersByTimeAsync(1_000);
    expect([stage.calls, stage.store.kept.size]).toEqual([[], 0]);
  });

  it("is asked for while its publisher remembers it, over breaks of any length, and then given up", async () => {
    vi.useFakeTimers();
    const stage = new CommandStage();
    let finish: (value: string) => void = () => undefined;
    stage.handlers.handle("slow", () => new Promise((resolve) => (finish = resolve)));
    const { commands, events } = stage.open();
    stage.online();
    await commands.call(NODE, "slow", "x", { timeoutMs: 5_000 });
    await vi.advanceTimersByTimeAsync(10);
    stage.offline();
    finish("result");
    // Its own time is over long before the link is back.
    await vi.advanceTimersByTimeAsync(300_000);
    expect(events).toEqual([]);
    stage.online();
    await vi.advanceTimersByTimeAsync(10);
    expect(events).toEqual([["done", "x", "result"]]);
    expect(stage.calls.map(({ again }) => again)).toEqual([false, true]);

    await commands.call(NODE, "slow", "y", { timeoutMs: 5_000, keepMs: 1 });
    await vi.advanceTimersByTimeAsync(10);
    stage.offline();
    await vi.advanceTimersByTimeAsync(1_300_000);
    expect(events.at(-1)).toEqual(["failed", "y", "outcome-unknown"]);
    expect(commands.pending).toEqual([]);
  });

  it("can be cancelled, but not once it was sent", async () => {
    const stage = new CommandStage();
    let finish: (value: number) => void = () => undefined;
    const runs: unknown[] = [];
    stage.handlers.handle("slow", (args) => {
      runs.push(args);
      return new Promise((resolve) => (finish = resolve));
    });
    const { commands, events } = stage.open();
    const [one, two, three] = await Promise.all([1, 2, 3].map((i) => commands.call(NODE, "slow", i)));
    if (one === undefined || two === undefined || three === undefined) throw new Error("no commands");
    expect(await commands.cancel(two)).toBe(true);
    expect([await commands.cancel(two), stage.store.kept.size]).toEqual([false, 2]);
    stage.online();
    await until(() => runs.length === 1, "the first runs");
    expect(await commands.cancel(one)).toBe(false);
    finish(0);
    await until(() => runs.length === 2, "the third runs");
    finish(0);
    await until(() => commands.pending.length === 0, "the end");
    expect(events).toEqual([
      ["done", 1, 0],
      ["done", 3, 0],
    ]);
  });
});

describe("a queue that cannot take a command", () => {
  it("is full, until a command ends", async () => {
    const stage = new CommandStage();
    stage.handlers.handle("echo", (args) => args);
    const { commands } = stage.open({ maxCommands: 3 });
    const calls = range(4).map((i) => commands.call(NODE, "echo", i));
    await failsWith(calls[3] as Promise<unknown>, "busy", "the queue is full: 3 commands");
    stage.online();
    await until(() => commands.pending.length === 0, "all have run");
    await commands.call(NODE, "echo", 4);
    const small = stage.open({ maxBytes: 1_000 });
    await failsWith(small.commands.call(NODE, "echo", "x".repeat(1_000)), "busy", "full");
    await small.commands.call(NODE, "echo", "x".repeat(500));
  });

  it("says what is wrong with it, and queues nothing", async () => {
    const stage = new CommandStage();
    const { commands } = stage.open();
    const call = (options: object, args: unknown = null): Promise<unknown> =>
      commands.call(stage.subscription, "m", args as Value, options);
    await failsWith(commands.call(NODE, ""), "invalid-options", "method");
    await failsWith(call({ keepMs: 0 }), "invalid-options", "keepMs");
    await failsWith(call({ expected: 1 }), "invalid-options", "`expect`");
    await failsWith(call({ change: 1 }), "invalid-options", "change");
    await failsWith(call({}, new Date()), "unencodable");
    await failsWith(call({ expect: () => 1 }), "unencodable");
    await failsWith(call({}, "x".repeat(50_000)), "too-large");
    await failsWith(call({ change: () => Promise.resolve(1) }), "usage", "asynchronous");
    const mine = new Error("mine");
    const throws = {
      change: () => {
        throw mine;
      },
    };
    await expect(call(throws)).rejects.toBe(mine);
    expect([commands.pending, stage.store.writes]).toEqual([[], []]);
  });

  it("has a store that fails: the queue ends, and shows nothing that was not stored", async () => {
    const stage = new CommandStage();
    stage.online();
    stage.offline();
    const { commands, events } = stage.open();
    const view = commands.view(stage.subscription);
    stage.store.gate = () => Promise.reject(new Error("the disk is full"));
    const change = (map: { set(key: string, value: number): unknown }): void => void map.set("k", 1);
    const call = commands.call(stage.subscription, "m", null, { change });
    await failsWith(call, "store-failed", "the disk is full");
    await until(() => events.length === 1, "the end");
    expect(events).toEqual([["ended", "store-failed"]]);
    expect([view.map.size, stage.store.closed]).toEqual([0, 1]);
    await failsWith(commands.call(NODE, "m"), "store-failed");
  });

  it("sends nothing whose sending could not be stored", async () => {
    const stage = new CommandStage();
    const { commands, events } = stage.open();
    await commands.call(NODE, "m");
    stage.store.gate = () => Promise.reject(new Error("the disk is full"));
    stage.online();
    await until(() => events.length === 1, "the end");
    expect([events, stage.calls]).toEqual([[["ended", "store-failed"]], []]);
  });
});

it("through crashes and breaks at any moment, each command runs at most once, in order, and is reported", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = createRandom(seed);
    const stage = new CommandStage();
    const runs: unknown[] = [];
    const offer = (): unknown => stage.handlers.handle("run", (args) => (runs.push(args), args));
    offer();
    const told = new Map<unknown, string>();
    const turns = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    // A write takes some turns, as a disk does.
    stage.store.gate = () => turns(random(3));
    const start = () => {
      const { commands } = stage.open();
      commands.on("done", ({ command: { args } }) => told.set(args, "done"));
      commands.on("failed", ({ command: { args }, error }) => told.set(args, told.get(args) ?? error.code));
      return commands;
    };
    let commands = start();
    await Promise.all(range(12).map((i) => commands.call(NODE, "run", i, { expect: i })));
    for (let round = 0; commands.pending.length > 0; round++) {
      if (round > 200) throw new Error(`seed ${seed}: ${commands.pending.length} commands are left`);
      stage.online();
      await turns(random(12));
      // A publisher that restarts has forgotten all results.
      if (random(4) === 0) {
        stage.restartPublisher();
        offer();
      }
      if (random(2) === 0) stage.offline();
      else {
        stage.crash();
        commands = start();
      }
    }
    expect(runs, `seed ${seed}`).toEqual([...new Set(runs)].sort((a, b) => Number(a) - Number(b)));
    expect(
      [...told.keys()].sort((a, b) => Number(a) - Number(b)),
      `seed ${seed}`,
    ).toEqual(range(12));
    for (const [args, outcome] of told)
      if (outcome === "done") expect(runs).toContain(args);
      else expect(outcome).toBe("outcome-unknown");
  }
});

it("damaged commands of a store are reported and removed, and the others run", async () => {
  const stage = new CommandStage();
  stage.handlers.handle("echo", (args) => args);
  const first = stage.open();
  await Promise.all(range(5).map((i) => first.commands.call(NODE, "echo", i)));
  await first.commands.close();
  const { kept } = stage.store;
  const broken = (kept.get(3) as Uint8Array).slice();
  broken[20] = (broken[20] as number) ^ 1;
  kept.set(3, broken).set(5, new Uint8Array());
  const { commands, events } = stage.open();
  stage.online();
  await until(() => commands.pending.length === 0 && kept.size === 0, "the others have run");
  expect(events).toEqual([["damaged", 3], ["damaged", 5], ...[0, 1, 3].map((i) => ["done", i, i])]);
});
