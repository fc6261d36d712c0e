/** A tag with its attributes; group 1 marks a closing tag, group 2 an empty element. */
const TAG = /<(\/?)[^\s<>/"']+(?:[^<>"']|"[^"]*"|'[^']*')*?(\/?)>/g;

/** Cuts our own well-formed stanza text into its stanzas. */
export function splitStanzas(text: string): string[] {
  const stanzas: string[] = [];
  let depth = 0;
  let start = 0;
  for (const match of text.matchAll(TAG)) {
    if (match[1] === "/") depth--;
    else if (match[2] !== "/") depth++;
    if (depth > 0) continue;
    const end = match.index + match[0].length;
    stanzas.push(text.slice(start, end));
    start = end;
  }
  return stanzas;
}
