import { DEFAULT_LIMITS, type Limits } from "../base/limits.js";
import { malformed, type Value } from "../msgpack/msgpack.js";
import { measureValue } from "../msgpack/msgpack-measure.js";
import { decodeMsgpack } from "../msgpack/msgpack-reader.js";
import { encodeUpdate } from "../msgpack/update.js";
import { BitCoder } from "./coder/bit-coder.js";
import { over, unencodable } from "./coder/bounds.js";
import { MapRows } from "./keys/map-rows.js";
import { release, type Held } from "./values/held.js";
import { Node, type NodeContext } from "./tree/node.js";
import { NumberModel, NUMBER_CONTEXTS } from "./numbers/number-model.js";
import { PLACED } from "./tree/place.js";
import type { ReadBudget } from "./coder/read-budget.js";
import { Row } from "./numbers/row.js";
import { MAX_SCALED } from "./numbers/scaled.js";
import { Successors } from "./numbers/successors.js";
import { Trends } from "./numbers/trends.js";
import { codeWhole } from "./coder/whole-number.js";
import { TextCodec } from "./texts/text-codec.js";

/**
 * Bounds of one chain and of each of its messages. The size of a message bounds nothing, because predictable rows and
 * repeated text take almost no bits. `maxValues` is as large as the number of items of one value. The models of a place
 * take 0.3 to 4 KB.
 */
export interface CodecLimits {
  /** Most rows of one message. 4,096: as many as a DATA frame of rows has. */
  readonly maxRows: number;
  /** Most bytes of new text in one message, keys included. 131,072: two blocks. Reading them takes 0.1 s. */
  readonly maxTextBytes: number;
  /** Most values, containers and missing keys in one message; kept parts count an eighth. 65,536: read in 0.1 s. */
  readonly maxValues: number;
  /** Deepest nesting of places; deeper containers travel as msgpack. 32: the deepest nesting that a value may have. */
  readonly maxDepth: number;
  /** Most bytes of the models of all places; other containers travel as msgpack. 1,048,576: 850 places of numbers. */
  readonly maxPlaceBytes: number;
  /** Bounds of a container that travels as msgpack. */
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

/** The rows of one message, with their times and the number of conflated positions. */
export interface RowsBatch {
  readonly rows: readonly Value[];
  /** Number of positions before the first row that were left out on purpose. */
  readonly conflated: number;
  /** Time of the newest row, in whole ms, from a time on which both sides agree. */
  readonly at: number;
  /** From the oldest row to the newest, in whole ms. */
  readonly spanMs: number;
}

const EMPTY_BATCH: RowsBatch = { rows: [], conflated: 0, at: 0, spanMs: 0 };

const MAX_SLOTS = 1 << 12;
const MAX_DICTIONARY_CHARS = 32_768;
/** Most characters of all keys that have a place. An object with further keys is coded as a map. */
const MAX_KEY_CHARS = 32_768;
/**
 * Largest weight, in values, of a row that is kept. After a heavier row, the next row is coded as a whole. An update
 * has at most 49,152 bytes.
 */
const MAX_HELD_WEIGHT = 32_768;
/** Approximate memory of a kept value, in bytes. */
const HELD_BYTES = 32;

/** Ids of the contexts of the codec itself, then of its parts. */
const COUNT = 0;
const CONFLATED = 1;
const AT = 2;
const SPAN = AT + NUMBER_CONTEXTS;
/** First id of the contexts that AT and SPAN share. */
const TIMES = SPAN + NUMBER_CONTEXTS;
const NODES = TIMES + NUMBER_CONTEXTS;

/**
 * The columnar codec, for one direction of a chain. It codes messages of rows, each with the help of all messages
 * before. The same routine reads and writes.
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
  /** The newest row, if it is kept. */
  private last: Held | undefined;
  private lastWeight = 0;
  /** Undefined: rows are any values. */
  private readonly mapRows: MapRows | undefined;

  /** `rowsAre`: what rows are. Updates of a map (`map`) are coded key by key. Default: any values. */
  constructor(
    private readonly limits: CodecLimits,
    rowsAre: "any" | "map" = "any",
  ) {
    const { coder } = this;
    this.text = new TextCodec(coder);
    const trends = rowsAre === "map" ? new Trends() : undefined;
    this.context = {
      coder,
      text: this.text,
      successors: new Successors(),
      trends,
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
    this.root = new Node(this.context, 0, rowsAre === "map");
    if (trends !== undefined)
      this.mapRows = new MapRows(this.context, trends, this.root, limits.packed.maxMapKeyChars);
    const { successors } = this.context;
    this.at = new NumberModel({ coder, successors, id: AT, sharedId: TIMES });
    this.span = new NumberModel({ coder, successors, id: SPAN, sharedId: TIMES });
  }

  /** Approximate memory held between messages, in bytes. */
  get bytes(): number {
    const { coder, text, context, mapRows } = this;
    const dictionaryChars = MAX_DICTIONARY_CHARS - context.dictionaries.chars;
    const heldBytes = HELD_BYTES * this.lastWeight;
    return (
      coder.bytes +
      text.bytes +
      context.successors.bytes +
      context.placeBytes +
      2 * dictionaryChars +
      heldBytes +
      (mapRows?.bytes ?? 0)
    );
  }

  /**
   * Returns one message, as a copy. Throws `too-large` for rows that a decoder would refuse, and `unencodable` for a
   * row that is no `Value`. After an error the codec is of no use.
   */
  encode(batch: RowsBatch): Uint8Array {
    this.coder.beginEncoding();
    this.code({ ...batch, at: wholeMs(batch.at), spanMs: wholeMs(batch.spanMs) });
    return this.coder.finish().slice();
  }

  /**
   * Returns the content of one message, and subtracts its values and text from `budget`. Throws `malformed` or
   * `limit-exceeded`. After an error the codec is of no use.
   */
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
    const { context, coder, row, mapRows } = this;
    if (mapRows !== undefined) return mapRows.code(value, row);
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

/** Returns a time in whole ms, at least 0. The clock may have stepped back, or may count fractions. */
function wholeMs(time: number): number {
  return time > 0 ? Math.min(Math.round(time), MAX_SCALED) : 0;
}
