import type { OptionFields } from "./frames.js";

const OUR_NAMESPACE = "{urn:stanzapack:0}";

/** The fields of a form as frames carry them: our namespace is left out. */
export function toOptionFields(fields: Readonly<Record<string, string | readonly string[]>>): OptionFields {
  return Object.entries(fields).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [shorten(name), value]),
  );
}

/** The form's fields again, with all values of each. */
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
