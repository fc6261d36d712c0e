import {
  assertMapKey,
  byteCountOf,
  DEFAULT_LIMITS,
  encodeMapRows,
  encodeUpdate,
  MAP_ROW_HEAD_BYTES,
  mapChangeBytes,
  StanzapackError,
  weighMapEntry,
  type BindServiceFrame,
  type MapChange,
  type Value,
} from "@stanzapack/wire";
import { OUTBOX_BOUNDS } from "../store/outbox-store.js";
import { OfferedService } from "./offered-service.js";
import type { LinkPeer } from "./service-host.js";
import { untilKept } from "./until-sent.js";

/** A value stands in an array of changes, and a change is an array. */
const VALUE_LIMITS = { ...DEFAULT_LIMITS, maxDepth: DEFAULT_LIMITS.maxDepth - 2 };
/** Most bytes of one change. */
const MOST_CHANGE_BYTES = DEFAULT_LIMITS.maxUpdateBytes - MAP_ROW_HEAD_BYTES;
/**
 * Most removals that are remembered, for a component that has lost the last second. 10,000: more than a second's worth.
 */
const MAX_REMOVALS = 10_000;

/** What a program has set, of a map: keys with a value, and their bytes as the component counts them. */
interface Held {
  readonly keys: number;
  readonly bytes: number;
}

/** The newest change of a key. `value` undefined: the key was removed. */
interface Own {
  readonly value: Uint8Array | undefined;
  /** Sequence of the update. */
  readonly sequence: number;
}

/**
 * A map that this client offers, with values of type `T`. Subscribers have a copy of the map. The component keeps the
 * map: a program that offers it again continues with the keys that are there.
 *
 * While the component is away, changes wait here. If the component has lost its memory meanwhile, the client sends it
 * again all keys that this program has set. Keys of an earlier program are lost then.
 */
export class OfferedMap<T = Value> extends OfferedService<T> {
  /** What this program has said of each key. */
  private readonly own = new Map<string, Own>();
  private removals = 0;
  /** Of the keys in `own` that have a value: their number, and their bytes as the component counts them. */
  private held: Held = { keys: 0, bytes: 0 };
  /** Sequence of the last `clear`. */
  private clearedAt = 0;
  /** Changes of the batch that is being made. */
  private open: MapChange[] | undefined;

  /**
   * Sets the value of a key: 1 to 512 characters. Throws `unencodable` for another key or a value that cannot travel,
   * `too-large` if key and value take more than 48 KiB, `stopped` after `stop`, and `busy` while 65,536 updates, or 16
   * MiB, wait for the component. Throws `limit-exceeded` if the keys that this program has set would exceed `maxItems`
   * or `maxBytes`. If they exceed it with keys of an earlier program, or exceed a limit of the component, the
   * component refuses the change: the service emits `ended` with `limit-exceeded`.
   */
  set(key: string, value: T): void {
    assertMapKey(key, DEFAULT_LIMITS);
    const packed = encodeUpdate(value, VALUE_LIMITS);
    const change: MapChange = { type: "set", key, value: packed };
    if (mapChangeBytes(change) > MOST_CHANGE_BYTES)
      throw new StanzapackError("too-large", `key and value take over ${MOST_CHANGE_BYTES} bytes`);
    this.change(change);
  }

  /** Removes a key, also one that is not there. Throws as `set`. */
  delete(key: string): void {
    assertMapKey(key, DEFAULT_LIMITS);
    this.change({ type: "delete", key });
  }

  /** Removes all keys, also those that an earlier program has set. Throws as `set`. */
  clear(): void {
    this.change({ type: "clear" });
  }

  /**
   * Calls `change`, and makes all changes of the call one update: a subscriber sees all of them or none. Returns what
   * `change` returns. If `change` throws, the map stays as it is. Throws `usage` if `change` returns a promise,
   * `too-large` if the changes take more than 16 MiB, and otherwise as `set`.
   */
  batch<R>(change: () => R): R {
    if (this.open !== undefined) return change();
    const changes: MapChange[] = (this.open = []);
    let result: R;
    try {
      result = change();
    } finally {
      this.open = undefined;
    }
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw new StanzapackError("usage", "the function of `batch` must not be asynchronous");
    }
    if (changes.length > 0) this.commit(compact(changes));
    return result;
  }

  /**
   * Resolves when the component keeps all changes made until now, as safely as the durability of the map says. Waits
   * for the link, however long that takes. Rejects with the error that ends the map, and with `stopped` after its end.
   */
  async settled(): Promise<void> {
    const last = this.published;
    let reason = new StanzapackError("stopped", `\`${this.node}\` is no longer offered`);
    const note = (error: StanzapackError | undefined): void => void (reason = error ?? reason);
    this.once("ended", note);
    await untilKept(
      () => this.askKept(),
      () => this.ended || this.keptUpTo >= last,
    );
    this.off("ended", note);
    if (this.keptUpTo < last) throw reason;
  }

  /** Throws `usage`: a map has keys. */
  override publish(_value: T): never {
    throw new StanzapackError("usage", `\`${this.node}\` is a map: use \`set\``);
  }

  private change(change: MapChange): void {
    if (this.open !== undefined) this.open.push(change);
    else this.commit([change]);
  }

  private commit(changes: readonly MapChange[]): void {
    const rows = encodeMapRows(changes, DEFAULT_LIMITS);
    const bytes = byteCountOf(rows);
    if (rows.length > OUTBOX_BOUNDS.maxRows || bytes > OUTBOX_BOUNDS.maxBytes)
      throw new StanzapackError(
        "too-large",
        `the changes of a batch take ${bytes} bytes, and at most ${OUTBOX_BOUNDS.maxBytes} may wait`,
      );
    const held = this.heldAfter(changes);
    this.assertRoom(held);
    this.enqueue(rows);
    this.held = held;
    for (const change of changes) this.note(change);
  }

  private heldAfter(changes: readonly MapChange[]): Held {
    let { keys, bytes } = this.held;
    const weights = new Map<string, number>();
    let wasCleared = false;
    for (const change of changes) {
      if (change.type === "clear") {
        keys = bytes = 0;
        weights.clear();
        wasCleared = true;
        continue;
      }
      const { key } = change;
      const before = weights.get(key) ?? (wasCleared ? 0 : weightOf(key, this.own.get(key)?.value));
      const after = weightOf(key, change.type === "set" ? change.value : undefined);
      keys += Number(after > 0) - Number(before > 0);
      bytes += after - before;
      weights.set(key, after);
    }
    return { keys, bytes };
  }

  /** Throws `limit-exceeded` if the map would certainly grow beyond a bound of its options. */
  private assertRoom({ keys, bytes }: Held): void {
    const { maxItems = "max", maxBytes = "max" } = this.options;
    const isOver = (count: number, before: number, most: number | "max"): most is number =>
      most !== "max" && count > most && count > before;
    const over = (what: string): StanzapackError =>
      new StanzapackError("limit-exceeded", `\`${this.node}\` would have ${what}: the map stays as it is`);
    if (isOver(keys, this.held.keys, maxItems))
      throw over(`${keys} keys, and ${maxItems} are allowed (\`maxItems\`)`);
    if (isOver(bytes, this.held.bytes, maxBytes))
      throw over(`${bytes} bytes, and ${maxBytes} are allowed (\`maxBytes\`)`);
  }

  private note(change: MapChange): void {
    const sequence = this.published;
    if (change.type === "clear") {
      this.own.clear();
      this.removals = 0;
      this.clearedAt = sequence;
      return;
    }
    const { key } = change;
    const before = this.own.get(key);
    if (before !== undefined && before.value === undefined) this.removals--;
    // The newest change comes last.
    this.own.delete(key);
    this.own.set(key, { value: change.type === "set" ? change.value : undefined, sequence });
    if (change.type === "delete" && ++this.removals > MAX_REMOVALS) this.forgetRemoval();
  }

  private forgetRemoval(): void {
    for (const [key, { value }] of this.own)
      if (value === undefined) {
        this.own.delete(key);
        this.removals--;
        return;
      }
  }

  /** @internal */
  override bound(frame: BindServiceFrame, peer: LinkPeer): void {
    const had = this.keptUpTo;
    super.bound(frame, peer);
    // The component has nothing of this program, or has lost what it had said it keeps. Even if there is nothing to say,
    // it is said: subscribers shall know that a new map is empty.
    if (frame.sequence === 0 || frame.sequence < had) this.restate(frame.sequence);
  }

  /** Sends what this program has said since `sequence` as one update, in place of the updates that wait. */
  private restate(sequence: number): void {
    const changes: MapChange[] = this.clearedAt > sequence ? [{ type: "clear" }] : [];
    for (const [key, { value, sequence: at }] of this.own)
      if (at > sequence)
        changes.push(value === undefined ? { type: "delete", key } : { type: "set", key, value });
    this.dropWaiting();
    this.enqueue(encodeMapRows(changes, DEFAULT_LIMITS));
    const now = this.published;
    if (this.clearedAt > sequence) this.clearedAt = now;
    for (const [key, { value, sequence: at }] of this.own)
      if (at > sequence) this.own.set(key, { value, sequence: now });
  }
}

/** Returns the bytes of a key that has a value. 0: it has none. */
function weightOf(key: string, value: Uint8Array | undefined): number {
  return value === undefined ? 0 : weighMapEntry(key, value);
}

/** Leaves out changes that later ones of the same update replace. */
function compact(changes: readonly MapChange[]): MapChange[] {
  let clear: MapChange[] = [];
  const byKey = new Map<string, MapChange>();
  for (const change of changes)
    if (change.type === "clear") {
      clear = [change];
      byKey.clear();
    } else byKey.set(change.key, change);
  return [...clear, ...byKey.values()];
}
