import { StanzapackError } from "../base/errors.js";
import { grantWindow, MAX_WINDOW_MS, type ServiceKind } from "./service.js";
import { unfitCharacter } from "../base/xml-text.js";

/** Which updates of a service a subscriber gets, and what of each. Null: not asked for. */
export interface Selection {
  /** `latest`: of each window the newest alone. */
  readonly samples: "all" | "latest";
  /** Most updates a second. */
  readonly maxRate: number | null;
  /** The top-level fields of object values that travel. Other values pass whole, missing fields stay missing. */
  readonly fields: readonly string[] | null;
  /**
   * An update is left out while it differs from the last one sent by no more than this, as a number or in each of its top-level
   * numbers, and in nothing else. 0: only changes are sent.
   */
  readonly deadband: number | null;
  /** Most ms without a sign of life: the newest value where the deadband holds one back, the publisher's status otherwise. */
  readonly heartbeatMs: number | null;
}

/** Every update, whole. */
export const WHOLE: Selection = {
  samples: "all",
  maxRate: null,
  fields: null,
  deadband: null,
  heartbeatMs: null,
};

export const SELECTION_BOUNDS = {
  /** 64 names: a service with more fields that matter is taken whole. 256 UTF-16 code units each. */
  maxFields: 64,
  maxFieldChars: 256,
  /** Updates a second. Ticks come 40 times a second; one in 1,000 s is 3.6 an hour. */
  maxRate: 1_000,
  minRate: 0.001,
  minHeartbeatMs: 1_000,
} as const;

/** It leaves updates out on purpose, which no log does. */
export function isThinning({ samples, maxRate, deadband }: Selection): boolean {
  return samples === "latest" || maxRate !== null || deadband !== null;
}

/** What of it a log can do. */
export function withoutThinning(selection: Selection): Selection {
  return { ...selection, samples: "all", maxRate: null, deadband: null };
}

/** What of it a service with opaque values can do. */
export function withoutLooking(selection: Selection): Selection {
  return { ...selection, fields: null, deadband: null };
}

/**
 * The selection granted for the one asked, in a granted window: names once and in order, so that subscribers share lanes; the heartbeat
 * rounded down to a rung of 1, 2, 5, 10, … s, but no shorter than the window, nor than the rate allows. What was granted is granted again. Throws
 * `invalid-options`, which names the option and its bounds. `kind`: of the service, where it is known.
 */
export function grantSelection(asked: Selection, windowMs: number, kind?: ServiceKind): Selection {
  const { samples, maxRate, deadband, heartbeatMs } = asked;
  if ((samples as unknown) !== "all" && (samples as unknown) !== "latest")
    throw invalid(`samples \`${String(samples).slice(0, 40)}\` is none of all, latest`);
  within("max_rate", maxRate, SELECTION_BOUNDS.minRate, SELECTION_BOUNDS.maxRate, "updates a second");
  within("deadband", deadband, 0, Number.MAX_VALUE, "");
  within("heartbeat", heartbeatMs, SELECTION_BOUNDS.minHeartbeatMs, MAX_WINDOW_MS, "ms");
  if (kind === "log" && isThinning(asked))
    throw invalid(
      "every update of a log is promised: leave samples, max_rate and deadband out, or widen the window",
    );
  return {
    ...{ samples, maxRate, deadband },
    fields: asked.fields === null ? null : grantFields(asked.fields),
    heartbeatMs:
      heartbeatMs === null
        ? null
        : Math.max(rungBelow(heartbeatMs), windowMs, Math.ceil(1_000 / (maxRate ?? 1_000))),
  };
}

/** Empty: no selection of fields. */
function grantFields(fields: readonly string[]): readonly string[] | null {
  if (fields.length > SELECTION_BOUNDS.maxFields)
    throw invalid(
      `fields: ${fields.length} names, at most ${SELECTION_BOUNDS.maxFields} are allowed: take the values whole`,
    );
  for (const name of fields)
    if (
      typeof name !== "string" ||
      name === "" ||
      name.length > SELECTION_BOUNDS.maxFieldChars ||
      unfitCharacter(name) !== undefined
    )
      throw invalid(
        `fields: \`${String(name).slice(0, 40)}\` is no name of 1 to ${SELECTION_BOUNDS.maxFieldChars} characters that XML can carry`,
      );
  return fields.length === 0 ? null : [...new Set(fields)].sort();
}

function within(name: string, value: number | null, min: number, max: number, unit: string): void {
  if (value === null || (typeof value === "number" && value >= min && value <= max)) return;
  throw invalid(`${name} ${String(value).slice(0, 40)} is no number from ${min} to ${max} ${unit}`.trimEnd());
}

function rungBelow(ms: number): number {
  let rung: number = SELECTION_BOUNDS.minHeartbeatMs;
  for (let next = rung; next <= ms; next = grantWindow(rung + 1)) {
    rung = next;
    if (rung === MAX_WINDOW_MS) break;
  }
  return rung;
}

function invalid(text: string): StanzapackError {
  return new StanzapackError("invalid-options", text);
}
