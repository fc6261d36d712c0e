import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { StanzapackError } from "@stanzapack/wire";
import { SandboxError } from "./errors.js";
import type { Sandbox } from "./types.js";

/** Time from SIGTERM until a component that has not stopped is killed, in ms. Its own drain takes at most 2 s. */
const STOP_GRACE_MS = 5_000;

export interface ComponentProcessOptions {
  /** File of the command `stanzapack`, which this Node runs. */
  readonly command: string;
  /** Aborts the first start. */
  readonly signal: AbortSignal;
  /** Which of the sandbox's components it is. Default 0, the first. */
  readonly component?: number | undefined;
  /** The key `nodes` of the component's config. Default: the component is alone. */
  readonly nodes?: Readonly<Record<string, unknown>> | undefined;
  /** Port at which the component reaches its server, such as a proxy's. Default the server's own port. */
  readonly port?: number | undefined;
  /** Directory of the component's store on the disk. Default: the component keeps everything in memory. */
  readonly storePath?: string | undefined;
  /** The key `store` of the component's config. Default: as `storePath` says. */
  readonly store?: Readonly<Record<string, unknown>> | undefined;
  /** Bare JIDs of the component's administrators. Default none. */
  readonly admins?: readonly string[] | undefined;
  /** Limits of the component other than the defaults, by the names of the config file. */
  readonly limits?: Readonly<Record<string, number>> | undefined;
  /** Level of the component's log, which is written to our stderr. Default `warn`. */
  readonly logLevel?: string | undefined;
  /** Longest time until the component is connected, in ms, for each start. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Called when the component, once connected, ends by itself. `how` is a signal's name or `status NUMBER`. */
  readonly onFailure?: ((how: string) => void) | undefined;
}

/** A component of a sandbox: `stanzapack serve` in its own process, which does not outlive this process. */
export interface ComponentProcess {
  /** Process number of the component that runs, or ran last. It changes with each start. */
  readonly pid: number;
  /** Sends the signal, and SIGKILL 5 s later. Resolves when the process has ended. Idempotent. */
  end(by: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts the component again, after its end. Resolves when it is connected. Rejects as the first start does. */
  start(signal: AbortSignal): Promise<void>;
}

/**
 * Writes the component's config file into the sandbox's folder, and starts the component. Resolves when the component
 * is connected.
 *
 * @throws StanzapackError `component-unavailable` if the process ends first, `timeout`, or the reason of the signal.
 * Then no process is left.
 */
export async function startComponentProcess(
  sandbox: Sandbox,
  options: ComponentProcessOptions,
): Promise<ComponentProcess> {
  const configFile = await writeConfig(sandbox, options);
  const { command, timeoutMs = 30_000, onFailure } = options;
  let ending: ChildProcess | undefined;
  const start = async (signal: AbortSignal): Promise<ChildProcess> => {
    signal.throwIfAborted();
    const child = launch(command, configFile);
    try {
      await untilReady(child, timeoutMs, signal);
    } catch (error) {
      await end(child, "SIGKILL");
      throw error;
    }
    child.once("exit", (...how: Exit) => {
      if (ending !== child) onFailure?.(describe(how));
    });
    return child;
  };
  let child = await start(options.signal);
  return {
    get pid() {
      return child.pid as number;
    },
    end(by) {
      ending = child;
      return end(child, by);
    },
    async start(signal) {
      child = await start(signal);
    },
  };
}

/**
 * Starts the component in its own session, so that only this process receives a terminal's Ctrl-C. The kernel kills
 * the component when this process dies (`setpriv --pdeathsig`, which the sandbox's server needs too). `--child` ends
 * the component when the IPC channel closes, and announces that the component is connected.
 */
function launch(command: string, configFile: string): ChildProcess {
  const args = [process.execPath, command, "serve", "--child", "--config", configFile];
  return spawn("setpriv", ["--pdeathsig=KILL", "--", ...args], {
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

async function untilReady(child: ChildProcess, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs), done.signal]);
  try {
    await Promise.race([
      once(child, "message", { signal: limit }),
      once(child, "exit", { signal: limit }).then((how) => {
        const text = `\`stanzapack serve\` ended with ${describe(how as Exit)}`;
        throw new StanzapackError("component-unavailable", text);
      }),
    ]);
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw new StanzapackError("timeout", `no component connected within ${timeoutMs} ms`);
    throw error;
  } finally {
    done.abort();
  }
}

async function end(child: ChildProcess, by: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(by);
  const overdue = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
  await exited;
  clearTimeout(overdue);
}

/** The arguments of a child's `exit` event. */
type Exit = [code: number | null, killedBy: NodeJS.Signals | null];

function describe([code, killedBy]: Exit): string {
  return killedBy ?? `status ${code}`;
}

/** Writes the config into the sandbox's folder, which is removed however the sandbox ends. Returns the file's name. */
async function writeConfig(sandbox: Sandbox, options: ComponentProcessOptions): Promise<string> {
  const { component = 0, nodes } = options;
  const streams = sandbox.components[component];
  if (streams === undefined)
    throw new SandboxError("bad-option", `the sandbox has no component ${component}`);
  const { port = sandbox.ports.component, logLevel = "warn", storePath, store, admins, limits } = options;
  const folder = join(dirname(sandbox.caFile), component === 0 ? "component" : `component${component}`);
  await mkdir(folder, { mode: 0o700, recursive: true });
  await writeFile(join(folder, "secret"), `${streams.secret}\n`, { mode: 0o600 });
  const config = {
    component: { domain: streams.domain, host: sandbox.host, port, secretFile: "secret" },
    store: store ?? (storePath === undefined ? { kind: "memory" } : { kind: "lmdb", path: storePath }),
    ...(nodes && { nodes }),
    ...(admins && { admins }),
    ...(limits && { limits }),
    log: { level: logLevel },
  };
  const file = join(folder, "stanzapack.yaml");
  // JSON is YAML.
  await writeFile(file, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return file;
}
