import { ParseError } from "./parse-error.js";
import { Element } from "./xml.js";
import { isQualifiedName } from "./xml-names.js";

const ENTITIES: ReadonlyMap<string, string> = new Map(
  Object.entries({ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }),
);

/** XML 1.0 §2.3, production 3. */
export const isSpace = (c: number): boolean => c === 32 || c === 10 || c === 9 || c === 13;

/** Reads `name a="1" b='2'`, without the angle brackets. Throws `ParseError`. */
export function parseTag(tag: string): Element {
  const broken = (name: string): ParseError =>
    new ParseError("not-well-formed", `an attribute of <${name}> is broken`);
  const length = tag.length;
  const hasEntities = tag.includes("&");
  let pos = 0;
  while (pos < length && !isSpace(tag.charCodeAt(pos))) pos++;
  const name = tag.slice(0, pos);
  if (!isQualifiedName(name)) throw new ParseError("not-well-formed", "a tag has no valid name");
  if (tag.includes("<")) throw broken(name);
  const element = new Element(name);
  const attrs = element.attrs as Record<string, string>;
  for (;;) {
    const before = pos;
    while (pos < length && isSpace(tag.charCodeAt(pos))) pos++;
    if (pos === length) return element;
    const equals = tag.indexOf("=", pos);
    if (equals < 0 || before === pos) throw broken(name);
    let end = equals;
    while (end > pos && isSpace(tag.charCodeAt(end - 1))) end--;
    const key = tag.slice(pos, end);
    pos = equals + 1;
    while (pos < length && isSpace(tag.charCodeAt(pos))) pos++;
    const quote = tag.charCodeAt(pos);
    const close = quote === 39 ? tag.indexOf("'", pos + 1) : quote === 34 ? tag.indexOf('"', pos + 1) : -1;
    if (close < 0 || !isQualifiedName(key) || Object.hasOwn(attrs, key)) throw broken(name);
    const value = tag.slice(pos + 1, close);
    set(attrs, key, hasEntities ? unescapeXml(value) : value);
    pos = close + 1;
  }
}

function set(attrs: Record<string, string>, key: string, value: string): void {
  if (key !== "__proto__") attrs[key] = value;
  // `__proto__` is a good name in XML. An assignment would set the prototype, and a repeated attribute would pass.
  else Object.defineProperty(attrs, key, { value, enumerable: true, configurable: true, writable: true });
}

/**
 * Resolves the entities of text or of an attribute's value. Throws `ParseError` for any but XML's own five entities and
 * character references.
 */
export function unescapeXml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&([^;&]*)(;?)/g, (entity, name: string, semicolon: string) => {
    const code = name.startsWith("#x")
      ? parseDigits(name.slice(2), 16, /^[0-9a-fA-F]+$/)
      : name.startsWith("#")
        ? parseDigits(name.slice(1), 10, /^[0-9]+$/)
        : undefined;
    const character =
      code === undefined ? ENTITIES.get(name) : isXmlChar(code) ? String.fromCodePoint(code) : undefined;
    if (semicolon === "" || character === undefined) {
      throw new ParseError("not-well-formed", `bad entity ${entity.slice(0, 20)}`);
    }
    return character;
  });
}

function parseDigits(digits: string, radix: number, allowed: RegExp): number {
  return allowed.test(digits) ? Number.parseInt(digits, radix) : -1;
}

/** XML 1.0 §2.2, production 2. */
function isXmlChar(code: number): boolean {
  return (
    code === 0x9 ||
    code === 0xa ||
    code === 0xd ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff)
  );
}
