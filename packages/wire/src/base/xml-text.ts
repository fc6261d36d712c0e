/**
 * Matches a character that XML 1.0 §2.2 excludes, such as a lone surrogate. Also matches U+000D, which XML parsers
 * turn into U+000A.
 */
const UNFIT = /[^\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

/** Returns the first character that a stanza cannot carry unchanged, as `U+0002`; undefined if the text is fit. */
export function unfitCharacter(text: string): string | undefined {
  const code = UNFIT.exec(text)?.[0].codePointAt(0);
  return code === undefined ? undefined : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
