import { setMaxListeners } from "node:events";
import { StanzapackError } from "@stanzapack/wire";
import { describeFailure } from "../demo/failure.js";
import { formatHop, planBatches, WIRE_SERVERS, type Batch, type WireSelection } from "./axes.js";
import { measureBatch } from "./measure-batch.js";
import { whyNoNamespaces } from "./namespaces.js";
import { sortWireRows, type WireRow } from "./rows.js";
import { openServerStage, type ServerStage } from "./server-stage.js";
import { formatTimeLeft, FULL, Pace, QUICK } from "../measure/time-plan.js";

export interface WireOptions extends WireSelection {
  /**
   * Time for which each batch of cells is measured, in ms. Default: 90 s, or less if everything would take over an
   * hour.
   */
  readonly forMs?: number;
  /** Two minutes: fewer workloads and windows unless they are named, and a shorter time for each. */
  readonly quick?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
  /** Called with facts that a reader of the rows must know. */
  readonly onNotice?: (text: string) => void;
}

export interface WireResult {
  readonly rows: readonly WireRow[];
  /** Why rows are missing. Undefined if none is missing, or the run was interrupted. */
  readonly failure: StanzapackError | undefined;
}

/** Selection of a quick run, unless other values are named. */
const QUICK_SELECTION: WireSelection = {
  workloads: ["int", "obj", "text1000", "mixed3"],
  windowsMs: [0, 1_000],
};

/** Tries of a batch. One broken connection must not lose an hour's work. */
const TRIES = 2;

/** Measures bytes per update of every form, on every hop. An interruption returns the rows so far. Throws `usage`. */
export async function runWire(options: WireOptions): Promise<WireResult> {
  const quick = options.quick ?? false;
  const batches = planBatches(quick ? { ...QUICK_SELECTION, ...options } : options);
  const signal = options.signal ?? new AbortController().signal;
  // Every wait listens to this signal.
  setMaxListeners(0, signal);
  const noNamespaces = await whyNoNamespaces();
  if (noNamespaces !== undefined)
    options.onNotice?.(`TCP/IP bytes are not counted, wireDown and wireUp are null: ${noNamespaces}`);
  const run: Run = {
    ...{ signal, namespaces: noNamespaces === undefined },
    rows: [],
    failures: [],
    onProgress: options.onProgress ?? (() => undefined),
    onNotice: options.onNotice ?? (() => undefined),
  };
  const bounds = quick ? QUICK : FULL;
  const lines = WIRE_SERVERS.map((server) => batches.filter(({ hop }) => hop.server === server))
    .filter((own) => own.length > 0)
    .map((own): Line => ({ batches: own, pace: new Pace(own, bounds, options.forMs) }));
  const startedAt = performance.now();
  const remainingMs = (): number => bounds.totalMs - (performance.now() - startedAt);
  if (quick) {
    // The lines run side by side.
    const left = (): number => Math.max(...lines.map(({ pace }) => pace.leftMs));
    await Promise.all(lines.map((line) => runLine(run, line, remainingMs, left)));
  } else {
    const left = (): number => lines.reduce((sum, { pace }) => sum + pace.leftMs, 0);
    for (const [index, line] of lines.entries()) {
      // Each line that still waits needs an equal part of the time.
      const waitingMs = (bounds.totalMs / lines.length) * (lines.length - 1 - index);
      await runLine(run, line, () => remainingMs() - waitingMs, left);
    }
  }
  return { rows: sortWireRows(run.rows), failure: run.failures[0] };
}

interface Run {
  readonly signal: AbortSignal;
  readonly namespaces: boolean;
  readonly rows: WireRow[];
  readonly failures: StanzapackError[];
  readonly onProgress: (text: string) => void;
  readonly onNotice: (text: string) => void;
}

interface Line {
  /** Batches of one server. */
  readonly batches: readonly Batch[];
  readonly pace: Pace;
}

async function runLine(
  run: Run,
  { batches, pace }: Line,
  /** Time until the line must be done, in ms. */
  remainingMs: () => number,
  /** Time left of the whole run, for the progress, in ms. */
  leftMs: () => number,
): Promise<void> {
  const { signal } = run;
  const [first] = batches;
  if (first === undefined || signal.aborted) return;
  const { server } = first.hop;
  let stage: ServerStage | undefined;
  const open = (): Promise<ServerStage> => {
    run.onProgress(`${server}: starting the server, the component, the publisher and the subscribers …`);
    return openServerStage({
      ...{ server, signal, namespaces: run.namespaces },
      compress: batches.some(({ hop }) => hop.compression === "zlib"),
      bosh: batches.some(({ hop }) => hop.transport === "bosh"),
      connections: Math.max(...batches.map(({ workloads, forms }) => workloads.length * forms.length)),
    });
  };
  try {
    for (const [index, batch] of batches.entries()) {
      const startedAt = performance.now();
      const forMs = pace.nextForMs(remainingMs());
      for (let tries = 1; !signal.aborted; tries++) {
        try {
          stage ??= await open();
          run.onProgress(
            `${describeBatch(batch)}: measuring for ${forMs / 1_000} s; ` +
              `${index + 1} of ${batches.length}, about ${formatTimeLeft(leftMs())} left`,
          );
          run.rows.push(...(await measureBatch(stage, batch, forMs, signal)));
          break;
        } catch (error) {
          if (signal.aborted) return;
          const failure = toStanzapackError(error);
          run.onNotice(`${describeBatch(batch)}: ${failure.text}`);
          // Something may be broken permanently, so the next try starts everything anew.
          await stage?.close().catch(() => undefined);
          stage = undefined;
          if (tries < TRIES) continue;
          run.failures.push(failure);
          break;
        }
      }
      pace.add(performance.now() - startedAt, forMs);
    }
  } finally {
    await stage?.close();
  }
}

function describeBatch({ hop, windowMs, workloads, forms }: Batch): string {
  const connections = workloads.length * forms.length;
  return `${formatHop(hop)}, window ${windowMs} ms, ${connections} connections`;
}

/** Gives an error a code that every command knows. */
function toStanzapackError(error: unknown): StanzapackError {
  return error instanceof StanzapackError
    ? error
    : new StanzapackError("internal", describeFailure(error).text, { cause: error });
}
