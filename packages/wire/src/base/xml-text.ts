/** XML 1.0 §2.2, without U+000D, which XML parsers turn into U+000A. A lone surrogate matches neither range. */
const UNFIT = /[^\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

/** The first character that a stanza cannot carry unchanged, as `U+0002`; undefined where the text is fit. */
export function unfitCharacter(text: string): string | undefined {
  const code = UNFIT.exec(text)?.[0].codePointAt(0);
  return code === undefined ? undefined : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
