import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";

const WRITER = fileURLToPath(new URL("support/store-writer.mjs", import.meta.url));
const ROUNDS = Number(process.env["STORE_KILL_ROUNDS"] ?? 8);

interface State {
  readonly offset: number;
  readonly epoch: number;
  readonly gap?: { readonly from: number; readonly to: number };
  readonly offsets: readonly number[];
  readonly right: boolean;
  readonly sequence: number;
}

interface Message {
  readonly opened?: { readonly sync: State; readonly interval: State };
  readonly durability?: "sync" | "interval";
  readonly promised?: number;
  readonly damage?: string;
}

/** Runs the writer until `promises` promises after it has opened the store, then kills the writer. */
async function round(location: string, promises: number) {
  const child = fork(WRITER, [location], { execArgv: [] });
  const promised = { sync: 0, interval: 0 };
  const damage: string[] = [];
  let opened: Message["opened"];
  let count = 0;
  child.on("message", (message: Message) => {
    if (message.damage !== undefined) damage.push(message.damage);
    opened ??= message.opened;
    if (message.durability === undefined) return;
    promised[message.durability] = message.promised as number;
    if (++count >= promises) child.kill("SIGKILL");
  });
  await once(child, "exit");
  return { opened: opened as NonNullable<Message["opened"]>, promised, damage };
}

it("a store keeps its promises when its process is killed at any moment", async () => {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-store-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  let before = { sync: 0, interval: 0 };
  for (let i = 0; i < ROUNDS; i++) {
    const { opened, promised, damage } = await round(location, 1 + Math.floor(Math.random() * 300));
    expect(damage).toEqual([]);
    for (const durability of ["sync", "interval"] as const) {
      const { offset, epoch, offsets, right, sequence } = opened[durability];
      // No promise is broken, and no offset means two things.
      expect(offset).toBeGreaterThanOrEqual(before[durability]);
      expect([epoch, right]).toEqual([1_000, true]);
      // The journal has no hole, and the sequence was stored together with the newest row.
      const newest = offsets.at(-1) ?? 0;
      expect(newest).toBe(sequence);
      if (durability === "sync") expect(newest).toBe(offset);
      // What retention dropped last is perhaps still there.
      expect(offsets.length).toBeLessThanOrEqual(600);
    }
    const { sync, interval } = opened;
    expect(sync.gap).toBeUndefined();
    expect(sync.offsets).toEqual(sync.offsets.map((_, n) => (sync.offsets[0] ?? 0) + n));
    if (interval.offset > 0)
      expect(interval.gap).toEqual({ from: (interval.offsets.at(-1) ?? 0) + 1, to: interval.offset });
    before = promised;
  }
});
