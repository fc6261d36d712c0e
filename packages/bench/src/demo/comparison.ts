import { RIVAL_FORMS, type RivalForm } from "../rivals/forms.js";
import type { Row } from "./measurement.js";

/** What one service, or `*`, costs in each form. */
export interface Comparison {
  readonly service: string;
  readonly updates: number;
  /** Our bytes per update, in both directions. */
  readonly ours: number;
  /** The rivals' bytes per update. A rival without updates is left out. */
  readonly rivals: readonly { readonly form: RivalForm; readonly bytes: number }[];
}

/**
 * Bytes per update in both directions, as everything for people shows them: without the bytes that the server, not
 * JSON, adds by writing quotes as `&quot;`. Undefined without updates.
 */
export function comparableBytes(row: Row | undefined): number | undefined {
  if (row === undefined || row.updates === 0) return undefined;
  return (row.bytesDown + row.bytesUp - row.quoteEscapeBytes) / row.updates;
}

/** Compares the forms of one service, or of `*`. Undefined if ours has no updates. */
export function compareForms(rows: readonly Row[], service: string): Comparison | undefined {
  const rowOf = (form: Row["form"]): Row | undefined =>
    rows.find((row) => row.service === service && row.form === form);
  const own = rowOf("stanzapack");
  const ours = comparableBytes(own);
  if (own === undefined || ours === undefined) return undefined;
  const rivals = RIVAL_FORMS.flatMap((form) => {
    const bytes = comparableBytes(rowOf(form));
    return bytes === undefined ? [] : [{ form, bytes }];
  });
  return { service, updates: own.updates, ours, rivals };
}
