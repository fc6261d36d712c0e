import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { PacedPublisher } from "./paced-publisher.js";

/** Publishes each line until the end of `input` or `signal`. Empty lines are left out: NDJSON allows them. */
export async function readLines(
  input: Readable,
  publisher: PacedPublisher,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const lines = createInterface({ input, crlfDelay: Infinity, terminal: false });
  const stop = (): void => {
    lines.close();
    input.destroy();
  };
  signal.addEventListener("abort", stop);
  try {
    for await (const line of lines) {
      if (signal.aborted) return;
      if (line.trim() !== "") await publisher.publish(line);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    lines.close();
  }
}
