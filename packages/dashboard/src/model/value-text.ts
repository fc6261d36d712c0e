/** Most columns of an object or a list that is written in one line. */
const LINE_COLUMNS = 72;
/** Most lines of a value. A reader does not read more of a value that changes. */
const MAX_LINES = 60;
/** Most characters of one text in a value. */
const MAX_TEXT = 2_000;
/** Most bytes of binary data that are shown. */
const MAX_BINARY = 64;

/**
 * Writes a value for a reader. A text stands for itself, everything else is JSON with two spaces for each level. What
 * is short enough is in one line. What is left out at the end is said in a line of its own, so no line is cut.
 */
export function formatValue(value: unknown): string {
  if (typeof value === "string") return shorten(value);
  const lines = new Lines();
  write(value, "", "", "", lines);
  return lines.text();
}

/** Writes a value in one line, of at most `maxChars` characters. */
export function formatInLine(value: unknown, maxChars = 400): string {
  const text = typeof value === "string" ? value : inLine(value, maxChars + 1);
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
}

class Lines {
  private readonly lines: string[] = [];
  /** Whether nothing more fits. */
  full = false;

  add(line: string): void {
    if (this.lines.length < MAX_LINES) this.lines.push(line);
    else this.full = true;
  }

  text(): string {
    return [...this.lines, ...(this.full ? ["… the rest is left out"] : [])].join("\n");
  }
}

function write(value: unknown, indent: string, before: string, after: string, lines: Lines): void {
  if (lines.full) return;
  const entries = entriesOf(value);
  const room = LINE_COLUMNS - indent.length - before.length;
  const short = entries === undefined ? scalar(value) : inLine(value, room + 1);
  if (entries === undefined || short.length <= room) return lines.add(`${indent}${before}${short}${after}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  lines.add(`${indent}${before}${open}`);
  entries.forEach(([key, part], i) =>
    write(part, `${indent}  `, key === undefined ? "" : `${key}: `, i < entries.length - 1 ? "," : "", lines),
  );
  lines.add(`${indent}${close}${after}`);
}

/** In one line. Stops some way beyond `enough` characters, because a longer line is not shown. */
function inLine(value: unknown, enough: number): string {
  const entries = entriesOf(value);
  if (entries === undefined) return scalar(value);
  const parts: string[] = [];
  let length = 2;
  for (const [key, part] of entries) {
    const text = inLine(part, enough - length);
    parts.push(key === undefined ? text : `${key}: ${text}`);
    length += (parts.at(-1) as string).length + 2;
    // The text has two characters less: none stand behind the last part.
    if (length - 2 > enough) break;
  }
  if (Array.isArray(value)) return `[${parts.join(", ")}]`;
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}

/** The parts of an object, with their quoted keys, or of a list. Undefined: the value has no parts. */
function entriesOf(
  value: unknown,
): readonly (readonly [key: string | undefined, part: unknown])[] | undefined {
  if (Array.isArray(value)) return value.map((part: unknown) => [undefined, part] as const);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return undefined;
  return Object.entries(value).map(([key, part]) => [JSON.stringify(shorten(key)), part] as const);
}

function scalar(value: unknown): string {
  if (value instanceof Uint8Array) return binary(value);
  if (typeof value === "string") return JSON.stringify(shorten(value));
  return String(value);
}

function binary(bytes: Uint8Array): string {
  const hex = Array.from(bytes.subarray(0, MAX_BINARY), (byte) => byte.toString(16).padStart(2, "0")).join(
    " ",
  );
  return `${bytes.length} bytes: ${hex}${bytes.length > MAX_BINARY ? " …" : ""}`;
}

function shorten(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (${text.length} characters)`;
}
