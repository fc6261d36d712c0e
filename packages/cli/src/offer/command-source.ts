import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { UsageError } from "../base/failure.js";
import type { Fault } from "../input/encoding.js";
import { faultOf } from "../input/lines.js";
import { hasTerminal } from "../base/terminal.js";
import type { ValuePublisher } from "./value-publisher.js";

/** More than any value may have; what prints more is stopped. */
const MAX_OUTPUT_BYTES = 1_048_576;
/** A command that has not ended so long after SIGTERM is killed, in ms. */
const STOP_GRACE_MS = 2_000;

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
  // A process group of its own ends as a whole. It has no terminal, which `sudo` and `ssh` may need: where there is one, the
  // command stays in our group.
  const hasGroup = process.platform !== "win32" && !hasTerminal();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], detached: hasGroup });
  const kill = (by: NodeJS.Signals): void => {
    const { pid } = child;
    if (pid === undefined || (!hasGroup && (child.exitCode !== null || child.signalCode !== null))) return;
    try {
      process.kill(hasGroup ? -pid : pid, by);
    } catch {
      // It has ended, or is another user's.
    }
  };
  let overdue: NodeJS.Timeout | undefined;
  let giveUp: () => void;
  const stop = (): void => {
    if (overdue !== undefined) return;
    kill("SIGTERM");
    // `close` waits for all who have the pipe; who still writes to it ends by SIGPIPE.
    child.stdout.destroy();
    overdue = setTimeout(giveUp, STOP_GRACE_MS);
  };
  // Also at a second signal, which ends us at once.
  const killNow = (): void => kill("SIGKILL");
  signal.addEventListener("abort", stop);
  process.once("exit", killNow);
  const ended = new Promise<string | undefined>((resolve, reject) => {
    giveUp = () => {
      killNow();
      resolve("SIGKILL");
    };
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
    // Its output may lack the end.
    if (overdue !== undefined) return undefined;
    const output = Buffer.concat(chunks);
    if (failure === undefined) return faultOf(output) ?? output.toString("utf8").trim();
    process.stderr.write(`\`${program}\` ended with ${failure}: nothing is published\n`);
    return undefined;
  } finally {
    clearTimeout(overdue);
    signal.removeEventListener("abort", stop);
    process.off("exit", killNow);
  }
}
