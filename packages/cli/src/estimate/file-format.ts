import { guessDelimiter, type Delimiter } from "./delimiter.js";

export const FORMATS = ["ndjson", "json", "csv"] as const;
/** Format of a file: one value a line, one array, or rows under a header. */
export type Format = (typeof FORMATS)[number];

const BY_EXTENSION: Readonly<Record<string, Format>> = {
  ".ndjson": "ndjson",
  ".jsonl": "ndjson",
  ".csv": "csv",
  ".tsv": "csv",
};

/** The format by a file's extension (with its dot). If the extension says nothing, by the beginning of the file. */
export function guessFormat(extension: string, head: string): Format {
  const known = BY_EXTENSION[extension.toLowerCase()];
  if (known !== undefined) return known;
  const isJson = extension.toLowerCase() === ".json";
  const text = head.trimStart();
  if (text.startsWith("[")) {
    // A line that is an array may be one update. An array of objects, or over several lines, has all updates.
    return isJson || /^\[\s*(?:\{|\[|\]|$)/.test(text) || /^\[[ \t\r]*\n/.test(text) ? "json" : "ndjson";
  }
  const [line = ""] = text.split(/\r?\n/);
  if (isJson || /^[{"]/.test(line) || isJsonText(line)) return "ndjson";
  return /[,;\t]/.test(line) ? "csv" : "ndjson";
}

function isJsonText(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** The separator by the extension `.tsv`, or by the header. */
export function delimiterOf(extension: string, head: string): Delimiter {
  if (extension.toLowerCase() === ".tsv") return "\t";
  const [header = ""] = head.trimStart().split(/\r?\n/);
  return guessDelimiter(header);
}
