/** XML 1.0 §2.3, productions 4 and 4a, without the colon (Namespaces in XML 1.0 §3). */
const NAME_START =
  "A-Z_a-z\\xC0-\\xD6\\xD8-\\xF6\\xF8-\\u02FF\\u0370-\\u037D\\u037F-\\u1FFF\\u200C\\u200D\\u2070-\\u218F\\u2C00-\\u2FEF\\u3001-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFFD\\u{10000}-\\u{EFFFF}";
const NAME_CHAR = `${NAME_START}\\-.0-9\\xB7\\u0300-\\u036F\\u203F\\u2040`;
const NC_NAME = `[${NAME_START}][${NAME_CHAR}]*`;
const QUALIFIED_NAME = new RegExp(`^${NC_NAME}(?::${NC_NAME})?$`, "u");

/** Names that the hot path looks up, since they were found well-formed before. Bounded, since peers choose them. */
const knownNames = new Set<string>();
const MAX_KNOWN_NAMES = 512;

/**
 * Whether a text is a name of an element or attribute (Namespaces in XML 1.0 §4). A name has at most one colon, and
 * not at an end.
 */
export function isQualifiedName(name: string): boolean {
  if (knownNames.has(name)) return true;
  if (!QUALIFIED_NAME.test(name)) return false;
  if (knownNames.size < MAX_KNOWN_NAMES && name.length <= 64) knownNames.add(name);
  return true;
}

/** The part before the colon; empty when the name has no colon. */
export function prefixOf(name: string): string {
  const colon = name.indexOf(":");
  return colon < 0 ? "" : name.slice(0, colon);
}
