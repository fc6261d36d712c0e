import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/** A program in a process of its own, which the proof kills and starts again. */
export class Program<Start extends object, Order extends string, Report> {
  private child: ChildProcess | undefined;
  private ending: ChildProcess | undefined;

  constructor(
    private readonly file: string,
    /** Receives what the program says, in order. */
    private readonly take: (report: Report) => void,
    /** Called when the process ends by itself. `how` is a signal's name or `status NUMBER`. */
    private readonly onFailure: (how: string) => void,
  ) {}

  start(options: Start): void {
    const child = fork(this.file, [], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.child = child;
    child.on("message", (report) => this.take(report as Report));
    child.once("exit", (code, signal) => {
      if (this.ending !== child) this.onFailure(signal ?? `status ${code}`);
    });
    child.once("error", (error) => this.onFailure(error.message));
    child.send(options);
  }

  order(order: Order): void {
    if (this.child?.connected === true) this.child.send(order);
  }

  /** Sends SIGKILL. Resolves when the process has ended, and all that it said has arrived. Idempotent. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined) return;
    this.ending = child;
    const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    const read = child.connected ? once(child, "disconnect") : undefined;
    child.kill("SIGKILL");
    await Promise.all([ended, read]);
  }
}
