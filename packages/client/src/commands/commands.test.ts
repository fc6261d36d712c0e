import type { Value } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { argsOf, CommandStage, until } from "../testing/command-stage.js";

const NODE = "alice@example.org/fleet";
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** A publisher that takes stock out: it returns what is left, and refuses what is not there. */
function stocked(stage: CommandStage): Map<string, number> {
  const runs = new Map<string, number>();
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
    const runs = stocked(stage);
    const keys = range(500).map((i) => `item/${i}`);
    for (const key of keys) stage.set(key, 10);
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
    const runs = stocked(stage);
    for (const key of ["a", "b", "c"]) stage.set(key, 1);
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
});
