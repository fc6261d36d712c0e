import { escapeText } from "@stanzapack/xmpp";
import type { RivalForm } from "./forms.js";

/**
 * One message of a rival at its best: type `headline`, which no server archives or copies, no id, no whitespace,
 * nothing around the JSON. The message must also name its service: by one letter in the sender's resource
 * (`basic.localhost/c`). That is two characters, fewer than any key in the JSON.
 */
export function formatRivalMessage(from: string, to: string, json: string): string {
  return `<message from='${from}' to='${to}' type='headline'><body>${escapeText(json)}</body></message>`;
}

/** Text of a body from ready JSON values: the only value, or an array of all. */
export function formatRivalBody(form: RivalForm, values: readonly string[]): string {
  if (form === "json-batch") return `[${values.join(",")}]`;
  const [only] = values;
  if (only === undefined || values.length > 1)
    throw new TypeError(`a json-body has one value, not ${values.length}`);
  return only;
}

/** The values of a body. Throws `SyntaxError` if the body is not JSON, or not an array where the form needs one. */
export function parseRivalBody(form: RivalForm, body: string): unknown[] {
  const value: unknown = JSON.parse(body);
  if (form === "json-body") return [value];
  if (!Array.isArray(value)) throw new SyntaxError("a json-batch body is not an array");
  return value;
}
