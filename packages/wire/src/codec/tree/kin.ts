import { malformed, type Value } from "../../msgpack/msgpack.js";
import { over, takeKept, unencodable } from "../coder/bounds.js";
import { ChangedSet, CHANGED_SET_CONTEXTS } from "./changed-set.js";
import type { ColumnContext } from "../values/column.js";
import { Dictionary, DICTIONARY_CONTEXTS } from "../values/dictionary.js";
import { HeldObject, isSame, weightOf, weightOfKeys, type Held } from "../values/held.js";
import { findKeySplices, findSplices } from "../edits/list-changes.js";
import type { Fields } from "./object-keys.js";
import { CHANGED, FRESH, type Place } from "./place.js";
import type { Row } from "../numbers/row.js";
import { applySplices, codeSplices, SPLICE_CONTEXTS, type Splice } from "../edits/splices.js";
import { TEXT_CONTEXTS } from "../texts/text-codec.js";
import { codeWhole } from "../coder/whole-number.js";

/** Contexts, from an `id` on. */
const SIZE = 0;
const ANY = 1;
const CHANGES = 2;
const SPLICES = CHANGES + CHANGED_SET_CONTEXTS;
const NAMES = SPLICES + SPLICE_CONTEXTS;
const NAME_TEXT = NAMES + DICTIONARY_CONTEXTS;
export const KIN_CONTEXTS = NAME_TEXT + TEXT_CONTEXTS;

/**
 * Codes the lists and maps at one place. All their items share what is learned. A list or map is coded by the items
 * that came, left or changed since the one before. So items that stay cost nothing.
 */
export class Kin {
  private readonly changes: ChangedSet;
  /** Keys of maps. */
  private readonly names: Dictionary;

  constructor(
    private readonly context: ColumnContext,
    private readonly id: number,
    private readonly sharedId: number,
    /** Place of every item. */
    private readonly place: Place,
  ) {
    const { coder, dictionaries } = context;
    this.changes = new ChangedSet(coder, id + CHANGES, sharedId + CHANGES);
    this.names = new Dictionary(coder, id + NAMES, sharedId + NAMES, dictionaries);
  }

  /**
   * Codes a list. `old`: the list before, which is known to differ; undefined if there is none. `changes`: the result
   * of `changedItems`, which a decoder ignores.
   */
  codeList(
    given: readonly Value[],
    old: readonly Held[] | undefined,
    changes: readonly number[] | undefined,
    row: Row,
  ): Held {
    const { decoding } = this.context.coder;
    const splices = old === undefined || decoding ? [] : findSplices(old, given, changes);
    const bases = this.codeBases(old, given.length, splices);
    const itemAt = (i: number): Value | undefined => given[i];
    const changed = this.codeChanged(bases, changes, itemAt);
    return this.codeItems(bases.items, changed, itemAt, undefined, row);
  }

  /**
   * Codes a map. `old`: the map before, which is known to differ; undefined if there is none. `changes`: the result of
   * `changedFields`, which a decoder ignores.
   */
  codeMap(
    fields: Fields,
    old: HeldObject | undefined,
    changes: readonly number[] | undefined,
    row: Row,
  ): Held {
    const { decoding } = this.context.coder;
    const given = decoding ? NO_KEYS : changes === undefined ? Object.keys(fields) : (old?.keys ?? NO_KEYS);
    const isSpliced = old !== undefined && !decoding && changes === undefined;
    const splices = isSpliced ? findKeySplices(old.keys, given) : [];
    const bases = this.codeBases(old?.values, given.length, splices);
    const valueAt = (i: number): Value | undefined => fields[given[i] as string];
    const changed = this.codeChanged(bases, changes, valueAt);
    const keys: (string | undefined)[] =
      bases.splices.length === 0 ? [] : applySplices(old?.keys ?? NO_KEYS, bases.splices);
    let known: Set<string | undefined> | undefined;
    const codeName = (i: number): void => {
      const name = this.codeName(given[i], row);
      known ??= new Set(keys);
      if (known.has(name)) throw malformed("a coded map has a key twice");
      known.add(name);
      keys[i] = name;
    };
    const values = this.codeItems(bases.items, changed, valueAt, codeName, row);
    const names = old !== undefined && bases.items === old.values ? old.keys : (keys as string[]);
    takeKept(this.context, this.context.coder, weightOfKeys(names));
    return new HeldObject(names, values);
  }

  private codeBases(old: readonly Held[] | undefined, size: number, given: readonly Splice[]): Bases {
    const { context, id } = this;
    const { coder, valuesLeft } = context;
    if (old === undefined) {
      const count = codeWhole(coder, size, id + SIZE, 0);
      if (count > valuesLeft) throw over(coder, "a list is longer than is taken");
      return { items: new Array<undefined>(count).fill(undefined), stayed: 0, splices: [] };
    }
    const splices = codeSplices(coder, id + SPLICES, old.length, valuesLeft, given);
    let stayed = old.length;
    for (const { count, inserts } of splices) if (!inserts) stayed -= count;
    return { items: splices.length === 0 ? old : applySplices(old, splices), stayed, splices };
  }

  /** Codes which of the items that stayed have changed. Their indexes count only items that stayed. */
  private codeChanged(
    { items, stayed, splices }: Bases,
    changes: readonly number[] | undefined,
    valueAt: (i: number) => Value | undefined,
  ): readonly number[] {
    const { id } = this;
    const { coder } = this.context;
    if (stayed === 0) return NONE;
    // Without splices, something must have changed.
    if (splices.length === 0 && changes !== undefined) return this.changes.code(stayed, changes);
    const given: number[] = [];
    if (!coder.decoding) {
      for (let i = 0, k = 0; i < items.length; i++) {
        if (items[i] === undefined) continue;
        if (!isSame(items[i], valueAt(i))) given.push(k);
        k++;
      }
    }
    if (splices.length > 0 && coder.bit(given.length > 0 ? 1 : 0, coder.contexts.slot(id + ANY, 0) + 1) === 0)
      return NONE;
    return this.changes.code(stayed, given);
  }

  private codeItems(
    bases: readonly (Held | undefined)[],
    changed: readonly number[],
    valueAt: (i: number) => Value | undefined,
    codeName: ((i: number) => void) | undefined,
    row: Row,
  ): Held[] {
    const { place, context } = this;
    const { coder } = context;
    const items: Held[] = [];
    let [stayed, next] = [0, 0];
    for (let i = 0; i < bases.length; i++) {
      const base = bases[i];
      let item = base;
      if (base === undefined) {
        codeName?.(i);
        item = place.code(FRESH, coder.decoding ? undefined : valueAt(i), items[i - 1], items[i - 2], row);
      } else if (stayed++ === changed[next]) {
        next++;
        const older = base instanceof HeldObject ? base.before : undefined;
        item = place.code(CHANGED, coder.decoding ? undefined : valueAt(i), base, older, row);
      } else takeKept(context, coder, weightOf(base));
      if (item === undefined)
        throw coder.decoding
          ? malformed("a coded array lacks an item")
          : unencodable("an item of an array, or a property, is undefined");
      items.push(item);
    }
    return items;
  }

  /** Codes the key of an item that came: a key that came before, or a new one. */
  private codeName(name: string | undefined, row: Row): string {
    const { id, names, context } = this;
    const known = names.code(name ?? "", row);
    if (known !== undefined) return known;
    const coded = context.text.codeText(name ?? "", id + NAME_TEXT, id);
    names.add(coded);
    return coded;
  }
}

/** The items of a list as they were; `undefined` for items that came. `stayed`: number of the other items. */
interface Bases {
  readonly items: readonly (Held | undefined)[];
  readonly stayed: number;
  readonly splices: readonly Splice[];
}

const NONE: readonly number[] = [];
const NO_KEYS: readonly string[] = [];
