import { spawn } from "node:child_process";
import { getPriority, setPriority } from "node:os";
import { Child } from "../demo/child.js";
import { createCaller, type Caller, type Methods } from "./rpc.js";

/** Time to stop, in ms. The process closes its connections. */
const STOP_GRACE_MS = 15_000;

/** A process of the benchmark, as its parent uses it. */
export interface Worker<M extends Methods> extends Pick<Caller<M>, "call"> {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface WorkerOptions {
  /** Stands for another machine: the process waits behind others for processor time (nice(1)). Default 0. */
  readonly nice?: number;
  /** Options of Node. */
  readonly execArgv?: readonly string[];
  /** Name of the network namespace in which the process runs. Default ours. */
  readonly namespace?: string | undefined;
}

/** Starts a program of Node, which answers calls. `what` names its process in errors. */
export function startWorker<M extends Methods>(
  program: string,
  what: string,
  { nice = 0, execArgv = [], namespace }: WorkerOptions = {},
): Worker<M> {
  const inside = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
  const [command = "", ...args] = [...inside, process.execPath, ...execArgv, program];
  const spawned = spawn(command, args, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const caller = createCaller<M>(new Child(spawned, what));
  const { pid } = spawned;
  if (pid !== undefined && nice > 0) setPriority(pid, Math.min(19, getPriority() + nice));
  return { call: caller.call, pid: pid ?? -1, stop: () => caller.stop(STOP_GRACE_MS) };
}
