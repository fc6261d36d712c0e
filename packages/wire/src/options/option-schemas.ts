import {
  array,
  boolean,
  check,
  custom,
  integer,
  literal,
  maxLength,
  maxValue,
  minLength,
  minValue,
  nullable,
  number,
  optional,
  picklist,
  pipe,
  strictObject,
  string,
  transform,
  union,
  unknown,
} from "valibot";
import { describeUnknownName, MUST_BE, type OptionSchema } from "./check-options.js";
import { unfitCharacter } from "../base/xml-text.js";

/**
 * Schema of an object with these options and no others. It refuses a list, a Map and a promise. `about`: what the
 * object must be, in the error text of an object that is itself an option.
 */
export function objectOf(
  entries: Readonly<Record<string, OptionSchema>>,
  about = "an object of options",
): OptionSchema {
  const names = Object.keys(entries);
  return pipe(
    custom((value) => Object.prototype.toString.call(value) === "[object Object]", MUST_BE + about),
    strictObject(entries, ({ expected, input, path }) => {
      if (expected === "never") return describeUnknownName(String(input), names);
      const missing = entries[String(path?.[0].key)] as { readonly message?: unknown } | undefined;
      return typeof missing?.message === "string" ? missing.message : MUST_BE + about;
    }),
    transform((options) =>
      Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    ),
  );
}

/** Returns the same schemas, for options that may be left out or undefined. */
export function allOptional<K extends string>(
  schemas: Readonly<Record<K, OptionSchema>>,
): Record<K, OptionSchema> {
  const pairs = Object.entries<OptionSchema>(schemas).map(([name, schema]) => [name, optional(schema)]);
  return Object.fromEntries(pairs) as Record<K, OptionSchema>;
}

export function orNull(schema: OptionSchema): OptionSchema {
  return nullable(schema);
}

export function flag(): OptionSchema {
  return boolean(`${MUST_BE}true or false`);
}

/** `unit`: a text such as ` of ms`, for the error. */
export function wholeNumber(min: number, max: number, unit = ""): OptionSchema {
  const message = `${MUST_BE}a whole number${unit} from ${format(min)} to ${format(max)}`;
  return pipe(number(message), integer(message), minValue(min, message), maxValue(max, message));
}

/** Refuses NaN and the infinities. */
export function finiteNumber(min: number, max = Number.MAX_VALUE, unit = ""): OptionSchema {
  const to = max === Number.MAX_VALUE ? " on" : ` to ${format(max)}`;
  const message = `${MUST_BE}a number${unit} from ${format(min)}${to}`;
  return pipe(number(message), minValue(min, message), maxValue(max, message));
}

export function oneOf(...names: readonly string[]): OptionSchema {
  return picklist(names, `${MUST_BE}${names.map((name) => JSON.stringify(name)).join(" or ")}`);
}

/** `about`: what all `schemas` together allow, for the error. */
export function either(about: string, ...schemas: readonly OptionSchema[]): OptionSchema {
  return union([...schemas], MUST_BE + about);
}

export function exactly(value: string | boolean): OptionSchema {
  return literal(value);
}

/** A text of `min` to `max` UTF-16 code units that a stanza carries unchanged. */
export function plainText(min: number, max: number, about = "text"): OptionSchema {
  const message = `${MUST_BE}${about} of ${format(min)} to ${format(max)} characters`;
  return pipe(
    string(message),
    minLength(min, message),
    maxLength(max, message),
    check(
      (text) => unfitCharacter(text) === undefined,
      ({ input }) => `contains ${unfitCharacter(input) ?? ""}, which XML cannot carry`,
    ),
  );
}

export function listOf(schema: OptionSchema, min: number, max: number, about: string): OptionSchema {
  const message = `${MUST_BE}a list of ${about}, ${format(min)} to ${format(max)} of them`;
  // Checks the length before the items: a sparse list may have any length.
  const isBounded = (value: unknown): boolean =>
    Array.isArray(value) && value.length >= min && value.length <= max;
  return pipe(custom(isBounded, message), array(schema, message));
}

/** `about`: what `holds` requires, for the error. */
export function textThat(about: string, holds: (text: string) => boolean): OptionSchema {
  return custom((value) => typeof value === "string" && holds(value), MUST_BE + about);
}

/** Accepts everything. Other code checks the value. */
export function anything(): OptionSchema {
  return unknown();
}

export function callable(): OptionSchema {
  return custom((value) => typeof value === "function", `${MUST_BE}a function`);
}

/** An object with these methods, of any class. */
export function objectWith(about: string, ...methods: readonly PropertyKey[]): OptionSchema {
  return custom((value) => {
    if (typeof value !== "object" || value === null) return false;
    return methods.every((name) => typeof (value as Record<PropertyKey, unknown>)[name] === "function");
  }, MUST_BE + about);
}

/** Accepts an AbortSignal of any realm. */
export function abortSignal(): OptionSchema {
  return objectWith("an AbortSignal", "addEventListener", "removeEventListener");
}

/** With commas between thousands. `toLocaleString` would take a tenth of the time that the SDK needs to load. */
function format(value: number): string {
  const [whole = "", ...decimals] = String(value).split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...decimals].join(".");
}
