import type { Entry } from "./map-load.js";
import {
  LOGS,
  RESIDENT_RATE,
  VALUES_SEED,
  type LogCounts,
  type Login,
  type PublisherReport,
  type PublisherStart,
} from "./resident-messages.js";
import { Resident, type NextLogin } from "./resident.js";

/** Updates of a log with `interval` that were acknowledged earlier than this before a crash are on the disk, in ms. */
const WINDOW_MS = 2_000;
const NONE: LogCounts = { sync: 0, interval: 0 };

/** What the publisher has when it rests. */
export interface Resting {
  readonly published: LogCounts;
  readonly map: ReadonlyMap<string, Entry>;
}

/** Updates of the log with `interval` that a crash of the component may lose, both ends included. */
export interface Window {
  readonly from: number;
  readonly to: number;
  /** Most updates of them that may be lost. */
  readonly most: number;
}

export class ResidentPublisher extends Resident<PublisherStart, PublisherReport> {
  published = NONE;
  kept = NONE;
  /** Set once it publishes nothing more in this round. */
  resting: Resting | undefined;
  /** What crashes of the component may have lost, in all rounds. */
  readonly windows: Window[] = [];
  /** Receives the number of a command whose handler runs. */
  onRun: (n: number) => void = () => undefined;
  private saved = NONE;
  private asked = 0;
  /** Breaks before this round. */
  private breaksBefore = 0;
  /** What was kept in the log with `interval`, and when. */
  private readonly times: { readonly at: number; readonly kept: number }[] = [];

  constructor(
    nextLogin: NextLogin,
    private readonly location: string,
    private readonly approved: string,
  ) {
    super("publisher", nextLogin);
  }

  override begin(): void {
    this.resting = undefined;
    this.breaksBefore = this.breaks;
    super.begin();
  }

  protected begins(login: Login): PublisherStart {
    const { location, approved } = this;
    this.resting = undefined;
    return { login, location, seed: VALUES_SEED, approved };
  }

  protected take(report: PublisherReport): void {
    switch (report.type) {
      case "counts":
        // A new process continues with what was saved.
        for (const name of LOGS)
          if (report.published[name] < this.saved[name])
            this.fault(
              `expected that the log \`${name}\` goes on after its saved update ${this.saved[name]}, but it goes on after ${report.published[name]}`,
            );
        this.published = report.published;
        // A new process knows only what its store knows.
        this.kept = {
          sync: Math.max(this.kept.sync, report.kept.sync),
          interval: Math.max(this.kept.interval, report.kept.interval),
        };
        this.note(this.kept.interval);
        return;
      case "saved":
        this.saved = report.saved;
        return;
      case "asked":
        this.asked++;
        // The first request is that of the beginning.
        if (this.asked > 1)
          this.fault(`expected no request of ${report.jid}, who is approved, but there was one`);
        return;
      case "ran":
        return this.onRun(report.n);
      case "resting":
        this.resting = { published: report.published, map: new Map(report.entries) };
        return;
      default:
        return;
    }
  }

  private note(kept: number): void {
    const at = performance.now();
    this.times.push({ at, kept });
    while (this.times.length > 1 && (this.times[1]?.at ?? Infinity) < at - WINDOW_MS) this.times.shift();
  }

  /** Called before the component's process ends. */
  componentEnds(): void {
    const since = performance.now() - WINDOW_MS;
    const before = this.times.findLast(({ at }) => at <= since)?.kept ?? 0;
    // After a break, everything that waited arrives at once.
    const most = this.breaks === this.breaksBefore ? (RESIDENT_RATE * WINDOW_MS) / 1_000 : Infinity;
    // It may have published, and have been answered, since its last report.
    this.windows.push({ from: before + 1, to: this.published.interval + RESIDENT_RATE, most });
  }

  /** What it has, for findings. */
  get standing(): string {
    const { published, kept, ready, resting } = this;
    const of = LOGS.map((name) => `\`${name}\` ${published[name]} published, ${kept[name]} acknowledged`);
    return `${ready ? "" : "not ready, "}${resting === undefined ? "publishing, " : ""}${of.join(", ")}`;
  }
}
