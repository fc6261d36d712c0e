import { failure, ok, warning, type Finding } from "../base/check.js";

/** Smallest difference that is a warning, and smallest that is a failure, in ms. NTP keeps clocks within 100 ms. */
const WARNING_MS = 2_000;
const FAILURE_MS = 60_000;

/** A clock that another machine told, compared with this machine's. */
export interface ClockReading {
  /** Whose clock, as a sentence begins: `the component`. */
  readonly whose: string;
  /** How far that clock is ahead of this machine's, in ms; negative if it is behind. */
  readonly aheadMs: number;
  /** The answer's time is exact to this, in ms: half of the round trip, and what the format leaves out. */
  readonly unsureMs: number;
}

/** Computes a reading from an answer that tells `theirs`, in ms since 1970. `stepMs`: what the format leaves out. */
export function readClock(
  whose: string,
  theirs: number,
  asked: number,
  answered: number,
  stepMs = 0,
): ClockReading {
  // The fraction that the format leaves out is half of it on average.
  return {
    whose,
    aheadMs: Math.round(theirs + stepMs / 2 - (asked + answered) / 2),
    unsureMs: Math.round((answered - asked + stepMs) / 2),
  };
}

/**
 * Reads the time of an answer (XEP-0202, XEP-0082 §3.2). Undefined if there is none. `asked` and `answered` are in ms
 * since 1970, by this machine's clock.
 */
export function readUtc(
  whose: string,
  utc: string | null | undefined,
  asked: number,
  answered: number,
): ClockReading | undefined {
  const theirs = Date.parse(utc ?? "");
  if (Number.isNaN(theirs)) return undefined;
  return readClock(whose, theirs, asked, answered, utc?.includes(".") === true ? 0 : 1_000);
}

const FIX =
  "Let NTP set the clocks of all machines: `timedatectl set-ntp true`. Then compare `date -u` on each machine.";

/** Judges clocks against this machine's. `readings` has at least one. */
export function judgeClocks(readings: readonly ClockReading[]): Finding {
  const text = readings.map(describe).join("; ");
  const offMs = Math.max(...readings.map(({ aheadMs, unsureMs }) => Math.abs(aheadMs) - unsureMs));
  if (offMs >= FAILURE_MS) return failure(text, FIX);
  return offMs >= WARNING_MS ? warning(text, FIX) : ok(text);
}

function describe({ whose, aheadMs, unsureMs }: ClockReading): string {
  const offMs = Math.abs(aheadMs);
  if (offMs - unsureMs < WARNING_MS) return `${whose}'s clock agrees with this machine's`;
  return `${whose}'s clock is ${Math.round(offMs / 1_000).toLocaleString("en")} s ${aheadMs > 0 ? "ahead of" : "behind"} this machine's`;
}
