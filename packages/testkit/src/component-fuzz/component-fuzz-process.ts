import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ComponentLimits, ComponentStats } from "@stanzapack/component";

export interface FuzzedComponentOptions {
  readonly domain: string;
  readonly secret: string;
  readonly host: string;
  readonly port: number;
  readonly limits: Partial<ComponentLimits>;
}

/** Measurement after a garbage collection. */
export interface Measure {
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly stats: ComponentStats;
}

/** Longest time to start, or to answer, in ms. */
const ANSWER_MS = 60_000;
/** Text that a component logs only if it has a fault itself. */
const FAULT = /"code":"internal"|StanzapackWarning|[Uu]nhandled|^\s+at |Error:/;

/** A component in its own process, and the faults that it logs. */
export class FuzzedComponent {
  /** Lines of its log that report its own faults. */
  readonly faults: string[] = [];
  warnings = 0;
  /** How the component ended by itself. Undefined while it runs. */
  ended: string | undefined;
  /** The newest measurement. */
  last: Measure | undefined;
  private stopping = false;

  private constructor(private readonly child: ChildProcess) {
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
      this.warnings++;
      if (FAULT.test(line) && this.faults.length < 20) this.faults.push(line.slice(0, 2_000));
    });
    child.on("exit", (code, signal) => {
      if (!this.stopping) this.ended = `with ${signal ?? String(code)}`;
    });
  }

  static async start(options: FuzzedComponentOptions): Promise<FuzzedComponent> {
    const file = fileURLToPath(new URL("./component-fuzz-child.js", import.meta.url));
    const component = new FuzzedComponent(
      fork(file, { execArgv: ["--expose-gc"], stdio: ["ignore", "ignore", "pipe", "ipc"] }),
    );
    await component.ask(options);
    return component;
  }

  measure(): Promise<Measure> {
    return this.ask("measure");
  }

  private async ask(what: FuzzedComponentOptions | "measure"): Promise<Measure> {
    if (this.ended !== undefined) throw new Error(`the component ended ${this.ended}`);
    const answer = once(this.child, "message", { signal: AbortSignal.timeout(ANSWER_MS) });
    this.child.send(what);
    return (this.last = ((await answer) as [Measure])[0]);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, "exit");
    this.child.disconnect();
    await exited;
  }
}
