import type { BystandersRow } from "./bystanders.js";
import type { ReturnRow } from "./return.js";
import type { Verdict } from "../measure/verdict.js";

/** Largest ratio of the others' median p99 age, with trouble to without. */
const MOST_RATIO = 1.5;
/** Longest time until all subscribers are back, in ms. */
const MOST_BACK_MS = 60_000;
/** Most refused opens of a client. */
const MOST_REFUSED = 2;
/** Opens by which the count may be wrong: an open is timed just behind its admission. */
const MISTIMED = 2;

export function judgeBystanders(row: BystandersRow): Verdict[] {
  const { ratio, missing, conflated, faults, troubledRssBytes, baseRssBytes, boundBytes } = row;
  const measured = troubledRssBytes !== null && baseRssBytes !== null;
  return [
    {
      text: `the bystanders' p99 age is at most ${MOST_RATIO} times their p99 age without bad clients: ${row.quietP99Ms} ms without, ${row.troubledP99Ms} ms with them, ratio ${ratio}`,
      met: ratio === null ? undefined : ratio <= MOST_RATIO,
    },
    {
      text: `no bystander loses an update: ${missing} of ${row.updates + missing} are missing, ${conflated} were conflated, ${faults} positions are wrong`,
      met: missing === 0 && conflated === 0 && faults === 0,
    },
    {
      text: `the component's memory stays within its base plus what its limits allow: ${measured ? `${mb(troubledRssBytes)} of ${mb(baseRssBytes)} + ${mb(boundBytes)} MB` : "not measured"}`,
      met: measured ? troubledRssBytes <= baseRssBytes + boundBytes : undefined,
    },
  ];
}

export function judgeReturn(row: ReturnRow): Verdict[] {
  const { subscribers, back, backMaxMs, faults, logLost, opensPerSecond, opensBurst, opensBeyondRate } = row;
  const bucket = opensBurst + MISTIMED;
  return [
    {
      text: `all are back within ${MOST_BACK_MS / 1_000} s: ${back} of ${subscribers}${backMaxMs === null ? "" : `, the last after ${(backMaxMs / 1_000).toFixed(1)} s`}; ${row.interrupted} had lost their link`,
      met: back === subscribers && (backMaxMs ?? Infinity) <= MOST_BACK_MS,
    },
    {
      text: `all positions are right: ${faults} are wrong, ${logLost} updates of the log are lost, ${row.valueLost} of the value are lost and reported`,
      met: faults === 0 && logLost === 0,
    },
    {
      text: `opens stay within ${opensPerSecond} a second and ${opensBurst} at once: ${row.opens} in all, ${row.opensMaxPerSecond} in the fullest second, ${opensBeyondRate} at most beyond the rate`,
      met: opensBeyondRate <= bucket,
    },
    {
      text: `at most ${MOST_REFUSED} refusals a client, each with a time to retry: ${row.refused} in all, at most ${row.refusedMaxPerClient} a client, ${row.refusedUntold} without a time`,
      met: row.refusedMaxPerClient <= MOST_REFUSED && row.refusedUntold === 0,
    },
  ];
}

function mb(bytes: number): number {
  return Math.round(bytes / 1_048_576);
}
