import { InputError } from "./input-error.js";

/** Why a line, or the whole input, cannot be used, and what to do about it. */
export interface Fault {
  readonly what: string;
  readonly mend: string;
}

export const NOT_UTF8: Fault = {
  what: "it has bytes that are not UTF-8",
  mend: "convert the input (`iconv -f ENCODING -t UTF-8`)",
};
export const HAS_NUL: Fault = {
  what: "it has a NUL byte",
  mend: "convert UTF-16 with `iconv -f UTF-16 -t UTF-8`, or names that end in NUL with `tr '\\0' '\\n'`",
};

/** First bytes of inputs that are not UTF-8 text. Longer signatures stand before their own beginnings. */
const SIGNATURES: readonly (readonly [bytes: readonly number[], name: string, mend: string])[] = [
  [[0xff, 0xfe, 0, 0], "UTF-32", "convert it (`iconv -f UTF-32 -t UTF-8`)"],
  [[0, 0, 0xfe, 0xff], "UTF-32", "convert it (`iconv -f UTF-32 -t UTF-8`)"],
  [[0xff, 0xfe], "UTF-16", "convert it (`iconv -f UTF-16 -t UTF-8`)"],
  [[0xfe, 0xff], "UTF-16", "convert it (`iconv -f UTF-16 -t UTF-8`)"],
  [[0x1f, 0x8b], "compressed by gzip", "unpack it (`gunzip -c`)"],
  [[0x28, 0xb5, 0x2f, 0xfd], "compressed by zstd", "unpack it (`zstd -dc`)"],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], "compressed by xz", "unpack it (`xz -dc`)"],
  [[0x50, 0x4b, 3, 4], "a ZIP archive", "unpack it; save a spreadsheet as CSV in UTF-8"],
];

/** Throws `InputError` if the first bytes show another encoding, or a compressed or packed file. */
export function checkBeginning(bytes: Uint8Array): void {
  const found = SIGNATURES.find(([signature]) => signature.every((byte, index) => bytes[index] === byte));
  if (found !== undefined) throw new InputError(1, `the input is ${found[1]}, not UTF-8 text`, found[2]);
  const [first, second] = bytes;
  // JSON and CSV begin with an ASCII character. UTF-16 writes a NUL beside it.
  if (first !== undefined && second !== undefined && (first === 0) !== (second === 0))
    throw new InputError(
      1,
      "the input is UTF-16 without a byte order mark, not UTF-8 text",
      "convert it (`iconv -f UTF-16LE -t UTF-8`, or UTF-16BE)",
    );
}
