import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Sandbox, SandboxComponent } from "@stanzapack/sandbox";

/** The command that operators use. */
const COMMAND = fileURLToPath(new URL("../../../cli/bin/stanzapack.js", import.meta.url));
/** Longest time for a component to start and connect, in ms. */
const READY_MS = 60_000;
/** Time from SIGTERM until a component that has not stopped is killed, in ms. */
const STOP_GRACE_MS = 10_000;
const LOG_LEVEL = process.env["STANZAPACK_TEST_LOG"] ?? "error";

/** `stanzapack serve` in its own process, which does not outlive this process. */
export interface ComponentProcess {
  /** Whether the process ended by itself. */
  readonly failed: boolean;
  /** Resolves when the process has ended. */
  end(by: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Resolves when the component is connected. */
  start(signal: AbortSignal): Promise<void>;
}

/** The sandbox's first component, not started yet. It connects to its server through `port`. */
export async function createComponentProcess(sandbox: Sandbox, port: number): Promise<ComponentProcess> {
  const configFile = await writeConfig(sandbox, port);
  let child: ChildProcess | undefined;
  let expectedToEnd = true;
  let failed = false;
  return {
    get failed() {
      return failed;
    },
    async end(by) {
      expectedToEnd = true;
      if (child?.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill(by);
      const overdue = setTimeout(() => child?.kill("SIGKILL"), STOP_GRACE_MS);
      await exited;
      clearTimeout(overdue);
    },
    async start(signal) {
      // In its own session, so that only this process receives a terminal's Ctrl-C. The kernel kills the component when
      // this process dies.
      const args = ["--pdeathsig=KILL", "--", process.execPath, COMMAND, "serve", "--child"];
      child = spawn("setpriv", [...args, "--config", configFile], {
        detached: true,
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      });
      expectedToEnd = false;
      child.once("exit", () => (failed ||= !expectedToEnd));
      await untilReady(child, signal);
    },
  };
}

async function untilReady(child: ChildProcess, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_MS), done.signal]);
  try {
    await Promise.race([
      once(child, "message", { signal: limit }),
      once(child, "exit", { signal: limit }).then(() => {
        throw new Error("`stanzapack serve` ended before it was ready");
      }),
    ]);
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw new Error(`the component was not ready within ${READY_MS} ms`, { cause: error });
    throw error;
  } finally {
    done.abort();
  }
}

/** Writes the config into the sandbox's folder, which is removed however the sandbox ends. */
async function writeConfig(sandbox: Sandbox, port: number): Promise<string> {
  const folder = join(dirname(sandbox.caFile), "component");
  await mkdir(folder, { mode: 0o700 });
  const { domain, secret } = sandbox.components[0] as SandboxComponent;
  const file = join(folder, "stanzapack.yaml");
  const config = {
    component: { domain, secret, host: "127.0.0.1", port },
    store: "memory",
    log: { level: LOG_LEVEL },
  };
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}
