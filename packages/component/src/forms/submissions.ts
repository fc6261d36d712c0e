import { StanzapackError } from "@stanzapack/wire";
import { NS, parseForm, parseFormBoolean, StanzaError, type DataForm, type Element } from "@stanzapack/xmpp";
import { toStanzaError } from "./errors.js";

export function invalid(text: string): StanzapackError {
  return new StanzapackError("invalid-options", text);
}

/** Returns the error for a request that breaks the rules of XEP-0060 or XEP-0004, whatever its fields mean. */
export function badRequest(text: string, condition?: string): StanzaError {
  return new StanzaError(
    "bad-request",
    "modify",
    text,
    condition === undefined ? undefined : { name: condition, xmlns: NS.PUBSUB_ERRORS },
  );
}

/**
 * Returns the form submitted in an element. Undefined: the element has no form. `cancel`: the sender has changed its
 * mind, and nothing is to change (XEP-0004 §3.1). Throws `bad-request` if it is no submission of a form of `formType`.
 */
export function readSubmission(holder: Element, formType: string): DataForm | "cancel" | undefined {
  const [element, second] = holder.getChildren("x", NS.DATA_FORMS);
  if (element === undefined) return undefined;
  const form = second === undefined ? parseForm(element) : undefined;
  if (form === undefined)
    throw notSubmitted(second === undefined ? "the form has no known type" : "there are two forms");
  if (form.type === "cancel") return "cancel";
  // XEP-0004 §3.1: a `form` is to be filled in, and a `result` reports.
  if (form.type !== "submit") throw notSubmitted(`the form's type is \`${form.type}\`, not \`submit\``);
  // XEP-0004 §3.2: `var` is unique.
  if (form.repeated !== undefined) throw notSubmitted(`the form has \`${clip(form.repeated)}\` twice`);
  // XEP-0068 §3.1.
  if (form.formType !== formType)
    throw notSubmitted(`the form's FORM_TYPE is \`${clip(form.formType)}\`, not \`${formType}\``);
  return form;
}

/** Returns the form of a request that makes something. Throws `bad-request`, also for a cancelled form. */
export function readForm(holder: Element | undefined, formType: string): DataForm | undefined {
  const form = holder === undefined ? undefined : readSubmission(holder, formType);
  if (form === "cancel") throw notSubmitted("the form is cancelled, so nothing is done");
  return form;
}

/**
 * Reads a node's configuration by `read`. Values that a node cannot have are `not-acceptable` (XEP-0060 §8.2.5.2,
 * XEP-0004 §4).
 */
export function acceptable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const fault = toStanzaError(error);
    if (!(fault instanceof StanzaError) || fault.application?.name !== "invalid-options") throw error;
    throw new StanzaError("not-acceptable", "modify", fault.text, fault.application);
  }
}

function notSubmitted(text: string): StanzaError {
  return badRequest(text, "invalid-options");
}

const OWN = "{urn:stanzapack:0}";
/** Fields that this version does not have yet. A request for one is an error, rather than ignored. */
const LATER = [`${OWN}overflow`];

/**
 * Checks the fields of our own namespace. XEP-0004 §3.1: fields that are not understood are ignored. But an unknown
 * field of ours is misspelt, or of a later version. To ignore it would deliver something else than was asked for.
 * Throws `invalid-options`, or `unsupported` for a field that a later version will have.
 */
export function checkOwnFields(form: DataForm, known: readonly string[]): void {
  for (const name of form.fields.keys()) {
    if (!name.startsWith(OWN) || known.includes(name)) continue;
    if (LATER.includes(name))
      throw new StanzapackError("unsupported", `option \`${name}\` is not in this version`);
    throw invalid(`option \`${clip(name)}\` is unknown; known are ${known.join(", ")}`);
  }
}

/**
 * Returns the one value of a field. Undefined: the field has none, or an empty one (XEP-0004 §3.6). Throws
 * `invalid-options` for several values.
 */
export function single(form: DataForm, name: string): string | undefined {
  const values = form.fields.get(name) ?? [];
  // XEP-0004 §3.2: only fields of a type that ends in `multi` may have several.
  if (values.length > 1) throw invalid(`option \`${name}\` has ${values.length} values, not one`);
  return values[0] === "" ? undefined : values[0];
}

/** Returns all values of a field that are not empty. Undefined: the form does not have the field. */
export function several(form: DataForm, name: string): string[] | undefined {
  return form.fields.get(name)?.filter((value) => value !== "");
}

/** Returns the value of a boolean field. Undefined: it has none. Throws `invalid-options` for any other value. */
export function boolean(form: DataForm, name: string): boolean | undefined {
  const text = single(form, name);
  if (text === undefined) return undefined;
  const value = parseFormBoolean(text);
  if (value === undefined) throw invalid(`${name} \`${text.slice(0, 40)}\` is not a boolean`);
  return value;
}

function clip(text: string): string {
  return text.slice(0, 100);
}
