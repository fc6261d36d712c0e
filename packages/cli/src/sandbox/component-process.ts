import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { StanzapackError } from "@stanzapack/wire";
import type { Sandbox } from "@stanzapack/sandbox";
import { writeComponentConfig } from "./sandbox-files.js";

const COMMAND = fileURLToPath(new URL("../../bin/stanzapack.js", import.meta.url));
/** A component that has not stopped so long after SIGTERM is killed, in ms. Its own drain takes 2 s at most. */
const STOP_GRACE_MS = 5_000;
/** A component that is not connected so long after its start has failed, in ms. */
const READY_MS = 30_000;

/** The sandbox's component: `stanzapack serve` as a process of its own, which does not outlive ours. */
export interface ComponentProcess {
  /** Of the one that runs, or ran last. */
  readonly pid: number;
  /** Ends it by this signal and starts it again; resolves when it is connected. */
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
 * In a session of its own, so that a terminal's Ctrl-C reaches it only through us. The kernel kills it when we die
 * (`setpriv --pdeathsig`, which the server in the sandbox needs too), and `--child` ends it when our channel closes.
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
    if (limit.aborted) throw new StanzapackError("timeout", `no component within ${READY_MS} ms`);
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
