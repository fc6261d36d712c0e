import {
  DEFAULT_LIMITS,
  encodeSnapshot,
  encodeSnapshotBody,
  ENTRY_HEAD_BYTES,
  keyTest,
  padOfBody,
  SNAPSHOT_HEADER_BYTES,
  StanzapackError,
  type SnapshotHead,
} from "@stanzapack/wire";
import { encodeBase64 } from "@stanzapack/xmpp";
import type { Lane } from "../fanout/lane.js";
import { ReadyBody } from "../fanout/ready-body.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { CatchUpBody, CatchUpSource, Encoding } from "./catch-up.js";
import type { MapCursor, MapSlice, MapState } from "./map-state.js";

/** Most entries of a body. 1,000: they take about 10 ms to encode, one turn of the catch-up. */
const MAX_ENTRIES = 1_000;
/**
 * A pass ends once it has sent this many times the keys of the map. 2: keys change faster than the link takes them, and
 * a subscriber must not wait for ever.
 */
const MAX_ROUNDS = 2;

/** What the sources of one map share. */
export interface MapFeed {
  readonly state: MapState;
  /** The state is not to be shown yet: its publisher is still bringing it. */
  readonly isLoading: boolean;
  /** The subscription cannot go on. */
  fail(subscription: Subscription, error: StanzapackError): void;
}

/** The way of one subscription to the state of its map. */
export class MapSource implements CatchUpSource {
  private cursor: MapCursor;
  /** Removals up to this position do not concern the subscriber. */
  private base: number;
  /** The next body begins a pass with an empty map. */
  private begins = false;
  /** Entries of this pass so far. */
  private sent = 0;

  /**
   * `position`: the last position that the subscriber has. Undefined: it needs the whole map. `isWhole`: the subscriber
   * has the map of that position, and knows so.
   */
  constructor(
    private readonly feed: MapFeed,
    position: number | undefined,
    private isWhole: boolean,
  ) {
    this.cursor = { settled: position ?? 0, part: undefined };
    this.base = this.cursor.settled;
    if (position === undefined) this.restart();
  }

  private restart(): void {
    this.cursor = { settled: 0, part: undefined };
    this.base = this.feed.state.position;
    this.begins = true;
    this.isWhole = false;
    this.sent = 0;
  }

  next(
    subscription: Subscription,
    shared: Map<string, CatchUpBody>,
    encoding: Encoding,
  ): CatchUpBody | "wait" | undefined {
    const { feed } = this;
    const { state } = feed;
    // Removals that the subscriber does not know are forgotten.
    if (state.floor > Math.max(this.base, this.cursor.settled)) this.restart();
    const hasAll = this.cursor.settled >= state.position && this.cursor.part === undefined;
    if (hasAll && !feed.isLoading && this.isWhole && !this.begins) return undefined;
    const { lane } = subscription;
    const slice = this.read(lane);
    const isLast = slice.left === 0 && !feed.isLoading;
    // The last body of the pass says that the state is whole, even if the body has no entries.
    if (slice.entries.length === 0 && !isLast) return "wait";
    this.sent += slice.entries.length;
    const rounds = this.sent / Math.max(state.keys, MAX_ENTRIES);
    const left = isLast || (rounds > MAX_ROUNDS && !feed.isLoading) ? 0 : Math.max(1, slice.left);
    const made = { ...this.share(lane, slice, left, shared, encoding), arrives: isLast };
    this.cursor = slice.cursor;
    this.begins = false;
    this.isWhole = left === 0;
    if (left === 0) this.sent = 0;
    return made;
  }

  private read(lane: Lane): MapSlice {
    const maxBytes = lane.key.sizeClass - SNAPSHOT_HEADER_BYTES;
    const slice = this.feed.state.read(this.cursor, {
      ...{ maxEntries: MAX_ENTRIES, maxBytes, headBytes: ENTRY_HEAD_BYTES },
      ...{ removalsFrom: this.base, takes: keyTest(lane.key.selection) },
    });
    const [first] = slice.entries;
    const bytes = first === undefined ? 0 : 3 * first.key.length + (first.value?.length ?? 0);
    if (bytes + 2 * ENTRY_HEAD_BYTES > maxBytes && slice.entries.length === 1)
      throw new StanzapackError(
        "too-large",
        `an entry of the map takes ${bytes} bytes, but a block of this link has ${lane.key.sizeClass}`,
        { scope: "subscription" },
      );
    return slice;
  }

  private share(
    { key, service }: Lane,
    { entries, cursor: { settled: to } }: MapSlice,
    left: number,
    shared: Map<string, CatchUpBody>,
    encoding: Encoding,
  ): CatchUpBody {
    const { cursor, begins, base } = this;
    const from = begins ? 1 : cursor.settled + 1;
    const { epoch, config } = service.record;
    const coded = key.coded && config.compression !== "isolated";
    const { keys, prefix } = key.selection;
    const place = [
      JSON.stringify([keys, prefix]),
      from,
      cursor.part?.position ?? 0,
      cursor.part?.index ?? 0,
      base,
      left,
    ];
    const id = `${begins}/${place.join("/")}/${key.sizeClass}/${coded}`;
    let made = shared.get(id);
    if (made === undefined) {
      const head: SnapshotHead = { epoch, from, to, begins, left };
      const body = encoding(() =>
        ready(encodeSnapshotBody(encodeSnapshot(head, entries, coded, DEFAULT_LIMITS)), entries.length, to),
      );
      shared.set(id, (made = { body, to }));
    }
    return made;
  }

  failed(subscription: Subscription, error: unknown): boolean {
    const reason =
      error instanceof StanzapackError
        ? error
        : new StanzapackError("internal", "the map could not be sent", { cause: error });
    this.feed.fail(subscription, reason);
    return false;
  }
}

function ready(bytes: Uint8Array, entries: number, to: number): ReadyBody {
  return new ReadyBody("snapshot", encodeBase64(bytes), padOfBody("snapshot", bytes), entries, to, undefined);
}
