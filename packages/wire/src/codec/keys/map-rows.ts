import { malformed, type Value } from "../../msgpack/msgpack.js";
import { over, takeKept, takeValues, unencodable } from "../coder/bounds.js";
import { codeWhole } from "../coder/whole-number.js";
import type { Row } from "../numbers/row.js";
import type { Trends } from "../numbers/trends.js";
import { TEXT_CONTEXTS } from "../texts/text-codec.js";
import type { NodeContext } from "../tree/node.js";
import { FRESH, PLACED, type Place } from "../tree/place.js";
import { release, weightOf, type Held } from "../values/held.js";
import { KeyIndex, KEY_INDEX_CONTEXTS } from "./key-index.js";
import { KeyMemory, type RememberedKey } from "./key-memory.js";

/** What a change does to the map. */
const PUT = 0;
const REMOVE = 1;
const CLEAR = 2;
const OPERATION_BITS = 2;

/** Contexts: negative ids, which no place has. */
const COUNT = -1;
const CONTINUES = -2;
const OPERATION = -3;
const KNOWN = -4;
const NEXT = -5;
const KEY_TEXT = -5 - TEXT_CONTEXTS;
const INDEX = KEY_TEXT - KEY_INDEX_CONTEXTS;
/** Number of the texts that keys resemble: that of no place. */
const KEY_COLUMN = 1;

/**
 * Codes the updates of a map, one a row. Each key has a memory of its own: its value is predicted from its values
 * before. All keys share what is learned about such values.
 */
export class MapRows {
  private readonly keys = new KeyMemory();
  private readonly indexes: KeyIndex;
  private lastCount = 1;
  private lastOperation = PUT;
  /** The last three answers, the newest lowest: whether a key is known, and whether it is the expected one. */
  private known = 0;
  private hits = 0;
  /** The key before, also if it is forgotten. */
  private lastKey: RememberedKey | undefined;
  /** The value that was put last, if it is kept. */
  private lastValue: Held | undefined;

  constructor(
    private readonly context: NodeContext,
    private readonly trends: Trends,
    /** Place of the values of all keys. */
    private readonly place: Place,
    /** Longest key, in UTF-16 code units. */
    private readonly maxKeyChars: number,
  ) {
    this.indexes = new KeyIndex(context.coder, INDEX);
  }

  /** Approximate memory held, in bytes. */
  get bytes(): number {
    return this.keys.bytes;
  }

  /**
   * Codes an update, and returns it. A decoder ignores the argument. Throws `unencodable` for a row that is no update
   * of a map.
   */
  code(given: Value | undefined, row: Row): Value {
    const { coder } = this.context;
    const changes = coder.decoding ? NONE : changesOf(given);
    const continues = changes.at(-1) === null ? 1 : 0;
    const count = this.codeCount(changes.length - continues);
    const coded: Value[] = [];
    for (let i = 0; i < count; i++) coded.push(this.codeChange(changes[i], row));
    if (coder.bit(continues, coder.contexts.slot(CONTINUES, 0) + 1) === 1) coded.push(null);
    return coder.decoding ? coded : (given as Value);
  }

  private codeCount(given: number): number {
    const { coder } = this.context;
    const same = coder.bit(given === this.lastCount ? 1 : 0, coder.contexts.slot(COUNT, 0) + 1);
    if (same === 0) this.lastCount = codeWhole(coder, given, COUNT, 1);
    return this.lastCount;
  }

  private codeChange(given: Value | undefined, row: Row): Value {
    const { context } = this;
    const { coder } = context;
    takeValues(context, coder, 1);
    coder.contexts.growIfCrowded();
    const [key, value] = coder.decoding ? NONE : changeOf(given);
    const operation = this.codeOperation(key === undefined ? CLEAR : value === undefined ? REMOVE : PUT);
    if (operation === CLEAR) return [];
    const entry = this.codeKey(key as string | undefined);
    const coded = operation === PUT ? [entry.key, this.codeValue(entry, value, row)] : [entry.key];
    this.keys.use(entry);
    return coded;
  }

  private codeOperation(given: number): number {
    const { coder } = this.context;
    const slot = coder.contexts.slot(OPERATION, this.lastOperation);
    this.lastOperation = coder.tree(given, OPERATION_BITS, slot);
    if (this.lastOperation > CLEAR) throw malformed("a coded change of a map does nothing that is known");
    return this.lastOperation;
  }

  /** Codes a key: an index if it is remembered, else its text. */
  private codeKey(given: string | undefined): RememberedKey {
    const { keys, context } = this;
    const { coder } = context;
    const found = given === undefined ? undefined : keys.find(given);
    let known = 0;
    if (keys.size > 0) {
      known = coder.bit(found === undefined ? 0 : 1, coder.contexts.slot(KNOWN, 0) + 1 + this.known);
      this.known = ((this.known << 1) | known) & 7;
    }
    const entry = known === 1 ? this.codeIndex(found?.index ?? 0) : this.codeNewKey(given ?? "");
    // As a text that is kept.
    takeKept(context, coder, weightOf(entry.key));
    if (this.lastKey !== undefined) this.lastKey.next = entry.index;
    this.lastKey = entry;
    return entry;
  }

  private codeIndex(given: number): RememberedKey {
    const { coder } = this.context;
    const { keys, lastKey } = this;
    const expected = lastKey?.next ?? 0;
    const hit = coder.bit(given === expected ? 1 : 0, coder.contexts.slot(NEXT, 0) + 1 + this.hits);
    this.hits = ((this.hits << 1) | hit) & 7;
    const entry = keys.at(hit === 1 ? expected : this.indexes.code(given, keys.size, lastKey?.index ?? 0));
    if (entry === undefined) throw malformed("a coded key of a map is of none that came before");
    return entry;
  }

  private codeNewKey(given: string): RememberedKey {
    const { keys, context, maxKeyChars } = this;
    const key = context.text.codeText(given, KEY_TEXT, KEY_COLUMN);
    if (key.length > maxKeyChars)
      throw over(context.coder, `a key of a map is over ${maxKeyChars} characters`);
    if (key === "" || keys.find(key) !== undefined)
      throw malformed("a coded map has a new key that it cannot have");
    return keys.add(key);
  }

  private codeValue(entry: RememberedKey, given: Value | undefined, row: Row): Value {
    const { context, place, trends } = this;
    const { coder } = context;
    const { value, before } = entry;
    row.begin();
    trends.begin(entry.trends);
    const held =
      value === undefined
        ? place.code(FRESH, given, this.lastValue, undefined, row)
        : place.code(PLACED, given, value, before, row);
    if (held === undefined) throw malformed("a coded change of a map lacks its value");
    this.keys.keep(entry, held);
    this.lastValue = entry.value;
    return coder.decoding ? release(held) : (given as Value);
  }
}

/** Returns the changes of an update, with nil at the end of a part. */
function changesOf(update: Value | undefined): readonly (Value | undefined)[] {
  if (!Array.isArray(update)) throw unencodable("an update of a map is no array of changes");
  return update as readonly Value[];
}

/** Returns the key, and the value, of a change. */
function changeOf(change: Value | undefined): readonly (Value | undefined)[] {
  if (!Array.isArray(change) || change.length > 2)
    throw unencodable("a change of a map is no array of at most a key and a value");
  const items = change as readonly (Value | undefined)[];
  if (items.length > 0 && (typeof items[0] !== "string" || items[0] === ""))
    throw unencodable("a key of a map is no text, or is empty");
  if (items.length === 2 && items[1] === undefined)
    throw unencodable("the value of a key of a map is undefined");
  return items;
}

const NONE: readonly undefined[] = [];
