import { setMaxListeners } from "node:events";
import { StanzapackError } from "@stanzapack/wire";
import { describeFailure } from "../demo/failure.js";
import { formatHop, planBatches, WIRE_SERVERS, type Batch, type WireSelection } from "./axes.js";
import { measureBatch } from "./measure-batch.js";
import { whyNoNamespaces } from "./namespaces.js";
import { sortWireRows, type WireRow } from "./rows.js";
import { openServerStage, type ServerStage } from "./server-stage.js";
import { chooseForMs, formatTimeLeft, TimeLeft } from "./time-plan.js";

export interface WireOptions extends WireSelection {
  /** How long each batch of cells is measured, in ms. Default: so that everything takes under an hour, at most 90 s. */
  readonly forMs?: number;
  /** Everything within two minutes. */
  readonly quick?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
  /** What a reader of the rows must know. */
  readonly onNotice?: (text: string) => void;
}

export interface WireResult {
  readonly rows: readonly WireRow[];
  /** Why rows are missing; undefined when they are all there, or when it was interrupted. */
  readonly failure: StanzapackError | undefined;
}

/** A batch that fails is tried once more: one broken connection must not cost an hour's work. */
const TRIES = 2;

/** Bytes per update of every form, on every hop. An interruption gives the rows so far. Throws `usage`. */
export async function runWire(options: WireOptions): Promise<WireResult> {
  const batches = planBatches(options);
  const signal = options.signal ?? new AbortController().signal;
  // Every wait listens to it.
  setMaxListeners(0, signal);
  const noNamespaces = await whyNoNamespaces();
  if (noNamespaces !== undefined)
    options.onNotice?.(`TCP/IP bytes are not counted, wireDown and wireUp are null: ${noNamespaces}`);
  const quick = options.quick ?? false;
  const run: Run = {
    ...{ signal, namespaces: noNamespaces === undefined },
    forMs: options.forMs ?? chooseForMs(batches, quick),
    rows: [],
    failures: [],
    onProgress: options.onProgress ?? (() => undefined),
    onNotice: options.onNotice ?? (() => undefined),
  };
  const lines = WIRE_SERVERS.map((server): Line => {
    const own = batches.filter(({ hop }) => hop.server === server);
    return { batches: own, left: new TimeLeft(own, run.forMs) };
  });
  if (quick) {
    // Side by side.
    const leftMs = (): number => Math.max(...lines.map(({ left }) => left.leftMs));
    await Promise.all(lines.map((line) => runLine(run, line, leftMs)));
  } else {
    const leftMs = (): number => lines.reduce((sum, { left }) => sum + left.leftMs, 0);
    for (const line of lines) await runLine(run, line, leftMs);
  }
  return { rows: sortWireRows(run.rows), failure: run.failures[0] };
}

interface Run {
  readonly signal: AbortSignal;
  readonly namespaces: boolean;
  readonly forMs: number;
  readonly rows: WireRow[];
  readonly failures: StanzapackError[];
  readonly onProgress: (text: string) => void;
  readonly onNotice: (text: string) => void;
}

interface Line {
  /** Of one server. */
  readonly batches: readonly Batch[];
  readonly left: TimeLeft;
}

async function runLine(run: Run, { batches, left }: Line, leftMs: () => number): Promise<void> {
  const { signal, forMs } = run;
  const [first] = batches;
  if (first === undefined || signal.aborted) return;
  const { server } = first.hop;
  let stage: ServerStage | undefined;
  const open = (): Promise<ServerStage> => {
    run.onProgress(`${server}: starting the server, the component, the publisher and the subscribers …`);
    return openServerStage({
      ...{ server, signal, namespaces: run.namespaces },
      compress: batches.some(({ hop }) => hop.compression === "zlib"),
      connections: Math.max(...batches.map(({ workloads, forms }) => workloads.length * forms.length)),
    });
  };
  try {
    for (const [index, batch] of batches.entries()) {
      const startedAt = performance.now();
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
          run.onNotice(`${describeBatch(batch)}: ${failure.message}`);
          // Something may be broken for good: the next try begins from nothing.
          await stage?.close().catch(() => undefined);
          stage = undefined;
          if (tries < TRIES) continue;
          run.failures.push(failure);
          break;
        }
      }
      left.add(performance.now() - startedAt);
    }
  } finally {
    await stage?.close();
  }
}

function describeBatch({ hop, windowMs, workloads, forms }: Batch): string {
  const connections = workloads.length * forms.length;
  return `${formatHop(hop)}, window ${windowMs} ms, ${connections} connections`;
}

/** With a code that every command knows. */
function toStanzapackError(error: unknown): StanzapackError {
  return error instanceof StanzapackError
    ? error
    : new StanzapackError("internal", describeFailure(error).text, { cause: error });
}
