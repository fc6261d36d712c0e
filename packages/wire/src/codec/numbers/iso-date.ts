import { MAX_SCALED } from "./scaled.js";

/**
 * How a date is written. The number of the date counts days, minutes, seconds or fractions of a second since 1970, as
 * if in UTC.
 */
export interface DateTemplate {
  /** `-` or `/`. */
  readonly separator: string;
  /** `T` or a space between date and time; empty when there is no time. */
  readonly between: string;
  /** 0: days; 1: minutes; 2: seconds, with `digits` of a fraction. */
  readonly precision: number;
  readonly digits: number;
  /** `Z`, `+01:00` or `+0100`, as it is written; empty without a zone. */
  readonly zone: string;
}

const PATTERN =
  /^(\d{4})([-/])(\d\d)\2(\d\d)(?:([T ])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:?\d\d)?)?$/;

const MAX_CHARS = 32;
/** 0000-01-01 and 9999-12-31, in days since 1970. */
const FIRST_DAY = -719_528;
const LAST_DAY = 2_932_896;

/** Parts of a second, by the number of digits of its fraction. */
const UNITS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

export interface ParsedDate {
  readonly template: DateTemplate;
  readonly count: number;
}

/**
 * Returns undefined for a text that is no date, or that would not be written the same way again (the 30th of February).
 */
export function parseDate(text: string): ParsedDate | undefined {
  if (text.length < 10 || text.length > MAX_CHARS) return undefined;
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const [
    ,
    year,
    separator = "",
    month,
    day,
    between = "",
    hours,
    minutes,
    seconds,
    fraction = "",
    zone = "",
  ] = match;
  const precision = between === "" ? 0 : seconds === undefined ? 1 : 2;
  const template: DateTemplate = { separator, between, precision, digits: fraction.length, zone };
  let count = daysFromCivil(Number(year), Number(month), Number(day));
  if (precision > 0) count = count * 1_440 + Number(hours) * 60 + Number(minutes);
  if (precision > 1)
    count = (count * 60 + Number(seconds)) * (UNITS[fraction.length] as number) + Number(fraction);
  return Math.abs(count) <= MAX_SCALED && formatDate(count, template) === text
    ? { template, count }
    : undefined;
}

/** Returns the template of any date; undefined for a text that is no date. */
export function readTemplate(text: string): DateTemplate | undefined {
  return parseDate(text)?.template;
}

export function sameTemplate(a: DateTemplate, b: DateTemplate): boolean {
  return (
    a.precision === b.precision &&
    a.digits === b.digits &&
    a.zone === b.zone &&
    a.between === b.between &&
    a.separator === b.separator
  );
}

/** Returns undefined beyond the years of four digits. */
export function formatDate(count: number, template: DateTemplate): string | undefined {
  const { separator, between, precision, digits, zone } = template;
  let days = count;
  let [fraction, seconds, minutes] = [0, 0, 0];
  if (precision > 1) {
    const unit = UNITS[digits] as number;
    const whole = Math.floor(days / unit);
    fraction = days - whole * unit;
    days = Math.floor(whole / 60);
    seconds = whole - days * 60;
  }
  if (precision > 0) {
    const whole = Math.floor(days / 1_440);
    minutes = days - whole * 1_440;
    days = whole;
  }
  if (days < FIRST_DAY || days > LAST_DAY) return undefined;
  let text = formatDay(days, separator);
  if (precision === 0) return text;
  const hours = Math.floor(minutes / 60);
  text += `${between}${two(hours)}:${two(minutes - hours * 60)}`;
  if (precision > 1) text += `:${two(seconds)}`;
  if (digits > 0) text += `.${String(fraction).padStart(digits, "0")}`;
  return text + zone;
}

const TWO = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, "0"));

function two(value: number): string {
  return TWO[value] as string;
}

/**
 * Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date
 * algorithms").
 */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function formatDay(days: number, separator: string): string {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${String(year).padStart(4, "0")}${separator}${two(month)}${separator}${two(day)}`;
}
