/** Most findings. Further findings mostly follow from the first one. */
const MAX_FINDINGS = 5;

/** How a command ended: the event of its queue. `failed` has the error's code. */
export interface CommandEnd {
  readonly how: "done" | "variance" | "failed" | "damaged";
  readonly code?: string | undefined;
}

/**
 * Watches a queue of commands numbered 1, 2, 3, … to one node. Each command in the queue must end in one event, also if
 * the queue's process ends meanwhile. It must run before it is `done`, at most once, and after the commands before it.
 * Only a command whose call or result got lost may end in `outcome-unknown`.
 */
export class CommandWitness {
  readonly findings: string[] = [];
  /** Number of the newest command that may be in the queue. */
  last = 0;
  /** Commands that ended in `outcome-unknown`. */
  unknown = 0;
  /** Commands that are in the queue for certain, or were, and that have not ended. */
  private readonly open = new Set<number>();
  /** Commands that ended, and in which process of the queue. */
  private readonly ended = new Map<number, { readonly process: number; readonly how: CommandEnd["how"] }>();
  private readonly ran = new Set<number>();
  private lastRun = 0;
  private process = 0;

  fault(text: string): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(`commands: ${text}`);
  }

  /** The program is about to queue the command. */
  queueing(n: number): void {
    this.last = n;
  }

  /** The command is in the store. */
  queued(n: number): void {
    if (!this.ended.has(n)) this.open.add(n);
  }

  /** The publisher's handler runs. */
  runs(n: number): void {
    if (n > this.last) this.fault(`command ${n} ran, but only ${this.last} were queued`);
    if (this.ran.has(n)) this.fault(`expected that command ${n} runs once, but it ran again`);
    else if (n < this.lastRun)
      this.fault(`expected command ${n} before command ${this.lastRun}, but it ran after`);
    this.ran.add(n);
    this.lastRun = Math.max(this.lastRun, n);
  }

  ends(n: number, { how, code }: CommandEnd): void {
    const before = this.ended.get(n);
    if (before?.process === this.process) this.fault(`command ${n} ended twice: ${before.how}, then ${how}`);
    if (how !== "done" && code !== "outcome-unknown")
      this.fault(
        `expected that command ${n} is done, but it ended in ${how}${code === undefined ? "" : ` with ${code}`}`,
      );
    if (code === "outcome-unknown" && before === undefined) this.unknown++;
    this.ended.set(n, { process: this.process, how });
    this.open.delete(n);
  }

  /** Another process continues the queue, and found these commands in the store. */
  continues(pending: readonly number[]): void {
    this.process++;
    const found = new Set(pending);
    for (const n of this.open)
      if (!found.has(n)) this.fault(`expected command ${n} in the store after a kill, but it is not there`);
    for (const n of pending) {
      if (n > this.last) this.fault(`command ${n} is in the store, but was never queued`);
      else if (!this.ended.has(n)) this.open.add(n);
    }
  }

  /** Commands without an event. */
  get waiting(): number {
    return this.open.size;
  }

  /** Checks the commands that have ended. `breaks`: most commands whose call or result may have got lost so far. */
  conclude(breaks: number): void {
    for (const [n, { how }] of this.ended)
      if (how === "done" && !this.ran.has(n)) this.fault(`command ${n} is done, but never ran`);
    for (const n of this.open) this.fault(`command ${n} has no result`);
    if (this.unknown > breaks)
      this.fault(
        `expected at most ${breaks} commands with an unknown outcome, one for each break, but there are ${this.unknown}`,
      );
  }
}
