import { StanzapackError, type Profile, type Value } from "@stanzapack/wire";
import { FormRun } from "./form-run.js";
import { FORMS, type Form } from "./forms.js";
import { HOPS, type Compression, type Transport } from "./hops.js";
import { createUpdate, type Item, type Update } from "./item.js";
import { checkEstimatorOptions } from "./option-checks.js";

/** When a stanza leaves: after so many updates, or once a window, by the times of the updates; window 0: each at once. */
export type Cut = { readonly batch: number } | { readonly windowMs: number };

/** One row of `stanzapack estimate`: what the updates took from the server to one subscriber. */
export interface EstimateRow {
  readonly workload: string;
  readonly updates: number;
  /** One of the two is null. */
  readonly batch: number | null;
  readonly windowMs: number | null;
  readonly transport: Transport;
  readonly compression: Compression;
  readonly form: Form;
  /** What `stanzapack` was coded with. */
  readonly profile: Profile;
  readonly bytes: number;
  readonly bytesPerUpdate: number;
}

export interface EstimatorOptions {
  /** Names the rows. */
  readonly workload: string;
  readonly cuts: readonly Cut[];
  readonly profile: Profile;
}

/** Batches of updates without times leave ten times a second, in ms. */
const BATCH_MS = 100;

/**
 * What updates cost in each form, on each hop, in whole stanzas, each read back and compared. Streaming: it holds no more
 * than a stanza of each form.
 */
export class Estimator {
  private readonly cuts: readonly CutRun[];
  private updates = 0;

  /** Throws `invalid-options`. */
  constructor(private readonly options: EstimatorOptions) {
    checkEstimatorOptions(options);
    const bodies = new FormRun("json-body", options.profile);
    this.cuts = options.cuts.map((cut, index) => new CutRun(cut, options.profile, bodies, index === 0));
  }

  /**
   * `at`: when it was published, in ms; needed where a cut is a window. The promise, if any, is to be awaited before the
   * next. Throws `unencodable` and `too-large` for what cannot be published, `usage` where the time is missing.
   */
  add(value: Value, at?: number): Promise<unknown> | undefined {
    if (at !== undefined && !Number.isFinite(at))
      throw new StanzapackError("invalid-options", `add: \`at\` must be a number of ms, not ${String(at)}`);
    const update = createUpdate(value);
    const waits: Promise<unknown>[] = [];
    for (const cut of this.cuts) cut.add(update, at, waits);
    this.updates++;
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  /** It takes no more then. */
  async finish(): Promise<EstimateRow[]> {
    const { updates } = this;
    const { workload, profile } = this.options;
    const rows: EstimateRow[] = [];
    if (updates === 0) return rows;
    for (const cut of this.cuts)
      for (const { hop, form, bytes } of await cut.finish()) {
        const { transport, compression } = hop;
        const bytesPerUpdate = bytes / updates;
        rows.push({
          ...{ workload, updates, ...cut.columns, transport, compression, form, profile },
          ...{ bytes, bytesPerUpdate },
        });
      }
    return rows;
  }
}

type Finished = { readonly form: Form } & Awaited<ReturnType<FormRun["finish"]>>[number];

/** One way to cut the updates into stanzas, in every form. */
class CutRun {
  private readonly runs: ReadonlyMap<Form, FormRun>;
  /** Updates so far, and those that wait. */
  private count = 0;
  private waiting = 0;
  private slot = NaN;

  /** A body of its own for each value is the same whatever the cut: only one of them counts it. */
  constructor(
    private readonly cut: Cut,
    profile: Profile,
    bodies: FormRun,
    private readonly ownsBodies: boolean,
  ) {
    this.runs = new Map(
      FORMS.map((form) => [form, form === "json-body" ? bodies : new FormRun(form, profile)]),
    );
  }

  get columns(): Pick<EstimateRow, "batch" | "windowMs"> {
    return "batch" in this.cut
      ? { batch: this.cut.batch, windowMs: null }
      : { batch: null, windowMs: this.cut.windowMs };
  }

  add(update: Update, at: number | undefined, waits: Promise<unknown>[]): void {
    if (this.leavesBefore(at)) this.flush(waits);
    const item: Item = { ...update, at: at ?? this.madeUpAt() };
    for (const [form, run] of this.runs) if (form !== "json-body" || this.ownsBodies) run.push(item, waits);
    this.count++;
    this.waiting++;
    if ("batch" in this.cut && this.waiting === this.cut.batch) this.flush(waits);
  }

  private leavesBefore(at: number | undefined): boolean {
    if ("batch" in this.cut) return false;
    if (at === undefined) throw new StanzapackError("usage", "a window needs the time of each update");
    const { windowMs } = this.cut;
    const slot = windowMs === 0 ? this.count : Math.floor(at / windowMs);
    const leaves = slot !== this.slot;
    this.slot = slot;
    return leaves;
  }

  /** The newest of each batch at a multiple of 100 ms, the others evenly before. */
  private madeUpAt(): number {
    if (!("batch" in this.cut)) return 0;
    const { batch } = this.cut;
    const before = batch - 1 - (this.count % batch);
    return (Math.floor(this.count / batch) - before / batch) * BATCH_MS;
  }

  private flush(waits: Promise<unknown>[]): void {
    for (const [form, run] of this.runs) if (form !== "json-body" || this.ownsBodies) run.flush(waits);
    this.waiting = 0;
  }

  async finish(): Promise<Finished[]> {
    const waits: Promise<unknown>[] = [];
    this.flush(waits);
    await Promise.all(waits);
    const finished: Finished[] = [];
    for (const [form, run] of this.runs)
      for (const hopBytes of await run.finish()) finished.push({ form, ...hopBytes });
    return finished.sort((a, b) => HOPS.indexOf(a.hop) - HOPS.indexOf(b.hop));
  }
}
