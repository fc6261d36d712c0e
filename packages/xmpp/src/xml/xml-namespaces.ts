import { ParseError } from "./parse-error.js";
import { prefixOf } from "./xml-names.js";
import type { Element } from "./xml.js";

const XML = "http://www.w3.org/XML/1998/namespace";
const XMLNS = "http://www.w3.org/2000/xmlns/";

/**
 * Checks the declarations and prefixes of an element and its attributes (Namespaces in XML 1.0 §3, §6.3). Returns an
 * undeclared prefix (§5), if there is one. `root` is the stream's header: its declarations hold where the element and
 * its parents have none. Throws `ParseError`.
 */
export function findUndeclaredPrefix(element: Element, root: Element | null): string | undefined {
  const attrs = element.attrs as Record<string, string>;
  const own = prefixOf(element.name);
  if (own === "xmlns") throw refuse("the prefix xmlns is for declarations");
  let undeclared = own !== "" && namespaceOf(own, element, root) === undefined ? own : undefined;
  let seen: Set<string> | undefined;
  for (const name in attrs) {
    const colon = name.indexOf(":");
    if (colon < 0) {
      if (name === "xmlns") assertDeclaration("", attrs[name] as string);
      continue;
    }
    // The hot path: servers add `xml:lang` to stanzas that they pass on.
    if (name === "xml:lang") continue;
    const prefix = name.slice(0, colon);
    const local = name.slice(colon + 1);
    if (prefix === "xmlns") {
      assertDeclaration(local, attrs[name] as string);
      continue;
    }
    const namespace = namespaceOf(prefix, element, root);
    if (namespace === undefined) {
      undeclared ??= prefix;
      continue;
    }
    const expanded = `${namespace} ${local}`;
    if (seen?.has(expanded) === true)
      throw new ParseError("not-well-formed", `an element has the attribute ${local.slice(0, 40)} twice`);
    (seen ??= new Set()).add(expanded);
  }
  return undeclared;
}

function namespaceOf(prefix: string, element: Element, root: Element | null): string | undefined {
  if (prefix === "xml") return XML;
  const key = `xmlns:${prefix}`;
  for (let at: Element | null = element; at !== null; at = at.parent) {
    if (Object.hasOwn(at.attrs, key)) return String(at.attrs[key]);
  }
  // A stanza has no parent while the parser reads it.
  return root !== null && Object.hasOwn(root.attrs, key) ? String(root.attrs[key]) : undefined;
}

/** `prefix`: empty for the default namespace. */
function assertDeclaration(prefix: string, namespace: string): void {
  const bindsXml = namespace === XML;
  const undeclares = prefix !== "" && namespace === "";
  if (prefix === "xmlns" || namespace === XMLNS || undeclares || bindsXml !== (prefix === "xml"))
    throw refuse(`the prefix ${prefix.slice(0, 40)} cannot be bound to ${namespace.slice(0, 60)}`);
}

function refuse(why: string): ParseError {
  return new ParseError("bad-namespace-prefix", why);
}
