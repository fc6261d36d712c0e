import type { Value } from "@stanzapack/wire";

/** One value of a file, before its time is read. */
export interface ReadValue {
  /** Line in which the value begins, from 1. */
  readonly line: number;
  readonly value: Value;
}

/** One update of a file. */
export interface TimedValue extends ReadValue {
  /** In ms since 1970, or since any other beginning. Undefined if the file has no times. */
  readonly at: number | undefined;
  /** Value of the `--group-by` field, which names the update's service. Empty without `--group-by`. */
  readonly group: string;
}

/** Reports to the user how the file is read. Each note is reported once. */
export type Note = (text: string) => void;

export type ValueObject = Readonly<Record<string, Value>>;

export function isObject(value: Value): value is ValueObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

/** An own field of a value: a column may be named `constructor`. */
export function fieldOf(value: Value, name: string): Value | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** A value in an error text. A container is only named: it may be very large, or too deep for `JSON.stringify`. */
export function describeValue(value: Value | undefined): string {
  if (value === undefined) return "missing";
  if (isContainer(value)) return isObject(value) ? "an object" : "an array";
  const text = String(value);
  return text === "" ? "empty" : `\`${text.length > 40 ? `${text.slice(0, 40)}…` : text}\``;
}

export function isContainer(value: Value): value is Exclude<Value, null | boolean | number | string> {
  return typeof value === "object" && value !== null;
}
