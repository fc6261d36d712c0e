import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { DemoError } from "./failure.js";

/** Lines of stderr that the report of a failed child has. */
const TAIL_LINES = 10;

/** A child process that runs until it is stopped. Its stderr must be a pipe. */
export class Child {
  /** Resolves when the process has ended. */
  readonly exited: Promise<void>;
  /** Called once if the process ends before `stop`. */
  onFailure: ((error: DemoError) => void) | undefined;
  private readonly tail: string[] = [];
  private stopping = false;
  private failed: DemoError | undefined;

  constructor(
    readonly process: ChildProcess,
    private readonly what: string,
  ) {
    const { stderr } = process;
    if (stderr !== null)
      createInterface({ input: stderr }).on("line", (line) => {
        this.tail.push(line);
        if (this.tail.length > TAIL_LINES) this.tail.shift();
      });
    this.exited = new Promise((resolve) => {
      // `close` fires after the last output.
      process.once("close", (code, signal) => {
        this.fail(this.describe(signal ?? `status ${String(code)}`));
        resolve();
      });
      process.once("error", (error) => {
        this.fail(new DemoError("internal", `${this.what} could not be started: ${error.message}`));
        resolve();
      });
    });
  }

  /** Resolves with the result of `wait`. Rejects if the child ends first, or `signal` fires. */
  async until<T>(signal: AbortSignal, wait: (resolve: (value: T) => void) => void): Promise<T> {
    const onAbort = new AbortController();
    try {
      return await new Promise<T>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error);
        signal.addEventListener("abort", () => reject(signal.reason as Error), { signal: onAbort.signal });
        void this.exited.then(() =>
          reject(this.failed ?? new DemoError("stopped", `${this.what} was stopped`)),
        );
        wait(resolve);
      });
    } finally {
      onAbort.abort();
    }
  }

  /** Ends the child by `ask`, and after `graceMs` by SIGKILL. Idempotent. */
  async stop(ask: () => void, graceMs: number): Promise<void> {
    this.stopping = true;
    ask();
    const overdue = setTimeout(() => this.process.kill("SIGKILL"), graceMs);
    await this.exited;
    clearTimeout(overdue);
  }

  private fail(error: DemoError): void {
    if (this.stopping || this.failed !== undefined) return;
    this.failed = error;
    this.onFailure?.(error);
  }

  private describe(how: string): DemoError {
    const last = this.tail[this.tail.length - 1] ?? "";
    const told = /^stanzapack: ([a-z-]+): (.*)$/.exec(last);
    if (told !== null) return new DemoError(told[1] as string, told[2] as string, this.tail.slice(0, -1));
    return new DemoError("internal", `${this.what} ended with ${how}`, this.tail);
  }
}
