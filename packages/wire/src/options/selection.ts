import { StanzapackError } from "../base/errors.js";
import { grantWindow, MAX_WINDOW_MS, type ServiceKind } from "./service.js";
import { unfitCharacter } from "../base/xml-text.js";

/** The updates of a service that a subscriber receives, and the part of each update. null: not requested. */
export interface Selection {
  /** `latest`: only the newest update of each window. */
  readonly samples: "all" | "latest";
  /** Most updates a second. */
  readonly maxRate: number | null;
  /** The top-level fields of object values that travel. Other values pass whole, missing fields stay missing. */
  readonly fields: readonly string[] | null;
  /**
   * The component leaves out an update that differs from the last one sent by no more than this number. The difference
   * is that of the number itself, or of each top-level number. Everything else must be equal. 0: the component sends
   * only changes.
   */
  readonly deadband: number | null;
  /**
   * Longest time without a frame, in ms. When it is over, the component sends the newest value that the deadband holds
   * back, or else the publisher's status.
   */
  readonly heartbeatMs: number | null;
  /** Of a map, only these keys. Not together with `prefix`. */
  readonly keys: readonly string[] | null;
  /** Of a map, only the keys that begin so. */
  readonly prefix: string | null;
}

/** Every update, whole. */
export const WHOLE: Selection = {
  samples: "all",
  maxRate: null,
  fields: null,
  deadband: null,
  heartbeatMs: null,
  keys: null,
  prefix: null,
};

export const SELECTION_BOUNDS = {
  /** 64 names: a subscriber who needs more fields takes the values whole. A name has at most 256 UTF-16 code units. */
  maxFields: 64,
  maxFieldChars: 256,
  /** In updates a second. A second has 40 ticks. 0.001 is one update in 1,000 s, or 3.6 an hour. */
  maxRate: 1_000,
  minRate: 0.001,
  minHeartbeatMs: 1_000,
  /** 64 keys: a subscriber who needs more takes a prefix, or the whole map. A key has at most 512 UTF-16 code units. */
  maxKeys: 64,
  maxKeyChars: 512,
} as const;

/** Whether the selection leaves updates out on purpose. A log and a map never do. */
export function isThinning({ samples, maxRate, deadband }: Selection): boolean {
  return samples === "latest" || maxRate !== null || deadband !== null;
}

/** The part of the selection that a service of this kind can apply. */
export function fitSelection(selection: Selection, kind: ServiceKind): Selection {
  const { heartbeatMs, keys, prefix } = selection;
  if (kind === "map") return { ...WHOLE, heartbeatMs, keys, prefix };
  const whole = { ...selection, keys: null, prefix: null };
  return kind === "log" ? { ...whole, samples: "all", maxRate: null, deadband: null } : whole;
}

/** Returns a test for the keys of a map that the selection takes. Undefined: it takes all of them. */
export function keyTest({ keys, prefix }: Selection): ((key: string) => boolean) | undefined {
  if (prefix !== null) return (key) => key.startsWith(prefix);
  if (keys === null) return undefined;
  const taken = new Set(keys);
  return (key) => taken.has(key);
}

/** The part of the selection that a service with opaque values can apply. */
export function withoutLooking(selection: Selection): Selection {
  return { ...selection, fields: null, deadband: null };
}

/**
 * Returns the selection that is granted for `asked`, in a granted window. A granted selection is granted again
 * unchanged.
 *
 * - Each field name is in it once, and the names are sorted, so that subscribers share lanes.
 * - The heartbeat is rounded down to a rung of 1, 2, 5, 10, … s. Then it is raised to at least the window, and to at
 *   least 1,000 ms ÷ `maxRate`.
 *
 * `kind`: the kind of the service, if it is known. Throws `invalid-options`, which names the option and its bounds.
 */
export function grantSelection(asked: Selection, windowMs: number, kind?: ServiceKind): Selection {
  const { samples, maxRate, deadband, heartbeatMs } = asked;
  if ((samples as unknown) !== "all" && (samples as unknown) !== "latest")
    throw invalid(`samples \`${String(samples).slice(0, 40)}\` is not one of all, latest`);
  within("max_rate", maxRate, SELECTION_BOUNDS.minRate, SELECTION_BOUNDS.maxRate, "updates a second");
  within("deadband", deadband, 0, Number.MAX_VALUE, "");
  within("heartbeat", heartbeatMs, SELECTION_BOUNDS.minHeartbeatMs, MAX_WINDOW_MS, "ms");
  if (kind === "log" && isThinning(asked))
    throw invalid(
      "a log promises every update: leave samples, max_rate and deadband out, or widen the window",
    );
  if (kind === "map" && (isThinning(asked) || asked.fields !== null))
    throw invalid(
      "a map promises every change: leave samples, max_rate, deadband and fields out, or widen the window",
    );
  const { prefix } = asked;
  if (asked.keys !== null && prefix !== null) throw invalid("keys and prefix cannot be used together");
  if (kind !== undefined && kind !== "map" && (asked.keys !== null || prefix !== null))
    throw invalid(`only a map has keys: leave keys and prefix out for a ${kind}`);
  if (prefix !== null) assertKey("prefix", prefix);
  return {
    ...{ samples, maxRate, deadband },
    fields: asked.fields === null ? null : grantFields(asked.fields),
    keys: asked.keys === null ? null : grantKeys(asked.keys),
    prefix,
    heartbeatMs:
      heartbeatMs === null
        ? null
        : Math.max(rungBelow(heartbeatMs), windowMs, Math.ceil(1_000 / (maxRate ?? 1_000))),
  };
}

/** Returns null for an empty list: no selection of fields. */
function grantFields(fields: readonly string[]): readonly string[] | null {
  if (fields.length > SELECTION_BOUNDS.maxFields)
    throw invalid(
      `fields: ${fields.length} names, at most ${SELECTION_BOUNDS.maxFields} are allowed: leave fields out`,
    );
  for (const name of fields)
    if (
      typeof name !== "string" ||
      name === "" ||
      name.length > SELECTION_BOUNDS.maxFieldChars ||
      unfitCharacter(name) !== undefined
    )
      throw invalid(
        `fields: \`${String(name).slice(0, 40)}\` is not a name of 1 to ${SELECTION_BOUNDS.maxFieldChars} characters that XML can carry`,
      );
  return fields.length === 0 ? null : [...new Set(fields)].sort();
}

function grantKeys(keys: readonly string[]): readonly string[] {
  if (keys.length < 1 || keys.length > SELECTION_BOUNDS.maxKeys)
    throw invalid(`keys: ${keys.length} keys, 1 to ${SELECTION_BOUNDS.maxKeys} are allowed`);
  for (const key of keys) assertKey("keys", key);
  return [...new Set(keys)].sort();
}

function assertKey(name: string, key: string): void {
  const isGood =
    typeof key === "string" &&
    key !== "" &&
    key.length <= SELECTION_BOUNDS.maxKeyChars &&
    unfitCharacter(key) === undefined;
  if (!isGood)
    throw invalid(
      `${name}: \`${String(key).slice(0, 40)}\` is not text of 1 to ${SELECTION_BOUNDS.maxKeyChars} characters that XML can carry`,
    );
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
