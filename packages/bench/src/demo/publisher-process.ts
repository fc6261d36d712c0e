// The publisher's process: offers the services, sends the rivals' messages, and reports every published value to its
// parent.
import { hashJson } from "./delivery.js";
import { reportFailure } from "./failure.js";
import type { FromPublisher, ToPublisher } from "./messages.js";
import { publishDemo, type Publishers } from "./publishers.js";
import { startTwinSenders, type TwinSenders } from "./twin-senders.js";

let publishers: Publishers | undefined;
let twins: TwinSenders | undefined;
let stopping = false;

function tell(message: FromPublisher): void {
  // If the parent has ended, the event `disconnect` reports that.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

async function start(options: Extract<ToPublisher, { type: "start" }>): Promise<void> {
  const { account, component, road } = options;
  twins = await startTwinSenders(options.twins);
  publishers = await publishDemo({
    ...{ account, component, road },
    onPublished(service, sequence, value) {
      const json = JSON.stringify(value);
      tell({ type: "published", service: service.name, sequence, hash: hashJson(json), at: Date.now() });
      twins?.send(service, json);
    },
    onSilent: (service) => twins?.silence(service),
  });
  tell({ type: "ready", nodes: publishers.nodes });
}

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await Promise.allSettled([publishers?.stop(), twins?.stop()]);
  process.exit(process.exitCode ?? 0);
}

process.on("message", (message: ToPublisher) => {
  switch (message.type) {
    case "start":
      start(message).catch((error: unknown) => {
        if (!stopping) process.exitCode = reportFailure(error);
        void stop();
      });
      return;
    case "barrier":
      tell({ type: "barrier" });
      return;
    case "stop":
      void stop();
      return;
  }
});
process.on("disconnect", () => void stop());
// A terminal sends these signals to the parent too. The parent decides when to stop.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
process.stderr.on("error", () => undefined);
