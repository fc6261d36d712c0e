import type { Value } from "@stanzapack/wire";
import type { Random } from "../base/random.js";

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

/** Values of every class of the columnar codec, and values between the classes. */
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

/** Rows like those of a service: one shape, in which each value changes a little, or jumps. */
export function similarRows(random: Random, count: number): Value[] {
  const shape = anyValue(random);
  return Array.from({ length: count }, () => (random.chance(95) ? moved(random, shape) : anyValue(random)));
}

/**
 * Rows of one large value each. Between two rows, parts of it change, appear, leave, move and return; often nothing
 * changes.
 */
export function editedRows(random: Random, count: number): Value[] {
  let value = largeValue(random);
  return Array.from({ length: count }, () => {
    if (random.chance(80)) value = edited(random, value, 3);
    else if (random.chance(5)) value = anyValue(random);
    return value;
  });
}

/**
 * Returns a source of updates of one map. Keys are set, removed, cleared and come again; the values of one key are like
 * each other.
 */
export function createMapUpdates(random: Random): () => Value {
  const keys = Array.from({ length: random.pick([1, 3, 12, 60]) }, (_, i) =>
    random.chance(90) ? `key/${i}` : `${anyText(random, 12)}${i}`,
  );
  const values = new Map<string, Value>();
  const shape = random.chance(70) ? anyValue(random) : largeValue(random);
  const change = (): Value => {
    const dice = random.below(40);
    if (dice === 0) return [];
    const key = random.chance(95) ? random.pick(keys) : `new ${random.below(1e6)}`;
    if (dice < 4) return [key];
    const old = values.get(key) ?? shape;
    const value = random.chance(5)
      ? anyValue(random)
      : random.chance(50)
        ? moved(random, old)
        : edited(random, old, 2);
    values.set(key, value);
    return [key, value];
  };
  return () => {
    const changes = Array.from({ length: random.chance(70) ? 1 : random.below(12) }, change);
    return random.chance(5) ? [...changes, null] : changes;
  };
}

/**
 * Returns a source of updates of a map whose values are as large as a codec keeps them, and now and then larger. So
 * keys are forgotten soon, and come again.
 */
export function createHeavyUpdates(random: Random): () => Value {
  return () => {
    const key = random.below(22);
    return [
      [`key/${key}`, Array<Value>(random.chance(97) ? 3_800 : 4_100).fill(key)],
      [`small/${key}`, random.below(9)],
    ];
  };
}

function largeValue(random: Random): Value {
  const size = random.pick([1, 3, 5, 9, 17, 40, 140]);
  const items = (make: (i: number) => Value): Value[] => Array.from({ length: size }, (_, i) => make(i));
  switch (random.below(8)) {
    case 0:
      return items((id) => ({
        id,
        x: random.below(100),
        y: random.below(100),
        state: random.pick(TEXTS),
        on: true,
      }));
    case 1:
      return items((i) => i * 10 + random.below(10));
    case 2:
      return items(() => Array.from({ length: 8 }, () => random.pick(["", "p", "K"])));
    case 3:
      return ownFields(items((i) => i).map((i) => [`key${i as number}`, random.below(1_000)]));
    case 4:
      return ownFields(items((i) => i).map((i) => [`${i as number}a`, { n: i, at: [i, 0.5] }]));
    case 5:
      return { text: longText(random), list: items(() => random.pick(TEXTS)), deep: { n: items(() => 0.5) } };
    case 6:
      return {
        bytes: Uint8Array.from({ length: 400 }, () => random.below(4)),
        more: items((i) => [i, `${i}`]),
      };
    default:
      return items(() => anyValue(random, 2));
  }
}

function longText(random: Random): string {
  return Array.from({ length: 60 }, () =>
    random.pick(["lorem ", "ipsum", "\ud83d\ude00", "\ud800", "dolor\n"]),
  ).join("");
}

/** A copy with at most `edits` changes, at random places. */
function edited(random: Random, value: Value, edits: number): Value {
  let now = value;
  for (let n = 1 + random.below(edits); n > 0; n--) now = editOnce(random, now);
  return now;
}

function editOnce(random: Random, value: Value): Value {
  if (typeof value === "string" || value instanceof Uint8Array) return splicedText(random, value);
  if (typeof value !== "object" || value === null) return moved(random, value);
  if (Array.isArray(value)) return editedList(random, value as readonly Value[]);
  const entries = Object.entries(value as Readonly<Record<string, Value>>);
  const at = random.below(entries.length + 1);
  const [key, field] = entries[at] ?? [`new${random.below(20)}`, anyValue(random, 3)];
  const dice = random.below(10);
  // Removes an entry, or sets one, in its place or at the end.
  if (dice === 0) entries.splice(at, 1);
  else if (dice === 1) entries.splice(at, 1, ...entries.splice(random.below(entries.length), 1));
  else entries[at] = [key, editOnce(random, field)];
  return ownFields(entries);
}

function editedList(random: Random, list: readonly Value[]): Value {
  const items = [...list];
  const at = random.pick([0, random.below(items.length + 1), items.length]);
  const item = items[at];
  switch (random.below(6)) {
    case 0:
      items.splice(at, 1 + random.below(2));
      break;
    case 1:
      items.splice(at, 0, random.chance(70) ? edited(random, items[0] ?? 0, 1) : anyValue(random, 3));
      break;
    case 2:
      // The window slides: the first item leaves, and a similar one is added at the end.
      items.push(edited(random, items.shift() ?? 0, 1));
      break;
    case 3:
      return items.map((one) => (random.chance(90) ? editOnce(random, one) : one));
    default:
      if (item !== undefined) items[at] = editOnce(random, item);
  }
  return items;
}

function splicedText<T extends string | Uint8Array>(random: Random, text: T): Value {
  const at = random.below(text.length + 1);
  const removed = random.below(4);
  if (typeof text === "string")
    return text.slice(0, at) + random.pick(["", "x", "\udc00", "word"]) + text.slice(at + removed);
  return Uint8Array.from([...text.slice(0, at), random.below(256), ...text.slice(at + removed)]);
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

/** An object of these fields. `__proto__` becomes an own property too. */
function ownFields(entries: readonly (readonly [string, Value])[]): Value {
  return Object.fromEntries(entries);
}

function anyDouble(random: Random): number {
  halves[0] = random.below(2 ** 32);
  halves[1] = random.below(2 ** 32);
  return double[0] as number;
}

/** Random 16-bit code units, or words. */
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

/** Equality of every bit: NaN, −0, own properties and their order. */
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
