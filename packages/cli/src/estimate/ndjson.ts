import type { Value } from "@stanzapack/wire";
import { InputError } from "./input-error.js";
import { readLines, type TextLine } from "./text-lines.js";
import { TIME, VALUE, type TimedValue } from "./timed-value.js";

/** A value a line; when the first is `{"t": ms, "v": value}`, all are. Throws `InputError`. */
export async function* readNdjson(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TimedValue> {
  let timed: boolean | undefined;
  for await (const line of readLines(chunks)) {
    const value = parse(line);
    timed ??= isTimed(value);
    if (!timed) yield { line: line.number, value, at: undefined };
    else if (isTimed(value)) yield { line: line.number, value: value[VALUE], at: value[TIME] };
    else
      throw new InputError(
        line.number,
        'it is no {"t": ms, "v": value} with a number as `t`, as the lines before are',
        "write all lines alike",
      );
  }
}

function parse({ number, text }: TextLine): Value {
  try {
    return JSON.parse(text) as Value;
  } catch (error) {
    throw new InputError(
      number,
      `it is no JSON (${error instanceof Error ? error.message : String(error)})`,
      "write one JSON value a line; a file of one long value becomes lines by `jq -c '.[]'`, one with a header and commas is to end in .csv",
    );
  }
}

function isTimed(value: Value): value is { readonly [TIME]: number; readonly [VALUE]: Value } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const keys = Object.keys(value);
  return keys.length === 2 && keys.includes(VALUE) && typeof (value as { t?: unknown }).t === "number";
}
