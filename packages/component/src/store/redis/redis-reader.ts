import type { BatchSlice } from "@stanzapack/wire";
import { decodeEntry, type JournalRow } from "../base/entries.js";
import { sliceOf } from "../base/slices.js";
import type { Chunk, ChunkCache } from "./chunks.js";
import { entryId } from "./keys.js";
import type { Script } from "./script.js";
import { READ, SINCE } from "./scripts.js";
import type { Reply } from "./redis-link.js";

/** Bytes that one read from Redis brings, about. 262,144: four full frames, in one round trip. */
export const CHUNK_BYTES = 262_144;

/** Runs a script that reads. Rejects with `RedisAway` or `store-failed`. */
export type RunRead = (
  script: Script,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
) => Promise<Reply>;

export interface ReaderParts {
  readonly run: RunRead;
  /** Whether Redis can be asked now. */
  readonly isUp: () => boolean;
  readonly chunks: ChunkCache;
  /** Key of the stream. */
  readonly journal: string;
  readonly epoch: number;
  /** Called when Redis refuses to read. */
  readonly onProblem: (error: unknown) => void;
}

/** Reads the entries of one journal in Redis, some rows ahead. */
export class RedisReader {
  /** By their first offset. */
  private chunks: Chunk[] = [];
  /** First offsets of the chunks that are being loaded. */
  private readonly loading = new Set<number>();

  constructor(private readonly parts: ReaderParts) {}

  /**
   * Returns a slice from `start` on. `wait`: it is being loaded. Undefined: there is no row up to `last`. `newest`: the
   * newest row of the journal. All that is there is loaded, although memory has the rows after `last`: in a busy
   * journal, memory has them no more when the reader comes to them.
   */
  slice(
    start: number,
    last: number,
    newest: number,
    ...bounds: readonly [offset: number, maxRows: number, maxBytes: number]
  ): BatchSlice | "wait" | undefined {
    const chunk = this.chunks.find(({ from, to }) => from <= start && start <= to);
    if (chunk === undefined) {
      this.load(start, newest);
      return "wait";
    }
    this.parts.chunks.touch(chunk);
    const slice = sliceOf(rowsFrom(chunk, start), ...bounds);
    const isNearEnd = chunk.to - (slice?.to ?? chunk.to) <= (chunk.to - chunk.from) / 2;
    if (isNearEnd && chunk.to < last && !this.chunks.some(({ from }) => from === chunk.to + 1))
      this.load(chunk.to + 1, newest);
    if (slice === undefined && chunk.to < last) return this.slice(chunk.to + 1, last, newest, ...bounds);
    return slice;
  }

  private load(start: number, last: number): void {
    const { chunks, isUp, onProblem } = this.parts;
    if (this.loading.has(start) || !isUp() || !chunks.reserve(CHUNK_BYTES)) return;
    this.loading.add(start);
    this.read(start, last, CHUNK_BYTES)
      .then(
        (chunk) => {
          this.chunks.push(chunk);
          chunks.keep(chunk, () => (this.chunks = this.chunks.filter((each) => each !== chunk)));
        },
        // The reader asks again.
        (error: unknown) => onProblem(error),
      )
      .finally(() => {
        chunks.release(CHUNK_BYTES);
        this.loading.delete(start);
      });
  }

  /** Reads rows with offsets from `start` to `last`, until there are about `bytes`. */
  async read(start: number, last: number, bytes: number): Promise<Chunk> {
    const { run, journal, epoch } = this.parts;
    const range = [entryId(epoch, start), "+", String(bytes)];
    const entries = (await run(READ, [journal], range)) as readonly Buffer[];
    const rows = entries.flatMap((entry) => decodeEntry(entry).rows);
    const inRange = rows.filter(({ offset }) => offset >= start && offset <= last);
    // As the script counts. Less than it was asked for: there is nothing after these rows.
    const isWhole = entries.reduce((sum, entry) => sum + entry.length + 64, 0) < bytes;
    const to = isWhole ? last : Math.min(last, rows.at(-1)?.offset ?? last);
    return { from: start, to, rows: inRange };
  }

  /** Returns the first row from `first` to `last` that arrived at `time` or later, in ms since 1970. */
  async since(time: number, first: number, last: number): Promise<JournalRow | undefined> {
    const { run, journal, epoch } = this.parts;
    const args = [String(epoch), String(first), String(last), String(time)];
    const entry = (await run(SINCE, [journal], args)) as Buffer | null;
    if (entry === null) return undefined;
    return decodeEntry(entry).rows.find(({ cameAt, offset }) => offset >= first && cameAt >= time);
  }

  /** Forgets what it has read. */
  clear(): void {
    for (const chunk of [...this.chunks]) this.parts.chunks.drop(chunk);
  }
}

function* rowsFrom({ rows }: Chunk, offset: number): Iterable<JournalRow> {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as JournalRow).offset >= offset) high = middle;
    else low = middle + 1;
  }
  for (; low < rows.length; low++) yield rows[low] as JournalRow;
}
