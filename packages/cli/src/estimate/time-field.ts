import type { Value } from "@stanzapack/wire";
import { InputError } from "../input/input-error.js";
import {
  describeValue,
  fieldOf,
  isObject,
  type Note,
  type ReadValue,
  type ValueObject,
} from "./timed-value.js";
import { guessUnit, parseIsoTime, parseNumericTime, TIME_UNITS, type TimeUnit } from "./times.js";

/** In an object of the fields `t` and `v`, `t` is the time of the value `v`. A number is in ms. */
const TIME = "t";
const VALUE = "v";

/** Names of time fields, in lower case and without `_`, `-` and spaces. The likeliest name is first. */
const NAMES = ["t", "time", "timestamp", "ts", "datetime", "date", "at", "when", "utc", "epoch", "day"];
const NAME_ENDS = /(time|timestamp|datetime|date|_ts|_at)$/i;
const NAME_UNIT = /[_ (]?(ms|us|ns|s)\)?$/i;

export interface TimeOptions {
  /** The field's name. false: the updates have no times. undefined: look for the field. */
  readonly time?: string | false | undefined;
  readonly timeUnit?: TimeUnit | undefined;
}

interface Field {
  readonly name: string;
  /** Undefined: the times are ISO 8601. */
  readonly unit: TimeUnit | undefined;
  /** The update is the other field, `v`, alone. */
  readonly unwraps: boolean;
}

/** Finds the time's field in the first value, and reads that field in all values. */
export class TimeField {
  private field: Field | undefined;
  private looked = false;

  constructor(
    private readonly options: TimeOptions,
    private readonly note: Note,
  ) {}

  /** Throws `InputError` if a value lacks the time that the first value has. */
  read({ line, value }: ReadValue): { readonly value: Value; readonly at: number | undefined } {
    if (!this.looked) this.field = this.look(line, value);
    this.looked = true;
    if (this.field === undefined) return { value, at: undefined };
    const { name, unit, unwraps } = this.field;
    const written = fieldOf(value, name);
    const at = unit === undefined ? readIso(written) : readNumber(written, unit);
    if (at === undefined || (unwraps && !isPair(value)))
      throw new InputError(
        line,
        unwraps && !isPair(value)
          ? 'it is not {"t": time, "v": value}, as the lines before are'
          : `its time \`${name}\` is ${describeValue(written)}`,
        unit === undefined
          ? "write times like 2026-11-28T12:00:00Z, or use --no-time"
          : `write times as numbers (${unit}) as in the lines before, or use --no-time`,
      );
    return { value: unwraps ? ((value as ValueObject)[VALUE] as Value) : value, at };
  }

  private look(line: number, value: Value): Field | undefined {
    const { time, timeUnit } = this.options;
    if (time === false) return undefined;
    const names = isObject(value) ? Object.keys(value) : [];
    if (time !== undefined) {
      if (!names.includes(time))
        throw new InputError(
          line,
          `it has no field \`${time}\``,
          `name one of ${names.map((name) => `\`${name}\``).join(", ") || "its fields (it has none)"}`,
        );
      const field = createField(time, value, timeUnit);
      if (field !== undefined) return field;
      throw new InputError(
        line,
        `its time \`${time}\` is ${describeValue(fieldOf(value, time))}`,
        "write times as numbers, or like 2026-11-28T12:00:00Z",
      );
    }
    const candidates = candidatesOf(names, value);
    for (const name of candidates) {
      const field = createField(name, value, timeUnit);
      if (field === undefined) continue;
      if (!field.unwraps)
        this.note(
          `times: field \`${name}\`, ${field.unit === undefined ? "ISO 8601" : `numbers in ${field.unit}`}`,
        );
      return field;
    }
    const [unread] = candidates;
    if (unread !== undefined)
      this.note(
        `no times: \`${unread}\` is ${describeValue(fieldOf(value, unread))}, neither a number nor ISO 8601 like 2026-11-28T12:00:00Z`,
      );
    return undefined;
  }
}

/** Fields that may be the time: first by their names, then by values that are an ISO date with a time of day. */
function candidatesOf(names: readonly string[], value: Value): string[] {
  const plain = (name: string): string => name.toLowerCase().replace(/[_\- ]/g, "");
  const bare = (name: string): string => plain(name.replace(NAME_UNIT, ""));
  const exact = NAMES.flatMap((known) =>
    names.filter((name) => plain(name) === known || bare(name) === known),
  );
  const ending = names.filter((name) => NAME_ENDS.test(name.replace(NAME_UNIT, "")) || NAME_ENDS.test(name));
  const byContent = names.filter((name) => {
    const content = fieldOf(value, name);
    return typeof content === "string" && content.includes(":") && parseIsoTime(content) !== undefined;
  });
  return [...new Set([...exact, ...ending, ...byContent])];
}

function createField(name: string, value: Value, given: TimeUnit | undefined): Field | undefined {
  const written = fieldOf(value, name);
  const unwraps = name === TIME && isPair(value);
  if (readIso(written) !== undefined && parseNumericTime(written) === undefined)
    return { name, unit: undefined, unwraps };
  const number = parseNumericTime(written);
  if (number === undefined) return undefined;
  const [, named] = NAME_UNIT.exec(name) ?? [];
  const isNamed = named !== undefined && name.length > named.length + 1 && !/^(ts|times)$/i.test(name);
  const unit =
    given ?? (name === TIME ? "ms" : isNamed ? (named.toLowerCase() as TimeUnit) : guessUnit(number));
  return { name, unit, unwraps };
}

function isPair(value: Value): boolean {
  return (
    isObject(value) &&
    Object.keys(value).length === 2 &&
    Object.hasOwn(value, TIME) &&
    Object.hasOwn(value, VALUE)
  );
}

function readIso(written: Value | undefined): number | undefined {
  return typeof written === "string" ? parseIsoTime(written) : undefined;
}

function readNumber(written: Value | undefined, unit: TimeUnit): number | undefined {
  const number = parseNumericTime(written);
  return number === undefined ? undefined : parseNumericTime(number * TIME_UNITS[unit]);
}
