import { InputError } from "../input/input-error.js";
import { splitJsonArray } from "../input/json-array.js";
import { parseJson, shorten } from "../input/json-numbers.js";
import { isBlank, readLines } from "../input/lines.js";
import type { Note, ReadValue } from "./timed-value.js";

/** Reads one JSON value from each line. Throws `InputError`. */
export async function* readNdjson(chunks: AsyncIterable<Uint8Array>, note: Note): AsyncGenerator<ReadValue> {
  const parse = createParser(
    note,
    "write one JSON value a line, or use `--format json` for a JSON array, `--format csv` for columns with a header",
  );
  for await (const { number, text, fault } of readLines(chunks)) {
    if (fault !== undefined) throw new InputError(number, fault.what, fault.mend);
    if (!isBlank(text)) yield { line: number, value: parse(text, number) };
  }
}

/** Reads the elements of one JSON array. Throws `InputError`. */
export async function* readJsonArray(texts: AsyncIterable<string>, note: Note): AsyncGenerator<ReadValue> {
  const parse = createParser(note, "correct the array's element");
  for await (const { line, text } of splitJsonArray(texts)) yield { line, value: parse(text, line) };
}

function createParser(note: Note, mend: string): (text: string, line: number) => ReadValue["value"] {
  let [toldKept, toldRounded] = [false, false];
  return (text, line) => {
    try {
      const { value, kept, rounded } = parseJson(text);
      if (kept !== undefined && !toldKept)
        note(`numbers: ${shorten(kept)} in line ${line} is kept as text, since a double cannot hold it`);
      if (rounded !== undefined && !toldRounded)
        note(`numbers: ${shorten(rounded)} in line ${line} is rounded to ${Number(rounded)}`);
      toldKept ||= kept !== undefined;
      toldRounded ||= rounded !== undefined;
      return value;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new InputError(line, `it is not JSON (${error.message})`, mend, undefined, { cause: error });
    }
  };
}
