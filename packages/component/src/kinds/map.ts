import {
  byteCountOf,
  decodeMapUpdate,
  DEFAULT_LIMITS,
  StanzapackError,
  weighMapEntry,
  type MapChange,
  type MapUpdate,
} from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import type { Later } from "../base/later.js";
import type { Service } from "../catalog/service.js";
import type { Cursors } from "../cursors/cursors.js";
import type { ServiceRecord } from "../catalog/service-record.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { Lane } from "../fanout/lane.js";
import type { Arrival } from "../fanout/selector.js";
import type { MapWrite, StoredEntry } from "../store/store.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { CatchUp } from "./catch-up.js";
import type { Kind, MapAsk, StandingPosition, Start } from "./kind.js";
import type { CheckedMap, MapChecks } from "./map-checks.js";
import type { MapShare } from "./map-memory.js";
import { MapSource, type MapFeed } from "./map-source.js";
import { MapState, type RemovalBounds } from "./map-state.js";

/** Window in which a map's publisher sends while no subscriber wants a smaller one, in ms. */
const MAP_WINDOW_MS = 1_000;
/** How long a publisher has to say what its new map holds, in ms. Until then nobody is told that the map is empty. */
const FIRST_UPDATE_MS = 3_000;
/** How long an update may lack its next row, in ms. Then subscribers see what there is of it. */
const UNFINISHED_MS = 60_000;
/** Removals of one map that one call of `sweep` forgets at most. */
const FORGOTTEN_AT_ONCE = 10_000;

/** Bounds of one map. They are read at each change, so an object with getters can change them. */
export interface MapBounds extends RemovalBounds {
  readonly maxKeys: number;
  /** Most bytes, by the weight of `weighMapEntry`. */
  readonly maxBytes: number;
}

/** The parts of the component that all maps share. */
export interface MapParts {
  readonly fanOut: FanOut;
  readonly catchUp: CatchUp;
  readonly checks: MapChecks;
  readonly bounds: MapBounds;
  readonly cursors: Pick<Cursors, "of" | "move">;
  /** Ends a subscription, and tells its subscriber why. */
  readonly onFailed: (subscription: Subscription, error: StanzapackError) => void;
}

/** A service of kind `map`: the newest change of each key stands for those before it. */
export class MapKind implements Kind, MapFeed, CheckedMap {
  readonly hasHistory = false;
  readonly hasCursors = true;
  readonly keepsUpdates = true;
  readonly ownWindowMs = MAP_WINDOW_MS;
  readonly state: MapState;
  private readonly createdAt = monotonicNow();
  /** When the last row arrived, by the monotonic clock, in ms. */
  private cameAt = monotonicNow();

  constructor(
    private readonly record: ServiceRecord,
    private readonly share: MapShare,
    private readonly parts: MapParts,
    /** Of a map that is brought back. */
    entries: Iterable<StoredEntry> = [],
  ) {
    const { stored } = record;
    this.state =
      stored === undefined
        ? new MapState(parts.bounds)
        : MapState.restore(parts.bounds, {
            ...{ entries, marks: stored.record.map, position: record.offset },
          });
    // A subscriber may stand at the last offset that the crash lost. Nothing of that offset is known here.
    if (stored?.gap !== undefined) this.state.position = record.given = ++record.offset;
    share.hold(this.state.bytes);
    if (stored !== undefined) stored.keptEntries = () => this.state.all();
  }

  /** See `MapFeed`. */
  get isLoading(): boolean {
    const now = monotonicNow();
    if (this.state.continues) return now - this.cameAt < UNFINISHED_MS;
    return this.record.offset === 0 && now - this.createdAt < FIRST_UPDATE_MS;
  }

  /** See `MapFeed`. */
  fail(subscription: Subscription, error: StanzapackError): void {
    this.parts.onFailed(subscription, error);
  }

  begin(subscription: Subscription, { since, standing, cursor }: Start): void {
    const { epoch } = this.record;
    const place = typeof since === "object" && "epoch" in since ? since : undefined;
    const known = this.knownOffset(cursor === undefined ? (standing ?? place) : place);
    // A consumer that has taken nothing needs no removal, and misses nothing.
    const from = cursor !== undefined && known === 0 ? undefined : known;
    subscription.position = from ?? 0;
    if (cursor !== undefined) {
      subscription.begun = { epoch, offset: subscription.position };
      subscription.recovered = place && (known !== undefined || place.offset === 0);
    }
    this.parts.catchUp.begin(subscription, new MapSource(this, from, false));
  }

  /** Returns the offset of a position if the map can say what has changed since. Undefined: it cannot. */
  private knownOffset(position: StandingPosition | undefined): number | undefined {
    const { epoch, offset } = this.record;
    if (position?.epoch !== epoch || position.offset > offset) return undefined;
    return this.state.needsWhole(position.offset) ? undefined : position.offset;
  }

  check({ node }: Service, rows: readonly Uint8Array[]): StanzapackError | undefined {
    const { state, share } = this;
    const [maxKeys, maxBytes] = this.ownBounds();
    let [keys, bytes] = [state.keys, state.liveBytes];
    const lengths = new Map<string, number>();
    let wasCleared = false;
    const weightOf = (key: string): number => {
      const known = lengths.get(key);
      if (known !== undefined) return known;
      const value = wasCleared ? undefined : state.get(key);
      return value === undefined ? 0 : weighMapEntry(key, value);
    };
    for (const row of rows)
      for (const change of readUpdate(row).changes) {
        if (change.type === "clear") {
          [keys, bytes, wasCleared] = [0, 0, true];
          lengths.clear();
          continue;
        }
        const before = weightOf(change.key);
        const after = change.type === "set" ? weighMapEntry(change.key, change.value) : 0;
        keys += Number(after > 0) - Number(before > 0);
        bytes += after - before;
        lengths.set(change.key, after);
      }
    if (keys > state.keys && keys > maxKeys.most) return over(node, `${keys} keys`, maxKeys.text);
    if (bytes <= state.liveBytes) return undefined;
    if (bytes > maxBytes.most) return over(node, `${bytes} bytes`, maxBytes.text);
    const lacking = share.lacking(bytes - state.liveBytes);
    return lacking === undefined ? undefined : over(node, `${bytes} bytes`, `${lacking} are allowed`);
  }

  /** The tighter of the operator's bounds and those of the publisher, on keys and on bytes. */
  private ownBounds(): [Bound, Bound] {
    const { maxKeys, maxBytes } = this.parts.bounds;
    const { maxItems = Infinity, maxBytes: ownBytes = Infinity } = this.record.config;
    return [tighter(maxKeys, maxItems, "keys"), tighter(maxBytes, ownBytes, "bytes")];
  }

  keep(_service: Service, { rows, to }: Arrival): Later<void> {
    const { record, state } = this;
    if (record.stored === undefined) return;
    const writes: MapWrite[] = [];
    let { floor } = state;
    const at = wallNow();
    let continues = false;
    for (const [position, update] of placed(rows, to)) {
      continues = update.continues;
      for (const [index, change] of update.changes.entries()) {
        if (change.type === "clear") {
          floor = position;
          writes.push({ type: "clear" });
        } else writes.push({ type: "put", entry: { ...{ position, index, at }, ...entryOf(change) } });
      }
    }
    return record.stored.write({
      offset: to,
      incarnations: record.incarnations.listAsStored(),
      map: { writes, marks: { ...state.marks, floor, continues } },
    });
  }

  kept({ lanes }: Service, { rows, to }: Arrival): void {
    const { state } = this;
    const at = wallNow();
    this.cameAt = monotonicNow();
    for (const [position, { changes, continues }] of placed(rows, to))
      state.apply(position, changes.map(copied), continues, at);
    if (state.hasTooManyRemovals) this.forgetRemovals(Infinity);
    this.share.hold(state.bytes);
    const bytes = byteCountOf(rows);
    for (const lane of lanes.values())
      if (lane.overflows(rows.length, bytes) || rows.some((row) => !lane.fits(row))) this.setAside(lane);
  }

  comeBack(subscription: Subscription): void {
    this.parts.catchUp.add(subscription, this.sourceAfter(subscription));
  }

  setAside(lane: Lane<Subscription>): void {
    for (const subscription of this.parts.fanOut.setAside(lane)) this.comeBack(subscription);
  }

  /** A subscription that was on its lane has the map of its position, unless the position is inside of an update. */
  private sourceAfter({ position }: Subscription): MapSource {
    const isKnown = position >= this.state.floor;
    return new MapSource(this, isKnown ? position : undefined, !this.state.continues);
  }

  repair(subscription: Subscription, asked: MapAsk): void {
    this.parts.checks.ask(subscription, asked, this);
  }

  /** See `CheckedMap`. */
  resend(subscription: Subscription): void {
    subscription.lane.remove(subscription);
    subscription.position = 0;
    this.parts.catchUp.begin(subscription, new MapSource(this, undefined, false));
  }

  hasRest(): boolean {
    return false;
  }

  withdraw(): void {
    this.release();
  }

  release(): void {
    this.share.hold(0);
  }

  /** Once a second: forgets removals over their bounds, and sends checksums that are due. */
  sweep({ node, lanes }: Service, now: number): void {
    this.advanceCursors(node);
    this.forgetRemovals(FORGOTTEN_AT_ONCE);
    for (const lane of lanes.values()) this.parts.checks.look(lane, this, now);
  }

  /** A consumer that has taken everything has also taken the changes that its selection leaves out. */
  private advanceCursors(node: string): void {
    for (const cursor of this.parts.cursors.of(node)) {
      const { holder } = cursor;
      if (holder?.hasTakenAll === true && !holder.detached && holder.lane.batch.empty)
        this.parts.cursors.move(cursor, this.state.position);
    }
  }

  /**
   * Returns the lowest offset of a cursor that needs removals: its consumer comes back for what changed since.
   * Infinity: no cursor needs one.
   */
  private pinnedFrom(): number {
    const { epoch, node } = this.record;
    let lowest = Infinity;
    for (const { epoch: of, offset } of this.parts.cursors.of(node))
      // A consumer of another life, from before the removals that are kept, or with nothing, receives the whole map.
      if (of === epoch && offset > 0 && offset >= this.state.floor) lowest = Math.min(lowest, offset);
    return lowest;
  }

  private forgetRemovals(most: number): void {
    const writes = this.state.forgetRemovals(wallNow(), most, () => this.pinnedFrom());
    if (writes.length === 0) return;
    this.share.hold(this.state.bytes);
    const stored = this.record.stored?.write({ map: { writes, marks: this.state.marks } });
    // If the disk does not take it, the removals stay there, and the next start forgets them.
    void Promise.resolve(stored).catch(() => undefined);
  }
}

const updates = new WeakMap<Uint8Array, MapUpdate>();

/** Reads a row once, however often it is asked for. */
function readUpdate(row: Uint8Array): MapUpdate {
  let update = updates.get(row);
  if (update === undefined) updates.set(row, (update = decodeMapUpdate(row, DEFAULT_LIMITS)));
  return update;
}

/** The updates of rows that are the newest up to position `to`. */
function* placed(rows: readonly Uint8Array[], to: number): Iterable<readonly [number, MapUpdate]> {
  for (const [i, row] of rows.entries()) yield [to - rows.length + 1 + i, readUpdate(row)];
}

function entryOf(change: Exclude<MapChange, { type: "clear" }>): {
  key: string;
  value: Uint8Array | undefined;
} {
  return { key: change.key, value: change.type === "set" ? change.value.slice() : undefined };
}

/** Values are views that would keep their whole block alive. */
function copied(change: MapChange): MapChange {
  return change.type === "set" ? { ...change, value: change.value.slice() } : change;
}

/** A bound, and the words for it. */
interface Bound {
  readonly most: number;
  readonly text: string;
}

function tighter(operators: number, own: number, what: string): Bound {
  return own < operators
    ? { most: own, text: `its publisher allows ${own} ${what}` }
    : { most: operators, text: `${operators} ${what} are allowed` };
}

/** `bound`: the words for the bound. */
function over(node: string, asked: string, bound: string): StanzapackError {
  return new StanzapackError("limit-exceeded", `\`${node}\` would have ${asked}, and ${bound}`, {
    scope: "subscription",
  });
}
