import { StanzapackError } from "../base/errors.js";

/**
 * Beginning of a subscription in a log: the oldest update kept, the update after a position, or a time in ms since
 * 1970.
 */
export type Since = "first" | { readonly epoch: number; readonly offset: number } | { readonly time: number };

const POSITION = /^(\d{1,16}):(\d{1,16})$/;
/** XEP-0082 §3.2, or a date alone. */
const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

/**
 * Parses `first`, `EPOCH:OFFSET` (the updates after that position) or a time such as `2026-11-24T12:00:00Z`. Throws
 * `invalid-options`.
 */
export function parseSince(text: string): Since {
  if (text === "first") return "first";
  const position = POSITION.exec(text);
  if (position !== null) {
    const [epoch, offset] = [Number(position[1]), Number(position[2])];
    if (Number.isSafeInteger(epoch) && Number.isSafeInteger(offset)) return { epoch, offset };
  }
  const time = TIME.test(text) && isCalendarDate(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time))
    throw new StanzapackError(
      "invalid-options",
      `\`${text.slice(0, 60)}\` is not first, EPOCH:OFFSET or a time like 2026-11-24T12:00:00Z`,
    );
  return { time };
}

/** `Date.parse` takes 30 February for 2 March. */
function isCalendarDate(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
}

export function formatSince(since: Since): string {
  if (since === "first") return since;
  return "time" in since ? new Date(since.time).toISOString() : `${since.epoch}:${since.offset}`;
}
