import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { COMMAND } from "./support/program.js";

const folder = mkdtempSync(join(tmpdir(), "stanzapack-bench-journal-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function bench(...args: string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return promisify(execFile)(process.execPath, [COMMAND, "bench", "journal", "--dir", folder, ...args]);
}

type Row = Readonly<Record<string, string | number | null>>;

describe("`stanzapack bench journal`", () => {
  it("measures appends of each store and durability, and restarts, and leaves nothing behind", async () => {
    const { stdout, stderr } = await bench(
      ...["--quick", "--for", "100ms", "--writers", "5", "--entries", "3000", "--json"],
    );
    const rows = JSON.parse(stdout) as Row[];
    const appends = rows.filter(({ stop }) => stop === null);
    const kinds = appends.map(({ store, durability, writers }) => `${store} ${durability} ${writers}`);
    expect(kinds).toEqual([...["memory none 5", "lmdb none 5", "lmdb interval 5", "lmdb sync 5"]]);
    for (const row of appends) {
      expect(row["appendsPerSecond"], JSON.stringify(row)).toBeGreaterThan(10);
      expect(row["p99Ms"], JSON.stringify(row)).toBeGreaterThan(0);
      expect(row["keptBytesPerUpdate"], JSON.stringify(row)).toBeGreaterThanOrEqual(100);
    }
    const restarts = rows.filter(({ stop }) => stop !== null);
    expect(restarts).toMatchObject([
      {
        store: "lmdb",
        stop: "clean",
        entries: 3_000,
        appendsPerSecond: null,
        restartMs: expect.any(Number) as number,
      },
      { store: "lmdb", stop: "killed", entries: 3_000, p99Ms: null, openMs: expect.any(Number) as number },
    ]);
    expect(stderr).toContain("% lmdb, sync: 5 writers");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("says first which targets are not met, and refuses wrong lists", async () => {
    const { stdout } = await bench("--store", "memory", "--for", "50ms", "--writers", "1");
    expect(stdout).toMatch(/^– with interval, at least 50,000 appends a second: not measured\n/);
    expect(stdout).toContain("│ memory │ none");
    await expect(bench("--durability", "always")).rejects.toMatchObject({ code: 2 });
    await expect(bench("--entries", "-1")).rejects.toMatchObject({ code: 2 });
    await expect(bench("--store", "memory", "--durability", "sync")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("nothing to measure") as string,
    });
  });
});
