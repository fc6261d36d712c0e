import type { Remedy, Result, Side } from "./check.js";
import type { Outcome } from "./runner.js";

/** A row of `--json`. */
export interface CheckRow {
  readonly check: string;
  readonly side: Side;
  readonly result: Result;
  readonly found: string;
  /** Null for `ok` and `skipped`. */
  readonly fix: string | null;
}

export function toRow({ check, result, found, fix }: Outcome): CheckRow {
  const { id, side } = check;
  return {
    check: id,
    side,
    result,
    found: plain(found),
    fix: fix === undefined ? null : linesOf(fix).join(" "),
  };
}

/** Width of the names of checks and of results. */
const CHECK_CHARS = 22;
const RESULT_CHARS = 8;

/** One line, and for a finding a line for each remedy. */
export function formatOutcome({ check, result, found, fix }: Outcome): string {
  const head = `${result.padEnd(RESULT_CHARS)} ${check.id.padEnd(CHECK_CHARS)} ${plain(found)}`;
  const indent = " ".repeat(RESULT_CHARS + 1);
  return [head, ...(fix === undefined ? [] : linesOf(fix).map((line) => `${indent}${line}`))].join("\n");
}

/** The last line: the number of findings, and the first one to fix. Later ones often have the same cause. */
export function formatVerdict(outcomes: readonly Outcome[]): string {
  const of = (result: Result): readonly Outcome[] => outcomes.filter((outcome) => outcome.result === result);
  const [failures, warnings, skips] = [of("failure"), of("warning"), of("skipped")];
  const good = `${of("ok").length} ok, ${skips.length} skipped`;
  const [first] = failures.length > 0 ? failures : warnings;
  if (first === undefined) return `Verdict: nothing to fix; ${good}.`;
  const counts = [count(failures.length, "failure"), count(warnings.length, "warning"), good];
  return `Verdict: ${counts.filter((text) => text !== "").join(", ")}. Begin with \`${first.check.id}\`.`;
}

/** Ids of the checks that failed. */
export function failedChecks(outcomes: readonly Outcome[]): string[] {
  return outcomes.filter(({ result }) => result === "failure").map(({ check }) => check.id);
}

function count(number: number, what: string): string {
  return number === 0 ? "" : `${number} ${what}${number === 1 ? "" : "s"}`;
}

function linesOf(fix: Remedy): string[] {
  return typeof fix === "string" ? [fix] : [`Prosody: ${fix.prosody}`, `ejabberd: ${fix.ejabberd}`];
}

/** Removes control characters: a server wrote a part of the text, and the text is for a terminal. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}
