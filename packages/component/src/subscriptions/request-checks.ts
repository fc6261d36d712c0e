import { StanzapackError, type Selection, type Since } from "@stanzapack/wire";
import type { Service } from "../catalog/service.js";

/** Throws `invalid-options` where a service of this kind cannot begin there. */
export function assertSince({ node, kind, config }: Service, since: Since | undefined): void {
  if (since === undefined || kind.hasHistory) return;
  if (config.kind === "map" && typeof since === "object" && "epoch" in since) return;
  const which = config.kind === "map" ? "a map begins at a position alone" : "only a log has a `since`";
  throw new StanzapackError("invalid-options", `\`${node}\` is of kind ${config.kind}: ${which}`);
}

/** Throws `invalid-options` for other keys of a map: the subscriber's copy would lack their values. */
export function assertSameKeys({ node }: Service, before: Selection, after: Selection): void {
  const isSame = JSON.stringify([before.keys, before.prefix]) === JSON.stringify([after.keys, after.prefix]);
  if (!isSame)
    throw new StanzapackError(
      "invalid-options",
      `the subscription to \`${node}\` keeps its \`keys\` and its \`prefix\`: unsubscribe first`,
    );
}

/** Throws `invalid-options` if services of this kind have no cursors. */
export function assertHasCursors({ node, kind, config }: Service): void {
  if (!kind.hasCursors)
    throw new StanzapackError(
      "invalid-options",
      `\`${node}\` is of kind ${config.kind}: only a log or a map has a \`cursor\``,
    );
}
