/**
 * A CDATA section, or a tag with its attributes. Group 1 is the tag's name, with the slash of a closing tag. Group 2 is
 * the slash of an empty element.
 */
const MARKUP = /<!\[CDATA\[[^]*?\]\]>|<(\/?[^\s<>/"'!]+)(?:[^<>"']|"[^"]*"|'[^']*')*?(\/?)>/g;

/** Cuts our own well-formed stanza text into its stanzas, without the whitespace between them. */
export function splitStanzas(text: string): string[] {
  const stanzas: string[] = [];
  let depth = 0;
  let start = 0;
  for (const match of text.matchAll(MARKUP)) {
    const name = match[1];
    if (name === undefined) continue;
    if (depth === 0) start = match.index;
    if (name.startsWith("/")) depth--;
    else if (match[2] !== "/") depth++;
    if (depth === 0) stanzas.push(text.slice(start, match.index + match[0].length));
  }
  return stanzas;
}
