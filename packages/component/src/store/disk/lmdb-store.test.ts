import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StanzapackError } from "@stanzapack/wire";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { storeSuite } from "../../testing/store-suite.js";
import { newRecord, readNow, rowsOf, storeOptions, textsOf } from "../../testing/stores.js";
import type { StoreDamage } from "../base/store-options.js";
import type { DiskStoreOptions } from "./disk-store.js";
import { metaKey } from "./keys.js";
import { LmdbEngine } from "./lmdb-engine.js";
import { openLmdbStore } from "./lmdb-store.js";
import { encodeRecord } from "../base/records.js";
import type { Store } from "../store.js";

async function newLocation(): Promise<string> {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-store-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  return location;
}

storeSuite("a store on LMDB", {
  durabilities: ["none", "interval", "sync"],
  open: async (options) => openLmdbStore(await newLocation(), storeOptions(options)),
});

const NODE = "alice@x/log";

/** Opens a store, and collects what it reports. */
async function open(location: string, options: Partial<DiskStoreOptions> = {}) {
  const damage: StoreDamage[] = [];
  const store = await openLmdbStore(
    location,
    storeOptions({ onDamage: (each) => damage.push(each), ...options }),
  );
  onTestFinished(() => store.close().catch(() => undefined));
  return { store, damage };
}

/** A closed store with two services of `count` updates each, of some 60 bytes. */
async function filled(location: string, count: number): Promise<string> {
  const { store } = await open(location);
  for (const node of [NODE, "bob@x/log"]) {
    const log = await store.create(newRecord(node));
    const writes: unknown[] = [];
    for (let offset = 1; offset <= count; offset++) {
      const row = Buffer.from(String(offset).padEnd(60, "."));
      writes.push(log.write({ append: { ...rowsOf(offset), rows: [row] } }));
      if (offset % 50 === 0) await Promise.all(writes.splice(0));
    }
    await Promise.all(writes);
  }
  const big = await store.create(newRecord("carol@x/log"));
  await big.write({ append: { ...rowsOf(1), rows: [Buffer.alloc(20_000, "x")] } });
  await store.cursors.put({ node: NODE, cursor: "c", owner: "bob@x", epoch: 1, offset: 5, at: 1e12 });
  await store.close();
  return join(location, "data.mdb");
}

/** Flips a bit in the text of a record. */
async function breakRecord(file: string): Promise<void> {
  const bytes = await readFile(file);
  const at = bytes.indexOf('"carol@x/log"');
  expect(at).toBeGreaterThan(0);
  for (let i = at; i > 0; i = bytes.indexOf('"carol@x/log"', i + 1)) bytes[i + 1] = 0x43;
  await writeFile(file, bytes);
}

async function numbersOf(store: Store, node: string): Promise<number[]> {
  const service = await store.open(node);
  return service === undefined ? [] : (await textsOf(service.journal)).map((text) => parseInt(text));
}

describe("a store in a directory", () => {
  it("is whole after it was closed, and has what it had", async () => {
    const location = await newLocation();
    await filled(location, 200);
    const { store, damage } = await open(location);
    expect(await numbersOf(store, NODE)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    const big = await store.open("carol@x/log");
    expect((big && (await readNow(big.journal, 1, 1, 1)))?.rows[0]).toEqual(Buffer.alloc(20_000, "x"));
    expect(await store.cursors.ofOwner("bob@x")).toHaveLength(1);
    expect(damage).toEqual([]);
  });

  it("is refused while another part of this process, or another process, has it", async () => {
    const location = await newLocation();
    const { store } = await open(location);
    await expect(open(location)).rejects.toThrow("another process has the store");
    const program = `require("fs-native-extensions"); const fd = require("fs").openSync(process.argv[1], "a");
      process.exit(require("fs-native-extensions").tryLock(fd) ? 0 : 7)`;
    const lock = join(location, "lock");
    const { status } = spawnSync(process.execPath, ["-e", program, lock], { cwd: import.meta.dirname });
    expect(status).toBe(7);
    await store.close();
    await open(location);
  });

  it("is refused if it is of another version, and stays as it is", async () => {
    const location = await newLocation();
    const file = await filled(location, 1);
    const engine = new LmdbEngine(file);
    await engine.commit([{ key: metaKey("version"), value: encodeRecord({ version: 99 }) }]);
    await engine.close();
    await expect(open(location)).rejects.toThrow(
      /is of version 99, and this program reads version 1\. Run the version of Stanzapack that wrote the store, probably a later one/,
    );
    await expect(open(location)).rejects.toMatchObject({ code: "store-failed" });
  });

  it.each([
    ["has records that nobody here knows", false],
    ["cannot be opened", true],
  ])("of another version is not repaired where it %s", async (_, isCut) => {
    const location = await newLocation();
    const file = await filled(location, 100);
    const engine = new LmdbEngine(file);
    await engine.commit([{ key: metaKey("version"), value: encodeRecord({ version: 2 }) }]);
    await engine.close();
    // Another version may seal its records in another way.
    if (!isCut) await breakRecord(file);
    else await truncate(file, Math.floor((await stat(file)).size * 0.6));
    const before = await readFile(file);
    await rm(join(location, "clean"));
    await expect(open(location)).rejects.toThrow(/is of version 2, .*a later one.* was not changed/);
    expect(before.equals(await readFile(file))).toBe(true);
    expect((await readdir(location)).filter((name) => /damaged|new/.test(name))).toEqual([]);
  });

  it("refuses a directory that it cannot write", async () => {
    const location = await newLocation();
    await writeFile(join(location, "file"), "");
    await expect(open(join(location, "file"))).rejects.toThrow("`store: { kind: memory }`");
  });
});

describe("a damaged store", () => {
  it.each([0.99, 0.9, 0.6, 0.3, 0.1])("that was cut to %f of its length is recovered", async (part) => {
    const location = await newLocation();
    const file = await filled(location, 400);
    const { size } = await stat(file);
    await truncate(file, Math.floor(size * part));
    const outcome = await open(location).catch((error: unknown) => error as StanzapackError);
    if (outcome instanceof Error) {
      expect(outcome).toMatchObject({ code: "store-failed" });
      expect(outcome.message).toContain("nothing in it can be read");
      return;
    }
    const { store, damage } = outcome;
    // At the end of the file may be nothing but free pages.
    if (damage.length === 0) return expect(await numbersOf(store, NODE)).toHaveLength(400);
    expect(damage[0]?.text).toContain("the store was damaged");
    expect((await readdir(location)).filter((name) => name.includes("damaged"))).toHaveLength(1);
    for (const { node, epoch, offset } of store.services()) {
      expect(epoch).toBe(1_001);
      const numbers = await numbersOf(store, node);
      expect(new Set(numbers).size).toBe(numbers.length);
      expect(Math.max(0, ...numbers)).toBeLessThanOrEqual(offset);
      const lost = damage.filter((each) => each.node === node).flatMap(({ lost: range }) => range ?? []);
      const missing = lost.reduce((sum, { from, to }) => sum + to - from + 1, 0);
      if (part >= 0.9) expect(numbers.length + missing).toBeGreaterThanOrEqual(offset);
      if (part >= 0.99 && node === NODE) expect(numbers.length).toBeGreaterThan(300);
    }
    await store.close();
    expect((await open(location)).damage).toEqual([]);
  });

  it("whose pages were overwritten loses what was there, says so, and works on", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const location = await newLocation();
      const file = await filled(location, 300);
      const handle = await openFile(file, "r+");
      const { size } = await handle.stat();
      // A few bytes somewhere behind the first two pages, and a whole page.
      const at = 8_192 + ((seed * 7_919 * 4_096 + seed * 131) % (size - 16_384));
      await handle.write(Buffer.alloc(seed % 2 === 0 ? 7 : 4_096, 0xa5), 0, undefined, at);
      await handle.close();
      await rm(join(location, "clean"));
      const { store, damage } = await open(location);
      for (const { node, offset } of [...store.services()]) {
        const numbers = await numbersOf(store, node);
        const lost = damage.filter((each) => each.node === node).flatMap(({ lost: range }) => range ?? []);
        const covered = new Set(numbers);
        for (const { from, to } of lost) for (let n = from; n <= to; n++) covered.add(n);
        if (node !== "carol@x/log") expect(covered.size).toBe(offset);
      }
      const log = await store.create(newRecord("eve@x/log"));
      await log.write({ append: rowsOf(1) });
      await store.close();
    }
  });
});

describe.runIf(process.getuid?.() === 0)("a full disk", () => {
  it("refuses `sync` with a clear error, is read on, and goes on when there is room", async () => {
    const location = await newLocation();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", location]);
    onTestFinished(() => void execFileSync("umount", ["-l", location]));
    await writeFile(join(location, "ballast"), Buffer.alloc(1_500_000));
    const errors = vi.spyOn(console, "error").mockReturnValue();
    onTestFinished(() => errors.mockRestore());
    const { store } = await open(location);
    const log = await store.create(newRecord(NODE));
    let failure: unknown;
    let offset = 0;
    while (failure === undefined) {
      const rows = [Buffer.alloc(10_000, "x")];
      try {
        await log.write({ append: { ...rowsOf(offset + 1), rows } });
        offset++;
      } catch (error) {
        failure = error;
      }
    }
    expect(failure).toMatchObject({ code: "store-failed" });
    expect((failure as Error).message).toContain(
      `the store ${location}/data.mdb cannot be written: the disk is full`,
    );
    expect(log.record.offset).toBe(offset);
    expect(await textsOf(log.journal)).toHaveLength(offset);
    await rm(join(location, "ballast"));
    await log.write({ append: rowsOf(offset + 1) });
    expect(log.record.offset).toBe(offset + 1);
    await store.close();
    const again = (await open(location)).store;
    expect((await again.open(NODE))?.record.offset).toBe(offset + 1);
    await again.close();
  });
});
