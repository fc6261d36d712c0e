import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { StanzapackError } from "@stanzapack/wire";
import type { Sandbox } from "@stanzapack/sandbox";
import { writeComponentConfig } from "./sandbox-files.js";

const COMMAND = fileURLToPath(new URL("../../bin/stanzapack.js", import.meta.url));
/** Time from SIGTERM until a component that has not stopped is killed, in ms. Its own drain takes at most 2 s. */
const STOP_GRACE_MS = 5_000;
/** Time for a component to start and connect, in ms. */
const READY_MS = 30_000;

/** The sandbox's component: `stanzapack serve` in its own process, which does not outlive this process. */
export interface ComponentProcess {
  /** Number of the process that runs, or ran last. */
  readonly pid: number;
  /** Ends the component with this signal and starts it again. Resolves when the component is connected. */
  restart(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}

export async function startComponentProcess(
  sandbox: Sandbox,
  signal: AbortSignal,
): Promise<ComponentProcess> {
  const configFile = await writeComponentConfig(sandbox);
  let expectedToEnd = false;
  const start = async (): Promise<ChildProcess> => {
    expectedToEnd = false;
    const child = launch(configFile);
    try {
      await untilReady(child, signal);
    } catch (error) {
      await end(child, "SIGKILL");
      throw error;
    }
    child.once("exit", (code, killedBy) => {
      if (!expectedToEnd)
        process.stderr.write(
          `the component ended (${killedBy ?? `status ${code}`}); the line \`restart component\` starts it again\n`,
        );
    });
    return child;
  };
  let child = await start();
  let stopped = false;
  return {
    get pid() {
      return child.pid as number;
    },
    async restart(by) {
      expectedToEnd = true;
      await end(child, by);
      if (stopped) throw new StanzapackError("stopped", "the sandbox was stopped");
      child = await start();
    },
    async stop() {
      stopped = true;
      expectedToEnd = true;
      await end(child, "SIGTERM");
    },
  };
}

/**
 * Starts the component in its own session, so that only this process receives a terminal's Ctrl-C. The kernel kills
 * the component when this process dies (`setpriv --pdeathsig`, which the sandbox's server needs too). `--child` ends
 * the component when the IPC channel closes.
 */
function launch(configFile: string): ChildProcess {
  const command = [process.execPath, COMMAND, "serve", "--child", "--config", configFile];
  return spawn("setpriv", ["--pdeathsig=KILL", "--", ...command], {
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

async function untilReady(child: ChildProcess, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_MS), done.signal]);
  try {
    await Promise.race([
      once(child, "message", { signal: limit }),
      once(child, "exit", { signal: limit }).then(([code, killedBy]: (number | string | null)[]) => {
        const how = killedBy ?? `status ${String(code)}`;
        throw new StanzapackError("component-unavailable", `\`stanzapack serve\` ended with ${how}`);
      }),
    ]);
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw new StanzapackError("timeout", `no component connected within ${READY_MS} ms`);
    throw error;
  } finally {
    done.abort();
  }
}

async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  const overdue = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
  await exited;
  clearTimeout(overdue);
}
