import type { Value } from "../msgpack.js";
import type { Column } from "./column.js";

/** What rows have in common: containers and keys, with a column for each leaf. */
export type Shape =
  | { readonly type: "leaf"; readonly column: Column }
  | { readonly type: "array"; readonly items: readonly Shape[] }
  | { readonly type: "object"; readonly keys: readonly string[]; readonly fields: readonly Shape[] };

export type Items = readonly Value[];
export interface Fields {
  readonly [key: string]: Value;
}

export function isContainer(value: Value): value is Items | Fields {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}

export function matches(shape: Shape, value: Value): boolean {
  if (shape.type === "leaf") return !isContainer(value);
  if (!isContainer(value)) return false;
  if (shape.type === "array") {
    const { items } = shape;
    if (!Array.isArray(value) || value.length !== items.length) return false;
    for (let i = 0; i < items.length; i++)
      if (!matches(items[i] as Shape, (value as Items)[i] as Value)) return false;
    return true;
  }
  if (Array.isArray(value)) return false;
  const { keys, fields } = shape;
  let i = 0;
  for (const key in value) {
    if (keys[i] !== key || !matches(fields[i] as Shape, (value as Fields)[key] as Value)) return false;
    i++;
  }
  return i === keys.length;
}

/** An own property, also for the key that would set a prototype. */
export function setField(fields: { [key: string]: Value }, key: string, value: Value): void {
  if (key !== "__proto__") fields[key] = value;
  else Object.defineProperty(fields, key, { value, writable: true, enumerable: true, configurable: true });
}
