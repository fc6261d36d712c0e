import { escapeText } from "@stanzapack/xmpp";
import type { RivalForm } from "./forms.js";

/**
 * One message of a rival at its best: `headline`, which no server archives or copies, no id, no whitespace, nothing
 * around the JSON. Which service it is must travel too: give it as one letter of the sender's resource
 * (`basic.localhost/c`), two characters, less than any key in the JSON would cost.
 */
export function formatRivalMessage(from: string, to: string, json: string): string {
  return `<message from='${from}' to='${to}' type='headline'><body>${escapeText(json)}</body></message>`;
}

/** The body's text for ready JSON values: the only one, or an array of all. */
export function formatRivalBody(form: RivalForm, values: readonly string[]): string {
  if (form === "json-batch") return `[${values.join(",")}]`;
  const [only] = values;
  if (only === undefined || values.length > 1)
    throw new TypeError(`${values.length} values do not make one body`);
  return only;
}

/** The values of a body. Throws `SyntaxError` for what is no JSON, or no array where one is due. */
export function parseRivalBody(form: RivalForm, body: string): unknown[] {
  const value: unknown = JSON.parse(body);
  if (form === "json-body") return [value];
  if (!Array.isArray(value)) throw new SyntaxError("a json-batch body is no array");
  return value;
}
