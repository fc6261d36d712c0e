import { StanzapackError, type CodedFrame, type DataFrame } from "@stanzapack/wire";

/** msgpack's heads of `bin`, by the width of the length. */
const BIN_HEADS: ReadonlySet<number | undefined> = new Set([0xc4, 0xc5, 0xc6]);

/** A publisher's DATA of an opaque service: rows as they are. Throws `malformed`, which ends its link. */
export function assertOpaqueFrame(frame: DataFrame | CodedFrame): void {
  if (frame.form !== "rows")
    throw malformed(`DATA of an opaque service comes as rows, not \`${frame.form}\``);
}

/** Each row is one byte string, whose content is nobody's business. Throws `malformed`, which ends its publisher's link. */
export function assertOpaqueRows(rows: readonly Uint8Array[]): void {
  if (!rows.every((row) => BIN_HEADS.has(row[0]))) throw malformed("a row of an opaque service is no bytes");
}

function malformed(text: string): StanzapackError {
  return new StanzapackError("malformed", text, { origin: "peer" });
}
