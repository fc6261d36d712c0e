import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "./measurement.js";
import type { DemoOptions } from "./options.js";
import { openStage, type Stage } from "./stage.js";
import type { Screen } from "./screen.js";

/** How long nothing may come after the last subscription was stopped, in ms. */
const SILENCE_MS = 1_000;
/** What takes longer at the end has failed, in ms. */
const END_MS = 10_000;

export interface DemoResult {
  readonly rows: readonly Row[];
  readonly elapsedMs: number;
  /** DATA frames that came within `silenceMs` after the last subscription was stopped, while the sources went on. */
  readonly framesAfterStop: number;
  readonly silenceMs: number;
}

/**
 * One run: sets everything up, measures for as long as asked, stops the subscriptions, sees that nothing comes any more,
 * reports, takes everything down. Undefined when it was interrupted before it had begun. Rejects with what failed;
 * nothing is left running either way.
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
  // A part that falls while it is taken down is no news, but the others must follow.
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
  screen.start(() => ({ elapsedMs: elapsedMs(), rows: stage.rows(false), readings: stage.readings }));
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
  return { rows: stage.rows(true), elapsedMs: measuredMs, framesAfterStop, silenceMs: SILENCE_MS };
}

/** So long, or until it is interrupted; rejects when something fails. */
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
    work.catch(() => undefined); // told, or of no interest any more
  }
}
