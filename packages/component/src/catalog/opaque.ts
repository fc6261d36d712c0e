import { StanzapackError, type CodedFrame, type DataFrame } from "@stanzapack/wire";

/** First bytes of msgpack's `bin`, one for each width of the length. */
const BIN_HEADS: ReadonlySet<number | undefined> = new Set([0xc4, 0xc5, 0xc6]);

/** Checks that DATA of an opaque service has plain rows. Throws `malformed`, which ends the publisher's link. */
export function assertOpaqueFrame(frame: DataFrame | CodedFrame): void {
  if (frame.form !== "rows") throw malformed(`DATA of an opaque service must be rows, not \`${frame.form}\``);
}

/**
 * Checks that each row is one byte string. Does not look at its content. Throws `malformed`, which ends the publisher's
 * link.
 */
export function assertOpaqueRows(rows: readonly Uint8Array[]): void {
  if (!rows.every((row) => BIN_HEADS.has(row[0]))) throw malformed("a row of an opaque service is not bytes");
}

function malformed(text: string): StanzapackError {
  return new StanzapackError("malformed", text, { origin: "peer" });
}
