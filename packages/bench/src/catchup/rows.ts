export const FORMS = ["stanzapack", "json", "pouchdb", "rsync", "live", "services"] as const;
export type CatchUpForm = (typeof FORMS)[number];
/** Forms of changes that a subscriber receives live, without having been away. */
export type LiveForm = "live" | "services";

/** One row of `stanzapack bench catchup`. */
export interface CatchUpRow {
  readonly form: CatchUpForm;
  /** Number of keys of the map. */
  readonly keys: number;
  /**
   * Part of the keys that changed while the copy was away. 1: there was no copy yet. Of a live form: the part that
   * changed in one message.
   */
  readonly changed: number;
  /** Bytes until the copy is whole. `stanzapack` and live forms: payloads before base64. Null: not measured. */
  readonly bytes: number | null;
  /** Time until the copy is whole, in ms. Null: not measured. */
  readonly ms: number | null;
}

/** What one form needed for one step. */
export interface Catch {
  readonly bytes: number;
  readonly ms: number;
}

/** A copy of a map in one form, which is brought up to date again and again. */
export interface Copy {
  /** Brings the copy up to date. `changes`: what has changed since the last call, or the whole map at first. */
  catchUp(changes: Changes): Promise<Catch>;
  /** Ends it. Idempotent. */
  close(): Promise<void>;
}

/** A reading of a sensor. */
export type Reading = { readonly t: number; readonly h: number; readonly ok: boolean };
export type Changes = ReadonlyMap<string, Reading>;
