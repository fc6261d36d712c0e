import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { UsageError } from "../base/failure.js";
import type { Fault } from "../input/encoding.js";
import { faultOf } from "../input/lines.js";
import { hasTerminal } from "../base/terminal.js";
import type { ValuePublisher } from "./value-publisher.js";

/** Most bytes that a run may print; a run that prints more is stopped. Every permitted value is smaller. */
const MAX_OUTPUT_BYTES = 1_048_576;
/** Time from SIGTERM until a command that has not ended is killed, in ms. */
const STOP_GRACE_MS = 2_000;

/**
 * Runs a command every `intervalMs` and publishes its output, until `signal`. A run that takes longer delays the next
 * run to the next multiple of the interval. A run that fails publishes nothing, and is reported on stderr.
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

/** Trimmed output of one run, or the fault of unusable output. Undefined if the run failed or was stopped. */
async function run(
  [program = "", ...args]: readonly string[],
  signal: AbortSignal,
): Promise<string | Fault | undefined> {
  // A command in its own process group ends together with its children. But such a group has no terminal, which `sudo`
  // and `ssh` may need. So if there is a terminal, the command stays in our group.
  const hasGroup = process.platform !== "win32" && !hasTerminal();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], detached: hasGroup });
  const kill = (by: NodeJS.Signals): void => {
    const { pid } = child;
    if (pid === undefined || (!hasGroup && (child.exitCode !== null || child.signalCode !== null))) return;
    try {
      process.kill(hasGroup ? -pid : pid, by);
    } catch {
      // The process has ended, or belongs to another user.
    }
  };
  let overdue: NodeJS.Timeout | undefined;
  let giveUp: () => void;
  const stop = (): void => {
    if (overdue !== undefined) return;
    kill("SIGTERM");
    // `close` waits for all processes that have the pipe. Closing our end makes their next write end them with SIGPIPE.
    child.stdout.destroy();
    overdue = setTimeout(giveUp, STOP_GRACE_MS);
  };
  // A second signal ends this process at once, and then the command too.
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
    // The output of a stopped run may be incomplete.
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
