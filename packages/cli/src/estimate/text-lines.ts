import { InputError } from "./input-error.js";

/** Longest line, in characters: a value is at most 48 KiB, written out at length. */
const MAX_LINE_CHARS = 1_048_576;

export interface TextLine {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

/** The lines of UTF-8 bytes, empty ones left out. Throws `InputError`. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TextLine> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  /** Of the line that has not ended yet. */
  let parts: string[] = [];
  let chars = 0;
  let number = 1;
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch {
      throw new InputError(
        number,
        "here or a little below are bytes that are no UTF-8",
        "convert the file (`iconv -t UTF-8`)",
      );
    }
  };
  for await (const chunk of chunks) {
    const [first = "", ...others] = decode(chunk).split("\n");
    parts.push(first);
    chars += first.length;
    for (const next of others) {
      const text = parts.join("");
      if (text.trim() !== "") yield { number, text };
      number++;
      parts = [next];
      chars = next.length;
    }
    if (chars > MAX_LINE_CHARS)
      throw new InputError(
        number,
        `it is longer than ${MAX_LINE_CHARS} characters`,
        "write one value a line; an array becomes lines by `jq -c '.[]'`",
      );
  }
  const text = parts.join("") + decode();
  if (text.trim() !== "") yield { number, text };
}
