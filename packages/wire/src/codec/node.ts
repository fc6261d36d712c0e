import { malformed, setField, type Value } from "../msgpack.js";
import { claim, over, unencodable } from "./bounds.js";
import {
  ABSENT,
  ARRAY,
  Column,
  COLUMN_BYTES,
  COLUMN_CONTEXTS,
  NUMBERS_BYTES,
  OBJECT,
  PACKED,
  type ColumnContext,
  type LeafClass,
} from "./column.js";
import { ObjectKeys, type Fields } from "./object-keys.js";
import type { Row } from "./row.js";
import { codeWhole } from "./whole-number.js";

/** Items of arrays that have a place of their own; those behind share the last one. */
const MAX_ITEM_NODES = 256;
/** Orders of keys at one place; what has yet another is packed. */
const MAX_ORDERS = 8;
/** Keys at one place: with more of them, objects that are always different are packed. */
const MAX_KEYS = 1_024;

/** Contexts of one node, from its `id` on: those of its column, then its own. */
const MORE_KEYS = COLUMN_CONTEXTS;
const KEY_PLACE = MORE_KEYS + 1;
const KEY_LENGTH = MORE_KEYS + 2;
const ORDER = MORE_KEYS + 3;
const SAME_SIZE = MORE_KEYS + 4;
const SIZE = MORE_KEYS + 5;
const NODE_CONTEXTS = COLUMN_CONTEXTS + 6;

/** What the nodes of a codec share. */
export interface NodeContext extends ColumnContext {
  readonly maxDepth: number;
  /** Nodes so far. */
  nodes: number;
  /** Characters that new keys may still have, all nodes together. */
  keyChars: number;
  /** Values that the message that is being coded may still have. */
  valuesLeft: number;
}

/** One place in the rows: what was there so far, leaves, arrays and objects alike. */
export class Node {
  private readonly column: Column;
  private readonly id: number;
  private readonly items: Node[] = [];
  private readonly orders: ObjectKeys[] = [];
  private lastSize = 0;
  private lastOrder = 0;
  /** The object that is being encoded has all keys of the last order, and no others. */
  private allThere = false;

  constructor(
    private readonly context: NodeContext,
    private readonly depth: number,
  ) {
    this.id = context.sharedId + ++context.nodes * NODE_CONTEXTS;
    this.column = new Column(context, this.id);
  }

  /** A value, or none (`undefined`) where an object lacks the key. Throws `malformed` for what no encoder writes. */
  code(value: Value | undefined, row: Row): Value | undefined {
    const { context, column } = this;
    if (--context.valuesLeft < 0) throw over(context.coder, "more values in one message than are taken");
    const given = context.coder.decoding ? ABSENT : this.classOf(value, column);
    const kind = column.codeClass(given, row);
    switch (kind) {
      case ARRAY:
        return this.codeArray(value as readonly Value[], row);
      case OBJECT:
        return this.codeObject(value as Fields, row);
      case ABSENT:
        return undefined;
      default:
        return column.codeLeaf(kind, value as Value, row);
    }
  }

  private classOf(value: Value | undefined, column: Column): LeafClass {
    if (value === undefined) return ABSENT;
    if (typeof value !== "object" || value === null || value instanceof Uint8Array)
      return column.classOf(value);
    return Array.isArray(value) ? this.classOfArray(value) : this.classOfObject(value as Fields);
  }

  private classOfArray(array: readonly Value[]): LeafClass {
    const { depth, context, items } = this;
    const added = Math.min(array.length, MAX_ITEM_NODES) - items.length;
    return depth < context.maxDepth && this.hasRoomFor(added) ? ARRAY : PACKED;
  }

  /** For so many places more, with a model each. */
  private hasRoomFor(places: number): boolean {
    const { placeBytes, maxPlaceBytes } = this.context;
    return places <= 0 || placeBytes + places * (COLUMN_BYTES + NUMBERS_BYTES) <= maxPlaceBytes;
  }

  private classOfObject(fields: Fields): LeafClass {
    const { depth, context, orders } = this;
    this.allThere = orders[this.lastOrder]?.areAllOf(fields) ?? false;
    if (this.allThere) return OBJECT;
    if (depth >= context.maxDepth) return PACKED;
    const given = Object.keys(fields);
    const order = orders.find((keys) => keys.agreeWith(given));
    if (order === undefined && orders.length >= MAX_ORDERS) return PACKED;
    let [added, chars] = [0, 0];
    for (const key of given) {
      if (order?.has(key) === true) continue;
      added++;
      chars += key.length;
    }
    const fits =
      (order?.size ?? 0) + added <= MAX_KEYS && this.hasRoomFor(added) && chars <= context.keyChars;
    return fits ? OBJECT : PACKED;
  }

  private codeArray(array: readonly Value[], row: Row): Value {
    const { context, id, items } = this;
    const { coder } = context;
    const { decoding } = coder;
    const given = decoding ? 0 : array.length;
    const same = coder.bit(given === this.lastSize ? 1 : 0, coder.contexts.slot(id + SAME_SIZE, 0) + 1);
    if (same === 0) this.lastSize = codeWhole(coder, given, id + SIZE, 0);
    const size = this.lastSize;
    if (size > context.valuesLeft) throw over(coder, "an array is longer than is taken");
    // All at once, before items take places for what is in them.
    while (items.length < Math.min(size, MAX_ITEM_NODES)) items.push(this.newChild());
    const read: Value[] = [];
    for (let i = 0; i < size; i++) {
      const node = items[Math.min(i, MAX_ITEM_NODES - 1)] as Node;
      const item = node.code(decoding ? undefined : array[i], row);
      if (item === undefined)
        throw decoding
          ? malformed("a coded array lacks an item")
          : unencodable("an item of an array is undefined");
      read.push(item);
    }
    return read;
  }

  private codeObject(fields: Fields, row: Row): Value {
    const { coder } = this.context;
    const { decoding } = coder;
    const order = this.codeOrder(fields);
    this.codeNewKeys(order, fields);
    const { keys, nodes } = order;
    const read: { [key: string]: Value } = {};
    const all = this.allThere;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      // An inherited property is none.
      const isGiven = !decoding && (all || Object.hasOwn(fields, key));
      const given = isGiven ? fields[key] : undefined;
      if (isGiven && given === undefined) throw unencodable(`the property ${key} is undefined`);
      const value = (nodes[i] as Node).code(given, row);
      if (decoding && value !== undefined) setField(read, key, value);
    }
    return decoding ? read : fields;
  }

  private codeOrder(fields: Fields): ObjectKeys {
    const { orders, id, lastOrder } = this;
    const { coder } = this.context;
    const slot = coder.contexts.slot(id + ORDER, 0);
    let given = lastOrder;
    if (!coder.decoding && !this.allThere && orders.length > 0) {
      const keys = Object.keys(fields);
      given = orders.findIndex((order) => order.agreeWith(keys));
      if (given < 0) given = orders.length;
    }
    if (coder.bit(given === lastOrder ? 1 : 0, slot + 1) === 0)
      this.lastOrder = coder.tree(given, 3, coder.contexts.slot(id + ORDER, 1 + lastOrder));
    if (this.lastOrder > orders.length) throw malformed("a coded object is of no known order");
    return (orders[this.lastOrder] ??= new ObjectKeys());
  }

  private codeNewKeys(order: ObjectKeys, fields: Fields): void {
    const { context, id } = this;
    const { coder, text } = context;
    const { decoding, contexts } = coder;
    const found = decoding || this.allThere ? [] : order.newOnes(Object.keys(fields));
    for (let i = 0; ; i++) {
      const given = found[i];
      if (coder.bit(given === undefined ? 0 : 1, contexts.slot(id + MORE_KEYS, Math.min(i, 1)) + 1) === 0)
        return;
      // From the end: where most are.
      const fromEnd = codeWhole(coder, given === undefined ? 0 : order.size - given.at, id + KEY_PLACE, 0);
      const key = text.codeText(given?.key ?? "", context.sharedId + KEY_LENGTH, 0);
      if (fromEnd > order.size || order.size >= MAX_KEYS || order.has(key))
        throw malformed("a coded object has a new key that it cannot have");
      context.keyChars -= key.length;
      if (context.keyChars < 0) throw over(coder, "keys have more characters than are kept");
      order.insert(order.size - fromEnd, key, this.newChild());
    }
  }

  private newChild(): Node {
    const { context, depth } = this;
    if (depth >= context.maxDepth) throw over(context.coder, "a value is nested deeper than is taken");
    claim(context, context.coder, COLUMN_BYTES);
    return new Node(context, depth + 1);
  }
}
