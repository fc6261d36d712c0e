import { LaneRun } from "@stanzapack/estimate";
import { StanzapackError, type Value } from "@stanzapack/wire";
import { formatTimeLeft } from "../measure/time-plan.js";
import { createRows, isLarge, LARGE_ROW_SETS, ROW_SETS, type RowSetId } from "../workloads/rows.js";
import { createBatches } from "./batches.js";
import { countNumericFields } from "./columns.js";
import { measureFileBound, type FileBound } from "./file-bound.js";
import { measureHeld } from "./held-memory.js";
import { BATCHES, type CodecRow } from "./rows.js";
import { meanRows } from "./means.js";
import { measureOurs, measureRival } from "./sizes.js";
import { FULL_CARE, measureTimes, QUICK_CARE, warmUp, type Care } from "./timing.js";

export interface CodecOptions {
  readonly workloads?: readonly RowSetId[];
  readonly batches?: readonly number[];
  /** Measures batches of 10 and 100 unless `batches` is given, and makes fewer passes for the times. */
  readonly quick?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

const QUICK_BATCHES = [10, 100] as const;

/**
 * Measures every workload in every batch, then computes the means over the 22. An interruption returns the rows so far.
 */
export async function runCodec(options: CodecOptions = {}): Promise<readonly CodecRow[]> {
  const quick = options.quick ?? false;
  const batches = [...new Set(options.batches ?? (quick ? QUICK_BATCHES : BATCHES))];
  const care = quick ? QUICK_CARE : FULL_CARE;
  const known = [...ROW_SETS, ...LARGE_ROW_SETS];
  const ids = known.filter((id) => options.workloads?.includes(id) ?? true);
  const sets = ids.map((id) => ({ id, rows: createRows(id) }));
  if (sets.length === 0 || batches.length === 0) throw new StanzapackError("usage", "nothing to measure");
  const progress = new Progress(
    sets.reduce((sum, { rows }) => sum + weigh(rows, batches), 0),
    options.onProgress,
  );
  const measured: CodecRow[] = [];
  options.onProgress?.("warming up");
  for (const { rows } of sets) if (!options.signal?.aborted) warmUp(createBatches(rows, 10));
  for (const { id, rows } of sets) {
    if (options.signal?.aborted) break;
    progress.tell(id);
    const bound = await measureFileBound(rows);
    const memoryBytes = measureMemory(rows);
    for (const batch of batches) {
      if (options.signal?.aborted) return withMeans(measured);
      measured.push(await measureCell({ workload: id, rows, batch, bound, care }, memoryBytes));
      progress.add(weigh(rows, [batch]));
    }
  }
  return withMeans(measured);
}

interface Cell {
  readonly workload: RowSetId;
  readonly rows: readonly Value[];
  readonly batch: number;
  readonly bound: FileBound;
  readonly care: Care;
}

async function measureCell(cell: Cell, memoryBytes: number): Promise<CodecRow> {
  const { workload, rows, batch, bound } = cell;
  const batches = createBatches(rows, batch);
  const ours = await measureOurs(batches);
  const rival = await measureRival(batches);
  const times = measureTimes(batches, cell.care);
  const each = (total: number): number => total / rows.length;
  return {
    workload,
    batch,
    payloadBytesPerUpdate: each(ours.payloadBytes),
    frameBytesPerUpdate: each(ours.frameBytes),
    rivalBytesPerUpdate: each(rival.rivalBytes),
    frameZlibBytesPerUpdate: each(ours.frameZlibBytes),
    rivalZlibBytesPerUpdate: each(rival.rivalZlibBytes),
    brotliBytesPerUpdate: each(bound.brotliBytes),
    xzBytesPerUpdate: bound.xzBytes === null ? null : each(bound.xzBytes),
    envelope: ours.envelope,
    keyframes: ours.keyframes,
    numericFields: countNumericFields(rows),
    encodeUsPerUpdate: each(times.encode),
    decodeUsPerUpdate: each(times.decode),
    jsonDeflateUsPerUpdate: each(times.jsonDeflate),
    jsonInflateUsPerUpdate: each(times.jsonInflate),
    memoryBytes,
  };
}

/** Memory of a lane after all rows. The batches make no difference. */
function measureMemory(rows: readonly Value[]): number {
  const batches = createBatches(rows, 100);
  return measureHeld(() => {
    const lane = new LaneRun("plain");
    for (const { batch, nowMs } of batches) lane.encode(batch, nowMs);
    return lane;
  });
}

function withMeans(rows: readonly CodecRow[]): readonly CodecRow[] {
  return [...rows, ...meanRows(rows.filter(({ workload }) => !isLarge(workload)))];
}

function weigh(rows: readonly Value[], batches: readonly number[]): number {
  return JSON.stringify(rows).length * batches.length;
}

class Progress {
  private done = 0;
  private readonly startedAt = performance.now();

  constructor(
    private readonly all: number,
    private readonly onProgress: ((text: string) => void) | undefined,
  ) {}

  add(weight: number): void {
    this.done += weight;
  }

  tell(what: string): void {
    const leftMs = ((performance.now() - this.startedAt) / this.done) * (this.all - this.done);
    const left = this.done === 0 ? "" : `; ${formatTimeLeft(leftMs)} left`;
    this.onProgress?.(`${what}: ${Math.round((this.done / this.all) * 100)} % done${left}`);
  }
}
