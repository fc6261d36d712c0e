import { weighMapEntry } from "@stanzapack/wire";
import type { Durability } from "../../options/service-config.js";
import { weigh, type JournalRow } from "../base/entries.js";
import type { MapMarks, OffsetRange, StoredChange, StoredProgress, StoredValue } from "../store.js";
import type { Fields, RedisHead } from "./fields.js";

/** Bytes that a change counts beside its rows and entries. */
const CHANGE_BYTES = 200;

/** A change of a caller, or of the durability. */
export type Change = StoredChange & { readonly durability?: Durability };

/** A change that waits for Redis. Readers see it once it is there. */
export interface Waiting {
  readonly change: Change;
  readonly rows: readonly JournalRow[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The state of a service that its record shows. */
export interface ServiceState {
  readonly head: RedisHead;
  readonly offset: number;
  readonly incarnations: readonly StoredProgress[];
  readonly map: MapMarks | undefined;
  /** The last value, for a service without a journal. */
  readonly last: StoredValue | undefined;
}

export function stateAfter(state: ServiceState, change: Change): ServiceState {
  const { head } = state;
  const { config, approved, seenAt, durability } = change;
  const isSame = [config, approved, seenAt, durability].every((field) => field === undefined);
  return {
    head: isSame
      ? head
      : {
          ...head,
          ...(config !== undefined && { config }),
          approved: approved ?? head.approved,
          seenAt: seenAt ?? head.seenAt,
          durability: durability ?? head.durability,
        },
    offset: change.append?.to ?? change.offset ?? state.offset,
    incarnations: change.incarnations ?? state.incarnations,
    map: change.map?.marks ?? state.map,
    last: change.last ?? state.last,
  };
}

/** Returns the fields of the record that differ. `whole`: all fields. */
export function changedFields(before: ServiceState, after: ServiceState, whole: boolean): Fields {
  const { head, offset, incarnations, map, last } = after;
  return {
    offset,
    ...((whole || head !== before.head) && { head }),
    ...((whole || incarnations !== before.incarnations) && { incarnations }),
    ...((whole || map !== before.map) && { map }),
    ...((whole || last !== before.last) && { last }),
  };
}

/** Returns the bytes that a change takes while it waits. */
export function weighChange({ map, last }: Change, rows: readonly JournalRow[]): number {
  let bytes = CHANGE_BYTES + (last?.row.length ?? 0);
  for (const { row } of rows) bytes += weigh(row);
  for (const write of map?.writes ?? [])
    if (write.type === "put") bytes += weighMapEntry(write.entry.key, write.entry.value);
  return bytes;
}

/** Whether a change needs no memory in Redis, but for fields of the record. */
export function takesNothing({ change: { append, map, last } }: Waiting): boolean {
  return (
    append === undefined && last === undefined && (map?.writes.every(({ type }) => type !== "put") ?? true)
  );
}

/** Returns a range of offsets. Undefined: it is empty. */
export function rangeOf(from: number, to: number): OffsetRange | undefined {
  return to < Math.max(1, from) ? undefined : { from: Math.max(1, from), to };
}

/** `Promise.withResolvers`, which Node 20 lacks. */
export interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

export function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: ((value: T) => void) | undefined;
  let reject: ((error: unknown) => void) | undefined;
  const promise = new Promise<T>((...settle) => ([resolve, reject] = settle));
  return { promise, resolve: (value) => resolve?.(value), reject: (error) => reject?.(error) };
}
