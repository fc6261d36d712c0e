import { fork } from "node:child_process";
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

/**
 * Starts a process. `nice` stands for another machine: the process waits behind others for processor time (nice(1)).
 * `execArgv` has options of Node.
 */
export function startWorker<M extends Methods>(
  program: string,
  what: string,
  { nice = 0, execArgv = [] }: { readonly nice?: number; readonly execArgv?: readonly string[] } = {},
): Worker<M> {
  const forked = fork(program, { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [...execArgv] });
  const caller = createCaller<M>(new Child(forked, what));
  const { pid } = forked;
  if (pid !== undefined && nice > 0) setPriority(pid, Math.min(19, getPriority() + nice));
  return { call: caller.call, pid: pid ?? -1, stop: () => caller.stop(STOP_GRACE_MS) };
}
