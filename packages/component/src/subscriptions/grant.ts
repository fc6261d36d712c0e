import { grantSelection, grantWindow, StanzapackError, type Selection } from "@stanzapack/wire";
import type { Service } from "../catalog/service.js";
import type { AskedOptions } from "../options/subscribe-options.js";

/** Returns the window, in ms, and the selection that the service gives. Throws `invalid-options`. */
export function grantOptions(
  { config }: Service,
  asked: AskedOptions,
): { readonly windowMs: number; readonly selection: Selection } {
  const { fields, deadband } = asked.selection;
  if (config.opaque === true && (fields !== null || deadband !== null))
    throw new StanzapackError(
      "invalid-options",
      "the values are opaque: `fields` and `deadband` cannot apply to them",
    );
  const windowMs = grantWindow(asked.windowMs);
  return { windowMs, selection: grantSelection(asked.selection, windowMs, config.kind) };
}
