import type { Value } from "@stanzapack/wire";
import { deadline } from "@stanzapack/xmpp";
import type { MapChangeEvent } from "../subscribe/map-replica.js";
import { isSameValue } from "../subscribe/same-value.js";
import type { KeyChange } from "./command-record.js";

/** Time after a result in which the map's change must arrive, beyond the window, in ms. 5,000: a slow network's. */
const ARRIVAL_MS = 5_000;
/** Most confirmed commands of one map whose change has not arrived yet. Beyond, the oldest is shown no longer. */
const MAX_CONFIRMED = 1_000;

/**
 * `staged`: not stored yet, and not shown. `waiting`: shown. `sent`: may have run. `confirmed`: ran as expected, and
 * the map's change has not arrived yet.
 */
type LayerState = "staged" | "waiting" | "sent" | "confirmed";

/** The expected changes of one command. */
interface Layer {
  readonly sequence: number;
  readonly keys: readonly string[];
  state: LayerState;
  cancel: (() => void) | undefined;
}

/** The expected change of one key. */
export interface Slot {
  /** Undefined: the key is removed. */
  readonly value: Value | undefined;
}

interface Op extends Slot {
  readonly layer: Layer;
  /** The map had this value after the command was sent. */
  seen: boolean;
}

/** The copy of a map that lies below. */
export interface BaseMap {
  readonly values: ReadonlyMap<string, Value>;
  /** Whether it is the publisher's map, as far as the component has said. */
  readonly synced: boolean;
  /** Window granted, in ms. */
  readonly windowMs: number;
}

const NO_VALUES: ReadonlyMap<string, Value> = new Map();

/**
 * Expected changes of the commands of one node, above the copy of its map. The copy itself stays as the publisher says.
 * For each key the newest command counts.
 */
export class Overlay {
  private readonly layers = new Map<number, Layer>();
  private readonly ops = new Map<string, Op[]>();
  /** Sequences of layers that are confirmed, the oldest first. */
  private readonly confirmed = new Set<number>();
  /** Receives the keys that look different now. */
  readonly listeners = new Set<(changes: readonly MapChangeEvent<Value>[]) => void>();

  constructor(
    private readonly base: () => BaseMap | undefined,
    /** Nothing lies above the map any more. */
    private readonly onEmpty: () => void = () => undefined,
  ) {}

  /** Whether nothing lies above the map, and nobody looks. */
  get idle(): boolean {
    return this.layers.size === 0 && this.listeners.size === 0;
  }

  /** Values of the map below. */
  get below(): ReadonlyMap<string, Value> {
    return this.base()?.values ?? NO_VALUES;
  }

  /** The change of a key that is shown. Undefined: the map below shows. */
  shown(key: string): Slot | undefined {
    return this.ops.get(key)?.findLast(({ layer }) => layer.state !== "staged");
  }

  /** The change of a key that the next command builds on. */
  newest(key: string): Slot | undefined {
    return this.ops.get(key)?.at(-1);
  }

  /** Keys that may have a change. */
  keys(): Iterable<string> {
    return this.ops.keys();
  }

  /** Adds the changes of a command that is not stored yet. */
  stage(sequence: number, changes: readonly KeyChange[]): void {
    if (changes.length === 0) return;
    const layer: Layer = {
      ...{ sequence, keys: changes.map(([key]) => key), state: "staged", cancel: undefined },
    };
    this.layers.set(sequence, layer);
    for (const [key, value] of changes) {
      const ops = this.ops.get(key) ?? [];
      ops.push({ value, layer, seen: false });
      this.ops.set(key, ops);
    }
  }

  /** The command is stored: its changes are shown. */
  show(sequence: number): void {
    this.turn(sequence, (layer) => void (layer.state = "waiting"));
  }

  /** The command may run from now on. */
  sent(sequence: number): void {
    const layer = this.layers.get(sequence);
    if (layer !== undefined) layer.state = "sent";
  }

  /** The command did not run. It waits again. */
  unsent(sequence: number): void {
    const layer = this.layers.get(sequence);
    if (layer === undefined) return;
    layer.state = "waiting";
    for (const op of this.opsOf(layer)) op.seen = false;
  }

  /** The command did not do what was expected: its changes are shown no longer. */
  rollBack(sequence: number): void {
    this.turn(sequence, (layer) => this.drop(layer, layer.keys));
  }

  /**
   * The command did what was expected. Each of its changes is shown until the map has it: the same value, or another
   * change of the key. It is shown no longer than the window and five seconds, while the map is synced.
   */
  confirm(sequence: number): void {
    const base = this.base();
    if (base === undefined) return this.rollBack(sequence);
    this.turn(sequence, (layer) => {
      layer.state = "confirmed";
      const arrived = layer.keys.filter((key) => this.hasArrived(layer, key, base.values.get(key)));
      this.drop(layer, arrived);
      if (!this.layers.has(sequence)) return;
      this.confirmed.add(sequence);
      this.expire(layer);
    });
    const [oldest] = this.confirmed;
    if (this.confirmed.size > MAX_CONFIRMED && oldest !== undefined) this.rollBack(oldest);
  }

  /** The map below has changed, or is whole again. */
  onBase({ changes, synced }: { changes: readonly MapChangeEvent<Value>[]; synced: boolean }): void {
    const seen: MapChangeEvent<Value>[] = [];
    for (const change of changes) {
      const { key, value, previous } = change;
      const before = this.shown(key);
      for (const op of [...(this.ops.get(key) ?? [])])
        if (op.layer.state === "confirmed") this.drop(op.layer, [key]);
        else if (op.layer.state === "sent" && same(op.value, value)) op.seen = true;
      const after = this.shown(key);
      const [was, is] = [
        before === undefined ? previous : before.value,
        after === undefined ? value : after.value,
      ];
      if (!same(was, is)) seen.push({ key, value: is, previous: was });
    }
    this.tell(seen);
    if (synced)
      for (const sequence of [...this.confirmed]) {
        const layer = this.layers.get(sequence);
        if (layer !== undefined && layer.cancel === undefined) this.expire(layer);
      }
  }

  /** Stops all waits. */
  close(): void {
    for (const { cancel } of this.layers.values()) cancel?.();
  }

  private hasArrived(layer: Layer, key: string, value: Value | undefined): boolean {
    const op = this.ops.get(key)?.find((it) => it.layer === layer);
    return op === undefined || op.seen || same(op.value, value);
  }

  private expire(layer: Layer): void {
    layer.cancel = deadline((this.base()?.windowMs ?? 0) + ARRIVAL_MS, () => {
      layer.cancel = undefined;
      // While the map catches up, its change is still on the way.
      if (this.base()?.synced !== false) this.rollBack(layer.sequence);
    });
  }

  private opsOf(layer: Layer): Op[] {
    return layer.keys.flatMap((key) => (this.ops.get(key) ?? []).filter((op) => op.layer === layer));
  }

  /** Removes changes of a layer, and the layer with the last. */
  private drop(layer: Layer, keys: readonly string[]): void {
    for (const key of keys) {
      const left = (this.ops.get(key) ?? []).filter((op) => op.layer !== layer);
      if (left.length === 0) this.ops.delete(key);
      else this.ops.set(key, left);
    }
    if (layer.keys.some((key) => this.ops.get(key)?.some((op) => op.layer === layer) === true)) return;
    layer.cancel?.();
    this.layers.delete(layer.sequence);
    this.confirmed.delete(layer.sequence);
    if (this.layers.size === 0) this.onEmpty();
  }

  /** Changes a layer, and tells which keys look different. */
  private turn(sequence: number, act: (layer: Layer) => void): void {
    const layer = this.layers.get(sequence);
    if (layer === undefined) return;
    const { below } = this;
    const look = (key: string): Value | undefined => {
      const slot = this.shown(key);
      return slot === undefined ? below.get(key) : slot.value;
    };
    const before = layer.keys.map((key) => [key, look(key)] as const);
    act(layer);
    const changes: MapChangeEvent<Value>[] = [];
    for (const [key, previous] of before) {
      const value = look(key);
      if (!same(previous, value)) changes.push({ key, value, previous });
    }
    this.tell(changes);
  }

  private tell(changes: readonly MapChangeEvent<Value>[]): void {
    if (changes.length > 0) for (const listener of [...this.listeners]) listener(changes);
  }
}

function same(a: Value | undefined, b: Value | undefined): boolean {
  return a === undefined || b === undefined ? a === b : isSameValue(a, b);
}
