import type { Value } from "@stanzapack/wire";

type Fields = { readonly [key: string]: Value };

function isObject(value: Value): value is Fields {
  return typeof value === "object" && value !== null;
}

function isList(value: Value): value is Uint8Array | readonly Value[] {
  return value instanceof Uint8Array || Array.isArray(value);
}

/** Whether two values are equal, deeply. NaN equals NaN, 0 and −0 differ, and the fields of an object have no order. */
export function isSameValue(a: Value, b: Value): boolean {
  if (Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (isList(a) || isList(b)) {
    if (!isList(a) || !isList(b) || Array.isArray(a) !== Array.isArray(b) || a.length !== b.length)
      return false;
    for (let i = 0; i < a.length; i++) if (!isSameValue(a[i] as Value, b[i] as Value)) return false;
    return true;
  }
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && isSameValue(a[name] as Value, b[name] as Value));
}
