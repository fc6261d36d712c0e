import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Child } from "./child.js";
import type { PublishedLog } from "./delivery.js";
import type { FromPublisher, ToPublisher } from "./messages.js";

const PROGRAM = fileURLToPath(new URL("./publisher-process.js", import.meta.url));

/** Time to stop, in ms. The process logs out on two connections. */
const STOP_GRACE_MS = 8_000;

/** The publisher's process, as its parent uses it. */
export interface PublisherChild {
  readonly child: Child;
  readonly nodes: readonly string[];
  /** Resolves when the logs have everything published until now. */
  barrier(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export async function startPublisherChild(
  options: Omit<Extract<ToPublisher, { type: "start" }>, "type">,
  logs: ReadonlyMap<string, PublishedLog>,
  signal: AbortSignal,
): Promise<PublisherChild> {
  const forked = fork(PROGRAM, { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
  const child = new Child(forked, "the publisher's process");
  let onNodes: (nodes: readonly string[]) => void = () => undefined;
  let onBarrier: () => void = () => undefined;
  const tell = (message: ToPublisher): void => {
    // If the child has ended, its `exit` event reports that.
    if (forked.connected) forked.send(message, () => undefined);
  };
  forked.on("message", (message: FromPublisher) => {
    switch (message.type) {
      case "published":
        logs.get(message.service)?.add(message.hash);
        return;
      case "ready":
        return onNodes(message.nodes);
      case "barrier":
        return onBarrier();
    }
  });
  const stop = (): Promise<void> => child.stop(() => tell({ type: "stop" }), STOP_GRACE_MS);
  try {
    const nodes = await child.until<readonly string[]>(signal, (resolve) => {
      onNodes = resolve;
      tell({ type: "start", ...options });
    });
    return {
      child,
      nodes,
      barrier: (within) =>
        child.until<void>(within, (resolve) => {
          onBarrier = resolve;
          tell({ type: "barrier" });
        }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
