import { monotonicNow, wallNow } from "./clock.js";

/** A timer so much late, in ms, was not: this process was held up, by a long computation, a stop, or a machine that slept. */
const HELD_UP_MS = 500;
/** What came meanwhile and lies unread gets so long, in ms. */
const READ_ON_MS = 1_000;
/** So often at most: who is held up again and again must give up at last. */
const MAX_TIMES = 3;

/**
 * Calls `onLate` after `ms`. What came while this process was held up is read first: who answered in time is not taken for silent because
 * nobody looked. Gives what cancels it.
 */
export function deadline(ms: number, onLate: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  let times = 0;
  const wait = (waitMs: number): void => {
    const dueAt = monotonicNow() + waitMs;
    timer = setTimeout(() => {
      if (monotonicNow() - dueAt > HELD_UP_MS && times++ < MAX_TIMES) wait(Math.min(ms, READ_ON_MS));
      else onLate();
    }, waitMs);
  };
  wait(ms);
  return () => {
    clearTimeout(timer);
  };
}

/**
 * Calls `onBeat` every so many ms, and `onHeldUp` in its place, with the ms that are missing, where this process was held up: what came
 * meanwhile is read before the next beat. Calls `onWallStep` before either, with the ms by which the wall clock has gone ahead of the monotonic one
 * since the last beat, negative where it went back: somebody has set it or, where it went ahead, the machine slept. Keeps no process
 * alive. Gives what ends it.
 */
export function beat(
  everyMs: number,
  onBeat: (now: number) => void,
  onHeldUp: (ms: number) => void,
  onWallStep: (ms: number) => void,
): () => void {
  let last = monotonicNow();
  let ahead = wallNow() - last;
  const timer = setInterval(() => {
    const now = monotonicNow();
    const stepMs = wallNow() - now - ahead;
    if (Math.abs(stepMs) > HELD_UP_MS) {
      ahead += stepMs;
      onWallStep(Math.round(stepMs));
    }
    const missingMs = now - last - everyMs;
    last = now;
    if (missingMs > HELD_UP_MS) onHeldUp(Math.round(missingMs));
    else onBeat(now);
  }, everyMs);
  (timer as { unref?: () => void }).unref?.();
  return () => {
    clearInterval(timer);
  };
}
