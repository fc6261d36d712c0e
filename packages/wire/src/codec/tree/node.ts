// Over 400 lines: one class on the hot path of both directions. Parts in other files cost calls that V8 does not inline.
import { malformed, type Value } from "../../msgpack/msgpack.js";
import type { Hunk } from "../edits/alignment.js";
import { claim, over, takeKept, takeValues, unencodable } from "../coder/bounds.js";
import { codeFlags, MAX_FLAGS } from "./changed-flags.js";
import { ChangedSet, CHANGED_SET_CONTEXTS } from "./changed-set.js";
import {
  ABSENT,
  ARRAY,
  Column,
  COLUMN_BYTES,
  COLUMN_CONTEXTS,
  LIST,
  MAP,
  NUMBERS_BYTES,
  OBJECT,
  PACKED,
  PATCH,
  type ColumnContext,
  type LeafClass,
} from "../values/column.js";
import {
  changedFields,
  changedItems,
  hold,
  HeldObject,
  isList,
  isSame,
  weightOf,
  type Held,
} from "../values/held.js";
import { Kin, KIN_CONTEXTS } from "./kin.js";
import { hasShifted } from "../edits/list-changes.js";
import { SET } from "../coder/mixer-sets.js";
import { ObjectKeys, type Fields } from "./object-keys.js";
import { codePatch, MIN_PATCHED_UNITS, PATCH_CONTEXTS } from "../edits/patch.js";
import { CHANGED, FRESH, PLACED, type Place, type Relation } from "./place.js";
import type { Row } from "../numbers/row.js";
import { findEdits, type Units } from "../edits/text-edits.js";
import { codeWhole } from "../coder/whole-number.js";

/** Items of an array that have a place of their own. Later items share the last place. */
const MAX_ITEM_NODES = 256;
/** Longer arrays are lists, unless they hold numbers: the numbers of one place are like each other. */
const MAX_SHORT_ARRAY = 4;
/** Most orders of keys at one place. An object with yet another order is a map. */
const MAX_ORDERS = 8;
/**
 * Most keys of an object that may begin a new order. A larger object is a map, because a new order codes all keys
 * again.
 */
const MAX_REORDERED_KEYS = 8;
/** Most keys at one place. Objects with more keys are maps. */
const MAX_KEYS = 128;
/** Most keys of an object in a list or a map, where all items share the places. */
const MAX_KIN_KEYS = 32;
/** Least number of keys of an object that may name only its changed fields. */
const MIN_SPARSE_KEYS = 32;
/** Changed parts are named if they are at most one in this many. */
const SPARSE = 8;
/** Consecutive rows with few changed items, after which an array becomes a list. */
const SPARSE_ROWS = 2;
const MIN_SPARSE_ITEMS = 16;
/** Approximate memory of all lists and maps at one place, in bytes. */
const KIN_BYTES = 640;
/** Least number of places that the lists and maps at one place take. */
const KIN_PLACES = 2;

/** Contexts of one node, from its `id` on: those of its columns, then its own. */
const OTHERS = COLUMN_CONTEXTS;
const MORE_KEYS = 2 * COLUMN_CONTEXTS;
const KEY_PLACE = MORE_KEYS + 1;
const KEY_LENGTH = MORE_KEYS + 2;
const ORDER = MORE_KEYS + 3;
const SAME_SIZE = MORE_KEYS + 4;
const SIZE = MORE_KEYS + 5;
const SAME = MORE_KEYS + 6;
const FEW = MORE_KEYS + 7;
const FLAG = MORE_KEYS + 8;
const FLAGS = MORE_KEYS + 9;
const CHANGES = MORE_KEYS + 10;
const KIN = CHANGES + CHANGED_SET_CONTEXTS;
const PATCHES = KIN + KIN_CONTEXTS;
export const NODE_CONTEXTS = PATCHES + PATCH_CONTEXTS;

/** State that the nodes of a codec share. */
export interface NodeContext extends ColumnContext {
  readonly maxDepth: number;
  /** Nodes so far. */
  nodes: number;
  /** Characters that new keys may still have, all nodes together. */
  keyChars: number;
}

/**
 * One place in the rows, or the place of all items of a list. It keeps what was learned there, of leaves, arrays and
 * objects alike.
 */
export class Node implements Place {
  private readonly column: Column;
  /** Column of values that are known to differ from the one before. */
  private others: Column | undefined;
  private readonly id: number;
  private readonly items: Node[] = [];
  private readonly orders: ObjectKeys[] = [];
  private kin: Kin | undefined;
  private changes: ChangedSet | undefined;
  private lastSize = 0;
  private lastOrder = 0;
  /** The last two answers to the question whether a container is the same as before. */
  private sameness = 0;
  /** Whether the object that is being encoded has all keys of the last order, and no others. */
  private allThere = false;
  /** Hunks of the text that is being encoded. */
  private hunks: readonly Hunk[] = NO_HUNKS;
  // Decisions of an encoder.
  private isListed = false;
  private isMapped = false;
  private sparseRows = 0;

  constructor(
    private readonly context: NodeContext,
    private readonly depth: number,
    /** All items of a list, or all values of a map, have this one place. */
    private readonly isShared: boolean,
  ) {
    this.id = context.sharedId + ++context.nodes * NODE_CONTEXTS;
    this.column = new Column(context, this.id, context.sharedId);
  }

  code(
    relation: Relation,
    value: Value | undefined,
    old: Held | undefined,
    older: Held | undefined,
    row: Row,
  ): Held | undefined {
    const { context, isShared } = this;
    const { coder } = context;
    takeValues(context, coder, 1);
    const column = relation === CHANGED ? this.takeOthers() : this.column;
    if (old !== undefined && (isShared || relation === CHANGED)) column.recall(old, older);
    const kind = column.codeClass(coder.decoding ? ABSENT : this.classOf(relation, value, old, column), row);
    const coded = this.codeOf(kind, column, relation, value, old, older, row);
    // The next value that is coded as a whole continues from this one.
    if (relation === CHANGED && !isShared && coded !== undefined) this.column.recall(coded, old);
    return coded;
  }

  private codeOf(
    kind: LeafClass,
    column: Column,
    relation: Relation,
    value: Value | undefined,
    old: Held | undefined,
    older: Held | undefined,
    row: Row,
  ): Held | undefined {
    const { context } = this;
    if (kind === ABSENT) return undefined;
    if (kind === ARRAY || kind === OBJECT || kind === LIST || kind === MAP) {
      context.weight++;
      switch (kind) {
        case ARRAY:
          return this.codeArray(relation, value as readonly Value[], old, older, row);
        case LIST:
          return this.codeList(relation, value as readonly Value[], old, row);
        case MAP:
          return this.codeMap(relation, value as Fields, old, row);
        default:
          return this.codeObject(relation, value as Fields, old, older, row);
      }
    }
    const coded = kind === PATCH ? this.patch(value, old) : column.codeLeaf(kind, value as Value, row);
    const held = typeof coded === "object" && coded !== null ? hold(coded) : coded;
    const weight = weightOf(held);
    // The part that a patch keeps does not count as text.
    if (kind === PATCH) takeKept(context, context.coder, weight);
    else context.weight += weight;
    return held;
  }

  private takeOthers(): Column {
    const { context, id, column } = this;
    if (this.others !== undefined) return this.others;
    claim(context, context.coder, COLUMN_BYTES);
    return (this.others = new Column(context, id + OTHERS, context.sharedId + OTHERS, column));
  }

  private classOf(
    relation: Relation,
    value: Value | undefined,
    old: Held | undefined,
    column: Column,
  ): LeafClass {
    if (value === undefined) return ABSENT;
    if (typeof value === "object" && value !== null && !(value instanceof Uint8Array))
      return Array.isArray(value)
        ? this.classOfArray(relation, value as readonly Value[], old)
        : this.classOfObject(value as Fields);
    return this.isPatchOf(value, old) && !(typeof value === "string" && column.knows(value))
      ? PATCH
      : column.classOf(value);
  }

  private isPatchOf(value: Value, old: Held | undefined): boolean {
    if (!isLong(value) || !isLong(old) || typeof value !== typeof old) return false;
    const hunks = findEdits(old, value);
    this.hunks = hunks ?? NO_HUNKS;
    return hunks !== undefined;
  }

  private patch(value: Value | undefined, old: Held | undefined): Units {
    const { context, id } = this;
    if (typeof old === "string")
      return codePatch(context, id + PATCHES, id, old, value as string, this.hunks);
    if (!(old instanceof Uint8Array)) throw malformed("a coded patch has nothing that it would change");
    return codePatch(context, id + PATCHES, id, old, value as Uint8Array, this.hunks);
  }

  private classOfArray(relation: Relation, array: readonly Value[], old: Held | undefined): LeafClass {
    const { depth, context, items, isShared } = this;
    if (depth >= context.maxDepth) return PACKED;
    const most = isShared || typeof array[0] !== "number" ? MAX_SHORT_ARRAY : MAX_ITEM_NODES;
    if (array.length > most) this.isListed = true;
    if (!this.isListed && relation === PLACED && isList(old)) this.isListed = this.behavesAsList(array, old);
    if (!this.isListed && this.hasRoomFor(array.length - items.length)) return ARRAY;
    this.isListed = true;
    return this.hasRoomForKin() ? LIST : PACKED;
  }

  /** Whether an array grows, slides, or changes little. */
  private behavesAsList(array: readonly Value[], old: readonly Held[]): boolean {
    const size = array.length;
    if (Math.max(size, old.length) <= MAX_SHORT_ARRAY) return false;
    if (size !== old.length) return true;
    let changed = 0;
    for (let i = 0; i < size; i++) if (!isSame(old[i], array[i])) changed++;
    const isSparse = size >= MIN_SPARSE_ITEMS && changed * SPARSE <= size;
    this.sparseRows = isSparse ? this.sparseRows + 1 : 0;
    return this.sparseRows >= SPARSE_ROWS || (changed > 2 && hasShifted(old, array, changed));
  }

  /** Whether there is memory for `places` more places, with a model each. */
  private hasRoomFor(places: number): boolean {
    const { placeBytes, maxPlaceBytes } = this.context;
    // A shared place has two columns.
    const bytes = (COLUMN_BYTES + NUMBERS_BYTES) * (this.isShared ? 2 : 1);
    return places <= 0 || placeBytes + places * bytes <= maxPlaceBytes;
  }

  private hasRoomForKin(): boolean {
    return this.kin !== undefined || this.hasRoomFor(KIN_PLACES);
  }

  private classOfObject(fields: Fields): LeafClass {
    const { depth, context, orders } = this;
    if (depth >= context.maxDepth) return PACKED;
    if (!this.isMapped) {
      this.allThere = orders[this.lastOrder]?.areAllOf(fields) ?? false;
      if (this.allThere || this.suitsOrders(Object.keys(fields))) return OBJECT;
      this.isMapped = true;
    }
    return this.hasRoomForKin() ? MAP : PACKED;
  }

  private suitsOrders(given: readonly string[]): boolean {
    const { context, orders, isShared } = this;
    const order = orders.find((keys) => keys.agreeWith(given));
    if (order === undefined && orders.length > 0)
      if (orders.length >= MAX_ORDERS || given.length > MAX_REORDERED_KEYS) return false;
    let [added, chars] = [0, 0];
    for (const key of given) {
      if (order?.has(key) === true) continue;
      added++;
      chars += key.length;
    }
    const size = (order?.size ?? 0) + added;
    return (
      size <= (isShared ? MAX_KIN_KEYS : MAX_KEYS) && this.hasRoomFor(added) && chars <= context.keyChars
    );
  }

  /** Codes whether a container is the same as `old`. `isUnchanged`: the answer; a decoder ignores it. */
  private codeSame(old: Held, isUnchanged: boolean, row: Row): boolean {
    const { context, id, sameness } = this;
    const { coder, sharedId } = context;
    const own = id + SAME;
    const shared = sharedId + SAME;
    const others = 1 + Math.min(row.others, 3);
    const same = coder.bitIn(isUnchanged ? 1 : 0, 1 + sameness, SET.same, own, 0, shared, 0, own, others);
    this.sameness = ((sameness << 1) | same) & 3;
    if (same === 0) row.others++;
    // The container itself has been counted.
    else takeKept(context, coder, weightOf(old) - 1);
    return same === 1;
  }

  private codeList(relation: Relation, list: readonly Value[], old: Held | undefined, row: Row): Held {
    const { decoding } = this.context.coder;
    const before = isList(old) ? old : undefined;
    const changes = decoding || before === undefined ? undefined : changedItems(before, list);
    if (before !== undefined && relation !== CHANGED && this.codeSame(before, changes?.length === 0, row))
      return before;
    return this.takeKin().codeList(decoding ? [] : list, before, changes, row);
  }

  private codeMap(relation: Relation, fields: Fields, old: Held | undefined, row: Row): Held {
    const { decoding } = this.context.coder;
    const before = old instanceof HeldObject ? old : undefined;
    const changes = decoding || before === undefined ? undefined : changedFields(before, fields);
    if (before !== undefined && relation !== CHANGED && this.codeSame(before, changes?.length === 0, row))
      return before;
    return this.takeKin().codeMap(fields, before, changes, row);
  }

  private takeKin(): Kin {
    const { context, id } = this;
    if (this.kin !== undefined) return this.kin;
    claim(context, context.coder, KIN_BYTES);
    return (this.kin = new Kin(context, id + KIN, context.sharedId + KIN, this.newChild(true)));
  }

  private codeArray(
    relation: Relation,
    array: readonly Value[],
    old: Held | undefined,
    older: Held | undefined,
    row: Row,
  ): Held {
    const { context, items } = this;
    const { coder } = context;
    const { decoding } = coder;
    const before = isList(old) ? old : undefined;
    if (relation === PLACED && before !== undefined && before.length > 1)
      if (this.codeSame(before, !decoding && isSame(before, array), row)) return before;
    const size = this.codeSize(decoding ? 0 : array.length);
    if (size > context.valuesLeft) throw over(coder, "an array is longer than is taken");
    // All places are made at once, before items make places for their content.
    while (items.length < Math.min(size, MAX_ITEM_NODES)) items.push(this.newChild(false));
    const itemAt = (i: number): Value | undefined => (decoding ? undefined : array[i]);
    const isSelective = relation === CHANGED && size > 0 && before?.length === size;
    const stood = isList(older) ? older : undefined;
    const changed = isSelective ? this.codeChanged(items, before, stood, itemAt) : undefined;
    const read: Held[] = [];
    for (let i = 0, next = 0; i < size; i++) {
      const node = items[Math.min(i, MAX_ITEM_NODES - 1)] as Node;
      const base = before?.[i];
      let item = base;
      if (changed !== undefined && changed[next] !== i) takeKept(context, coder, weightOf(base as Held));
      else {
        next++;
        const relationOfItem = changed !== undefined ? CHANGED : relation === PLACED ? PLACED : FRESH;
        item = node.code(relationOfItem, itemAt(i), base, stood?.[i], row);
      }
      if (item === undefined)
        throw decoding
          ? malformed("a coded array lacks an item")
          : unencodable("an item of an array is undefined");
      read.push(item);
    }
    return read;
  }

  private codeSize(given: number): number {
    const { id } = this;
    const { coder } = this.context;
    const same = coder.bit(given === this.lastSize ? 1 : 0, coder.contexts.slot(id + SAME_SIZE, 0) + 1);
    if (same === 0) this.lastSize = codeWhole(coder, given, id + SIZE, 0);
    return this.lastSize;
  }

  private codeObject(
    relation: Relation,
    fields: Fields,
    old: Held | undefined,
    older: Held | undefined,
    row: Row,
  ): Held {
    const { decoding } = this.context.coder;
    const before = old instanceof HeldObject ? old : undefined;
    if (relation === PLACED && before !== undefined && before.keys.length > 1)
      if (this.codeSame(before, !decoding && isSame(before, fields), row)) return before;
    const order = this.codeOrder(fields);
    this.codeNewKeys(order, fields);
    const { keys } = order;
    const all = this.allThere;
    const valueAt = (i: number): Value | undefined => {
      if (decoding) return undefined;
      const key = keys[i] as string;
      // An inherited property does not count.
      if (!all && !Object.hasOwn(fields, key)) return undefined;
      const value = fields[key];
      if (value === undefined) throw unencodable(`the property ${key} is undefined`);
      return value;
    };
    const bases = before === undefined ? undefined : order.match(before);
    const isSelective =
      bases !== undefined &&
      keys.length > 0 &&
      (relation === CHANGED ||
        (relation === PLACED && keys.length >= MIN_SPARSE_KEYS && this.codeFew(bases, valueAt)));
    const stood = older instanceof HeldObject ? order.match(older) : undefined;
    const changed = isSelective ? this.codeChanged(order.nodes, bases, stood, valueAt) : undefined;
    const held = this.codeFields(order, relation, bases, stood, changed, valueAt, row);
    if (relation !== CHANGED || !this.isShared || before === undefined) return held;
    // The earlier version keeps no version before it.
    return new HeldObject(held.keys, held.values, new HeldObject(before.keys, before.values));
  }

  private codeFields(
    { nodes, keys, whole }: ObjectKeys,
    relation: Relation,
    bases: readonly (Held | undefined)[] | undefined,
    stood: readonly (Held | undefined)[] | undefined,
    changed: readonly number[] | undefined,
    valueAt: (i: number) => Value | undefined,
    row: Row,
  ): HeldObject {
    const { context } = this;
    const relationOfField = changed !== undefined ? CHANGED : relation === PLACED ? PLACED : FRESH;
    const values: Held[] = [];
    let present: string[] | undefined;
    for (let i = 0, next = 0; i < keys.length; i++) {
      const base = bases?.[i];
      let value = base;
      if (changed === undefined || changed[next] === i) {
        next++;
        value = (nodes[i] as Node).code(relationOfField, valueAt(i), base, stood?.[i], row);
      } else if (base !== undefined) takeKept(context, context.coder, weightOf(base));
      if (value !== undefined) {
        values.push(value);
        present?.push(keys[i] as string);
      } else present ??= keys.slice(0, i);
    }
    return new HeldObject(present ?? whole, values);
  }

  /** Codes whether so few of many fields changed that those are named. */
  private codeFew(bases: readonly (Held | undefined)[], valueAt: (i: number) => Value | undefined): boolean {
    const { id, context } = this;
    const { coder } = context;
    let isFew = false;
    if (!coder.decoding) {
      let changed = 0;
      const size = this.orders[this.lastOrder]?.size ?? 0;
      for (let i = 0; i < size; i++) if (!isSame(bases[i], valueAt(i))) changed++;
      isFew = changed * SPARSE <= size && changed > 0 && this.hasRoomFor(changed);
    }
    return coder.bit(isFew ? 1 : 0, coder.contexts.slot(id + FEW, 0) + 1) === 1;
  }

  /** Codes which parts changed, at least one: by flags, or by a changed set if there are many parts. */
  private codeChanged(
    nodes: readonly Node[],
    bases: readonly (Held | undefined)[],
    stood: readonly (Held | undefined)[] | undefined,
    valueAt: (i: number) => Value | undefined,
  ): readonly number[] {
    const { context, id } = this;
    const { coder, sharedId } = context;
    const size = bases.length;
    const given: number[] = [];
    if (!coder.decoding) for (let i = 0; i < size; i++) if (!isSame(bases[i], valueAt(i))) given.push(i);
    if (size < MAX_FLAGS) {
      const own = (i: number): number => (nodes[i] as Node).id + FLAG;
      const ids = { own, shared: sharedId + FLAG, together: id + FLAGS };
      return codeFlags(coder, ids, bases, stood, given);
    }
    this.changes ??= new ChangedSet(coder, id + CHANGES, sharedId + CHANGES);
    return this.changes.code(size, given);
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
      // Counted from the end, where most new keys are.
      const fromEnd = codeWhole(coder, given === undefined ? 0 : order.size - given.at, id + KEY_PLACE, 0);
      const key = text.codeText(given?.key ?? "", context.sharedId + KEY_LENGTH, 0);
      if (fromEnd > order.size || order.size >= MAX_KEYS || order.has(key))
        throw malformed("a coded object has a new key that it cannot have");
      context.keyChars -= key.length;
      if (context.keyChars < 0) throw over(coder, "keys have more characters than are kept");
      order.insert(order.size - fromEnd, key, this.newChild(false));
    }
  }

  private newChild(ofMany: boolean): Node {
    const { context, depth, isShared } = this;
    if (depth >= context.maxDepth) throw over(context.coder, "a value is nested deeper than is taken");
    claim(context, context.coder, COLUMN_BYTES);
    return new Node(context, depth + 1, isShared || ofMany);
  }
}

const NO_HUNKS: readonly Hunk[] = [];

function isLong(value: Value | Held | undefined): value is Units {
  return (typeof value === "string" || value instanceof Uint8Array) && value.length >= MIN_PATCHED_UNITS;
}
