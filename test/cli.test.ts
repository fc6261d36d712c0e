import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { until as untilWithin } from "@stanzapack/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { COMMAND } from "./support/program.js";
import { WHOLE } from "./support/whole.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Folder of the shells' files. Its `bin` has `stanzapack`. */
const folder = mkdtempSync(join(tmpdir(), "stanzapack-cli-test-"));
const running = new Set<ChildProcess>();

beforeAll(() => {
  mkdirSync(join(folder, "bin"));
  symlinkSync(COMMAND, join(folder, "bin", "stanzapack"));
});
afterEach(async () => {
  // The signal goes to the process group, which has every process that a shell started.
  for (const { pid } of running) {
    try {
      process.kill(-(pid as number), "SIGTERM");
    } catch (error) {
      // It has ended, and its streams are about to close.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  await Promise.all([...running].map((child) => once(child, "close")));
});
afterAll(() => rmSync(folder, { recursive: true }));

function until(condition: () => boolean, what: string | (() => string), timeoutMs = 60_000): Promise<void> {
  return untilWithin(condition, timeoutMs, "").catch(() => {
    throw new Error(`not within ${timeoutMs} ms: ${typeof what === "string" ? what : what()}`);
  });
}

interface Run {
  readonly child: ChildProcess;
  stdout: string;
  stderr: string;
  /** Complete lines of stdout so far. */
  readonly rows: Row[];
  /** Exit status. */
  readonly ended: Promise<number | null>;
}

interface Row {
  readonly node?: string;
  readonly epoch?: number;
  readonly offset?: number;
  readonly at?: number;
  readonly value?: unknown;
  readonly event?: string;
  readonly from?: number | null;
  readonly to?: number | null;
  readonly reason?: string;
}

/** Runs a command with stdin open: `run.child.stdin`. */
function start(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Run {
  const child = spawn(program, args, { env, stdio: "pipe", detached: true });
  running.add(child);
  const run: Run = {
    child,
    stdout: "",
    stderr: "",
    get rows() {
      const complete = this.stdout.slice(0, this.stdout.lastIndexOf("\n") + 1);
      return complete.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Row]));
    },
    ended: once(child, "close").then(([status]) => {
      running.delete(child);
      return status as number | null;
    }),
  };
  child.stdout.on("data", (chunk: Buffer) => (run.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (run.stderr += chunk.toString()));
  child.stdin.on("error", () => undefined);
  return run;
}

const stanzapack = (...args: string[]): Run => start(COMMAND, args);
const valuesOf = (run: Run): unknown[] => run.rows.flatMap((row) => ("value" in row ? [row.value] : []));
const lastLine = (run: Run): string => run.stderr.trimEnd().split("\n").at(-1) ?? "";

interface Description {
  readonly server: string;
  readonly host: string;
  readonly ports: { readonly c2s: number; readonly component: number; readonly http: number };
  readonly websocketUrl: string;
  readonly boshUrl: string;
  readonly caFile: string;
  readonly component: { readonly domain: string; readonly secret: string };
  readonly streams: string;
  readonly accounts: readonly { readonly jid: string; readonly password: string }[];
  readonly pids: { readonly server: number; readonly component: number };
  readonly configFile: string;
}

interface Sandbox extends Description {
  readonly run: Run;
  /** Runs a script in a shell whose environment names this account, with `set -o pipefail`. */
  shell(user: string, script: string): Run;
  /** Writes a line to the sandbox's stdin, and waits for the pids that the sandbox prints. */
  ask(line: string): Promise<Description["pids"]>;
}

async function startSandbox(...args: string[]): Promise<Sandbox> {
  const run = stanzapack("sandbox", ...args);
  running.delete(run.child); // the caller ends it
  await until(
    () => run.rows.length > 0 || run.child.exitCode !== null,
    () => `a sandbox: ${run.stderr}`,
    60_000,
  );
  const [description] = run.rows as unknown as [Description | undefined];
  if (description === undefined) throw new Error(run.stderr);
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}` };
  return {
    ...description,
    run,
    shell: (user, script) =>
      start(
        "bash",
        ["-c", `set -o pipefail; cd ${folder}; . ${dirname(description.caFile)}/env/${user}; ${script}`],
        env,
      ),
    async ask(line) {
      const before = run.rows.length;
      run.child.stdin?.write(`${line}\n`);
      await until(
        () => run.rows.length > before,
        () => `${line}: ${run.stderr}`,
        60_000,
      );
      return (run.rows.at(-1) as unknown as { pids: Description["pids"] }).pids;
    },
  };
}

function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2) !== "Z";
  } catch {
    return false;
  }
}

async function expectNothingLeft({ pids, caFile }: Description): Promise<void> {
  await until(
    () => !isRunning(pids.server) && !isRunning(pids.component) && !existsSync(dirname(caFile)),
    "nothing left",
    60_000,
  );
}

/** Expects that each offset between the first and the last of an epoch has a value, or is in an event. */
function expectNothingSilentlyMissing(run: Run): void {
  let epoch: number | undefined;
  let next = 0;
  let covered: [number, number][] = [];
  for (const row of run.rows) {
    if (row.event === "lost" || row.event === "conflated")
      covered.push([row.from as number, row.to as number]);
    if (row.offset === undefined) continue;
    if (row.epoch === epoch)
      for (; next < row.offset; next++)
        expect(
          covered.some(([from, to]) => from <= next && next <= to),
          `offset ${next}`,
        ).toBe(true);
    ({ epoch } = row);
    next = row.offset + 1;
    covered = [];
  }
}

describe.each(["prosody", "ejabberd"])("on %s", (server) => {
  /** For what is between the command and its terminal, files and signals: one server is enough. */
  const testOnce = test.runIf(WHOLE || server === "prosody");
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await startSandbox("--server", server, "--users", "3");
  });
  afterAll(async () => {
    sandbox.run.child.kill("SIGTERM");
    expect(await sandbox.run.ended, sandbox.run.stderr).toBe(0);
    const pids = (sandbox.run.rows.at(-1) as unknown as Description).pids;
    await expectNothingLeft({ ...sandbox, pids });
  });

  /** Runs a script that offers a service, and waits until the service is offered. */
  async function offer(script: string, user = "user0"): Promise<Run> {
    const run = sandbox.shell(user, script);
    const isThere = (): boolean => run.stderr.includes("offering ");
    await until(
      () => isThere() || run.child.exitCode !== null,
      () => `${script}: ${run.stderr}`,
    );
    // With a short input the script may have ended since.
    if (!isThere()) throw new Error(run.stderr);
    return run;
  }
  const hasSubscriber = (offered: Run) => () => /\d+ subscribers?, smallest window/.test(offered.stderr);

  test("sandbox: one JSON line describes it", async () => {
    const { run } = sandbox;
    expect(run.stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(run.rows[0]).toEqual({
      server,
      host: "127.0.0.1",
      ports: { c2s: expect.any(Number), component: expect.any(Number), http: expect.any(Number) },
      websocketUrl: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\//),
      boshUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\//),
      caFile: expect.stringMatching(/^\//),
      component: { domain: "basic.localhost", secret: expect.any(String) },
      streams: "streams.localhost",
      accounts: ["user0", "user1", "user2"].map((user) => ({
        ...{ jid: `${user}@localhost`, password: expect.any(String) as string },
      })),
      pids: { server: expect.any(Number), component: expect.any(Number) },
      configFile: expect.stringMatching(/^\//),
    });
    expect(isRunning(sandbox.pids.server) && isRunning(sandbox.pids.component)).toBe(true);
    // The end of stdin does not end a sandbox: most callers have no input for it.
    const other = start("sh", ["-c", `exec ${COMMAND} sandbox --users 1 < /dev/null`]);
    await until(() => other.rows.length > 0, "a second sandbox", 60_000);
    other.child.kill("SIGINT");
    expect(await other.ended).toBe(0);
    await expectNothingLeft(other.rows[0] as unknown as Description);
  });

  test("printf | offer, subscribe: every value arrives, then the end with exit 1", async () => {
    const go = join(folder, `go-${server}`);
    const offered = await offer(
      `(until [ -e ${go} ]; do sleep .05; done; printf '%s\\n' 1 2.5 '{"c":[true,null]}' plain '"s"' '' 3) | stanzapack offer three`,
    );
    const subscribed = sandbox.shell("user1", "stanzapack subscribe user0@localhost/three");
    await until(hasSubscriber(offered), "demand");
    writeFileSync(go, "");
    expect(await offered.ended, offered.stderr).toBe(0);
    expect(await subscribed.ended).toBe(1);
    expect(subscribed.rows.filter((row) => "value" in row)).toEqual(
      [1, 2.5, { c: [true, null] }, "plain", "s", 3].map((value, index) => ({
        ...{ node: "user0@localhost/three", epoch: expect.any(Number) as number },
        ...{ offset: index + 1, at: expect.any(Number) as number, value },
      })),
    );
    expect(Math.abs((subscribed.rows[0]?.at ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(lastLine(subscribed)).toMatch(/^stanzapack: withdrawn: `user0@localhost\/three` was withdrawn/);
    expect(offered.stderr).toContain("nobody listens: nothing is sent");
    expect(offered.stdout).toBe("");
  });

  testOnce(
    "offer: a line that cannot be published is skipped and told, and it exits with 1; --on-error stop ends there",
    async () => {
      const lines = `printf '1\\n[%s\\n"%50000s"\\n4\\n' x x`;
      const skipping = await offer(`${lines} | stanzapack offer faulty`);
      expect(await skipping.ended, skipping.stderr).toBe(1);
      expect(skipping.stderr).toContain("warning: stdin:2: begins like JSON");
      expect(skipping.stderr).toMatch(/^stdin:3 is skipped: .*over 49152 bytes/m);
      expect(lastLine(skipping)).toMatch(
        /^stanzapack: bad-input: stdin: 1 of 4 values were skipped, first stdin:3/,
      );
      const stopping = await offer(`${lines} | stanzapack offer faulty --strict-json --on-error stop`);
      expect(await stopping.ended, stopping.stderr).toBe(1);
      expect(lastLine(stopping)).toMatch(/^stanzapack: bad-input: stdin:2: it is not JSON/);
      const folderAsInput = await offer("stanzapack offer faulty < /tmp");
      expect(await folderAsInput.ended, folderAsInput.stderr).toBe(1);
      expect(lastLine(folderAsInput)).toMatch(/^stanzapack: bad-input: stdin: it is a folder/);
    },
  );

  testOnce(
    "seq | offer: the pipe is slowed down, what is left out is told, the last value comes",
    async () => {
      const go = join(folder, `seq-${server}`);
      const offered = await offer(
        `(until [ -e ${go} ]; do sleep .05; done; seq 20000) | stanzapack offer seq --text`,
      );
      const subscribed = sandbox.shell(
        "user1",
        "stanzapack subscribe user0@localhost/seq --window 100ms | cat",
      );
      await until(hasSubscriber(offered), "demand");
      writeFileSync(go, "");
      expect(await offered.ended, offered.stderr).toBe(0);
      expect(await subscribed.ended).toBe(1);
      expect(subscribed.rows.at(-1)).toMatchObject({ offset: 20_000, value: "20000" });
      expectNothingSilentlyMissing(subscribed);
    },
  );

  testOnce("offer --every -- COMMAND; --count, head and signals end subscribe with exit 0", async () => {
    const offered = await offer("exec stanzapack offer clock --every 100ms --title 'the time' -- date +%s%N");
    const node = "user0@localhost/clock";
    const counted = sandbox.shell("user1", `stanzapack subscribe ${node} --count 3 --window 200ms`);
    const matched = sandbox.shell("user2", "stanzapack subscribe 'USER0@localhost/cl*' --count 2");
    expect(await counted.ended, counted.stderr).toBe(0);
    expect(valuesOf(counted)).toHaveLength(3);
    expect(counted.stderr).toBe("");
    expect(await matched.ended, matched.stderr).toBe(0);
    expect(matched.rows.filter((row) => "value" in row)).toMatchObject([{ node }, { node }]);

    const headed = sandbox.shell("user1", `stanzapack subscribe ${node} | head -n 3`);
    expect(await headed.ended, headed.stderr).toBe(0);
    expect(valuesOf(headed)).toHaveLength(3);
    expect(headed.stderr).toBe("");

    const interrupted = sandbox.shell("user2", `exec stanzapack subscribe ${node}`);
    await until(() => valuesOf(interrupted).length > 0, "a value");
    const listed = sandbox.shell("user1", "stanzapack services user0@localhost --json");
    expect(await listed.ended, listed.stderr).toBe(0);
    expect(JSON.parse(listed.stdout)).toEqual([
      { node, kind: "value", access: "open", windowMs: 0, online: true },
    ]);
    const shown = sandbox.shell("user1", "stanzapack services");
    expect(await shown.ended).toBe(0);
    expect(shown.stdout).toMatch(/user0@localhost\/clock.*0 ms.*online.*the time/);
    interrupted.child.kill("SIGINT");
    expect(await interrupted.ended, interrupted.stderr).toBe(0);

    offered.child.kill("SIGTERM");
    expect(await offered.ended, offered.stderr).toBe(0);
    const gone = sandbox.shell("user1", "stanzapack services --json");
    expect(await gone.ended).toBe(0);
    expect(gone.stdout).toBe("[]\n");
  });

  testOnce("a command that fails publishes nothing; one that is not there is wrong usage", async () => {
    const failing = await offer("exec stanzapack offer failing --every 100ms -- sh -c 'echo 1; exit 3'");
    await until(
      () => failing.stderr.includes("`sh` ended with status 3: nothing is published"),
      () => failing.stderr,
    );
    failing.child.kill("SIGINT");
    expect(await failing.ended).toBe(0);
    const missing = sandbox.shell("user0", "stanzapack offer missing --every 1s -- no-such-command");
    expect(await missing.ended).toBe(2);
    expect(lastLine(missing)).toBe("stanzapack: usage: `no-such-command` cannot be run: ENOENT");
  });

  testOnce(
    "offer --keep serves the last value until SIGINT, which withdraws it, also from a component that forgot it",
    async () => {
      const offered = await offer("exec stanzapack offer kept --keep < <(printf '1\\n2\\n')");
      const subscribeOnce = async (): Promise<void> => {
        const one = sandbox.shell("user1", "stanzapack subscribe user0@localhost/kept --count 1 --wait");
        expect(await one.ended, one.stderr).toBe(0);
        expect(valuesOf(one)).toEqual([2]);
      };
      await subscribeOnce();
      await sandbox.ask("kill component");
      await subscribeOnce();
      const subscribed = sandbox.shell("user1", "stanzapack subscribe user0@localhost/kept");
      await until(() => valuesOf(subscribed).length === 1, "the last value");
      offered.child.kill("SIGINT");
      expect(await offered.ended, offered.stderr).toBe(0);
      expect(await subscribed.ended).toBe(1);
      expect(lastLine(subscribed)).toMatch(/^stanzapack: withdrawn: /);
    },
  );

  testOnce(
    "offer --store: what a process could not send, another one sends, and a signal withdraws nothing",
    async () => {
      const stored = `stanzapack offer stored --kind log --keep --store outbox-${server}`;
      // So many lines that a process which waited to be online would stop reading.
      const offline = await offer(`exec ${stored} --url xmpp://127.0.0.1:1 < <(seq 10000)`);
      await until(() => offline.stderr.includes("offering "), "the offer");
      // What is saved survives the process.
      await until(() => offline.stderr.includes("all values are saved"), "every value is saved");
      expect(offline.stderr).toContain("no link yet: the store keeps the values");
      const second = sandbox.shell("user0", `exec ${stored}`);
      expect(await second.ended).toBe(1);
      expect(second.stderr).toMatch(/store-failed: .*another program has it/);
      offline.child.kill("SIGKILL");
      await offline.ended;

      const online = await offer(`exec ${stored} < <(seq 10001 10010)`);
      const subscribed = sandbox.shell(
        "user1",
        "exec stanzapack subscribe user0@localhost/stored --since first",
      );
      await until(
        () => valuesOf(subscribed).at(-1) === 10_010,
        () => online.stderr + subscribed.stderr,
      );
      expect(valuesOf(subscribed)).toEqual(Array.from({ length: 10_010 }, (_, i) => i + 1));
      online.child.kill("SIGTERM");
      expect(await online.ended, online.stderr).toBe(0);
      expect(online.stderr).not.toContain("withdrawn");
      await until(
        () => subscribed.rows.some(({ reason }) => reason === "offline"),
        () => subscribed.stderr,
      );
      expect(subscribed.child.exitCode).toBeNull();
      const last = await offer(`${stored.replace(" --keep", "")} < <(echo 10011)`);
      expect(await last.ended, last.stderr).toBe(0);
      await until(
        () => valuesOf(subscribed).at(-1) === 10_011,
        () => subscribed.stderr,
      );
      expect(await subscribed.ended).toBe(1);
      expect(lastLine(subscribed)).toContain("withdrawn");
    },
  );

  testOnce(
    "offer --kind log, subscribe --since: a long pipe, whole and in order, for who comes later",
    async () => {
      const offered = await offer("exec stanzapack offer log --kind log --keep < <(seq 40000)");
      const all = sandbox.shell(
        "user1",
        "stanzapack subscribe user0@localhost/log --since first --count 40000 --window 100ms",
      );
      expect(await all.ended, all.stderr).toBe(0);
      expect(valuesOf(all)).toEqual(Array.from({ length: 40_000 }, (_, i) => i + 1));
      expect(all.rows.filter((row) => "event" in row && row["event"] !== "status")).toEqual([]);
      expect(offered.stderr).toContain("nobody listens: the component keeps the values");
      const { epoch } = all.rows[0] as Row & { epoch: number };
      const behind = sandbox.shell(
        "user1",
        `stanzapack subscribe user0@localhost/log --since ${epoch}:39997 --count 3`,
      );
      expect(await behind.ended, behind.stderr).toBe(0);
      expect(valuesOf(behind)).toEqual([39_998, 39_999, 40_000]);
      offered.child.kill("SIGINT");
      expect(await offered.ended, offered.stderr).toBe(0);
    },
  );

  test("subscribe --wait, on a terminal: says that it waits, and takes the service whenever it is offered", async () => {
    const node = "user0@localhost/awaited";
    const waiting = sandbox.shell(
      "user1",
      `exec script -qefc 'stanzapack subscribe ${node} --wait' /dev/null`,
    );
    const told = (text: string): number => waiting.stdout.split(text).length - 1;
    for (const value of [1, 2]) {
      await until(
        () => told(`nobody offers ${node}; waiting for it`) === value,
        () => waiting.stdout,
      );
      const offered = await offer(`exec stanzapack offer awaited --keep < <(echo ${value})`);
      await until(
        () => waiting.stdout.includes(`"value":${value}}`),
        () => waiting.stdout,
      );
      expect(told(`subscribed to ${node}, window 0 ms; waiting for values`)).toBe(value);
      offered.child.kill("SIGINT");
      expect(await offered.ended, offered.stderr).toBe(0);
    }
    waiting.child.kill("SIGTERM");
    await waiting.ended;
  });

  testOnce(
    "authorize: members may, a person on the terminal decides on others, without one they may not",
    async () => {
      const command = (name: string): string =>
        `stanzapack offer ${name} --keep --access authorize --member user1@localhost`;
      const node = "user0@localhost/asked";
      const alone = await offer(`exec ${command("alone")} < <(echo 1)`);
      const member = sandbox.shell("user1", `stanzapack subscribe user0@localhost/alone --count 1`);
      expect(await member.ended, member.stderr).toBe(0);
      const denied = sandbox.shell("user2", `stanzapack subscribe user0@localhost/alone --count 1`);
      expect(await denied.ended).toBe(1);
      expect(lastLine(denied)).toMatch(/^stanzapack: not-allowed: /);
      expect(alone.stderr).toContain("user2@localhost may not subscribe");
      alone.child.kill("SIGINT");
      expect(await alone.ended, alone.stderr).toBe(0);

      const asked = sandbox.shell(
        "user0",
        `exec script -qefc "bash -c '${command("asked")} < <(echo 1)'" /dev/null`,
      );
      await until(
        () => asked.stdout.includes("offering"),
        () => asked.stdout,
      );
      const allowed = sandbox.shell(
        "user2",
        `exec script -qefc 'stanzapack subscribe ${node} --count 1' /dev/null`,
      );
      await until(
        () => asked.stdout.includes(`May user2@localhost subscribe to ${node}? [y/N]`),
        () => asked.stdout,
      );
      // An answer right behind the question would leave nothing to wait for.
      await until(
        () => allowed.stdout.includes("waiting for the publisher"),
        () => allowed.stdout,
      );
      asked.child.stdin?.write("y\n");
      expect(await allowed.ended, allowed.stdout).toBe(0);
      expect(allowed.stdout.split("\r\n")).toEqual([
        `waiting for the publisher to approve ${node}`,
        `subscribed to ${node}, window 0 ms; waiting for values`,
        expect.stringMatching(/"value":1\}$/),
        "",
      ]);
      asked.child.kill("SIGTERM");
      await asked.ended;
    },
  );

  testOnce("SIGTERM to npx ends what it started", async () => {
    const run = sandbox.shell("user0", `cd ${ROOT}; exec npx stanzapack offer by-npx --every 100ms -- date`);
    await until(
      () => run.stderr.includes("offering"),
      () => run.stderr,
    );
    run.child.kill("SIGTERM");
    await run.ended;
    const gone = sandbox.shell("user1", "stanzapack services user0@localhost --json");
    expect(await gone.ended).toBe(0);
    expect(gone.stdout).not.toContain("by-npx");
  });

  test("whitelist: members may, others are refused", async () => {
    const offered = await offer(
      "exec stanzapack offer secret --access whitelist --member user1@localhost --every 100ms -- echo 1",
    );
    const member = sandbox.shell("user1", "stanzapack subscribe user0@localhost/secret --count 1");
    const other = sandbox.shell("user2", "stanzapack subscribe user0@localhost/secret --count 1");
    expect(await member.ended, member.stderr).toBe(0);
    expect(await other.ended).toBe(1);
    expect(lastLine(other)).toMatch(/^stanzapack: not-allowed: /);
    offered.child.kill("SIGTERM");
    expect(await offered.ended).toBe(0);
  });

  test("failures end with their code", async () => {
    const cases = [
      ["stanzapack subscribe user0@localhost/none", "no-such-service"],
      ["stanzapack services --component nowhere.localhost", "component-unavailable"],
      [`echo wrong > wrong; stanzapack services --password-file wrong`, "auth-failed"],
      ["stanzapack services --url xmpp://127.0.0.1:9", "unreachable"],
    ] as const;
    for (const [script, code] of cases) {
      const run = sandbox.shell("user1", script);
      expect(await run.ended, run.stderr).toBe(1);
      expect(lastLine(run)).toMatch(new RegExp(`^stanzapack: ${code}: `));
      expect(run.stdout).toBe("");
    }
  });

  testOnce("purge: removes what an account has, for administrators alone", async () => {
    const victim = "user1@localhost";
    const offered = await offer("exec stanzapack offer mine --kind log --keep", "user1");
    const purge = async (user: string, options: string): Promise<Run> => {
      const run = sandbox.shell(user, `stanzapack purge ${victim} ${options} </dev/null`);
      await run.ended;
      return run;
    };
    const refused = await purge("user1", "--yes");
    expect([await refused.ended, refused.stdout]).toEqual([1, ""]);
    expect(lastLine(refused)).toMatch(
      /^stanzapack: forbidden: .*user1@localhost is no administrator .* Log in as an administrator/,
    );
    const rows = [
      { what: "services", count: 1, nodes: [`${victim}/mine`] },
      ...["cursors", "subscriptions", "grants", "requests"].map((what) => ({ what, count: 0, nodes: [] })),
    ];
    const dry = await purge("user0", "--dry-run --json");
    expect(JSON.parse(dry.stdout)).toEqual(rows);
    const done = await purge("user0", "--yes --json");
    expect([await done.ended, JSON.parse(done.stdout)], done.stderr).toEqual([0, rows]);
    expect(await offered.ended).toBe(1);
    expect(lastLine(offered)).toMatch(/^stanzapack: withdrawn: .*removed by an administrator/);
  });

  test("serve: logs JSON to stderr, SIGTERM ends it with 0, a refused secret with 1", async () => {
    const config = (secret: string): string => {
      const file = join(folder, `${server}.yaml`);
      const { domain } = sandbox.component;
      writeFileSync(
        file,
        `component: { domain: ${domain}, port: ${sandbox.ports.component}, secretFile: ${server}.secret }\n`,
      );
      writeFileSync(join(folder, `${server}.secret`), `${secret}\n`, { mode: 0o600 });
      return file;
    };
    const served = stanzapack("serve", "--config", config(sandbox.component.secret));
    await until(
      () => served.stderr.includes('"online"'),
      () => served.stderr,
    );
    const listed = sandbox.shell(
      "user1",
      `stanzapack services --component ${sandbox.component.domain} --json`,
    );
    expect(await listed.ended, listed.stderr).toBe(0);
    expect(listed.stdout).toBe("[]\n");
    // Nothing in the config file says so: the component keeps its data on the disk, and says where.
    expect(served.stderr).toContain(`"path":"${join(folder, "stanzapack-data")}"`);
    expect(existsSync(join(folder, "stanzapack-data", "data.mdb"))).toBe(true);
    served.child.kill("SIGTERM");
    expect(await served.ended).toBe(0);
    expect(served.stdout).toBe("");
    for (const line of served.stderr.trimEnd().split("\n")) expect(JSON.parse(line)).toHaveProperty("level");

    const refused = stanzapack("serve", "--config", config("wrong"));
    expect(await refused.ended).toBe(1);
    expect(lastLine(refused)).toMatch(/^stanzapack: auth-failed: .*The server refused the secret/);
  });

  test("serve: says what is wrong with the server, and what to do, at each attempt or with --exit-on-failure", async () => {
    const { domain, secret } = sandbox.component;
    const { component, c2s } = sandbox.ports;
    const serve = (at: { domain?: string; host?: string; port?: number }, ...options: string[]): Run => {
      const file = join(folder, `${server}-fault.yaml`);
      writeFileSync(file, JSON.stringify({ component: { domain, secret, port: component, ...at } }));
      return stanzapack("serve", "--config", file, ...options);
    };
    const unknown = { prosody: /^stanzapack: unreachable: .* Component "nowhere\.example"/ };
    const client = { ejabberd: /^stanzapack: unreachable: .* probably for clients/ };
    const cases = [
      [{ port: 1 }, /^stanzapack: unreachable: .*ECONNREFUSED.* Nothing listens there/],
      [{ host: "nowhere.invalid" }, /^stanzapack: unreachable: .* check component\.host/],
      // ejabberd answers as if it knew the domain, until the secret is wrong.
      [
        { domain: "nowhere.example" },
        server === "prosody" ? unknown.prosody : /^stanzapack: auth-failed: .* does not know the domain/,
      ],
      [{ port: c2s }, server === "ejabberd" ? client.ejabberd : /^stanzapack: unreachable: .* for clients/],
    ] as const;
    for (const [at, line] of cases) {
      const run = serve(at, "--exit-on-failure");
      expect(await run.ended, run.stderr).toBe(1);
      expect(lastLine(run)).toMatch(line);
      expect(lastLine(run)).not.toContain("JID");
    }
    const patient = serve({ port: 1 });
    await until(
      () => patient.stderr.split("\n").filter((line) => line.includes("Nothing listens there")).length >= 2,
      () => patient.stderr,
    );
    patient.child.kill("SIGTERM");
    expect(await patient.ended, patient.stderr).toBe(0);
  });

  test.runIf(WHOLE || server === "ejabberd")(
    "restarts and crashes of component and server: values come again, what was missed is told",
    async () => {
      const offered = await offer("exec stanzapack offer steady --every 100ms -- date +%s%N");
      const subscribed = sandbox.shell("user1", "exec stanzapack subscribe user0@localhost/steady");
      await until(() => valuesOf(subscribed).length >= 3, "values");
      let pids = sandbox.pids;
      for (const request of ["restart component", "restart server", "kill component", "crash server"]) {
        const before = subscribed.rows.length;
        const next = await sandbox.ask(request);
        const restarted = request.endsWith("server") ? "server" : "component";
        expect(next[restarted], request).not.toBe(pids[restarted]);
        expect(isRunning(pids[restarted])).toBe(false);
        expect(isRunning(next.server) && isRunning(next.component)).toBe(true);
        pids = next;
        const askedAt = Date.now();
        await until(
          () => subscribed.rows.slice(before).some(({ at }) => at !== undefined && at > askedAt),
          () => `${request}: ${subscribed.stderr}`,
        );
        if (restarted === "component")
          expect(subscribed.rows.slice(before)).toContainEqual({
            ...{ node: "user0@localhost/steady", event: "reset" },
            ...{ from: expect.any(Number) as number, to: expect.any(Number) as number, reason: "epoch" },
          });
        expect(subscribed.rows.slice(before)).toContainEqual({
          ...{ node: "user0@localhost/steady", event: "status", from: null, to: null, reason: "online" },
        });
      }
      subscribed.child.kill("SIGTERM");
      expect(await subscribed.ended, subscribed.stderr).toBe(0);
      expectNothingSilentlyMissing(subscribed);
      offered.child.kill("SIGTERM");
      expect(await offered.ended, offered.stderr).toBe(0);
    },
  );

  testOnce("a sandbox that is killed leaves nothing behind", async () => {
    const killed = await startSandbox("--server", server, "--users", "1");
    killed.run.child.kill("SIGKILL");
    await killed.run.ended;
    await expectNothingLeft(killed);
  });
});

test("sandbox --demo: the last account publishes", async () => {
  const sandbox = await startSandbox("--users", "2", "--demo");
  onTestFinished(async () => {
    sandbox.run.child.kill("SIGTERM");
    expect(await sandbox.run.ended, sandbox.run.stderr).toBe(0);
    await expectNothingLeft(sandbox);
  });
  const listed = sandbox.shell("user0", "stanzapack services --json");
  expect(await listed.ended, listed.stderr).toBe(0);
  const rows = JSON.parse(listed.stdout) as Row[];
  expect(rows.length).toBeGreaterThan(0);
  for (const { node } of rows) expect(node).toMatch(/^user1@localhost\//);
  const [first] = rows;
  const subscribed = sandbox.shell("user0", `stanzapack subscribe ${first?.node ?? ""} --count 2`);
  expect(await subscribed.ended, subscribed.stderr).toBe(0);
});

test("--help and --version load no SDK: at most four times the time of `node -e 0`", async () => {
  const timed = async (program: string, ...args: string[]): Promise<number> => {
    const begun = performance.now();
    expect(await start(program, args).ended).toBe(0);
    return performance.now() - begun;
  };
  const shortest = { node: Infinity, help: Infinity, version: Infinity };
  // On a busy machine it takes many tries until each command has had a processor for itself.
  const isClear = (): boolean => Math.max(shortest.help, shortest.version) < 4 * shortest.node;
  for (let i = 0; i < 7 || (i < 50 && !isClear()); i++) {
    shortest.node = Math.min(shortest.node, await timed(process.execPath, "-e", "0"));
    shortest.help = Math.min(shortest.help, await timed(process.execPath, COMMAND, "--help"));
    shortest.version = Math.min(shortest.version, await timed(process.execPath, COMMAND, "--version"));
  }
  expect(shortest.help / shortest.node).toBeLessThan(4);
  expect(shortest.version / shortest.node).toBeLessThan(4);
}, 120_000);

test.each(["--help", "--version", "estimate numbers.ndjson --json", "estimate numbers.ndjson"])(
  "%s exits 1 when its output cannot be written, also where a full disk takes a part",
  async (args) => {
    const values = Array.from({ length: 50 }, (_, i) => `${i}\n`).join("");
    writeFileSync(join(folder, "numbers.ndjson"), values);
    for (const script of [`${args} > /dev/full`, `${args} > numbers.out`]) {
      // `ulimit -f` counts blocks of 1,024 bytes.
      const limit = args.includes("estimate") ? 1 : 0;
      const run = start("bash", ["-c", `cd ${folder}; ulimit -f ${limit}; ${COMMAND} ${script}`]);
      expect(await run.ended, run.stderr).toBe(1);
      expect(lastLine(run)).toMatch(/^stanzapack: output-failed: .*(ENOSPC|EFBIG)/);
    }
    // A reader that closes the pipe early is not a failure.
    const head = start("bash", ["-c", `set -o pipefail; cd ${folder}; ${COMMAND} ${args} | true`]);
    expect(await head.ended, head.stderr).toBe(0);
  },
);

test("a sandbox that cannot start says why", async () => {
  // The path has no server, and no other program.
  const run = start(process.execPath, [COMMAND, "sandbox"], { PATH: folder });
  expect(await run.ended).toBe(1);
  expect(lastLine(run)).toMatch(/^stanzapack: [a-z-]+: /);
  expect(run.stdout).toBe("");
});
