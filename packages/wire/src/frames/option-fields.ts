import type { OptionFields } from "./frames.js";
import { encodeElements } from "../msgpack/update.js";

const OUR_NAMESPACE = "{urn:stanzapack:0}";

/**
 * Most bytes of the options of a frame, as `optionBytes` counts them. 1,024: an answer with all of them, and with a
 * hundred aliases and positions, fits the smallest block. A client requests larger options by iq.
 */
export const MAX_OPTION_BYTES = 1_024;

/** Returns the bytes that the options take in a frame, including the head of their array. */
export function optionBytes(options: OptionFields): number {
  return encodeElements(options.flat()).length;
}

/** Returns the fields of a form as frames carry them: our namespace is left out. */
export function toOptionFields(fields: Readonly<Record<string, string | readonly string[]>>): OptionFields {
  return Object.entries(fields).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [shorten(name), value]),
  );
}

/** Returns the fields of the form, each with all its values. */
export function fromOptionFields(options: OptionFields): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const [short, value] of options) {
    const name = /[{#]/.test(short) ? short : OUR_NAMESPACE + short;
    const values = fields.get(name);
    if (values === undefined) fields.set(name, [value]);
    else values.push(value);
  }
  return fields;
}

function shorten(name: string): string {
  return name.startsWith(OUR_NAMESPACE) ? name.slice(OUR_NAMESPACE.length) : name;
}
