import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { startProgram, type Program } from "./support/program.js";
import { WHOLE } from "./support/whole.js";

/** The built program of `npm start`. */
const PROGRAM = fileURLToPath(new URL("../packages/bench/dist/demo/main.js", import.meta.url));
const SERVICES = ["cpu", "memory", "network", "weather", "text", "now-and-then"];
const FORMS = ["stanzapack", "json-body", "json-batch"];
const FIELDS = [
  ...["service", "form", "windowMs", "updates", "lost", "bytesDown", "bytesUp", "bytesPerUpdate"],
  "quoteEscapeBytes",
];
const ESCAPED_QUOTE_SURPLUS = 5;

interface Row {
  service: string;
  form: string;
  windowMs: number | null;
  updates: number;
  lost: number;
  bytesDown: number;
  bytesUp: number;
  bytesPerUpdate: number | null;
  quoteEscapeBytes: number;
}

const startDemo = (...args: string[]): Program => startProgram(PROGRAM, ...args);

async function until(what: string, check: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !check(); await sleep(50))
    if (Date.now() > deadline) throw new Error(`not within a minute: ${what}`);
}

interface Running {
  readonly pid: number;
  readonly parent: number;
  /** Tells this process from a later one with the same number. */
  readonly startedAt: string;
  readonly command: string;
}

function processes(): Running[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (fields[0] === "Z") return [];
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
      return [{ pid: Number(name), parent: Number(fields[1]), startedAt: fields[19] ?? "", command }];
    } catch {
      return []; // gone meanwhile
    }
  });
}

function descendantsOf(pid: number | undefined): Running[] {
  const all = processes();
  const found: Running[] = [];
  for (let parents = [pid]; parents.length > 0;) {
    const children = all.filter(({ parent }) => parents.includes(parent));
    found.push(...children);
    parents = children.map((child) => child.pid);
  }
  return found;
}

async function expectAllGone(family: readonly Running[]): Promise<void> {
  const left = (): Running[] => {
    const now = new Set(processes().map(({ pid, startedAt }) => `${pid} ${startedAt}`));
    return family.filter(({ pid, startedAt }) => now.has(`${pid} ${startedAt}`));
  };
  // The sandbox's guard may still be removing files.
  for (const deadline = Date.now() + 60_000; left().length > 0 && Date.now() < deadline;) await sleep(50);
  expect(left()).toEqual([]);
}

function isMeasuring({ output }: Program): boolean {
  return /^ +\d+ s +now-and-then/m.test(output.stderr);
}

describe.each(["prosody", "ejabberd"])("npm start on %s", (server) => {
  test("every form of every service: nothing lost, rows add up, fewer bytes than JSON", async () => {
    const demo = startDemo("--server", server, "--for", "8s", "--json");
    await until("the first lines", () => isMeasuring(demo));
    const family = descendantsOf(demo.process.pid);
    expect(family.length).toBeGreaterThanOrEqual(4);
    expect(await demo.ended, demo.output.stderr).toBe(0);
    await expectAllGone(family);

    const rows = JSON.parse(demo.output.stdout) as Row[];
    expect(demo.output.stdout.trimEnd()).toBe(JSON.stringify(rows));
    const names = [...SERVICES, "*"].flatMap((service) => FORMS.map((form) => `${service} ${form}`));
    expect(rows.map(({ service, form }) => `${service} ${form}`)).toEqual(names);
    for (const row of rows) expectSound(row);
    for (const form of FORMS) expectAddedUp(rows.filter((row) => row.form === form));
    for (const service of ["cpu", "network", "weather"])
      expect(costOf(rows, service, "stanzapack")).toBeLessThan(costOf(rows, service, "json-body"));
    expect(costOf(rows, "*", "stanzapack")).toBeLessThan(costOf(rows, "*", "json-body"));
    expect(demo.output.stderr).toContain("0 DATA frames came within 1 s");
  });
});

function expectSound(row: Row): void {
  expect(Object.keys(row)).toEqual(FIELDS);
  expect(row).toMatchObject({ lost: 0 });
  expect(row.updates).toBeGreaterThan(row.service === "now-and-then" ? 0 : 20);
  expect(row.bytesPerUpdate).toBeCloseTo((row.bytesDown + row.bytesUp) / row.updates, 6);
  const windows: Record<string, number | null> = { "*": null, memory: 500, "now-and-then": 100 };
  expect(row.windowMs).toBe(row.service in windows ? windows[row.service] : 1_000);
  expect(row.quoteEscapeBytes % ESCAPED_QUOTE_SURPLUS).toBe(0);
  const hasQuotes = row.form !== "stanzapack" && row.service !== "cpu";
  // As shipped, both servers write quotes as `&quot;`.
  expect(row.quoteEscapeBytes > 0).toBe(hasQuotes);
}

function expectAddedUp(rows: readonly Row[]): void {
  const whole = rows.find(({ service }) => service === "*");
  const services = rows.filter(({ service }) => service !== "*");
  for (const field of ["updates", "lost", "bytesDown", "bytesUp", "quoteEscapeBytes"] as const)
    expect(services.reduce((sum, row) => sum + row[field], 0)).toBe(whole?.[field]);
}

/** Bytes per update, without the bytes that the server adds for quotes. */
function costOf(rows: readonly Row[], service: string, form: string): number {
  const row = rows.find((candidate) => candidate.service === service && candidate.form === form) as Row;
  return (row.bytesDown + row.bytesUp - row.quoteEscapeBytes) / row.updates;
}

describe("the end", () => {
  test.each(WHOLE ? (["SIGTERM", "SIGINT", "SIGHUP"] as const) : (["SIGTERM", "SIGHUP"] as const))(
    "%s while it measures: the result, and nothing left",
    async (name) => {
      const demo = startDemo("--json");
      await until("the first lines", () => isMeasuring(demo));
      const family = descendantsOf(demo.process.pid);
      demo.process.kill(name);
      expect(await demo.ended, demo.output.stderr).toBe(0);
      await expectAllGone(family);
      const rows = JSON.parse(demo.output.stdout) as Row[];
      expect(rows.length).toBe((SERVICES.length + 1) * FORMS.length);
      expect(rows.every(({ lost }) => lost === 0)).toBe(true);
    },
  );

  test.each(WHOLE ? [100, 700, 2_000] : [700])(
    "SIGTERM %i ms after the start: nothing left",
    async (afterMs) => {
      const demo = startDemo("--json");
      await until("anything said", () => demo.output.stderr !== "");
      await sleep(afterMs);
      const family = descendantsOf(demo.process.pid);
      demo.process.kill("SIGTERM");
      expect(await demo.ended, demo.output.stderr).toBe(0);
      await expectAllGone(family);
      expect(Array.isArray(JSON.parse(demo.output.stdout))).toBe(true);
    },
  );

  test("a killed publisher is a failure, told in the last line", async () => {
    const demo = startDemo("--json");
    await until("the first lines", () => isMeasuring(demo));
    const family = descendantsOf(demo.process.pid);
    const publisher = family.find(({ command }) => command.includes("publisher-process.js"));
    process.kill(publisher?.pid as number, "SIGKILL");
    expect(await demo.ended).toBe(1);
    await expectAllGone(family);
    expect(demo.output.stdout).toBe("");
    expect(demo.output.stderr.trimEnd().split("\n").pop()).toBe(
      "stanzapack: internal: the publisher's process ended with SIGKILL",
    );
  });

  test("killed outright, it takes its children with it", async () => {
    const demo = startDemo("--json");
    await until("the first lines", () => isMeasuring(demo));
    const family = descendantsOf(demo.process.pid);
    demo.process.kill("SIGKILL");
    await demo.ended;
    await until("its children's end", () => {
      const now = new Set(processes().map(({ pid, startedAt }) => `${pid} ${startedAt}`));
      return !family.some(({ pid, startedAt }) => now.has(`${pid} ${startedAt}`));
    });
  });

  test("nobody reads: ends quietly", async () => {
    const demo = startDemo();
    await until("the first lines", () => /^ +\d+ s +now-and-then/m.test(demo.output.stdout));
    demo.process.stdout?.destroy();
    expect(await demo.ended, demo.output.stderr).toBe(0);
    expect(demo.output.stderr).toBe("");
  });
});
