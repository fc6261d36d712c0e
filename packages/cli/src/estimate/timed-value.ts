import type { Value } from "@stanzapack/wire";

/** One update of a file. */
export interface TimedValue {
  /** Where it begins, from 1. */
  readonly line: number;
  readonly value: Value;
  /** In ms; undefined where the file has no times. */
  readonly at: number | undefined;
}

/** Columns of a CSV file, and keys of an object, that are a value with its time. */
export const TIME = "t";
export const VALUE = "v";
