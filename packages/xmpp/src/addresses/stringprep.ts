import { unassignedRuns } from "./unicode-3-2.js";

/**
 * A profile of stringprep (RFC 3454). Nodeprep and Resourceprep are in RFC 3920, Appendices A and B; Nameprep is RFC
 * 3491.
 */
export type StringprepProfile = "nodeprep" | "nameprep" | "resourceprep";

/** A fault of a text, for people: "has the character U+0002". */
export type StringprepFault = string;

/** Table B.1: characters that are mapped to nothing. */
const TO_NOTHING = /[\xAD\u034F\u1806\u180B-\u180D\u200B-\u200D\u2060\uFE00-\uFE0F\uFEFF]/g;

/** Five compatibility ideographs whose decomposition Unicode corrected after 3.2. The servers keep the old one. */
const UNCORRECTED: Readonly<Record<string, string>> = {
  "\u{2F868}": "\u{2136A}",
  "\u{2F874}": "\u5F33",
  "\u{2F91F}": "\u43AB",
  "\u{2F95F}": "\u7AAE",
  "\u{2F9BF}": "\u4D57",
};

/** Tables C.1.2 to C.9, which all three profiles prohibit. */
const PROHIBITED =
  /[\x80-\xA0\u0340\u0341\u06DD\u070F\u1680\u180E\u2000-\u200F\u2028-\u202F\u205F-\u2063\u206A-\u206F\u2FF0-\u2FFB\u3000\uFEFF\uFFF9-\uFFFD\u{1D173}-\u{1D17A}\u{E0001}\u{E0020}-\u{E007F}\p{Co}\p{Cs}\p{NChar}]/u;

/** ASCII characters that each profile prohibits. RFC 3491 §5 prohibits none in domains: a check of host names does. */
const PROHIBITED_ASCII = {
  nodeprep: /[\0-\x20\x7F"&'/:<>@]/,
  nameprep: /(?!)/,
  resourceprep: /[\0-\x1F\x7F]/,
} as const satisfies Record<StringprepProfile, RegExp>;

/**
 * Table D.1 without the characters that normalization replaces, with the letters that its blocks have received since.
 */
const RIGHT_TO_LEFT =
  /[\u05BE\u05C0\u05C3\u05D0-\u05F4\u061B\u061F-\u064A\u066D-\u066F\u0671-\u06D5\u06E5\u06E6\u06FA-\u070D\u0710\u0712-\u072C\u074D-\u07A5\u07B1]/u;

/** Table D.2 without its few signs and digits, which are no letters. */
const LEFT_TO_RIGHT = /[\p{L}\p{Nl}\p{Mc}]/u;

/**
 * Returns a text prepared as Prosody and ejabberd prepare it. Calls `fail`, which throws, with the fault of a text that
 * the profile does not allow. Code points that Unicode 3.2 had not assigned stay as they are, as in Prosody. ejabberd
 * refuses them.
 */
export function stringprep(
  text: string,
  profile: StringprepProfile,
  fail: (fault: StringprepFault) => never,
): string {
  // In ASCII text only capital letters are mapped, and nothing is normalized.
  const isAscii = /^[\0-\x7F]*$/.test(text);
  const folds = profile !== "resourceprep";
  const result = isAscii ? (folds ? text.toLowerCase() : text) : map(text, folds);
  const [bad] = PROHIBITED_ASCII[profile].exec(result) ?? (isAscii ? null : PROHIBITED.exec(result)) ?? [];
  if (bad !== undefined) fail(`has the character ${nameOf(bad)}`);
  if (!isAscii && isMixed(result)) fail("mixes directions of writing (RFC 3454 §6)");
  return result;
}

/** RFC 3454 §3 and §4. */
function map(text: string, folds: boolean): string {
  return text
    .replace(TO_NOTHING, "")
    .split(unassignedRuns())
    .map((run, i) => {
      // Odd runs are unassigned code points. Unicode 3.2 knows nothing of them, so nothing composes across them.
      if (i % 2 > 0) return run;
      const kept = run.replace(/[\u{2F868}-\u{2F9BF}]/gu, (char) => UNCORRECTED[char] ?? char);
      const normal = (folds ? fold(kept) : kept).normalize("NFKC");
      return folds ? fold(normal).normalize("NFKC") : normal;
    })
    .join("");
}

/**
 * Folds case, one code point at a time. Before and after a normalization, the two calls have the effect of Table B.2.
 */
function fold(text: string): string {
  return text.replace(/[^\0-\x7F]|[A-Z]/gu, (char) => {
    // By way of the upper case, since the table folds some lower-case letters too: ß, ſ, ς. It leaves the dotless i.
    const folded = char === "ı" ? char : char.toUpperCase().toLowerCase();
    // A letter whose other case is newer than Unicode 3.2 stays as it is.
    return unassignedRuns().test(folded) ? char : folded;
  });
}

/** RFC 3454 §6. Unassigned code points have no known direction, so they break no rule. */
function isMixed(text: string): boolean {
  if (!RIGHT_TO_LEFT.test(text)) return false;
  const known = [...text].map((char) => unassignedRuns().test(char) || RIGHT_TO_LEFT.test(char));
  if (known[0] === false || known.at(-1) === false) return true;
  return [...text].some((char, i) => known[i] === false && LEFT_TO_RIGHT.test(char));
}

/** Names a character for people, such as `U+0002`, since it may be invisible. */
function nameOf(char: string): string {
  const code = (char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0");
  return /[!-~]/.test(char) ? `${char} (U+${code})` : `U+${code}`;
}
