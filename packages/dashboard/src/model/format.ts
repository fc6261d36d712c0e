/** A space that no line breaks at, between a number and its unit. */
const NBSP = "\u00a0";
/** Stands for what is not known. */
export const UNKNOWN = "–";

/** Writes a number with three significant digits, or whole if it is larger, with its thousands apart. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  if (digits > 6) return value.toExponential(2);
  const rounded = Number.isInteger(value) ? value : Number(value.toFixed(digits));
  return rounded.toLocaleString("en", { maximumFractionDigits: 6 });
}

/** Writes a number and its unit. An empty unit is left out. */
export function formatWith(value: number, unit: string): string {
  return unit === "" ? formatNumber(value) : `${formatNumber(value)}${NBSP}${unit}`;
}

/** Writes a number of a value with its unit, and with the digits that tell it from the next one: seven. */
export function formatExact(value: number, unit: string): string {
  if (!Number.isFinite(value) || (value !== 0 && Math.abs(value) < 1e-6)) return formatWith(value, unit);
  const text = Number.isInteger(value)
    ? formatNumber(value)
    : value.toLocaleString("en", { maximumSignificantDigits: 7 });
  return unit === "" ? text : `${text}${NBSP}${unit}`;
}

/** Writes a number of bytes: `12 B`, `1.23 kB`, `45.6 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  for (; Math.abs(size) >= 1_000 && unit < units.length - 1; unit++) size /= 1_000;
  return formatWith(size, units[unit] as string);
}

/** Writes bytes a second: `1.23 kB/s`. */
export function formatByteRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** Writes events a second: `12.5 /s`. */
export function formatRate(perSecond: number): string {
  return formatWith(perSecond, "/s");
}

/** Writes a time: `25 ms`, `1.5 s`, `3 min`, `2.5 h`, `4 d`. */
export function formatDuration(ms: number): string {
  if (Math.abs(ms) < 1_000) return formatWith(ms, "ms");
  if (Math.abs(ms) < 120_000) return formatWith(ms / 1_000, "s");
  if (Math.abs(ms) < 7_200_000) return formatWith(ms / 60_000, "min");
  if (Math.abs(ms) < 172_800_000) return formatWith(ms / 3_600_000, "h");
  return formatWith(ms / 86_400_000, "d");
}

/** Writes how long ago something was, in whole seconds: `now`, `3 s ago`. */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return seconds <= 0 ? "now" : `${formatDuration(seconds * 1_000)} ago`;
}

/** Writes a part from 0 to 1 as per cent. */
export function formatPart(part: number): string {
  return formatWith(part * 100, "%");
}

/** Writes how many times larger JSON is: `4.2×`. Unknown without bytes of ours. */
export function formatTimes(json: number, ours: number): string {
  return ours > 0 && json > 0 ? `${formatNumber(json / ours)}×` : UNKNOWN;
}

/** Writes a window: 0 is `at once`. */
export function formatWindow(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  return ms === 0 ? "at once" : formatDuration(ms);
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Writes the time of day: `14:05:09`. `at`: ms since 1970. */
export function formatClock(at: number): string {
  return CLOCK.format(at);
}

/** Writes a number of a scale that has one each `increment`, with the digits that tell them apart. */
export function formatTick(value: number, increment: number, unit: string): string {
  const digits = Math.min(12, Math.max(0, -Math.floor(Math.log10(increment) + 1e-9)));
  const large = Math.abs(value) >= 1e7;
  const text = value.toLocaleString("en", {
    ...(large
      ? { notation: "compact", maximumFractionDigits: 2 }
      : { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  });
  return unit === "" ? text : `${text}${NBSP}${unit}`;
}
