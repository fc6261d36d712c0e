import { StanzapackError } from "../base/errors.js";
import { WHOLE, type Selection } from "../options/selection.js";

/** Names of the fields in the form of a subscription's options, in Clark notation. */
const NAMES = {
  samples: "{urn:stanzapack:0}samples",
  maxRate: "{urn:stanzapack:0}max_rate",
  fields: "{urn:stanzapack:0}fields",
  deadband: "{urn:stanzapack:0}deadband",
  heartbeatMs: "{urn:stanzapack:0}heartbeat",
  keys: "{urn:stanzapack:0}keys",
  prefix: "{urn:stanzapack:0}prefix",
} as const satisfies Record<keyof Selection, string>;

export const SELECTION_FIELDS: readonly string[] = Object.values(NAMES);

/** Longest number, in characters. 40: every double can be written with 24. */
const MAX_NUMBER_CHARS = 40;

/** Returns the fields of a selection. A field with its default is left out. */
export function formatSelectionFields(selection: Selection): Record<string, string | readonly string[]> {
  const fields: Record<string, string | readonly string[]> = {};
  for (const key of Object.keys(NAMES) as (keyof Selection)[]) {
    const value = selection[key];
    if (value !== WHOLE[key] && value !== null)
      fields[NAMES[key]] = typeof value === "object" ? value : String(value);
  }
  return fields;
}

/** Returns the selection that the fields ask for. `grantSelection` checks the bounds. Throws `invalid-options`. */
export function parseSelectionFields(fields: ReadonlyMap<string, readonly string[]>): Selection {
  const single = (name: string): string | undefined => {
    const values = fields.get(name) ?? [];
    if (values.length > 1) throw invalid(`option \`${name}\` has ${values.length} values, not one`);
    return values[0] === "" ? undefined : values[0];
  };
  const number = (name: string): number | null => {
    const text = single(name);
    if (text === undefined) return null;
    if (text.length > MAX_NUMBER_CHARS || !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text))
      throw invalid(`option \`${name}\`: \`${text.slice(0, MAX_NUMBER_CHARS)}\` is not a number`);
    return Number(text);
  };
  // Some libraries write an empty list as one `<value/>` without text.
  const list = (name: string): string[] | null => {
    const values = fields.get(name)?.filter((value) => value !== "") ?? [];
    return values.length === 0 ? null : values;
  };
  return {
    samples: (single(NAMES.samples) ?? WHOLE.samples) as Selection["samples"],
    maxRate: number(NAMES.maxRate),
    fields: list(NAMES.fields),
    deadband: number(NAMES.deadband),
    heartbeatMs: number(NAMES.heartbeatMs),
    keys: list(NAMES.keys),
    prefix: single(NAMES.prefix) ?? null,
  };
}

function invalid(text: string): StanzapackError {
  return new StanzapackError("invalid-options", text);
}
