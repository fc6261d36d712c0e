import { StanzapackError } from "@stanzapack/wire";
import type { Durability } from "../../options/service-config.js";
import type { StoredChange, StoredRecord } from "../store.js";

/** Throws `conflict` for a change from or to memory. */
export function assertSameMedium({ node, durability }: StoredRecord, asked: Durability): void {
  if ((durability === "none") !== (asked === "none"))
    throw new StanzapackError(
      "conflict",
      `\`${node}\` has the durability ${durability}, which cannot become ${asked}: withdraw it first`,
    );
}

/** Throws `internal` unless the new rows follow `offset`. */
export function assertNext(node: string, offset: number, append: StoredChange["append"]): void {
  if (append === undefined || (append.from > offset && append.rows.length > 0)) return;
  throw new StanzapackError(
    "internal",
    `\`${node}\` is at ${offset}, and cannot append ${append.rows.length} rows from ${append.from} on`,
  );
}
