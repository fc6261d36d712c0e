import { failure, ok, warning, type Finding } from "../base/check.js";

/** Smallest difference that is a warning, and smallest that is a failure, in ms. NTP keeps clocks within 100 ms. */
const WARNING_MS = 2_000;
const FAILURE_MS = 60_000;

/** A clock that another machine told, compared with this machine's. */
export interface ClockReading {
  /** Whose clock: `the component`. */
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
  const off = readings.filter((reading) => offOf(reading) >= WARNING_MS);
  if (off.length === 0) return ok(`${agreeing(readings)} with this machine's`);
  const good = readings.filter((reading) => !off.includes(reading));
  const text = [...off.map(describe), ...(good.length > 0 ? [agreeing(good)] : [])].join("; ");
  const fails = off.some((reading) => offOf(reading) >= FAILURE_MS);
  return (fails ? failure : warning)(text, FIX);
}

/** How far a clock is surely off, in ms. */
function offOf({ aheadMs, unsureMs }: ClockReading): number {
  return Math.abs(aheadMs) - unsureMs;
}

function describe({ whose, aheadMs }: ClockReading): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000).toLocaleString("en");
  return `the clock of ${whose} is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} this machine's`;
}

function agreeing(readings: readonly ClockReading[]): string {
  const owners = readings.map(({ whose }) => whose).join(" and ");
  return readings.length === 1 ? `the clock of ${owners} agrees` : `the clocks of ${owners} agree`;
}
