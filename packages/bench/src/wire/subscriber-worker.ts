import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Child } from "../demo/child.js";
import { CLIENT_INTERFACE, type Namespace } from "./namespaces.js";
import { createCaller, type Caller } from "../measure/rpc.js";
import type { SubscriberMethods } from "./subscriber-methods.js";

const PROGRAM = fileURLToPath(new URL("./subscriber-process.js", import.meta.url));

/** Time to stop, in ms. The process closes one connection. */
const STOP_GRACE_MS = 5_000;

/** A subscriber's process, as its parent uses it. */
export interface SubscriberWorker extends Pick<Caller<SubscriberMethods>, "call"> {
  /** The interface that only this process uses. Null without a namespace. */
  readonly interface: string | null;
  stop(): Promise<void>;
}

export function startSubscriberWorker(namespace: Namespace | undefined): SubscriberWorker {
  const inside = namespace === undefined ? [] : ["ip", "netns", "exec", namespace.name];
  const [command = "", ...args] = [...inside, process.execPath, PROGRAM];
  const spawned = spawn(command, args, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const child = new Child(spawned, "a subscriber's process");
  const caller = createCaller<SubscriberMethods>(child);
  return {
    call: caller.call,
    interface: namespace === undefined ? null : CLIENT_INTERFACE,
    stop: () => caller.stop(STOP_GRACE_MS),
  };
}
