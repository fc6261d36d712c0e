import { monotonicNow } from "@stanzapack/xmpp";
import type { Later } from "../base/later.js";

/** Longest turn of requests, in ms, and the pause until the next turn. So requests use half of the time at most. */
const TURN_MS = 5;
const REST_MS = 5;
/** While the stream to the server takes no more, the stream is looked at after this, in ms. */
const CLOSED_MS = 25;
/** Steps of one link before the next link's. The answers to this many fit the smallest block. */
const STEPS = 100;

/**
 * One step of a request is one subscription. A step that has to wait for somebody else yields a promise. The promise
 * never rejects.
 */
export type Steps<T = void> = Generator<Promise<void> | undefined, T, void>;

/** Work for one link, in steps. */
export interface Job {
  readonly steps: Steps;
  /** A step has thrown. The job has ended. */
  readonly fail: (error: unknown) => void;
  /** Set by `RequestTurns`. */
  hasEnded?: boolean;
}

export interface TurnsHost {
  /** Whether the stream to the server takes more. */
  readonly open: boolean;
}

/** Works on the jobs of all links in turns, round robin among links, so that the longest job holds up nobody. */
export class RequestTurns<L extends { readonly ended: boolean }, J extends Job> {
  private readonly jobs = new Map<L, J[]>();
  /** Jobs of links whose first job waits for somebody else. */
  private readonly paused = new Map<L, J[]>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly host: TurnsHost,
    /** A link's share of a turn is over. `ms`: processor time used. */
    private readonly onWorked: (link: L, job: J, ms: number) => void,
    /** Processor time that this process has used, in ms. */
    private readonly workMs: () => number,
  ) {}

  /** The jobs of a link that have not ended, the oldest first. */
  jobsOf(link: L): readonly J[] {
    return this.listOf(link) ?? [];
  }

  add(link: L, job: J): void {
    const jobs = this.listOf(link);
    if (jobs === undefined) this.jobs.set(link, [job]);
    else jobs.push(job);
    this.book(0);
  }

  /** The link has ended: its jobs are dropped where they stand. */
  forget(link: L): void {
    this.jobs.delete(link);
    this.paused.delete(link);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.jobs.clear();
    this.paused.clear();
  }

  private listOf(link: L): J[] | undefined {
    return this.jobs.get(link) ?? this.paused.get(link);
  }

  private book(ms: number): void {
    if (this.jobs.size > 0) this.timer ??= setTimeout(() => this.turn(), ms);
  }

  private turn(): void {
    this.timer = undefined;
    if (!this.host.open) return this.book(CLOSED_MS);
    const until = monotonicNow() + TURN_MS;
    while (this.jobs.size > 0 && monotonicNow() < until) {
      const [link, jobs] = this.jobs.entries().next().value as [L, J[]];
      const job = jobs[0] as J;
      const awaited = this.work(link, job, until);
      // The link moves to the end of the row, unless it has ended meanwhile.
      if (!this.jobs.delete(link)) continue;
      if (job.hasEnded === true) jobs.shift();
      if (awaited !== undefined) this.pause(link, jobs, awaited);
      else if (jobs.length > 0) this.jobs.set(link, jobs);
    }
    this.book(REST_MS);
  }

  /** Works on a job for the link's share of the turn. Returns what the job waits for. */
  private work(link: L, job: J, until: number): Promise<void> | undefined {
    let awaited: Promise<void> | undefined;
    const before = this.workMs();
    try {
      for (let step = 0; step < STEPS && job.hasEnded !== true && !link.ended; step++) {
        const { done, value } = job.steps.next();
        job.hasEnded = done === true;
        if (value instanceof Promise) awaited = value;
        if (awaited !== undefined || monotonicNow() > until) break;
      }
    } catch (error) {
      job.fail(error);
      job.hasEnded = true;
    }
    this.onWorked(link, job, this.workMs() - before);
    return awaited;
  }

  /** The first job of the link waits for somebody else. The jobs of other links go on. */
  private pause(link: L, jobs: J[], awaited: Promise<void>): void {
    this.paused.set(link, jobs);
    void awaited.then(() => {
      if (!this.paused.delete(link)) return;
      this.jobs.set(link, jobs);
      this.book(0);
    });
  }
}

/** Waits within a job: returns what the result is, or throws what it was rejected with. */
export function* settled<T>(result: Later<T>): Steps<T> {
  if (!(result instanceof Promise)) return result;
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
  yield result.then(
    (value) => void (outcome = { value }),
    (error: unknown) => void (outcome = { error }),
  );
  if (outcome === undefined) throw new Error("a job went on before its result was there");
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}
