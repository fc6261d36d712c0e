import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ServerKind } from "@stanzapack/sandbox";
import { readProcessUsage, type ProcessUsage } from "../measure/process-usage.js";
import { watchMemory } from "./memory-watch.js";
import {
  OFFENDERS,
  type CrowdMethods,
  type Offender,
  type OffenderMethods,
  type PhaseResult,
  type Trouble,
} from "./methods.js";
import { startStage } from "./stage.js";
import { startWorker, type Worker } from "../measure/worker.js";

export interface BystandersOptions {
  readonly server: ServerKind;
  /** Number of bystanders. Default 50. */
  readonly subscribers?: number;
  /** Length of a phase, in ms. Default 30,000. */
  readonly forMs?: number;
  /** Number of phases. An odd number begins and ends with trouble. Default 5. */
  readonly phases?: number;
  /** The offenders. Default: all but `costly`. */
  readonly offenders?: readonly Offender[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

/**
 * One row of `stanzapack bench bystanders`. Ages in ms from `publish` to callback, memory in bytes. Null: not measured.
 */
export interface BystandersRow {
  readonly server: ServerKind;
  readonly subscribers: number;
  readonly windowMs: number;
  /** Medians over the phases without trouble and with trouble. */
  readonly quietP50Ms: number | null;
  readonly quietP99Ms: number | null;
  readonly troubledP50Ms: number | null;
  readonly troubledP99Ms: number | null;
  /** `troubledP99Ms` divided by `quietP99Ms`. */
  readonly ratio: number | null;
  /**
   * Updates that the bystanders received; that they should have received and did not; that were left out on purpose;
   * and positions that do not add up.
   */
  readonly updates: number;
  readonly missing: number;
  readonly conflated: number;
  readonly faults: number;
  /** Operations of the offenders a second, and how many of them were refused. */
  readonly floodPerSecond: number | null;
  readonly subscriptionsPerSecond: number | null;
  readonly subscriptionsRefused: number | null;
  readonly linksPerSecond: number | null;
  readonly linksRefused: number | null;
  /** The component's memory: idle; with its bystanders; the largest in phases without and with trouble. */
  readonly idleRssBytes: number | null;
  readonly baseRssBytes: number | null;
  readonly quietRssBytes: number | null;
  readonly troubledRssBytes: number | null;
  /** Memory that the component's limits allow in addition to the base. */
  readonly boundBytes: number;
  /** Per cent of one processor, in phases with trouble. */
  readonly serverCpuPercent: number | null;
  readonly componentCpuPercent: number | null;
}

const WINDOW_MS = 100;
/** Rate of each of the two services. */
const UPDATES_PER_SECOND = 10;
const WARM_UP_MS = 5_000;
/** Time between phases, in ms, in which the last updates arrive, and the offenders log in and out. */
const REST_MS = 1_000;
const SETTLE_MS = 10_000;
/** Offenders stand for other machines. */
const NICE = 10;

/** Small limits, so that the bound means something: the default limits come to 1.6 GB. */
const LIMITS = {
  maxLaneBytes: 33_554_432,
  maxLogBytes: 33_554_432,
  maxReaderBytesPerLink: 16_777_216,
};
/** Links that publish: the bystanders' and the flooding one. */
const PUBLISHING_LINKS = 2;

const CROWD = fileURLToPath(new URL("./crowd-process.js", import.meta.url));
const OFFENDER = fileURLToPath(new URL("./offender-process.js", import.meta.url));

interface Phase {
  readonly number: number;
  readonly troubled: boolean;
  readonly rssBytes: number | null;
  readonly troubles: ReadonlyMap<Offender, Trouble>;
  readonly seconds: number;
  /** Per cent of one processor. */
  readonly serverCpuPercent: number | null;
  readonly componentCpuPercent: number | null;
}

/** Measures what offenders cost all others: the same services with and without offenders, in turn. */
export async function runBystanders(options: BystandersOptions): Promise<BystandersRow> {
  const { server, subscribers = 50, forMs = 30_000, phases: count = 5, onProgress } = options;
  const { offenders = OFFENDERS.filter((offender) => offender !== "costly") } = options;
  const signal = options.signal ?? new AbortController().signal;
  onProgress?.(`starting ${server} and the component …`);
  const stage = await startStage({
    ...{ server, signal, limits: LIMITS },
    // The publisher, and two accounts for each offender.
    clients: subscribers + 1 + 2 * OFFENDERS.length,
  });
  const memory = watchMemory(stage.component.pid);
  const crowd = startWorker<CrowdMethods>(CROWD, "the bystanders' process");
  const workers = new Map(
    offenders.map((offender): [Offender, Worker<OffenderMethods>] => [
      offender,
      startWorker(OFFENDER, `the process of ${offender}`, { nice: NICE }),
    ]),
  );
  try {
    const { road } = stage;
    const idleRssBytes = await memory.takePeak();
    const nodes = await crowd.call("offer", { account: stage.account(0), road }, signal);
    onProgress?.(`${subscribers} bystanders log in …`);
    const accounts = Array.from({ length: subscribers }, (_, i) => stage.account(i + 1));
    await crowd.call("gather", { accounts, road, windowMs: WINDOW_MS }, signal);
    await crowd.call("publish", { perSecond: UPDATES_PER_SECOND }, signal);
    await delay(Math.min(forMs, WARM_UP_MS), undefined, { signal });
    const baseRssBytes = await memory.now();

    const begin = async (offender: Offender, index: number): Promise<void> => {
      const own = [0, 1].map((i) => stage.account(subscribers + 1 + 2 * index + i));
      const scene = { offender, accounts: own, road, nodes, windowMs: WINDOW_MS };
      await workers.get(offender)?.call("begin", scene, signal);
    };
    const counts = async (): Promise<Map<Offender, Trouble>> => {
      const all = [...workers].map(async ([who, it]) => [who, await it.call("count", null, signal)] as const);
      return new Map(await Promise.all(all));
    };
    const usageOf = (): Promise<(ProcessUsage | undefined)[]> =>
      Promise.all([stage.sandbox.pid, stage.component.pid].map(readProcessUsage));
    const phases: Phase[] = [];
    for (let turn = 0; turn < count; turn++) {
      const troubled = turn % 2 === 0;
      if (troubled) await Promise.all([...workers.keys()].map(begin));
      onProgress?.(
        `${troubled ? "with" : "without"} bad clients: ${forMs / 1_000} s, ${turn + 1} of ${count} …`,
      );
      await memory.takePeak();
      const number = await crowd.call("begin", null, signal);
      const before = await counts();
      const usage = await usageOf();
      const startedAt = performance.now();
      await delay(forMs, undefined, { signal });
      await crowd.call("begin", null, signal);
      const seconds = (performance.now() - startedAt) / 1_000;
      const rssBytes = await memory.takePeak();
      const [serverCpuPercent = null, componentCpuPercent = null] = (await usageOf()).map((it, i) =>
        percentOf(usage[i], it, seconds),
      );
      const troubles = troubled ? difference(await counts(), before) : new Map<Offender, Trouble>();
      await Promise.all([...workers.values()].map((worker) => worker.call("end", null, signal)));
      await delay(REST_MS, undefined, { signal });
      const cpu = { serverCpuPercent, componentCpuPercent };
      phases.push({ number, troubled, rssBytes, troubles, seconds, ...cpu });
    }
    await crowd.call("settle", { timeoutMs: SETTLE_MS }, signal);
    const results = await Promise.all(
      phases.map(async (phase) => ({
        ...phase,
        ...(await crowd.call("result", { phase: phase.number }, signal)),
      })),
    );
    for (const phase of results) onProgress?.(describe(phase));
    const troubledOnes = results.filter(({ troubled }) => troubled);
    const faults = await crowd.call("faults", null, signal);
    return {
      ...{ server, subscribers, windowMs: WINDOW_MS },
      ...agesOf(results),
      updates: sum(results, ({ updates }) => updates),
      missing: sum(results, ({ missing }) => missing),
      conflated: sum(results, ({ conflated }) => conflated),
      faults: faults.positions,
      floodPerSecond: rate(results, "flood"),
      subscriptionsPerSecond: rate(results, "churn"),
      subscriptionsRefused: refused(results, "churn"),
      linksPerSecond: rate(results, "links"),
      linksRefused: refused(results, "links"),
      ...{ idleRssBytes, baseRssBytes },
      quietRssBytes: most(results.filter(({ troubled }) => !troubled)),
      troubledRssBytes: most(troubledOnes),
      boundBytes:
        stage.limits.maxLaneBytes +
        stage.limits.maxLogBytes +
        PUBLISHING_LINKS * stage.limits.maxReaderBytesPerLink,
      serverCpuPercent: median(troubledOnes.map((it) => it.serverCpuPercent)),
      componentCpuPercent: median(troubledOnes.map((it) => it.componentCpuPercent)),
    };
  } finally {
    memory.stop();
    onProgress?.("stopping …");
    await Promise.all([crowd.stop(), ...[...workers.values()].map((worker) => worker.stop())]);
    await stage.stop();
  }
}

function difference(
  after: ReadonlyMap<Offender, Trouble>,
  before: ReadonlyMap<Offender, Trouble>,
): Map<Offender, Trouble> {
  return new Map(
    [...after].map(([who, { done, refused }]) => {
      const then = before.get(who);
      return [who, { done: done - (then?.done ?? 0), refused: refused - (then?.refused ?? 0) }];
    }),
  );
}

type Result = Phase & PhaseResult;

function agesOf(
  results: readonly Result[],
): Pick<BystandersRow, "quietP50Ms" | "quietP99Ms" | "troubledP50Ms" | "troubledP99Ms" | "ratio"> {
  const [troubled, quiet] = [true, false].map((wanted) => results.filter((it) => it.troubled === wanted));
  const p50 = (of: readonly Result[] = []): number | null => median(of.map(({ ageP50Ms }) => ageP50Ms));
  const p99 = (of: readonly Result[] = []): number | null => median(of.map(({ ageP99Ms }) => ageP99Ms));
  const [quietP99Ms, troubledP99Ms] = [p99(quiet), p99(troubled)];
  return {
    ...{ quietP50Ms: p50(quiet), quietP99Ms, troubledP50Ms: p50(troubled), troubledP99Ms },
    ratio:
      quietP99Ms === null || troubledP99Ms === null
        ? null
        : Math.round((troubledP99Ms / quietP99Ms) * 1_000) / 1_000,
  };
}

function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  const [low, high] = [known[(known.length - 1) >> 1], known[known.length >> 1]];
  return low === undefined || high === undefined ? null : Math.round(((low + high) / 2) * 1_000) / 1_000;
}

function sum(results: readonly Result[], pick: (result: Result) => number): number {
  return results.reduce((total, result) => total + pick(result), 0);
}

function most(results: readonly Result[]): number | null {
  const known = results.flatMap(({ rssBytes }) => rssBytes ?? []);
  return known.length === 0 ? null : Math.max(...known);
}

function rate(results: readonly Result[], offender: Offender): number | null {
  const own = results.filter(({ troubles }) => troubles.has(offender));
  if (own.length === 0) return null;
  const seconds = sum(own, (it) => it.seconds);
  return Math.round(sum(own, ({ troubles }) => troubles.get(offender)?.done ?? 0) / seconds);
}

function refused(results: readonly Result[], offender: Offender): number | null {
  const own = results.filter(({ troubles }) => troubles.has(offender));
  return own.length === 0 ? null : sum(own, ({ troubles }) => troubles.get(offender)?.refused ?? 0);
}

function percentOf(
  before: ProcessUsage | undefined,
  after: ProcessUsage | undefined,
  seconds: number,
): number | null {
  if (before === undefined || after === undefined) return null;
  return Math.round((after.cpuUs - before.cpuUs) / seconds / 10_000);
}

function describe(result: Result): string {
  const { number, troubled, ageP50Ms, ageP99Ms, missing, rssBytes, troubles } = result;
  const cpu = `, processor: server ${result.serverCpuPercent} %, component ${result.componentCpuPercent} %`;
  const did = [...troubles].map(([who, it]) => `${who} ${it.done} (${it.refused} refused)`).join(", ");
  const rss = rssBytes === null ? "" : `, component ${Math.round(rssBytes / 1_048_576)} MB`;
  return `phase ${number} ${troubled ? "with" : "without"} bad clients: age p50 ${ageP50Ms} p99 ${ageP99Ms} ms, ${missing} missing${rss}${cpu}${did === "" ? "" : `; ${did}`}`;
}
