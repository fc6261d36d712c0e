/** Most numbers of one value that are shown as charts. More charts would not fit on a screen. */
export const MAX_NUMBERS = 12;
/** Deepest object whose numbers are looked at. */
const MAX_DEPTH = 4;

/**
 * Returns the first numbers in a value, by their paths: `cpu.user` and 3 for `{ cpu: { user: 3 } }`. The path of a
 * number alone is empty. Numbers of lists are left out, because their places may change with each value.
 */
export function numbersIn(value: unknown): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  collect(value, "", 0, found);
  return found;
}

function collect(value: unknown, path: string, depth: number, found: Map<string, number>): void {
  if (found.size >= MAX_NUMBERS) return;
  if (typeof value === "number") {
    if (Number.isFinite(value)) found.set(path, value);
    return;
  }
  if (!isObject(value) || depth >= MAX_DEPTH) return;
  for (const [key, part] of Object.entries(value))
    collect(part, path === "" ? key : `${path}.${key}`, depth + 1, found);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

const UNITS = [
  [/Bytes(?:PerSecond)?$/i, "B"],
  [/(?:Ms|Millis)$/, "ms"],
  [/Seconds$/, "s"],
  [/(?:Percent|Pct)$/i, "%"],
] as const;

/**
 * Returns the unit that a name or the title of a service tells: `ms` for `delayMs`, `°C` for the title `Kitchen, °C`,
 * `MB` for `Memory, in MB`, `%` for `Per cent of …`. Empty: neither tells a unit.
 */
export function unitOf(path: string, title = ""): string {
  const unit = UNITS.find(([pattern]) => pattern.test(path))?.[1];
  if (unit !== undefined) return /PerSecond$/.test(path) ? `${unit}/s` : unit;
  if (/^per ?cent\b/i.test(title)) return "%";
  return /,\s+(?:in\s+)?([^\s\d,]\S{0,7})$/.exec(title)?.[1] ?? "";
}
