import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { runEvery } from "./command-source.js";
import { hasTerminal } from "../base/terminal.js";
import type { ValuePublisher } from "./value-publisher.js";

/** A busy machine needs ten times as long as usual. */
async function until(condition: () => boolean, what: string): Promise<void> {
  await vi.waitFor(() => expect(condition(), what).toBe(true), { timeout: 30_000, interval: 20 });
}

const folder = mkdtempSync(join(tmpdir(), "stanzapack-command-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Running {
  readonly ended: Promise<void>;
  readonly published: string[];
  readonly faults: string[];
  stop(): void;
}

/** Runs a shell script once an hour, with `$MARK` as the name of a file. */
function run(script: string, mark = ""): Running {
  const ending = new AbortController();
  const [published, faults]: [string[], string[]] = [[], []];
  const publisher = {
    publish: (text: string) => Promise.resolve(void published.push(text)),
    fail: ({ what }: { what: string }) => void faults.push(what),
  } as unknown as ValuePublisher;
  const words = ["env", `MARK=${mark}`, "sh", "-c", script];
  const ended = runEvery(3_600_000, words, publisher, ending.signal);
  return { ended, published, faults, stop: () => ending.abort() };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

test("what a command prints is published, trimmed", async () => {
  const running = run("echo ' 21.5 '");
  await until(() => running.published.length > 0, "a value");
  running.stop();
  await running.ended;
  expect(running.published).toEqual(["21.5"]);
});

test("a signal ends it though the command's children hold its output", async () => {
  const mark = join(folder, "held");
  const running = run('sleep 60 & echo $! > "$MARK"; echo 1; wait; echo 2', mark);
  await until(() => existsSync(mark) && readFileSync(mark, "utf8") !== "", "the command");
  const sleeper = Number(readFileSync(mark, "utf8"));
  const begun = performance.now();
  running.stop();
  await running.ended;
  expect(performance.now() - begun).toBeLessThan(1_500);
  // A part of the output is not a value.
  expect(running.published).toEqual([]);
  // On a terminal the children are in our own process group, to which Ctrl-C sends its signal.
  if (hasTerminal()) process.kill(sleeper);
  await until(() => !isRunning(sleeper), "the end of its child");
});

test("a signal ends a command that ignores SIGTERM, after a grace", async () => {
  const mark = join(folder, "stubborn");
  const running = run('trap "" TERM; echo $$ > "$MARK"; while :; do sleep 1; done', mark);
  await until(() => existsSync(mark) && readFileSync(mark, "utf8") !== "", "the command");
  running.stop();
  await running.ended;
  await until(() => !isRunning(Number(readFileSync(mark, "utf8"))), "the end of the command");
}, 15_000);

test("what prints too much is stopped, also where a child of it prints", async () => {
  const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const running = run("yes; true");
  await until(() => running.faults.length > 0, "the fault");
  running.stop();
  await running.ended;
  stderr.mockRestore();
  expect(running.faults).toEqual(["it printed more than 1048576 bytes"]);
  expect(running.published).toEqual([]);
});
