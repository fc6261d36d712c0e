import { unassignedRuns } from "./unicode-3-2.js";

/** A profile of stringprep (RFC 3454): of local parts and resources (RFC 3920 Appendices A and B), and of domains (RFC 3491). */
export type StringprepProfile = "nodeprep" | "nameprep" | "resourceprep";

/** What is wrong with a text, for people: "has the character U+0002". */
export type StringprepFault = string;

/** Table B.1: mapped to nothing. */
const TO_NOTHING = /[\xAD\u034F\u1806\u180B-\u180D\u200B-\u200D\u2060\uFE00-\uFE0F\uFEFF]/g;

/** Five compatibility ideographs whose decomposition Unicode corrected after 3.2; the servers keep the old one. */
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

/** What else each of them prohibits, all of it ASCII. RFC 3491 §5 leaves that of domains to what asks for host names. */
const PROHIBITED_ASCII = {
  nodeprep: /[\0-\x20\x7F"&'/:<>@]/,
  nameprep: /(?!)/,
  resourceprep: /[\0-\x1F\x7F]/,
} as const satisfies Record<StringprepProfile, RegExp>;

/** Table D.1, as far as it is left by normalization, and the letters that its blocks have got since. */
const RIGHT_TO_LEFT =
  /[\u05BE\u05C0\u05C3\u05D0-\u05F4\u061B\u061F-\u064A\u066D-\u066F\u0671-\u06D5\u06E5\u06E6\u06FA-\u070D\u0710\u0712-\u072C\u074D-\u07A5\u07B1]/u;

/** Table D.2, without the few signs and digits in it that are no letters. */
const LEFT_TO_RIGHT = /[\p{L}\p{Nl}\p{Mc}]/u;

/**
 * Prepares a text as Prosody and ejabberd do, and gives what is wrong with it by `fail`, which throws. Code points that
 * Unicode 3.2 had not assigned stay as they are: so Prosody does, and ejabberd refuses them.
 */
export function stringprep(
  text: string,
  profile: StringprepProfile,
  fail: (fault: StringprepFault) => never,
): string {
  // Of ASCII, letters alone are mapped, and nothing is normalized.
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
      // What was split at is unassigned: nothing is known of it, so it also ends what can be composed.
      if (i % 2 > 0) return run;
      const kept = run.replace(/[\u{2F868}-\u{2F9BF}]/gu, (char) => UNCORRECTED[char] ?? char);
      const normal = (folds ? fold(kept) : kept).normalize("NFKC");
      return folds ? fold(normal).normalize("NFKC") : normal;
    })
    .join("");
}

/** Table B.2, together with a normalization and a second time: case folding, one code point at a time. */
function fold(text: string): string {
  return text.replace(/[^\0-\x7F]|[A-Z]/gu, (char) => {
    // By way of the upper case, since some have one and are folded though they are lower case: ß, ſ, ς. Dotless i is not.
    const folded = char === "ı" ? char : char.toUpperCase().toLowerCase();
    // Some have got another case since.
    return unassignedRuns().test(folded) ? char : folded;
  });
}

/** RFC 3454 §6. Of what is unassigned nobody knows the direction. */
function isMixed(text: string): boolean {
  if (!RIGHT_TO_LEFT.test(text)) return false;
  const known = [...text].map((char) => unassignedRuns().test(char) || RIGHT_TO_LEFT.test(char));
  if (known[0] === false || known.at(-1) === false) return true;
  return [...text].some((char, i) => known[i] === false && LEFT_TO_RIGHT.test(char));
}

/** As people name it, since it may not be to be seen: `U+0002`. */
function nameOf(char: string): string {
  const code = (char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0");
  return /[!-~]/.test(char) ? `${char} (U+${code})` : `U+${code}`;
}
