import { malformed } from "../../msgpack/msgpack.js";
import type { BitCoder } from "../coder/bit-coder.js";
import { SET } from "../coder/mixer-sets.js";
import type { Row } from "../numbers/row.js";

/** Most texts kept. Beyond it, a new text replaces the oldest. */
const MAX_ENTRIES = 4_096;
/** Longer texts are not kept: when they come again, the text model finds them. */
const MAX_ENTRY_CHARS = 256;
/** Characters that each kept text counts beside its own. */
const PLACE_CHARS = 32;

/** Contexts of one dictionary, from its `id` on. */
const KNOWN = 0;
const INDEX = 1;
const INDEX_ALONE = 2;
const INDEX_TWO = 3;
const INDEX_ROW = 4;
export const DICTIONARY_CONTEXTS = 5;

/** Characters that all dictionaries of a codec may still keep together. */
export interface DictionaryBudget {
  chars: number;
}

/** Texts of one column that came before, by index. */
export class Dictionary {
  private readonly indexes = new Map<string, number>();
  private readonly entries: string[] = [];
  private next = 0;
  private last = 0;
  private secondLast = 0;
  private history = 0;

  constructor(
    private readonly coder: BitCoder,
    private readonly id: number,
    private readonly sharedId: number,
    private readonly budget: DictionaryBudget,
  ) {}

  /** Number of the text that came last. */
  get word(): number {
    return this.id * MAX_ENTRIES + this.last;
  }

  /** Sets the memory as if `text` had come last, and `before` before it. A text that is not kept changes nothing. */
  recall(text: string, before: string): void {
    const index = this.indexes.get(text);
    if (index === undefined) return;
    this.last = index;
    this.secondLast = this.indexes.get(before) ?? index;
  }

  has(text: string): boolean {
    return this.indexOf(text) >= 0;
  }

  /** Returns −1 for a text that is not kept. Long texts never are, so they are not hashed. */
  private indexOf(text: string): number {
    return text.length > MAX_ENTRY_CHARS ? -1 : (this.indexes.get(text) ?? -1);
  }

  /**
   * Codes whether the text came before, and its index. Returns `undefined` for a new text, which the caller codes and
   * then passes to `add`.
   */
  code(text: string, row: Row): string | undefined {
    const { coder, id } = this;
    const index = coder.decoding ? 0 : this.indexOf(text);
    const own = id + KNOWN;
    const shared = this.sharedId + KNOWN;
    const given = index >= 0 ? 1 : 0;
    const known = coder.bitIn(given, 1 + this.history, SET.known, own, 0, shared, 0, own, 1 + this.last);
    this.history = ((this.history << 1) | known) & 7;
    if (known === 0) return undefined;
    const coded = this.codeIndex(index, row);
    const entry = this.entries[coded];
    if (entry === undefined) throw malformed("a coded text is of none that came before");
    this.remember(coded);
    return entry;
  }

  add(text: string): void {
    const { entries, indexes, budget } = this;
    if (text.length > MAX_ENTRY_CHARS) return;
    const old = entries.length < MAX_ENTRIES ? undefined : entries[this.next];
    const freed = old === undefined ? 0 : costOf(old);
    if (budget.chars + freed < costOf(text)) return;
    if (old !== undefined) indexes.delete(old);
    budget.chars += freed - costOf(text);
    entries[this.next] = text;
    indexes.set(text, this.next);
    this.remember(this.next);
    this.next = (this.next + 1) % MAX_ENTRIES;
  }

  private remember(index: number): void {
    this.secondLast = this.last;
    this.last = index;
  }

  private codeIndex(index: number, row: Row): number {
    // The length of the index, then four bits at a time, in the context of the bits before.
    const length = this.codePart(32 - Math.clz32(index), 4, 0, row);
    let coded = length === 0 ? 0 : 1;
    for (let left = length - 1; left > 0;) {
      const width = Math.min(left, 4);
      left -= width;
      const part = this.codePart((index >>> left) & ((1 << width) - 1), width, (length << 16) | coded, row);
      coded = (coded << width) | part;
    }
    return coded;
  }

  private codePart(part: number, width: number, prefix: number, row: Row): number {
    const { coder, id, last } = this;
    const { contexts, slots } = coder;
    const mixed = Math.imul(prefix, 0x9e3779b1);
    slots[0] = contexts.slot(id + INDEX, mixed + last);
    slots[1] = contexts.slot(id + INDEX_ALONE, prefix);
    // If no word came before in the row, the text before the last one may predict more.
    slots[2] =
      row.word === 0
        ? contexts.slot(id + INDEX_TWO, mixed ^ (this.secondLast * MAX_ENTRIES + last))
        : contexts.slot(id + INDEX_ROW, mixed ^ row.word);
    return coder.treeIn(part, width, SET.index);
  }
}

function costOf(text: string): number {
  return PLACE_CHARS + text.length;
}
