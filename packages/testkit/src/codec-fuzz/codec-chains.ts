import { ChainEncoder, DEFAULT_CODEC_LIMITS, StanzapackError, type Value } from "@stanzapack/wire";
import { anyValue, createHeavyUpdates, createMapUpdates, similarRows } from "./codec-fuzz-values.js";
import { createRandom, type Random } from "../base/random.js";

/** One chain of the columnar codec with its values, as JSON, for implementations in other languages. */
export interface SampleChain {
  readonly seed: number;
  /** Whether the key is of the form `map`: rows are updates of a map. */
  readonly map: boolean;
  /** Payloads in hex: of a key, then of chained bodies. */
  readonly bodies: readonly string[];
  /** For each body: `at`, `span` and the number of conflated positions. */
  readonly times: readonly (readonly [at: number, spanMs: number, conflated: number])[];
  /**
   * Rows of each body, as in `vectors/`: bytes are `{"$bytes": hex}`, and numbers that JSON lacks `{"$number": "NaN"}`.
   */
  readonly rows: readonly (readonly unknown[])[];
}

/** One chain in this many is that of a map. One of those in `HEAVY_EVERY` chains has keys that are forgotten. */
const MAP_EVERY = 5;
const HEAVY_EVERY = 75;
/** Messages, and updates of a message, of a heavy chain. */
const HEAVY_LENGTH = 8;

const BASE64_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Makes a chain. The same seed gives the same chain. */
export function createSampleChain(seed: number): SampleChain {
  // Consecutive seeds begin alike in xorshift, so they are mixed first.
  const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
  const map = seed % MAP_EVERY === 0;
  const heavy = seed % HEAVY_EVERY === 0;
  const next = heavy ? createHeavyUpdates(random) : map ? createMapUpdates(random) : createSource(random);
  const encoder = new ChainEncoder(DEFAULT_CODEC_LIMITS, undefined, map ? "map" : "key");
  const bodies: string[] = [];
  const times: [number, number, number][] = [];
  const rows: unknown[][] = [];
  let to = 0;
  let at = 0;
  for (let left = heavy ? HEAVY_LENGTH : 1 + random.below(8); left > 0; left--) {
    const length = heavy ? HEAVY_LENGTH : 1 + random.below(random.chance(20) ? 40 : 12);
    const values = Array.from({ length }, next);
    const conflated = random.chance(10) ? random.below(300) : 0;
    const from = to + 1;
    to += values.length + conflated;
    at += random.chance(90) ? 100 + random.below(4) : random.below(1e6);
    const spanMs = values.length * 10 + random.below(3);
    try {
      const { payload } = encoder.encode({ epoch: 1, from, to, rows: values, at, spanMs }, 0, seed);
      bodies.push(Buffer.from(payload).toString("hex"));
    } catch (error) {
      // Packed containers are msgpack, which lacks some values of the codec. The chain ends here.
      if (error instanceof StanzapackError && error.scope === "update") break;
      throw error;
    }
    times.push([at, spanMs, conflated]);
    rows.push(values.map(toJson));
  }
  // The first body may fail in this way. Then another seed is tried.
  return bodies.length === 0
    ? { ...createSampleChain(seed + 0x10000 * MAP_EVERY), seed }
    : { seed, map, bodies, times, rows };
}

/** A source of rows of one sort. */
function createSource(random: Random): () => Value {
  const dice = random.below(100);
  if (dice < 10) return () => anyValue(random);
  if (dice < 20) {
    let waiting: Value[] = [];
    return () => {
      if (waiting.length === 0) waiting = similarRows(random, 20);
      return waiting.pop() as Value;
    };
  }
  if (dice < 45) return createField(random);
  if (dice < 60) return createEdited(random);
  const fields = Array.from({ length: 1 + random.below(6) }, () => createField(random));
  if (dice < 70) return () => fields.map((field) => field());
  const rare = random.below(30);
  return () =>
    Object.fromEntries(
      fields.flatMap((field, i) => (random.chance(rare) ? [] : [[`field${i}`, field()] as const])),
    );
}

/** A source of values for one place. */
function createField(random: Random): () => Value {
  const digits = 10 ** random.below(4);
  let state = random.below(2_000) - 1_000;
  let count = random.below(1e9);
  const words = Array.from({ length: 2 + random.below(20) }, () => anyWord(random));
  const step = 1 + random.below(500);
  const sorts: readonly (() => Value)[] = [
    () => (count += step),
    () => (state += random.below(9) - 4) / digits,
    () => (random.chance(80) ? 0 : random.below(1e4)),
    () => 5_000 + random.below(40),
    () => Math.imul((count = (count + 1) % 90) + 1, 0x9e3779b1) >>> 4,
    () => ((count += 10), random.chance(97) ? count / 10 : count + 0.125),
    () => Math.fround((state += random.below(30)) / 10),
    () => (state += random.below(3)) * 0.1 + 0.2,
    () => (random.chance(50) ? Math.PI * random.below(1e6) : (state + random.below(5)) * 1.1),
    () => 2 ** 52 - random.below(2 ** 31) * (random.chance(50) ? 2 ** 20 : 1),
    () => random.pick(words),
    () => `${random.pick(words)} ${random.pick(words)} ${random.below(1e4)}`,
    () => `${random.pick(words)}, `.repeat(1 + random.below(12)),
    () => new Date((count += step) * 1_000).toISOString().slice(0, random.chance(98) ? 24 : 10),
    () => ((state += random.below(9)) / 100).toFixed(2),
    () => random.chance(30),
    () => (random.chance(20) ? null : (state += random.below(5))),
    () => Array.from({ length: random.chance(90) ? 3 : random.below(7) }, (_, i) => i * random.below(9)),
    () => ({ x: (state += random.below(5)), y: random.pick(words) }),
    () => Uint8Array.from({ length: random.below(12) }, () => random.below(256)),
    () => Uint8Array.from({ length: random.below(200) }, () => random.below(256)),
    () => Array.from({ length: random.below(400) }, () => BASE64_LETTERS[random.below(64)]).join(""),
    () => anyValue(random, 2),
  ];
  return random.pick(sorts);
}

/** A source of large values that change little: lists, maps, objects of many fields, texts, bytes. */
function createEdited(random: Random): () => Value {
  const words = Array.from({ length: 30 }, () => anyWord(random));
  const field = createField(random);
  const item = random.pick<() => Value>([
    field,
    () => ({ id: random.below(1e6), name: random.pick(words), at: [random.below(9), random.below(9)] }),
    () => ({ "2": random.chance(50), note: random.pick(words), more: { a: random.below(50), b: field() } }),
    () => Array.from({ length: random.below(7) }, () => random.pick(words)),
    () => `2026-01-${String(1 + random.below(28)).padStart(2, "0")}`,
    () => (random.below(1e4) / 100).toFixed(2),
  ]);
  const most = random.pick([6, 20, 40, 150]);
  const list = Array.from({ length: random.below(most) }, item);
  const map = new Map<string, Value>(list.map((value, i) => [`${random.pick(words)} ${i}`, value]));
  const fields = Object.fromEntries(Array.from({ length: most }, (_, i) => [`f${i}`, item()]));
  const bytes = Array.from({ length: 300 }, () => random.below(256));
  const letters = Array.from({ length: 100 }, () => `${random.pick(words)}\u{1f600} `).join("");
  let text: string[] = letters.split("");
  const sorts: readonly (() => Value)[] = [
    () => {
      if (random.chance(30)) list.splice(random.below(list.length + 1), random.below(3));
      if (random.chance(40)) list.splice(random.below(list.length + 1), 0, item(), item());
      if (list.length > 0 && random.chance(60)) editOne(list, random.below(list.length), item, random);
      return list;
    },
    () => {
      const keys = [...map.keys()];
      if (keys.length > 0 && random.chance(30)) map.delete(random.pick(keys));
      if (random.chance(40)) map.set(`${random.pick(words)} ${random.below(99)}`, item());
      if (keys.length > 0 && random.chance(60)) map.set(random.pick(keys), item());
      // Now and then in another order than before.
      const entries = [...map];
      return Object.fromEntries(random.chance(10) ? entries.reverse() : entries);
    },
    () => {
      for (let left = random.below(4); left > 0; left--)
        editOne(fields, `f${random.below(most)}`, item, random);
      if (random.chance(5)) Reflect.deleteProperty(fields, `f${random.below(most)}`);
      return fields;
    },
    () => {
      const come = random.pick(words).split("");
      text = text.toSpliced(random.below(text.length), random.below(5), ...come);
      return text.join("");
    },
    () => {
      bytes.splice(random.below(bytes.length), random.below(3), random.below(256), random.below(256));
      return Uint8Array.from(bytes);
    },
  ];
  const next = random.pick(sorts);
  const isField = random.chance(30);
  // A copy, since rows that were given must not change.
  return () => structuredClone(isField ? { a: field(), b: next(), c: next() } : next());
}

/** Replaces one part of a value, or one field of an object. */
function editOne<Key extends string | number>(
  parts: Record<Key, Value>,
  key: Key,
  item: () => Value,
  random: Random,
): void {
  const [old, next] = [parts[key], item()];
  const mayMix = isFields(old) && isFields(next) && random.chance(60);
  const name = mayMix ? random.pick(Object.keys(next)) : "";
  parts[key] = mayMix ? { ...old, [name]: next[name] as Value } : next;
}

function isFields(value: Value | undefined): value is { [key: string]: Value } {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

function anyWord(random: Random): string {
  return Array.from({ length: 1 + random.below(5) }, () =>
    random.pick(["ka", "lo", "Mi", "ne", "ru", "é", "-", "7", "σ"]),
  ).join("");
}

function toJson(value: unknown): unknown {
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)))
    return { $number: Object.is(value, -0) ? "-0" : String(value) };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, toJson(child)]));
}
