import type { Value } from "../../msgpack/msgpack.js";
import type { Held, HeldObject } from "../values/held.js";
import type { Node } from "./node.js";

export interface Fields {
  readonly [key: string]: Value;
}

/** Keys that objects at one place have had, in an order that holds for all of them. Each row has some of the keys. */
export class ObjectKeys {
  readonly keys: string[] = [];
  readonly nodes: Node[] = [];
  private readonly places = new Map<string, number>();
  /** Keys before this index have the right place in `places`. Later keys have moved since. */
  private settled = 0;
  private snapshot: readonly string[] | undefined;

  get size(): number {
    return this.keys.length;
  }

  has(key: string): boolean {
    return this.places.has(key);
  }

  insert(at: number, key: string, node: Node): void {
    this.keys.splice(at, 0, key);
    this.nodes.splice(at, 0, node);
    this.places.set(key, at);
    this.settled = Math.min(this.settled, at);
    this.snapshot = undefined;
  }

  /** Corrects `places` once for all keys that were inserted meanwhile. */
  private settle(): void {
    const { keys, places } = this;
    for (; this.settled < keys.length; this.settled++) places.set(keys[this.settled] as string, this.settled);
  }

  /** The keys as a list that never changes. */
  get whole(): readonly string[] {
    return (this.snapshot ??= this.keys.slice());
  }

  /**
   * Returns the value that `before` has of each key. Returns undefined if `before` has other keys, or another order.
   */
  match(before: HeldObject): readonly (Held | undefined)[] | undefined {
    if (before.keys === this.snapshot) return before.values;
    const { keys } = this;
    const found: (Held | undefined)[] = [];
    let next = 0;
    for (let i = 0; i < keys.length; i++)
      found.push(before.keys[next] === keys[i] ? before.values[next++] : undefined);
    return next === before.keys.length ? found : undefined;
  }

  /** Whether `fields` has all keys, in this order, and no others. */
  areAllOf(fields: Fields): boolean {
    const { keys } = this;
    let i = 0;
    for (const key in fields) if (keys[i++] !== key) return false;
    // Inherited properties are no keys, and come last.
    return i === keys.length && (i === 0 || Object.hasOwn(fields, keys[i - 1] as string));
  }

  /**
   * Whether the known keys of `given` are in this order. Then it is enough to say which keys are present and which are
   * new.
   */
  agreeWith(given: readonly string[]): boolean {
    this.settle();
    let last = -1;
    for (const key of given) {
      const place = this.places.get(key);
      if (place === undefined) continue;
      if (place < last) return false;
      last = place;
    }
    return true;
  }

  /** Returns the new keys of `given`, in order. `at`: the place of a key once the new keys before it are inserted. */
  newOnes(given: readonly string[]): { readonly at: number; readonly key: string }[] {
    const found: { at: number; key: string }[] = [];
    this.settle();
    let at = 0;
    for (const key of given) {
      const place = this.places.get(key);
      if (place === undefined) found.push({ at, key });
      at = place === undefined ? at + 1 : place + found.length + 1;
    }
    return found;
  }
}
