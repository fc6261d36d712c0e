import type { Value } from "@stanzapack/wire";

/** Units of numeric times, in ms. */
export const TIME_UNITS = { s: 1_000, ms: 1, us: 1e-3, ns: 1e-6 } as const;
export type TimeUnit = keyof typeof TIME_UNITS;

/**
 * ISO 8601, extended or basic, to the day, the minute or finer. A time without a zone is UTC. RFC 3339 allows a space
 * for `T`.
 */
const ISO =
  /^(\d{4})(-?|\/)(\d\d)\2(\d\d)(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?\s?(?:[Zz]|UTC|([+-])(\d\d):?(\d\d)?)?)?$/;

/** In ms since 1970. Undefined if the text is not an ISO 8601 time, or an impossible time. */
export function parseIsoTime(text: string): number | undefined {
  const match = ISO.exec(text.trim());
  if (match === null) return undefined;
  const [
    ,
    year,
    ,
    month,
    day,
    hour = "0",
    minute = "0",
    second = "0",
    fraction = "",
    sign,
    zoneHour,
    zoneMinute = "0",
  ] = match;
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)];
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  // RFC 3339 §5.7: second 60 is a leap second.
  const isReal =
    date.getUTCMonth() === Number(month) - 1 &&
    date.getUTCDate() === Number(day) &&
    (hours < 24 || (hours === 24 && minutes === 0 && seconds === 0)) &&
    minutes < 60 &&
    seconds <= 60;
  if (!isReal) return undefined;
  const zone =
    sign === undefined ? 0 : (sign === "-" ? -1 : 1) * (Number(zoneHour) * 60 + Number(zoneMinute));
  const atMs = date.getTime() + ((hours * 60 + minutes - zone) * 60 + seconds) * 1_000;
  return atMs + (fraction === "" ? 0 : Number(`0.${fraction}`) * 1_000);
}

/** A number, or a string of digits, as ids and ns often are. Undefined if a double cannot hold the number. */
export function parseNumericTime(value: Value | undefined): number | undefined {
  const time = typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  return typeof time === "number" && Number.isFinite(time) ? time : undefined;
}

/** The unit in which a time since 1970 is between 2001 and 2286. Smaller numbers are ms since some other beginning. */
export function guessUnit(time: number): TimeUnit {
  if (time >= 1e18) return "ns";
  if (time >= 1e15) return "us";
  return time >= 1e9 && time < 1e10 ? "s" : "ms";
}
