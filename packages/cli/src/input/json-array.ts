import { InputError } from "./input-error.js";
import { MAX_LINE_BYTES } from "./lines.js";

/** One element of an array, as text. */
export interface ElementText {
  /** Line in which the element begins, from 1. */
  readonly line: number;
  readonly text: string;
}

const [NEWLINE, QUOTE, COMMA, BACKSLASH] = [0x0a, 0x22, 0x2c, 0x5c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Splits one JSON array, which the chunks of text form together, into its elements. The splitter only finds the ends of
 * elements. The parser of an element finds the faults within it. Throws `InputError` if no array begins, the array does
 * not end, something follows the array, or an element has more than 1 MiB.
 */
export async function* splitJsonArray(texts: AsyncIterable<string>): AsyncGenerator<ElementText> {
  const splitter = new ArraySplitter();
  for await (const text of texts) yield* splitter.push(text);
  splitter.finish();
}

class ArraySplitter {
  private line = 1;
  /** 0: before or after the array. 1: between its elements. More: within an element. */
  private depth = 0;
  private begun = false;
  private inString = false;
  private escaped = false;
  private element = "";
  private elementLine = 1;
  private count = 0;

  *push(text: string): Generator<ElementText> {
    /** Index at which the current element's part of this text begins. */
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const char = text.charCodeAt(at);
      if (char === NEWLINE) this.line++;
      if (this.inString) this.passString(char);
      else if (this.depth === 0) {
        this.passOutside(char);
        start = at + 1;
      } else if (this.depth === 1 && (char === COMMA || char === CLOSE_ARRAY)) {
        yield* this.end(text.slice(start, at), char === CLOSE_ARRAY);
        start = at + 1;
      } else {
        if (this.element === "" && start === at && isSpace(char)) start = at + 1;
        else if (this.element === "" && start === at) this.elementLine = this.line;
        this.passInside(char);
      }
    }
    this.element += text.slice(start);
    this.checkLength(this.element);
  }

  finish(): void {
    if (this.depth > 0) throw new InputError(this.line, "the array does not end", "close it with `]`");
  }

  private checkLength(element: string): void {
    if (element.length > MAX_LINE_BYTES)
      throw new InputError(
        this.elementLine,
        `the array's element is longer than ${MAX_LINE_BYTES} characters`,
        "a value has at most 48 KiB",
      );
  }

  private passOutside(char: number): void {
    if (isSpace(char)) return;
    if (this.begun || char !== OPEN_ARRAY)
      throw new InputError(
        this.line,
        this.begun ? "something follows the array" : "no array begins here",
        "a JSON file has one array; use `--format ndjson` for one value a line",
      );
    this.begun = true;
    this.depth = 1;
  }

  private passInside(char: number): void {
    if (char === QUOTE) this.inString = true;
    else if (char === OPEN_ARRAY || char === OPEN_OBJECT) this.depth++;
    else if ((char === CLOSE_ARRAY || char === CLOSE_OBJECT) && this.depth > 1) this.depth--;
  }

  private passString(char: number): void {
    if (this.escaped) this.escaped = false;
    else if (char === BACKSLASH) this.escaped = true;
    else if (char === QUOTE) this.inString = false;
  }

  private *end(tail: string, closes: boolean): Generator<ElementText> {
    const text = this.element + tail;
    this.checkLength(text);
    const isEmptyArray = closes && this.count === 0 && text.trim() === "";
    if (text === "") this.elementLine = this.line;
    this.element = "";
    this.count++;
    if (closes) this.depth = 0;
    if (!isEmptyArray) yield { line: this.elementLine, text };
  }
}

function isSpace(char: number): boolean {
  return char === 0x20 || char === 0x09 || char === 0x0d || char === NEWLINE;
}
