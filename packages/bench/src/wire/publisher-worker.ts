import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Child } from "../demo/child.js";
import type { PublisherMethods } from "./publisher-methods.js";
import { createCaller, type Caller } from "../measure/rpc.js";

const PROGRAM = fileURLToPath(new URL("./publisher-process.js", import.meta.url));

/** Time to stop, in ms. The process logs out on two connections. */
const STOP_GRACE_MS = 8_000;

/** The publisher's process, as its parent uses it. */
export interface PublisherWorker extends Pick<Caller<PublisherMethods>, "call"> {
  stop(): Promise<void>;
}

export function startPublisherWorker(): PublisherWorker {
  const forked = fork(PROGRAM, { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
  const caller = createCaller<PublisherMethods>(new Child(forked, "the publisher's process"));
  return { call: caller.call, stop: () => caller.stop(STOP_GRACE_MS) };
}
