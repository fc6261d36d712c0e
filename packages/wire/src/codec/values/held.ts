import { setField, type Value } from "../../msgpack/msgpack.js";

/** Texts and bytes count one more for each 2^5 = 32 units. */
const UNITS_A_WEIGHT = 5;

/** An object as a codec keeps it. Never changed once it is made. */
export class HeldObject {
  constructor(
    readonly keys: readonly string[],
    readonly values: readonly Held[],
    /** The object before its last change. The difference is the last step of each field. */
    readonly before?: HeldObject,
  ) {}
}

/** A value as a codec keeps it. It is a copy, because callers may change the values that they passed or received. */
export type Held = null | boolean | number | string | Uint8Array | HeldObject | readonly Held[];

export function isList(held: Held | undefined): held is readonly Held[] {
  return Array.isArray(held);
}

export function hold(value: Value): Held {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return (value as readonly Value[]).map(hold);
  const keys = Object.keys(value);
  return new HeldObject(
    keys,
    keys.map((key) => hold((value as Readonly<Record<string, Value>>)[key] as Value)),
  );
}

/** Returns a copy that the caller may change. */
export function release(held: Held): Value {
  if (typeof held !== "object" || held === null) return held;
  if (held instanceof Uint8Array) return new Uint8Array(held);
  if (held instanceof HeldObject) {
    const { keys, values } = held;
    const fields: { [key: string]: Value } = {};
    for (let i = 0; i < keys.length; i++) setField(fields, keys[i] as string, release(values[i] as Held));
    return fields;
  }
  const items: Value[] = [];
  for (let i = 0; i < held.length; i++) items.push(release(held[i] as Held));
  return items;
}

/** Whether `value` equals the held value: keys in the same order, numbers equal to the bit. */
export function isSame(held: Held | undefined, value: Value | undefined): boolean {
  if (typeof value !== "object" || value === null) return Object.is(held, value);
  if (typeof held !== "object" || held === null) return false;
  if (held instanceof HeldObject)
    return !Array.isArray(value) && !(value instanceof Uint8Array) && areFieldsSame(held, value as Fields);
  if (held instanceof Uint8Array) return value instanceof Uint8Array && areBytesSame(held, value);
  return Array.isArray(value) && areItemsSame(held, value as readonly Value[]);
}

interface Fields {
  readonly [key: string]: Value;
}

function areFieldsSame({ keys, values }: HeldObject, fields: Fields): boolean {
  let i = 0;
  for (const key in fields) {
    if (keys[i] !== key) {
      // Inherited properties are no keys, and come last.
      if (Object.hasOwn(fields, key)) return false;
      break;
    }
    if (!isSame(values[i], fields[key])) return false;
    i++;
  }
  return i === keys.length && (i === 0 || Object.hasOwn(fields, keys[i - 1] as string));
}

function areItemsSame(held: readonly Held[], items: readonly Value[]): boolean {
  if (held.length !== items.length) return false;
  for (let i = 0; i < held.length; i++) if (!isSame(held[i], items[i])) return false;
  return true;
}

/**
 * Whether two parts are the same number, text or truth value, both null, or both undefined. Others count as different.
 */
export function isSameScalar(one: Held | undefined, other: Held | undefined): boolean {
  return (typeof one !== "object" || one === null) && Object.is(one, other);
}

/** Returns the indexes of the items that differ from the held ones; undefined if there are more or fewer of them. */
export function changedItems(held: readonly Held[], items: readonly Value[]): number[] | undefined {
  if (held.length !== items.length) return undefined;
  const changed: number[] = [];
  for (let i = 0; i < held.length; i++) if (!isSame(held[i], items[i])) changed.push(i);
  return changed;
}

/**
 * Returns the indexes of the fields that differ from the held ones; undefined unless the keys, and their order, are the
 * same.
 */
export function changedFields({ keys, values }: HeldObject, fields: Fields): number[] | undefined {
  const changed: number[] = [];
  let i = 0;
  for (const key in fields) {
    if (keys[i] !== key) {
      if (Object.hasOwn(fields, key)) return undefined;
      break;
    }
    if (!isSame(values[i], fields[key])) changed.push(i);
    i++;
  }
  const isWhole = i === keys.length && (i === 0 || Object.hasOwn(fields, keys[i - 1] as string));
  return isWhole ? changed : undefined;
}

function areBytesSame(held: Uint8Array, bytes: Uint8Array): boolean {
  if (held.length !== bytes.length) return false;
  for (let i = 0; i < held.length; i++) if (held[i] !== bytes[i]) return false;
  return true;
}

/**
 * Returns the weight of a value that is kept: 1 for itself, and the weight of its content. Texts, bytes and keys count
 * more by their length.
 */
export function weightOf(held: Held): number {
  if (typeof held === "string" || held instanceof Uint8Array) return 1 + (held.length >>> UNITS_A_WEIGHT);
  if (typeof held !== "object" || held === null) return 1;
  const values = held instanceof HeldObject ? held.values : held;
  let weight = 1;
  for (let i = 0; i < values.length; i++) weight += weightOf(values[i] as Held);
  return held instanceof HeldObject ? weight + weightOfKeys(held.keys) : weight;
}

export function weightOfKeys(keys: readonly string[]): number {
  let weight = 0;
  for (let i = 0; i < keys.length; i++) weight += (keys[i] as string).length >>> UNITS_A_WEIGHT;
  return weight;
}
