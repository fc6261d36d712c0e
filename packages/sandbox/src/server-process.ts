import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { open, readFile, readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { SandboxError } from "./errors.js";
import type { ServerUser } from "./server-user.js";

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Receives stdout and stderr, appended. */
  readonly outputFile: string;
}

/** One run of a server: from its start to its end. */
export interface ServerProcess {
  readonly pid: number;
  /** How it ended, in words, or undefined while it runs. */
  readonly ending: string | undefined;
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** SIGTERM, and SIGKILL after `graceMs` (at once when 0); resolves when it and all its helpers are gone. */
  end(graceMs: number): Promise<void>;
}

/** How long helpers (Erlang's port programs) may take to notice that their server is gone, in ms. */
const HELPER_GRACE_MS = 1000;

/**
 * Starts a server in a session of its own (a terminal's Ctrl-C must not reach it before we do), as the given user, and
 * bound to this process's life by the kernel: `setpriv --pdeathsig` holds where the guard has not heard of it yet.
 * (In a worker thread it is that thread's life.)
 */
export async function startProcess(command: Command, user: ServerUser): Promise<ServerProcess> {
  const { switchTo } = user;
  const become =
    switchTo === undefined ? [] : [`--reuid=${switchTo.uid}`, `--regid=${switchTo.gid}`, "--init-groups"];
  const output = await open(command.outputFile, "a");
  try {
    const child = spawn("setpriv", [...become, "--pdeathsig=KILL", "--", command.program, ...command.args], {
      cwd: command.cwd,
      env: command.env,
      detached: true,
      stdio: ["ignore", output.fd, output.fd],
    });
    await once(child, "spawn").catch((cause: unknown) => {
      const message =
        "setpriv could not be started: it is part of Debian's util-linux (`apt-get install util-linux`)";
      throw new SandboxError("not-installed", message, { cause });
    });
    return supervise(child, child.pid as number);
  } finally {
    await output.close();
  }
}

function supervise(child: ChildProcess, pid: number): ServerProcess {
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => {
      resolve();
    });
  });
  return {
    pid,
    exited,
    get ending() {
      if (child.signalCode !== null) return `was ended by ${child.signalCode}`;
      return child.exitCode === null ? undefined : `ended with status ${child.exitCode}`;
    },
    async end(graceMs) {
      const helpers = await descendantsOf(pid);
      child.kill(graceMs > 0 ? "SIGTERM" : "SIGKILL");
      const overdue = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await exited;
      clearTimeout(overdue);
      await waitForHelpers([pid, ...helpers]);
    },
  };
}

async function waitForHelpers(pids: readonly number[]): Promise<void> {
  let left = pids;
  for (let waitedMs = 0; waitedMs < HELPER_GRACE_MS; waitedMs += 20) {
    const alive = await Promise.all(left.map(isAlive));
    left = left.filter((_, index) => alive[index]);
    if (left.length === 0) return;
    await sleep(20);
  }
  for (const pid of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // ESRCH: gone meanwhile
    }
  }
}

/** Not merely whether there is such an entry: in a container nobody may collect what has ended. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const state = stat.charAt(stat.lastIndexOf(")") + 2);
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}

/** Children, their children and so on, by Linux's /proc. */
async function descendantsOf(pid: number): Promise<number[]> {
  const found: number[] = [];
  try {
    for (const task of await readdir(`/proc/${pid}/task`)) {
      const list = await readFile(`/proc/${pid}/task/${task}/children`, "utf8");
      found.push(...list.split(" ").filter(Boolean).map(Number));
    }
  } catch {
    return found; // ended meanwhile
  }
  const deeper = await Promise.all(found.map(descendantsOf));
  return [...found, ...deeper.flat()];
}
