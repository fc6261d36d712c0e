import type { OfferedMap } from "@stanzapack/client";
import type { Value } from "@stanzapack/wire";
import { readStdin } from "../input/byte-source.js";
import { InputError } from "../input/input-error.js";
import { parseJson } from "../input/json-numbers.js";
import { isBlank, readLines } from "../input/lines.js";

const SOURCE = "stdin";

/** One line of an import. `value` undefined: the key is removed. */
export interface MapLine {
  readonly key: string;
  readonly value: Value | undefined;
}

/** Reads lines `{"key", "value"}` and `{"key", "removed": true}`. Throws `InputError`, which names the line. */
export async function readMapLines(
  signal: AbortSignal,
  bytes: AsyncIterable<Uint8Array> = readStdin(signal),
): Promise<MapLine[]> {
  const lines: MapLine[] = [];
  for await (const { number, text, fault } of readLines(bytes)) {
    if (fault !== undefined) throw new InputError(number, fault.what, fault.mend, SOURCE);
    if (!isBlank(text)) lines.push(readMapLine(text, number));
  }
  return lines;
}

function readMapLine(text: string, number: number): MapLine {
  const line = mapLineOf(parse(text, number));
  if (line === undefined) throw new InputError(number, NO_ENTRY.what, NO_ENTRY.mend, SOURCE);
  return line;
}

/** The fault of a value that is no line of a map. */
export const NO_ENTRY = {
  what: "it is no entry of a map",
  mend: 'write {"key": "k", "value": 1} or {"key": "k", "removed": true}',
};

/** Returns what `{"key", "value"}` or `{"key", "removed": true}` says. Undefined: the row is neither. */
export function mapLineOf(row: Value): MapLine | undefined {
  const isRow = typeof row === "object" && row !== null && !Array.isArray(row);
  const { key, value, removed, ...rest } = (isRow ? row : {}) as { readonly [name: string]: Value };
  if (typeof key !== "string" || Object.keys(rest).length > 0) return undefined;
  if (removed === true && value === undefined) return { key, value: undefined };
  return removed === undefined && value !== undefined ? { key, value } : undefined;
}

/** Makes the change of a line. Throws as `OfferedMap.set`. */
export function applyMapLine(map: Pick<OfferedMap<Value>, "set" | "delete">, { key, value }: MapLine): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function parse(text: string, number: number): Value {
  try {
    return parseJson(text).value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InputError(number, `it is not JSON (${error.message})`, "write one JSON object a line", SOURCE);
  }
}
