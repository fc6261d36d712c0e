import { DEFAULT_LIMITS, type Limits } from "../base/limits.js";
import { malformed, type Value } from "../msgpack/msgpack.js";
import { measureValue } from "../msgpack/msgpack-measure.js";
import { decodeMsgpack } from "../msgpack/msgpack-reader.js";
import { encodeUpdate } from "../msgpack/update.js";
import { BitCoder } from "./coder/bit-coder.js";
import { over, unencodable } from "./coder/bounds.js";
import { release, type Held } from "./values/held.js";
import { Node, type NodeContext } from "./tree/node.js";
import { NumberModel, NUMBER_CONTEXTS } from "./numbers/number-model.js";
import { PLACED } from "./tree/place.js";
import type { ReadBudget } from "./coder/read-budget.js";
import { Row } from "./numbers/row.js";
import { MAX_SCALED } from "./numbers/scaled.js";
import { Successors } from "./numbers/successors.js";
import { codeWhole } from "./coder/whole-number.js";
import { TextCodec } from "./texts/text-codec.js";

/** Bounds of one chain, and of each of its messages: a predictable row costs no bits, so bytes bound nothing. */
export interface CodecLimits {
  /** Most rows of one message. 4,096: as many as a DATA frame of rows has. */
  readonly maxRows: number;
  /** Most bytes of new text in one message, keys included. 131,072: two blocks. Reading them takes 0.1 s, and repeated text costs no input. */
  readonly maxTextBytes: number;
  /** Most values, containers and missing keys in one message; parts that stay as they were count an eighth. 65,536: as many items as one value may have. Reading them takes 0.1 s at most. */
  readonly maxValues: number;
  /** Deepest nesting of places; deeper containers travel as msgpack. 32: the deepest nesting that a value may have. */
  readonly maxDepth: number;
  /** Most bytes of the models of all places in the rows, 0.3 to 4 KB each; containers beyond travel as msgpack. 1,048,576: 850 places of numbers. */
  readonly maxPlaceBytes: number;
  /** Of such msgpack. */
  readonly packed: Limits;
}

export const DEFAULT_CODEC_LIMITS: CodecLimits = {
  maxRows: DEFAULT_LIMITS.maxRowsPerFrame,
  maxTextBytes: 131_072,
  maxValues: 65_536,
  maxDepth: DEFAULT_LIMITS.maxDepth,
  maxPlaceBytes: 1_048_576,
  packed: DEFAULT_LIMITS,
};

/** The rows of one message, and what is told with them. */
export interface RowsBatch {
  readonly rows: readonly Value[];
  /** Positions before the first row that were left out on purpose. */
  readonly conflated: number;
  /** Of the newest row, in whole ms, from whatever both sides agree on. */
  readonly at: number;
  /** From the oldest row to the newest, in whole ms. */
  readonly spanMs: number;
}

const EMPTY_BATCH: RowsBatch = { rows: [], conflated: 0, at: 0, spanMs: 0 };

const MAX_SLOTS = 1 << 12;
const MAX_DICTIONARY_CHARS = 32_768;
/** Of all keys that have a place: objects with further ones are maps. */
const MAX_KEY_CHARS = 32_768;
/** A heavier row, in values, is not kept: the next one is told as a whole. An update has no more than 49,152 bytes. */
const MAX_HELD_WEIGHT = 32_768;
/** What a kept value takes, about, in bytes. */
const HELD_BYTES = 32;

/** Contexts of a codec itself; then those of its parts. */
const COUNT = 0;
const CONFLATED = 1;
const AT = 2;
const SPAN = AT + NUMBER_CONTEXTS;
/** What those two share. */
const TIMES = SPAN + NUMBER_CONTEXTS;
const NODES = TIMES + NUMBER_CONTEXTS;

/**
 * The columnar codec, one direction of a chain: it codes messages of rows, each by all that it learned from those before.
 * The same routine reads and writes.
 */
export class ColumnCodec {
  private readonly coder = new BitCoder(MAX_SLOTS);
  private readonly text: TextCodec;
  private readonly context: NodeContext;
  private readonly root: Node;
  private readonly row = new Row();
  private readonly at: NumberModel;
  private readonly span: NumberModel;
  private lastCount = 1;
  /** The newest row. */
  private last: Held | undefined;
  private lastWeight = 0;

  constructor(private readonly limits: CodecLimits) {
    const { coder } = this;
    this.text = new TextCodec(coder);
    this.context = {
      coder,
      text: this.text,
      successors: new Successors(),
      dictionaries: { chars: MAX_DICTIONARY_CHARS },
      sharedId: NODES,
      pack: (value) => encodeUpdate(value, limits.packed),
      unpack(bytes) {
        if (measureValue(bytes, 0, limits.packed) < bytes.length)
          throw malformed("bytes follow a packed container");
        return decodeMsgpack(bytes);
      },
      maxDepth: limits.maxDepth,
      maxPlaceBytes: limits.maxPlaceBytes,
      nodes: 0,
      placeBytes: 0,
      keyChars: MAX_KEY_CHARS,
      valuesLeft: 0,
      keptRest: 0,
      weight: 0,
    };
    this.root = new Node(this.context, 0, false);
    const { successors } = this.context;
    this.at = new NumberModel({ coder, successors, id: AT, sharedId: TIMES });
    this.span = new NumberModel({ coder, successors, id: SPAN, sharedId: TIMES });
  }

  /** Memory that it holds, in bytes, about; what it codes in a message comes and goes. */
  get bytes(): number {
    const { coder, text, context } = this;
    const dictionaryChars = MAX_DICTIONARY_CHARS - context.dictionaries.chars;
    const heldBytes = HELD_BYTES * this.lastWeight;
    return (
      coder.bytes +
      text.bytes +
      context.successors.bytes +
      context.placeBytes +
      2 * dictionaryChars +
      heldBytes
    );
  }

  /**
   * A copy of its own. Throws `too-large` for what a decoder would refuse, and `unencodable` for what is no `Value`; the
   * codec is of no use after that.
   */
  encode(batch: RowsBatch): Uint8Array {
    this.coder.beginEncoding();
    this.code({ ...batch, at: wholeMs(batch.at), spanMs: wholeMs(batch.spanMs) });
    return this.coder.finish().slice();
  }

  /** What it takes is taken from `budget`. Throws `malformed` or `limit-exceeded`; the codec is of no use after that. */
  decode(bytes: Uint8Array, budget?: ReadBudget): RowsBatch {
    const { context, text, limits } = this;
    const values = Math.min(limits.maxValues, budget?.values ?? Infinity);
    const textBytes = Math.min(limits.maxTextBytes, budget?.textBytes ?? Infinity);
    this.coder.beginDecoding(bytes, 0, bytes.length);
    const batch = this.code(EMPTY_BATCH, values, textBytes);
    if (budget !== undefined) {
      budget.values -= values - context.valuesLeft;
      budget.textBytes -= textBytes - text.left;
    }
    return batch;
  }

  private code(
    batch: RowsBatch,
    values = this.limits.maxValues,
    textBytes = this.limits.maxTextBytes,
  ): RowsBatch {
    const { row } = this;
    this.text.left = textBytes;
    this.context.valuesLeft = values;
    this.context.keptRest = 0;
    row.begin();
    const count = this.codeCount(batch.rows.length);
    const conflated = this.codeConflated(batch.conflated);
    const at = this.at.code(batch.at, row);
    const spanMs = this.span.code(batch.spanMs, row);
    const rows: Value[] = [];
    for (let i = 0; i < count; i++) rows.push(this.codeRow(batch.rows[i]));
    return { conflated, at, spanMs, rows };
  }

  private codeConflated(count: number): number {
    const { coder } = this;
    if (coder.bit(count > 0 ? 1 : 0, coder.contexts.slot(CONFLATED, 0) + 1) === 0) return 0;
    return coder.raw(count, 53);
  }

  private codeCount(count: number): number {
    const { coder } = this;
    if (coder.bit(count === this.lastCount ? 1 : 0, coder.contexts.slot(COUNT, 0) + 1) === 0)
      this.lastCount = codeWhole(coder, count, COUNT, 1);
    if (this.lastCount > this.limits.maxRows)
      throw over(coder, `more than ${this.limits.maxRows} rows in one message`);
    return this.lastCount;
  }

  private codeRow(value: Value | undefined): Value {
    const { context, coder, row } = this;
    row.begin();
    context.weight = 0;
    const held = this.root.code(PLACED, value, this.last, undefined, row);
    if (held === undefined)
      throw coder.decoding ? malformed("a coded row is not there") : unencodable("a row is undefined");
    const isKept = context.weight <= MAX_HELD_WEIGHT;
    this.last = isKept ? held : undefined;
    this.lastWeight = isKept ? context.weight : 0;
    return coder.decoding ? release(held) : (value as Value);
  }
}

/** Times may come from a clock that stepped back or counts fractions. */
function wholeMs(time: number): number {
  return time > 0 ? Math.min(Math.round(time), MAX_SCALED) : 0;
}
