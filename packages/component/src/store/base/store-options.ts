import type { OffsetRange, StoreExpiry } from "../store.js";
import type { JournalMemory } from "./journal-memory.js";
import type { Retention } from "./retention.js";

/** Most bytes that wait to be written. 64 MiB: a disk or a Redis that fails must not take the component's memory. */
export const MAX_UNWRITTEN_BYTES = 67_108_864;

const DAY_MS = 86_400_000;
export const DEFAULT_EXPIRY: StoreExpiry = {
  serviceMs: 30 * DAY_MS,
  cursorMs: 30 * DAY_MS,
  epochMs: 365 * DAY_MS,
};
/** Something that a store has lost, or found damaged. */
export interface StoreDamage {
  /** Undefined: the damage is not in a service. */
  readonly node: string | undefined;
  /** Offsets of updates that are lost. */
  readonly lost?: OffsetRange;
  /** The damage as a sentence, for the component's log. */
  readonly text: string;
}

/** Options of a store that outlives the component's process. */
export interface StoreOptions {
  /** Bounds of the journals of services that are opened without bounds of their own. */
  readonly retention: Retention;
  readonly expiry: StoreExpiry;
  /** Bounds the stored journals, of each owner and of all. */
  readonly storedShares: JournalMemory;
  /** Bounds the journals of services with durability `none`, and what else the store keeps in memory of journals. */
  readonly memoryShares: JournalMemory;
  readonly onDamage: (damage: StoreDamage) => void;
  /** Called when writing fails. Of several failures in a row, only the first causes a call. */
  readonly onProblem: (error: unknown) => void;
  /** Called when changes are stored, with the time that this took, in ms. */
  readonly onCommit?: (ms: number) => void;
}
