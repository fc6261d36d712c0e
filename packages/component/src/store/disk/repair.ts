import type { Engine, Write } from "./engine.js";
import { decodeEntry, weigh } from "../base/entries.js";
import { TABLE, epochKey, numberIn, numberKey, offsetIn } from "./keys.js";
import {
  decodeRecord,
  EMPTY,
  encodeRecord,
  type Extent,
  type Head,
  type PastEpoch,
  type Position,
} from "../base/records.js";
import type { Salvage } from "./salvage.js";
import type { OffsetRange } from "../store.js";

/** Bytes of one commit while a store is repaired. */
const COMMIT_BYTES = 4_194_304;

/** Result of a repair. */
export interface Repair {
  /** Number of services in the new file. */
  readonly services: number;
  readonly lost: readonly { readonly node: string; readonly range: OffsetRange }[];
  /** Number of services left out, because the records with their nodes are lost. */
  readonly strays: number;
}

/** The parts of one service in a damaged file. */
interface Found {
  head?: string;
  position?: string;
  value?: string;
  readonly entries: string[];
  readonly mapEntries: string[];
}

/**
 * Writes the whole values of a damaged file into `engine`, which is empty. Each service gets the next epoch, because
 * the newest offsets may have been lost with the file's newest pages.
 */
export async function repair(found: Salvage, engine: Engine): Promise<Repair> {
  const writer = new BulkWriter(engine);
  const services = new Map<number, Found>();
  for (const key of found.keys) {
    const bytes = Buffer.from(key, "latin1");
    const table = bytes[0];
    if (
      table === TABLE.meta ||
      table === TABLE.epoch ||
      table === TABLE.cursor ||
      table === TABLE.cursorOfOwner
    )
      await writer.put(bytes, found.valueOf(key));
    // `newestLives` leaves out a service whose deletion was not finished: the epoch of the deletion shows it.
    else if (table !== TABLE.removal) {
      const number = numberIn(bytes);
      const parts: Found = services.get(number) ?? { entries: [], mapEntries: [] };
      services.set(number, parts);
      if (table === TABLE.head) parts.head = key;
      else if (table === TABLE.position) parts.position = key;
      else if (table === TABLE.value) parts.value = key;
      else if (table === TABLE.mapEntry) parts.mapEntries.push(key);
      else parts.entries.push(key);
    }
  }
  const newest = newestLives(found, services);
  const lost: { node: string; range: OffsetRange }[] = [];
  let strays = 0;
  for (const [number, parts] of services) {
    const head = parts.head === undefined ? undefined : decodeRecord<Head>(found.valueOf(parts.head));
    if (head === undefined) strays++;
    else if (newest.get(head.node) === number)
      for (const range of await mend(found, writer, number, head, parts))
        lost.push({ node: head.node, range });
  }
  await writer.end();
  return { services: newest.size, lost, strays };
}

/** Returns the number of each node's newest life, without deleted services. */
function newestLives(found: Salvage, services: ReadonlyMap<number, Found>): Map<string, number> {
  const keys = new Set(found.keys);
  const newest = new Map<string, { readonly number: number; readonly epoch: number }>();
  for (const [number, { head }] of services) {
    if (head === undefined) continue;
    const { node, epoch } = decodeRecord<Head>(found.valueOf(head));
    const past = Buffer.from(epochKey(node)).toString("latin1");
    if (keys.has(past) && decodeRecord<PastEpoch>(found.valueOf(past)).epoch >= epoch) continue;
    if ((newest.get(node)?.epoch ?? -1) < epoch) newest.set(node, { number, epoch });
  }
  return new Map([...newest].map(([node, { number }]) => [node, number]));
}

/** Writes one service. Returns the ranges of lost updates. */
async function mend(
  found: Salvage,
  writer: BulkWriter,
  number: number,
  head: Head,
  { position: positionName, value, entries, mapEntries }: Found,
): Promise<OffsetRange[]> {
  const position =
    positionName === undefined ? undefined : decodeRecord<Position>(found.valueOf(positionName));
  const { first, newest } = position?.extent ?? EMPTY;
  const lost: OffsetRange[] = [];
  let extent: Extent = { ...(position?.extent ?? EMPTY), rows: 0, bytes: 0, newestBytes: 0 };
  let last = first - 1;
  for (const name of entries) {
    const key = Buffer.from(name, "latin1");
    const bytes = found.valueOf(name);
    const { before, rows } = decodeEntry(bytes);
    // Retention had dropped this entry.
    if (offsetIn(key) < first) continue;
    if (before > last && position !== undefined) lost.push({ from: last + 1, to: before });
    last = offsetIn(key);
    for (const { from, offset, cameAt, row } of rows) {
      if (offset < first) continue;
      extent = {
        ...{
          first: extent.rows === 0 ? Math.max(from, first) : extent.first,
          newest: offset,
          rows: extent.rows + 1,
        },
        ...{ bytes: extent.bytes + weigh(row), newestBytes: weigh(row), cameAt, droppedAt: extent.droppedAt },
      };
    }
    await writer.put(key, bytes);
  }
  if (newest > last) lost.push({ from: last + 1, to: newest });
  if (extent.rows === 0)
    extent = { ...extent, first: Math.max(newest, last) + 1, newest: Math.max(newest, last, 0) };
  const offset = Math.max(position?.reserved ?? 0, extent.newest);
  const incarnations = position?.incarnations ?? [];
  await writer.put(numberKey("head", number), encodeRecord({ ...head, epoch: head.epoch + 1 }));
  await writer.put(
    numberKey("position", number),
    encodeRecord({ offset, reserved: offset, incarnations, extent, map: position?.map } satisfies Position),
  );
  if (value !== undefined) await writer.put(numberKey("value", number), found.valueOf(value));
  for (const name of mapEntries) await writer.put(Buffer.from(name, "latin1"), found.valueOf(name));
  return lost;
}

/** Commits many writes in several pieces. */
class BulkWriter {
  private writes: Write[] = [];
  private bytes = 0;

  constructor(private readonly engine: Engine) {}

  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    this.writes.push({ key, value });
    this.bytes += key.length + value.length;
    if (this.bytes > COMMIT_BYTES) await this.end();
  }

  async end(): Promise<void> {
    const writes = this.writes;
    this.writes = [];
    this.bytes = 0;
    if (writes.length > 0) await this.engine.commit(writes);
  }
}
