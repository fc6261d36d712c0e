import type { Value } from "@stanzapack/wire";
import type { Random } from "./random.js";

const NUMBERS = [
  0,
  -0,
  NaN,
  Infinity,
  -Infinity,
  5e-324,
  2 ** 52,
  2 ** 53,
  -(2 ** 53),
  1e21,
  0.1 + 0.2,
  1e308,
];
const TEXTS = [
  "",
  "red",
  "green",
  "1.50",
  "-0.5",
  "2026-11-23T10:00:00Z",
  "2026-11-23",
  "\ud800",
  "ü€😀",
  "true",
];
const KEYS = ["a", "b", "c", "1", "0", "__proto__", "constructor", "a b", "\udc00", ""];

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

/** Values of every class of the columnar codec, and of those between them. */
export function anyValue(random: Random, depth = 0): Value {
  const dice = random.below(depth > 3 ? 80 : 100);
  if (dice < 20) return random.below(2_000) - 1_000;
  if (dice < 35) return (random.below(2_000_000) - 1_000_000) / 10 ** random.below(5);
  if (dice < 40) return random.pick(NUMBERS);
  if (dice < 45) return anyDouble(random);
  if (dice < 50) return Math.fround(random.below(10_000) / 100);
  if (dice < 60) return random.pick(TEXTS);
  if (dice < 64) return anyText(random, 40);
  if (dice < 68) return anyDate(random);
  if (dice < 70) return (random.below(2e9) / 100).toFixed(random.below(9));
  if (dice < 75) return random.chance(50);
  if (dice < 78) return null;
  if (dice < 80) return Uint8Array.from({ length: random.below(20) }, () => random.below(256));
  if (dice < 90) return Array.from({ length: random.below(6) }, () => anyValue(random, depth + 1));
  return anyObject(random, depth);
}

/** Rows as a service has them: one shape, of which each value moves a little or jumps. */
export function similarRows(random: Random, count: number): Value[] {
  const shape = anyValue(random);
  return Array.from({ length: count }, () => (random.chance(95) ? moved(random, shape) : anyValue(random)));
}

function moved(random: Random, value: Value): Value {
  if (random.chance(30)) return value;
  if (typeof value === "number")
    return random.chance(90) ? value + random.below(20) - 10 : anyValue(random, 4);
  if (typeof value === "string") return random.chance(50) ? value : random.pick(TEXTS);
  if (Array.isArray(value)) return (value as readonly Value[]).map((item) => moved(random, item));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const entries = Object.entries(value).filter(() => random.chance(95));
  return ownFields(entries.map(([key, field]) => [key, moved(random, field)]));
}

function anyObject(random: Random, depth: number): Value {
  return ownFields(
    Array.from({ length: random.below(6) }, () => [
      random.chance(90) ? random.pick(KEYS) : anyText(random, 6),
      anyValue(random, depth + 1),
    ]),
  );
}

/** Also `__proto__` as a property of its own. */
function ownFields(entries: readonly (readonly [string, Value])[]): Value {
  return Object.fromEntries(entries);
}

function anyDouble(random: Random): number {
  halves[0] = random.below(2 ** 32);
  halves[1] = random.below(2 ** 32);
  return double[0] as number;
}

/** Any sixteen bits at all, or words. */
function anyText(random: Random, most: number): string {
  const length = random.below(most);
  if (random.chance(50))
    return Array.from({ length }, () => random.pick(["lorem ", "ip", "sum ", "é", "\n"])).join("");
  return String.fromCharCode(...Array.from({ length }, () => random.below(0x10000)));
}

function anyDate(random: Random): string {
  const text = new Date(random.below(4e9) * random.below(1_500)).toISOString();
  return random.pick([
    text,
    text.slice(0, 10),
    text.slice(0, 19) + "+01:00",
    text.replace("T", " ").slice(0, 16),
  ]);
}

/** Equal to the bit: NaN and −0, own properties and their order. */
export function isSame(a: Value | undefined, b: Value | undefined): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array)
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [keys, others] = [Object.keys(a), Object.keys(b)];
  const [one, other] = [a as Readonly<Record<string, Value>>, b as Readonly<Record<string, Value>>];
  return (
    keys.length === others.length && keys.every((key, i) => key === others[i] && isSame(one[key], other[key]))
  );
}
