import {
  formatSelectionFields,
  grantSelection,
  StanzapackError,
  type Selection,
  type ServiceKind,
} from "@stanzapack/wire";
import { withOwnNames } from "../base/own-names.js";
import type { KeyOptions, SelectionOptions } from "../options/subscribe-options.js";

/**
 * Returns `base` with the options that are given. `kind`: also checks that a service of this kind can grant it. Throws
 * `invalid-options`.
 */
export function select(
  base: Selection,
  {
    samples = base.samples,
    maxRate = base.maxRate,
    fields = base.fields,
    deadband = base.deadband,
    heartbeatMs = base.heartbeatMs,
    keys = base.keys,
    prefix = base.prefix,
  }: SelectionOptions & KeyOptions,
  kind?: ServiceKind,
): Selection {
  const selection = { samples, maxRate, fields, deadband, heartbeatMs, keys, prefix };
  try {
    grantSelection(selection, 0, kind);
  } catch (error) {
    // The schema of the options does not know the kind of the service.
    if (!(error instanceof StanzapackError)) throw error;
    throw new StanzapackError(error.code, withOwnNames(error.text), { cause: error });
  }
  return selection;
}

/** Whether two selections are the same for the component. */
export function isSameSelection(a: Selection, b: Selection): boolean {
  return keyOf(a) === keyOf(b);
}

function keyOf(selection: Selection): string {
  return JSON.stringify(formatSelectionFields(selection));
}
