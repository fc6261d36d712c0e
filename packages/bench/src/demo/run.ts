import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "./measurement.js";
import type { DemoOptions } from "./options.js";
import { openStage, type Stage } from "./stage.js";
import type { Screen } from "./screen.js";

/** Time after the end of the last subscription in which no data may arrive, in ms. */
const SILENCE_MS = 1_000;
/** Longest time of each step at the end, in ms. */
const END_MS = 10_000;

export interface DemoResult {
  readonly rows: readonly Row[];
  /** The part of our bytes, from 0 to 1, that belongs to no update. */
  readonly rest: number;
  readonly elapsedMs: number;
  /** DATA frames that arrived within `silenceMs` after the last subscription ended, while the sources kept running. */
  readonly framesAfterStop: number;
  readonly silenceMs: number;
}

/**
 * Runs the demo once: starts everything, measures for the given time, ends the subscriptions, checks that no more data
 * arrives, reports, and stops everything. Undefined if it was interrupted before the measurement began. Rejects with
 * the failure. In either case nothing keeps running.
 */
export async function runDemo(
  options: DemoOptions,
  interrupted: AbortSignal,
  screen: Screen,
  report: (result: DemoResult) => void,
): Promise<void> {
  const failed = new AbortController();
  const takeDowns: (() => Promise<void>)[] = [];
  let failure: { readonly error: unknown } | undefined;
  try {
    const signal = AbortSignal.any([interrupted, failed.signal]);
    const stage = await openStage(options, {
      signal,
      onFailure: (error) => failed.abort(error),
      onProgress: (text) => screen.progress(text),
      onUp: (takeDown) => takeDowns.push(takeDown),
    });
    report(await measure(stage, options, interrupted, failed.signal, screen));
  } catch (error) {
    if (!interrupted.aborted || failed.signal.aborted) failure = { error };
  } finally {
    screen.done();
  }
  // If stopping one part fails, the others must be stopped all the same.
  for (const takeDown of takeDowns.reverse())
    await takeDown().catch((error: unknown) => (failure ??= { error }));
  if (failure !== undefined) throw failed.signal.aborted ? failed.signal.reason : failure.error;
}

async function measure(
  stage: Stage,
  options: DemoOptions,
  interrupted: AbortSignal,
  failed: AbortSignal,
  screen: Screen,
): Promise<DemoResult> {
  const startedAt = performance.now();
  const elapsedMs = (): number => performance.now() - startedAt;
  await orAborted(stage.subscribe(), AbortSignal.any([interrupted, failed]));
  stage.passOver();
  const { readings, dashboardUrl } = stage;
  screen.start(() => ({ elapsedMs: elapsedMs(), rows: stage.rows(false), readings, dashboardUrl }));
  try {
    const leftMs = options.for === undefined ? undefined : Math.max(0, options.for - elapsedMs());
    await lasting(leftMs, interrupted, failed);
  } finally {
    screen.done();
  }
  stage.freeze();
  const measuredMs = elapsedMs();
  const end = AbortSignal.any([failed, AbortSignal.timeout(END_MS)]);
  screen.progress("stopping the subscriptions …");
  await orAborted(stage.subscriber.unsubscribe(), end);
  const before = stage.subscriber.dataFrames;
  await orAborted(sleep(SILENCE_MS), end);
  const framesAfterStop = stage.subscriber.dataFrames - before;
  await stage.settle(end);
  const { rest } = stage.subscriber.measurement;
  return {
    ...{ rows: stage.rows(true), rest, elapsedMs: measuredMs },
    ...{ framesAfterStop, silenceMs: SILENCE_MS },
  };
}

/** Waits for this time, or until an interruption. Rejects if something fails. */
async function lasting(ms: number | undefined, interrupted: AbortSignal, failed: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    for (const signal of [interrupted, failed]) {
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    }
  });
  failed.throwIfAborted();
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const done = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const refuse = (): void => reject(signal.reason as Error);
    if (signal.aborted) refuse();
    else signal.addEventListener("abort", refuse, { signal: done.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    done.abort();
    work.catch(() => undefined); // reported already, or no longer of interest
  }
}
