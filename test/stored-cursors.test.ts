import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { until } from "@stanzapack/testkit";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { loginEnvironment } from "./support/accounts.js";
import { untilCursor } from "./support/cursors.js";
import { COMMAND } from "./support/program.js";
import { publishCounter, SERVERS, upTo } from "./support/stack.js";
import { startStoredStack, type StoredStack } from "./support/stored-stack.js";
import { WHOLE } from "./support/whole.js";

const SOON_MS = 10_000;
/** Longest time until everyone is back after a fault, in ms. */
const BACK_MS = 30_000;

describe.each(SERVERS)("named cursors of a component with a store, behind %s", (server) => {
  let stack: StoredStack;
  beforeAll(async () => void (stack = await startStoredStack(server, ["alice", "bob"])));
  afterAll(() => stack.stop());

  /** Environment of a command that logs in as bob. */
  const environment = (): NodeJS.ProcessEnv => ({
    PATH: process.env["PATH"],
    ...loginEnvironment(stack.sandbox, "bob", stack.folder),
  });

  /** Runs a command to its end. Resolves to its stdout. */
  async function run(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, [COMMAND, ...args], {
      env: environment(),
    });
    return stdout;
  }

  /** The command `stanzapack subscribe --cursor` as a process of its own. */
  function feed(
    node: string,
    cursor: string,
    ...args: string[]
  ): { child: ChildProcess; values(): number[]; errors(): string } {
    const env = environment();
    const command = [COMMAND, "subscribe", node, "--cursor", cursor, ...args];
    const child = spawn(process.execPath, command, { env, stdio: ["ignore", "pipe", "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const lines = (): string[] =>
      stdout
        .slice(0, stdout.lastIndexOf("\n") + 1)
        .split("\n")
        .slice(0, -1);
    const valueOf = (line: string): number | undefined => (JSON.parse(line) as { value?: number }).value;
    return { child, values: () => lines().flatMap((line) => valueOf(line) ?? []), errors: () => stderr };
  }

  it.runIf(WHOLE || server === "prosody")(
    "have no gap, and few repeats, when consumers are killed",
    async () => {
      const [alice, watcher] = [await stack.login("alice"), await stack.login("bob")];
      const log = await alice.offer("killed", { kind: "log" });
      const counter = publishCounter((value) => log.publish(value), 5);
      const [first, second] = [
        feed(log.node, "first", "--since", "first"),
        feed(log.node, "second", "--since", "first"),
      ];
      const known = await untilCursor(
        watcher,
        log.node,
        ({ name, offset }) => name === "first" && offset > 100,
      );
      await until(() => first.values().length > known.offset + 20, SOON_MS, "lines behind the cursor");
      const closed = once(first.child, "close");
      first.child.kill("SIGKILL");
      await closed;
      const written = first.values();
      const next = feed(log.node, "first");
      await until(() => next.values().length > 100, BACK_MS, "lines of the next process");
      counter.stop();
      await until(() => next.values().at(-1) === counter.count, BACK_MS, "the last line of the next process");
      const [begin = 0] = next.values();
      // No gap, and nothing again that the component knew of.
      expect(begin).toBeLessThanOrEqual((written.at(-1) ?? 0) + 1);
      expect(begin).toBeGreaterThan(known.offset);
      expect([written, next.values()]).toEqual([upTo(written.length), upTo(counter.count, begin)]);
      // The other consumer did not notice.
      await until(() => second.values().length >= counter.count, BACK_MS, "all lines of the other");
      expect(second.values()).toEqual(upTo(counter.count));
      // A process that is stopped by a signal leaves nothing to repeat.
      const stopped = once(next.child, "close");
      next.child.kill("SIGTERM");
      await stopped;
      for (const i of [1, 2, 3]) log.publish(counter.count + i);
      const last = feed(log.node, "first", "--count", "2");
      expect((await once(last.child, "close"))[0], last.errors()).toBe(0);
      expect(last.values()).toEqual([counter.count + 1, counter.count + 2]);
      const end = feed(log.node, "first", "--count", "1");
      await once(end.child, "close");
      expect(end.values()).toEqual([counter.count + 3]);
    },
  );

  it.runIf(WHOLE || server === "ejabberd")(
    "are listed and deleted by a command, and a second feed ends the first with the reason",
    async () => {
      const [alice, watcher] = [await stack.login("alice"), await stack.login("bob")];
      const log = await alice.offer("feeds", { kind: "log" });
      log.publish(1);
      const first = feed(log.node, "main", "--since", "first");
      await until(() => first.values().length === 1, BACK_MS, "a line");
      await untilCursor(watcher, log.node, ({ offset }) => offset === 1);
      const closed = once(first.child, "close");
      const second = feed(log.node, "main");
      expect((await closed)[0]).toBe(1);
      expect(first.errors()).toContain("stanzapack: conflict: your session bob@localhost/");
      const end = once(second.child, "close");
      second.child.kill("SIGTERM");
      await end;
      const { epoch } = await untilCursor(watcher, log.node, ({ used }) => !used);
      const row = {
        node: log.node,
        cursor: "main",
        epoch,
        offset: 1,
        at: expect.any(Number) as number,
        used: false,
      };
      expect(JSON.parse(await run("cursors", log.node, "--json"))).toEqual([row]);
      expect(await run("cursors", log.node)).toContain(`│ ${log.node} │ main `);
      expect(await run("cursors", "--delete", log.node, "main")).toBe("");
      expect(await run("cursors", log.node)).toBe("no cursors\n");
      await expect(run("cursors", "--delete", log.node, "main")).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringContaining("stanzapack: no-such-cursor: ") as string,
      });
    },
  );

  it("are there after the component was killed, or stopped", async () => {
    const [alice, bob] = [await stack.login("alice"), await stack.login("bob")];
    const log = await alice.offer("restart", { kind: "log", durability: "sync" });
    const values: number[] = [];
    const told: string[] = [];
    const subscription = await bob.subscribe<number>(log.node, { cursor: "main" });
    subscription.on("update", ({ value }) => values.push(value));
    for (const event of ["lost", "reset"] as const) subscription.on(event, () => told.push(event));
    const counter = publishCounter((value) => log.publish(value), 5);
    for (const by of ["SIGKILL", "SIGTERM"] as const) {
      const { length } = values;
      await until(() => values.length > length + 100, BACK_MS, "values");
      await stack.restart(by);
    }
    const { length } = values;
    await until(() => values.length > length + 100, BACK_MS, "values after the restarts");
    await bob.close();
    const last = values.at(-1) ?? 0;
    expect([values, told]).toEqual([upTo(last), []]);
    // Nobody subscribes, and the component is killed.
    await until(() => counter.count > last + 50, SOON_MS, "values that nobody takes");
    await stack.restart("SIGKILL");
    counter.stop();
    const again = await stack.login("bob");
    const rest: number[] = [];
    const continued = await again.subscribe<number>(log.node, { cursor: "main" });
    continued.on("update", ({ value }) => rest.push(value));
    await until(() => rest.at(-1) === counter.count, BACK_MS, "the rest");
    // The component had not yet written the last of it when it was killed, or it had.
    expect(rest[0]).toBeLessThanOrEqual(last + 1);
    expect(rest).toEqual(upTo(counter.count, rest[0]));
    expect(continued.recovered).toBe(true);
  });
});
