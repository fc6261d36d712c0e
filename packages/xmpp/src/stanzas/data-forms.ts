import * as NS from "../base/namespaces.js";
import { appendAll, xml, type Element } from "../xml/xml.js";

/** A field of a form (XEP-0004 §3.2). The types are those that this project uses. */
export interface FormField {
  readonly var: string;
  readonly type?:
    | "boolean"
    | "hidden"
    | "jid-multi"
    | "jid-single"
    | "list-multi"
    | "list-single"
    | "text-multi"
    | "text-private"
    | "text-single";
  readonly label?: string;
  readonly values?: readonly string[];
  readonly options?: readonly { readonly label?: string; readonly value: string }[];
}

export interface DataForm {
  readonly type: "form" | "submit" | "cancel" | "result";
  /** `FORM_TYPE` (XEP-0068); empty when the form has none. */
  readonly formType: string;
  readonly title: string;
  readonly fields: ReadonlyMap<string, string[]>;
  /**
   * Name of a field that the form repeats, though `var` is unique in a form (XEP-0004 §3.2). Undefined when no name is
   * repeated.
   */
  readonly repeated?: string;
}

/**
 * Builds a form (XEP-0004 §3.1) with its `FORM_TYPE` (XEP-0068) first. `fields` may be a record from names to one or
 * several texts.
 */
export function formatForm(
  type: DataForm["type"],
  formType: string,
  fields: readonly FormField[] | Readonly<Record<string, string | readonly string[]>>,
  info: { readonly title?: string; readonly instructions?: string } = {},
): Element {
  const list = Array.isArray(fields)
    ? (fields as readonly FormField[])
    : Object.entries(fields as Record<string, string | readonly string[]>).map(
        ([name, values]): FormField => ({
          var: name,
          values: typeof values === "string" ? [values] : values,
        }),
      );
  const form = xml("x", { xmlns: NS.DATA_FORMS, type });
  if (info.title !== undefined) form.append(xml("title", {}, info.title));
  if (info.instructions !== undefined) form.append(xml("instructions", {}, info.instructions));
  if (formType !== "") form.append(formatField({ var: "FORM_TYPE", type: "hidden", values: [formType] }));
  for (const field of list) form.append(formatField(field));
  return form;
}

function formatField(field: FormField): Element {
  return appendAll(xml("field", { var: field.var, type: field.type, label: field.label }), [
    ...(field.values ?? []).map((value) => xml("value", {}, value)),
    ...(field.options ?? []).map((option) =>
      xml("option", { label: option.label }, xml("value", {}, option.value)),
    ),
  ]);
}

/**
 * Reads an `<x xmlns='jabber:x:data'/>`, or the first one inside `element`. Returns `undefined` when there is none, or
 * its type is unknown.
 */
export function parseForm(element: Element): DataForm | undefined {
  const form = element.is("x", NS.DATA_FORMS) ? element : element.getChild("x", NS.DATA_FORMS);
  if (form === undefined) return undefined;
  const type = String(form.attrs["type"] ?? "form");
  if (type !== "form" && type !== "submit" && type !== "cancel" && type !== "result") return undefined;
  const fields = new Map<string, string[]>();
  let repeated: string | undefined;
  for (const field of form.getChildren("field")) {
    const name = field.attrs["var"] as string | undefined;
    // XEP-0004 §3.2: a field without a name has the type `fixed`, and is a text for people.
    if (name === undefined) continue;
    if (fields.has(name)) repeated ??= name;
    fields.set(
      name,
      field.getChildren("value").map((value) => value.text()),
    );
  }
  const formTypes = fields.get("FORM_TYPE") ?? [];
  if (formTypes.length > 1) repeated ??= "FORM_TYPE";
  fields.delete("FORM_TYPE");
  return {
    ...{ type, formType: formTypes[0] ?? "", title: form.getChildText("title") ?? "", fields },
    ...(repeated === undefined ? {} : { repeated }),
  };
}

/** Reads a `boolean` field's value (XEP-0004 §3.3): `1`, `true`, `0` or `false`. Returns undefined for other texts. */
export function parseFormBoolean(text: string): boolean | undefined {
  // XML Schema 2 §3.2.2: white space around the value does not count.
  const word = text.trim();
  return word === "1" || word === "true" ? true : word === "0" || word === "false" ? false : undefined;
}
