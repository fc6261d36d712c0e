import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { UsageError } from "./failure.js";
import type { Fault } from "./input/encoding.js";
import { faultOf } from "./input/lines.js";
import type { ValuePublisher } from "./value-publisher.js";

/** More than any value may have; what prints more is stopped. */
const MAX_OUTPUT_BYTES = 1_048_576;

/**
 * Runs a command every `intervalMs` and publishes what it prints, until `signal`. A run that takes longer delays the
 * next one to the next multiple of the interval; one that fails is told on stderr and publishes nothing.
 */
export async function runEvery(
  intervalMs: number,
  words: readonly string[],
  publisher: ValuePublisher,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  for (let count = 1; !signal.aborted; count++) {
    const place = { source: `run ${count} of \`${words[0]}\`` };
    const output = await run(words, signal);
    if (typeof output === "object") publisher.fail(output, place);
    else if (output !== undefined && output !== "") await publisher.publish(output, place);
    const spentMs = (performance.now() - start) % intervalMs;
    await sleep(intervalMs - spentMs, undefined, { signal }).catch(() => undefined);
  }
}

/** What one run printed, trimmed, or why it is no text; undefined when it failed or was stopped. */
async function run(
  [program = "", ...args]: readonly string[],
  signal: AbortSignal,
): Promise<string | Fault | undefined> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const stop = (): void => void child.kill();
  signal.addEventListener("abort", stop);
  const ended = new Promise<string | undefined>((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) =>
      reject(new UsageError(`\`${program}\` cannot be run: ${error.code ?? error.message}`)),
    );
    child.once("close", (code, killedBy) => resolve(killedBy ?? (code === 0 ? undefined : `status ${code}`)));
  });
  let size = 0;
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_OUTPUT_BYTES) stop();
    else chunks.push(chunk);
  });
  try {
    const failure = await ended;
    if (size > MAX_OUTPUT_BYTES)
      return { what: `it printed more than ${MAX_OUTPUT_BYTES} bytes`, mend: "a value has at most 48 KiB" };
    const output = Buffer.concat(chunks);
    if (failure === undefined) return faultOf(output) ?? output.toString("utf8").trim();
    if (!signal.aborted) process.stderr.write(`\`${program}\` ended with ${failure}: nothing is published\n`);
    return undefined;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
