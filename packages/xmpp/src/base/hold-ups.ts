import { monotonicNow, wallNow } from "./clock.js";

/**
 * A timer that fires later than this, in ms, shows a hold-up of this process. Causes are a long computation, a stopped
 * process, or a machine that slept.
 */
const HELD_UP_MS = 500;
/** Longest extension of a deadline after a hold-up, in ms. In it the process reads what arrived during the hold-up. */
const READ_ON_MS = 1_000;
/** Most extensions of one deadline: a process that is held up again and again must give up at last. */
const MAX_TIMES = 3;

/**
 * Calls `onLate` after `ms`. After a hold-up of this process it waits longer, so that the process first reads what
 * arrived. So a peer that answered in time does not count as silent. Returns a function that cancels the deadline.
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
 * Calls `onBeat` every `everyMs`. After a hold-up of this process it calls `onHeldUp` instead, with the length of the
 * hold-up in ms. So the process reads what arrived before the next beat.
 *
 * Before either it calls `onWallStep` when the wall clock has moved by more than 500 ms against the monotonic clock.
 * The argument is the difference in ms, negative when the wall clock went back. Somebody has set the wall clock or,
 * when it went ahead, the machine slept.
 *
 * The timer does not keep the process alive. Returns a function that ends the beats.
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
