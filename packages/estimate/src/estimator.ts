import { StanzapackError, type Value } from "@stanzapack/wire";
import { LINK_ENVELOPE, type Envelope } from "./envelope.js";
import { FormRun } from "./form-run.js";
import { FORMS, type Form } from "./forms.js";
import { HOPS, type Compression, type Transport } from "./hops.js";
import { Intervals } from "./intervals.js";
import { createUpdate, type Item, type Update } from "./item.js";
import { checkEstimatorOptions } from "./option-checks.js";

/**
 * When a stanza leaves: after `batch` updates, or once a window, by the times of the updates. Window 0: each update at
 * once.
 */
export type Cut = { readonly batch: number } | { readonly windowMs: number };

/** One row of `stanzapack estimate`: the bytes of the updates from the server to one subscriber. */
export interface EstimateRow {
  readonly workload: string;
  readonly updates: number;
  /** Either `batch` or `windowMs` is null. */
  readonly batch: number | null;
  readonly windowMs: number | null;
  /**
   * Longest time that an update waits, in ms: the window, or the time of a batch at the usual interval of the updates.
   * null: the updates have no times.
   */
  readonly delayMs: number | null;
  readonly transport: Transport;
  readonly compression: Compression;
  readonly form: Form;
  /**
   * Stanzas that carry the form: lean stanzas if those are smaller, else blocks of XEP-0047. null: not a form of ours.
   */
  readonly envelope: "lean" | "ibb" | null;
  readonly bytes: number;
  readonly bytesPerUpdate: number;
}

export interface EstimatorOptions {
  /** Names the rows. */
  readonly workload: string;
  readonly cuts: readonly Cut[];
  /** Default: short addresses, and a `sid` as the SDK makes it. */
  readonly envelope?: Envelope | undefined;
}

/** Most services. Each has an encoder of its own in every form and cut, of 100 to 600 kB. */
const MAX_SERVICES = 500;

/** Time between batches of updates without times, in ms: ten batches a second. */
const BATCH_MS = 100;

/**
 * Counts the bytes of updates in each form, on each hop, in whole stanzas. It reads each stanza back and compares the
 * values. It streams: it holds no more than a stanza of each form.
 */
export class Estimator {
  private readonly cuts: readonly CutRun[];
  private readonly services = new Set<string>();
  private readonly intervals = new Intervals();
  private updates = 0;

  /** Throws `invalid-options`. */
  constructor(private readonly options: EstimatorOptions) {
    checkEstimatorOptions(options);
    const { cuts, envelope = LINK_ENVELOPE } = options;
    const createRun = (form: Form): FormRun => new FormRun(form, envelope);
    const bodies = createRun("json-body");
    this.cuts = cuts.map((cut, index) => new CutRun(cut, createRun, bodies, index === 0));
  }

  /** Number of services that were named so far. */
  get serviceCount(): number {
    return this.services.size;
  }
  /** The usual time between two updates of a service, in ms; undefined without times. */
  get intervalMs(): number | undefined {
    return this.intervals.usual;
  }

  /**
   * Adds an update. `at`: time of publication in ms; required if a cut is a window. `service`: service of the update.
   * All services are on one link, and each has batches of its own. Await the promise, if any, before the next call.
   *
   * Throws `unencodable` or `too-large` for a value that cannot be published, and `limit-exceeded` beyond 500 services.
   * Throws `usage` if the time is missing, and `invalid-options` if it is not finite.
   */
  add(value: Value, at?: number, service = ""): Promise<unknown> | undefined {
    if (at !== undefined && !Number.isFinite(at))
      throw new StanzapackError("invalid-options", `add: \`at\` must be a number of ms, not ${String(at)}`);
    const update = createUpdate(value);
    if (!this.services.has(service) && this.services.size === MAX_SERVICES)
      throw new StanzapackError("limit-exceeded", `these are more than ${MAX_SERVICES} services`);
    const waits: Promise<unknown>[] = [];
    for (const cut of this.cuts) cut.add(service, update, at, waits);
    this.services.add(service);
    if (at !== undefined) this.intervals.add(service, at);
    this.updates++;
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  /** Returns the rows. No update can be added afterwards. */
  async finish(): Promise<EstimateRow[]> {
    const { updates } = this;
    const { workload } = this.options;
    const rows: EstimateRow[] = [];
    if (updates === 0) return rows;
    for (const cut of this.cuts)
      for (const { hop, form, envelope, bytes } of await cut.finish()) {
        const { transport, compression } = hop;
        const bytesPerUpdate = bytes / updates;
        rows.push({
          ...{ workload, updates, ...cut.columns, delayMs: this.delayOf(cut.columns) },
          ...{ transport, compression, form, envelope, bytes, bytesPerUpdate },
        });
      }
    return rows;
  }

  private delayOf({ batch, windowMs }: CutRun["columns"]): number | null {
    if (batch === null) return windowMs;
    if (this.intervalMs === undefined) return null;
    return batch === 1 ? 0 : batch * this.intervalMs;
  }
}

type Finished = { readonly form: Form } & Awaited<ReturnType<FormRun["finish"]>>[number];

/** One way to cut the updates into stanzas, in every form. */
class CutRun {
  private readonly runs: readonly (readonly [Form, FormRun])[];
  /** The runs that receive the updates of this cut. */
  private readonly fed: readonly FormRun[];
  /** Number of updates so far, by service. */
  private readonly counts = new Map<string, number>();
  private total = 0;
  private slot = NaN;

  /** `json-body` has a body for each value, whatever the cut. So all cuts share `bodies`, and only one cut feeds it. */
  constructor(
    private readonly cut: Cut,
    createRun: (form: Form) => FormRun,
    bodies: FormRun,
    ownsBodies: boolean,
  ) {
    this.runs = FORMS.map((form) => [form, form === "json-body" ? bodies : createRun(form)] as const);
    this.fed = this.runs.filter(([form]) => form !== "json-body" || ownsBodies).map(([, run]) => run);
  }

  get columns(): Pick<EstimateRow, "batch" | "windowMs"> {
    return "batch" in this.cut
      ? { batch: this.cut.batch, windowMs: null }
      : { batch: null, windowMs: this.cut.windowMs };
  }

  add(service: string, update: Update, at: number | undefined, waits: Promise<unknown>[]): void {
    if (this.leavesBefore(at)) this.flush(undefined, waits);
    const count = this.counts.get(service) ?? 0;
    const item: Item = { ...update, at: at ?? this.madeUpAt(count) };
    for (const run of this.fed) run.push(service, item, waits);
    this.counts.set(service, count + 1);
    this.total++;
    if ("batch" in this.cut && (count + 1) % this.cut.batch === 0) this.flush(service, waits);
  }

  private leavesBefore(at: number | undefined): boolean {
    if ("batch" in this.cut) return false;
    if (at === undefined) throw new StanzapackError("usage", "a window needs the time of each update");
    const { windowMs } = this.cut;
    const slot = windowMs === 0 ? this.total : Math.floor(at / windowMs);
    const leaves = slot !== this.slot;
    this.slot = slot;
    return leaves;
  }

  /**
   * Returns the time of an update without one. The newest update of each batch is at a multiple of 100 ms, late by 0 to
   * 3 ms, as timers are. The others are evenly spaced before it.
   */
  private madeUpAt(count: number): number {
    if (!("batch" in this.cut)) return 0;
    const { batch } = this.cut;
    const before = batch - 1 - (count % batch);
    const number = Math.floor(count / batch);
    const lateMs = Math.imul(number + 1, 0x9e3779b1) >>> 30;
    return (number - before / batch) * BATCH_MS + lateMs;
  }

  private flush(service: string | undefined, waits: Promise<unknown>[]): void {
    for (const run of this.fed) run.flush(service, waits);
  }

  async finish(): Promise<Finished[]> {
    const waits: Promise<unknown>[] = [];
    this.flush(undefined, waits);
    await Promise.all(waits);
    const finished: Finished[] = [];
    for (const [form, run] of this.runs)
      for (const hopBytes of await run.finish()) finished.push({ form, ...hopBytes });
    return finished.sort((a, b) => HOPS.indexOf(a.hop) - HOPS.indexOf(b.hop));
  }
}
