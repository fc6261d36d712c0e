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
  /** File to which stdout and stderr are appended. */
  readonly outputFile: string;
}

/** One run of a server, from its start to its end. */
export interface ServerProcess {
  readonly pid: number;
  /** How the server ended, in words. Undefined while it runs. */
  readonly ending: string | undefined;
  /** Resolves when the server has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /**
   * Sends SIGTERM, then SIGKILL after `graceMs` (at once if 0). Resolves when the server and all its helpers have
   * ended.
   */
  end(graceMs: number): Promise<void>;
}

/** Longest time until helpers (Erlang's port programs) notice that their server has ended, in ms. */
const HELPER_GRACE_MS = 1000;

/**
 * Starts a server as the given user, in its own session: a terminal's Ctrl-C must not reach the server before it
 * reaches us. The kernel kills the server when this process dies (`setpriv --pdeathsig`), even before the guard knows
 * the server. In a worker thread, the kernel does so when that thread ends.
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

/** Whether the process runs. An entry in /proc is no proof: in a container nobody may collect an ended process. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const state = stat.charAt(stat.lastIndexOf(")") + 2);
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}

/** Children of a process, their children and so on, by Linux's /proc. */
async function descendantsOf(pid: number): Promise<number[]> {
  const found: number[] = [];
  try {
    for (const task of await readdir(`/proc/${pid}/task`)) {
      const list = await readFile(`/proc/${pid}/task/${task}/children`, "utf8");
      found.push(...list.split(" ").filter(Boolean).map(Number));
    }
  } catch {
    return found; // the process has ended meanwhile
  }
  const deeper = await Promise.all(found.map(descendantsOf));
  return [...found, ...deeper.flat()];
}
