import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Level } from "level";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { OutboxEntry } from "./outbox-store.js";
import { openOutboxStore, type LevelOutboxStore } from "./level-store.js";

const NODE = "alice@example.org/readings";
const entryOf = (byte: number): OutboxEntry => ({
  row: new Uint8Array(100).fill(byte),
  at: byte * 1_000 + 0.5,
});
const entriesOf = (from: number, to: number): OutboxEntry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entryOf(from + i));

let location: string;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), "stanzapack-store-"));
  location = join(folder, "not", "there", "yet");
  return () => rm(folder, { recursive: true });
});

async function open(): Promise<LevelOutboxStore> {
  const store = await openOutboxStore(location);
  onTestFinished(() => store.close());
  return store;
}

const expectDamaged = async (): Promise<void> => {
  const attempt = (async () => {
    const store = await openOutboxStore(location);
    await store.open(NODE).finally(() => store.close());
  })();
  await expect(attempt).rejects.toMatchObject({
    ...{ code: "store-failed", retryable: false, scope: "subscription" },
    message: expect.stringMatching(/ive another location/),
  });
};

describe("a store", () => {
  it("opens again when its program was killed between an append and the forgetting of as much", async () => {
    const store = await open();
    const outbox = await store.open(NODE);
    for (let i = 0; i < 17; i++) await outbox.append(entriesOf(1, 4_096));
    await outbox.close();
    expect((await store.open(NODE)).entries).toHaveLength(17 * 4_096);
  }, 30_000);

  it("gives back what was appended and not forgotten, in order, with its incarnation", async () => {
    let store = await open();
    let outbox = await store.open(NODE);
    expect(outbox).toMatchObject({ before: 0, entries: [] });
    const { incarnation } = outbox;
    expect(incarnation).toBeGreaterThan(0);
    await outbox.append(entriesOf(1, 120));
    await outbox.append([entryOf(121)]);
    await outbox.forget(110);
    await outbox.close();
    await store.close();

    store = await open();
    outbox = await store.open(NODE);
    expect(outbox).toMatchObject({ incarnation, before: 110, entries: entriesOf(111, 121) });
    await outbox.append([entryOf(122)]);
    await outbox.forget(122);
    await outbox.renew(77);
    await outbox.close();
    expect(await store.open(NODE)).toMatchObject({ incarnation: 77, before: 122, entries: [] });
  });

  it("keeps services apart, also where one's name begins as another's", async () => {
    const store = await open();
    const names = ["a", "a.b", "a-", "a0", "head"].map((name) => `alice@example.org/${name}`);
    for (const [i, node] of names.entries()) {
      const outbox = await store.open(node);
      await outbox.append(entriesOf(i + 1, 20));
      await outbox.close();
    }
    for (const [i, node] of names.entries())
      expect((await store.open(node)).entries).toEqual(entriesOf(i + 1, 20));
  });

  it("is one program's, and an outbox one offer's", async () => {
    const store = await open();
    const outbox = await store.open(NODE);
    const busy = { code: "store-failed", retryable: true };
    await expect(store.open(NODE)).rejects.toMatchObject({
      ...busy,
      text: expect.stringContaining("in use"),
    });
    const other = `import { Level } from "level";
      await new Level(${JSON.stringify(location)}).open().catch(({ cause }) => console.log(cause.code));`;
    const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", other]);
    expect((await run).stdout.trim()).toBe("LEVEL_LOCKED");
    await expect(openOutboxStore(location)).rejects.toMatchObject({
      ...{ ...busy, text: expect.stringContaining("another program has it") },
    });
    await outbox.close();
    await (await store.open(NODE)).close();
    await store.close();
    await (await open()).close();
  });

  it("of another version is not touched", async () => {
    await (await openOutboxStore(location)).close();
    const db = new Level<string, Uint8Array>(location, { valueEncoding: "view" });
    await db.put("version", Uint8Array.of(2));
    await db.close();
    await expect(openOutboxStore(location)).rejects.toMatchObject({
      ...{ code: "store-failed", text: expect.stringContaining("version 2") },
    });
  });
});

describe("commands in a store", () => {
  const BOB = "bob@example.org";
  const command = (sequence: number, length = 10) => ({
    ...{ sequence, bytes: new Uint8Array(length).fill(sequence) },
  });

  it("are given back as they were written, in order, for each account, beside outboxes", async () => {
    let store = await open();
    await (await store.open(NODE)).append([entryOf(1)]);
    const other = await store.openCommands("bob@example.org.uk");
    await other.write({ put: [command(1)], remove: [], state: undefined });
    let bob = await store.openCommands(BOB);
    expect(bob).toMatchObject({ entries: [], state: undefined });
    await bob.write({ put: [command(10), command(2), command(3)], remove: [], state: Uint8Array.of(1) });
    await bob.write({ put: [command(11)], remove: [3], state: undefined });
    await bob.write({ put: [], remove: [], state: Uint8Array.of(2) });
    await bob.close();
    await store.close();

    store = await open();
    bob = await store.openCommands(BOB);
    expect(bob).toMatchObject({
      entries: [command(2), command(10), command(11)],
      state: Uint8Array.of(2),
    });
    expect((await store.open(NODE)).entries).toEqual([entryOf(1)]);
  });

  it("are one queue's at a time, and no more than a queue may hold", async () => {
    const store = await open();
    const bob = await store.openCommands(BOB);
    await expect(store.openCommands(BOB)).rejects.toMatchObject({
      ...{ code: "store-failed", retryable: true, text: expect.stringContaining("in use") },
    });
    await bob.write({
      ...{ put: Array.from({ length: 10_001 }, (_, i) => command(i + 1, 1)), remove: [], state: undefined },
    });
    await bob.close();
    await expect(store.openCommands(BOB)).rejects.toMatchObject({
      ...{ code: "store-failed", text: expect.stringContaining("more commands than a queue may hold") },
    });
    await (await store.openCommands("carol@example.org")).close();
  });
});

describe("a damaged store says so", () => {
  beforeEach(async () => {
    const store = await openOutboxStore(location);
    const outbox = await store.open(NODE);
    for (let from = 1; from <= 2_000; from += 20) await outbox.append(entriesOf(from, from + 19));
    await store.close();
  });

  const filesOf = async (end: string): Promise<string[]> =>
    (await readdir(location)).filter((file) => file.endsWith(end)).map((file) => join(location, file));
  async function change(file: string, act: (bytes: Buffer) => Buffer): Promise<void> {
    await writeFile(file, act(await readFile(file)));
  }

  it("where bytes of its log are others", async () => {
    const [log] = await filesOf(".log");
    await change(log as string, (bytes) => bytes.fill(0xff, 100_000, 100_050));
    await expectDamaged();
  });

  it("where bytes of a table are others", async () => {
    // When the store opens again, it moves its log into a table.
    await (await openOutboxStore(location)).close();
    const [table] = await filesOf(".ldb");
    // The table's size depends on the outbox's random incarnation, and may be odd.
    await change(table as string, (bytes) => {
      const middle = Math.floor(bytes.length / 2);
      return bytes.fill(0xff, middle, middle + 20);
    });
    await expectDamaged();
  });

  it("where a table is cut short, or missing", async () => {
    await (await openOutboxStore(location)).close();
    const [table] = await filesOf(".ldb");
    await change(table as string, (bytes) => bytes.subarray(0, bytes.length / 2));
    await expectDamaged();
    await rm(table as string);
    await expectDamaged();
  });

  it.each(["CURRENT", "MANIFEST"])("where %s is missing, and deletes nothing", async (name) => {
    const file = (await readdir(location)).find((it) => it.startsWith(name)) as string;
    await rm(join(location, file));
    const size = (await filesOf(".log")).length;
    await expectDamaged();
    expect((await filesOf(".log")).length).toBe(size);
  });

  it("where an update is missing, or broken though the database does not see it", async () => {
    const db = new Level<string, Uint8Array>(location, { valueEncoding: "view" });
    const key = `${NODE}/0000000000000500`;
    const value = (await db.get(key)) ?? new Uint8Array();
    for (const broken of [value.map((byte, i) => (i === 50 ? byte ^ 1 : byte)), value.subarray(0, 5)]) {
      await db.open();
      await db.put(key, broken);
      await db.close();
      await expectDamaged();
    }
    await db.open();
    await db.del(key);
    await db.close();
    await expectDamaged();
  });

  it("but the torn end of a write that nobody was told of is none", async () => {
    const [log] = await filesOf(".log");
    await change(log as string, (bytes) => bytes.subarray(0, bytes.length - 1_000));
    const store = await open();
    expect((await store.open(NODE)).entries.length).toBe(1_980);
  });
});
