import type { Value } from "../msgpack.js";
import type { Node } from "./node.js";

export interface Fields {
  readonly [key: string]: Value;
}

/** Keys that objects at one place have had, in an order that holds for all of them; each row has some. */
export class ObjectKeys {
  readonly keys: string[] = [];
  readonly nodes: Node[] = [];
  private readonly places = new Map<string, number>();

  get size(): number {
    return this.keys.length;
  }

  has(key: string): boolean {
    return this.places.has(key);
  }

  insert(at: number, key: string, node: Node): void {
    this.keys.splice(at, 0, key);
    this.nodes.splice(at, 0, node);
    if (at === this.keys.length - 1) this.places.set(key, at);
    else for (let i = at; i < this.keys.length; i++) this.places.set(this.keys[i] as string, i);
  }

  /** All of them are there, in this order, and no others. */
  areAllOf(fields: Fields): boolean {
    const { keys } = this;
    let i = 0;
    for (const key in fields) if (keys[i++] !== key) return false;
    return i === keys.length;
  }

  /** Those known are in this order: so it is enough to say which are there and which are new. */
  agreeWith(given: readonly string[]): boolean {
    let last = -1;
    for (const key of given) {
      const place = this.places.get(key);
      if (place === undefined) continue;
      if (place < last) return false;
      last = place;
    }
    return true;
  }

  /** New keys of `given`, in order, each with the place that it takes once those before it have theirs. */
  newOnes(given: readonly string[]): { readonly at: number; readonly key: string }[] {
    const found: { at: number; key: string }[] = [];
    let at = 0;
    for (const key of given) {
      const place = this.places.get(key);
      if (place === undefined) found.push({ at, key });
      at = place === undefined ? at + 1 : place + found.length + 1;
    }
    return found;
  }
}
