import { malformed, type Value } from "../msgpack.js";
import { BitCoder } from "./bit-coder.js";
import { Column, COLUMN_CONTEXTS, type ColumnContext } from "./column.js";
import { NumberModel, NUMBER_CONTEXTS } from "./number-model.js";
import { Row } from "./row.js";
import { matches, setField, type Fields, type Items, type Shape } from "./shape.js";
import { ShapeCodec, SHAPE_CONTEXTS } from "./shape-codec.js";
import { Successors } from "./successors.js";
import { TextCodec } from "./text-codec.js";
import { QuickTextModel, QUICK_TEXT_CONTEXTS } from "./text-model.js";
import { MixingTextModel } from "./text-mixing.js";
import { codeWhole } from "./whole-number.js";

/** `default` is quick and takes up to 256 KB; `compact` models text thoroughly, at a microsecond a byte and 1 MB more. */
export type Profile = "default" | "compact";

export interface CodecLimits {
  /** Most rows of one message. */
  readonly maxRows: number;
  /** Most bytes of new text in one message. */
  readonly maxTextBytes: number;
  /** Most leaves of all rows of one message: predictable ones cost next to nothing. */
  readonly maxLeaves: number;
  readonly maxDepth: number;
  readonly maxShapes: number;
  readonly maxColumns: number;
}

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

const MAX_SLOTS = 1 << 11;
const MAX_TEXT_SLOTS = 1 << 14;
const MAX_DICTIONARY_CHARS = 32_768;

/** Contexts of a codec itself; then those of its parts. */
const COUNT = 0;
const CONFLATED = 1;
const SHAPE = 2;
const SHAPE_INDEX = 3;
const AT = 4;
const SPAN = AT + NUMBER_CONTEXTS;
const SHAPES = SPAN + NUMBER_CONTEXTS;
const TEXTS = SHAPES + SHAPE_CONTEXTS;
const COLUMNS = TEXTS + QUICK_TEXT_CONTEXTS;

/**
 * The columnar codec, one direction of a chain: it codes messages of rows, each by all that it learned from those before.
 * The same routine reads and writes.
 */
export class ColumnCodec {
  private readonly coder = new BitCoder(MAX_SLOTS);
  private readonly text: TextCodec;
  private readonly context: ColumnContext;
  private readonly shapeCodec: ShapeCodec;
  private readonly shapes: Shape[] = [];
  private readonly columns = new Map<string, Column>();
  private readonly row = new Row();
  private readonly at: NumberModel;
  private readonly span: NumberModel;
  private lastShape = 0;
  private lastCount = 1;
  private leavesLeft = 0;

  constructor(
    private readonly limits: CodecLimits,
    profile: Profile = "default",
  ) {
    const { coder } = this;
    const model =
      profile === "compact" ? new MixingTextModel(coder, MAX_TEXT_SLOTS) : new QuickTextModel(coder, TEXTS);
    this.text = new TextCodec(coder, model, limits.maxTextBytes);
    this.context = {
      coder,
      text: this.text,
      successors: new Successors(),
      dictionaries: { chars: MAX_DICTIONARY_CHARS },
      sharedId: COLUMNS,
    };
    const { successors } = this.context;
    this.at = new NumberModel({ coder, successors, id: AT, sharedId: AT });
    this.span = new NumberModel({ coder, successors, id: SPAN, sharedId: SPAN });
    this.shapeCodec = new ShapeCodec({
      coder,
      text: this.text,
      id: SHAPES,
      maxDepth: limits.maxDepth,
      columnAt: (path) => this.columnAt(path),
    });
  }

  /** A copy of its own. Throws `too-large` for what a decoder would refuse; the codec is of no use after that. */
  encode(batch: RowsBatch): Uint8Array {
    this.coder.beginEncoding();
    this.code(batch);
    return this.coder.finish().slice();
  }

  /** Throws `malformed`; the codec is of no use after that. */
  decode(bytes: Uint8Array): RowsBatch {
    this.coder.beginDecoding(bytes, 0, bytes.length);
    return this.code(EMPTY_BATCH);
  }

  private code(batch: RowsBatch): RowsBatch {
    const { row } = this;
    this.text.begin();
    this.leavesLeft = this.limits.maxLeaves;
    row.begin();
    const count = this.codeCount(batch.rows.length);
    const conflated = this.codeConflated(batch.conflated);
    const at = this.at.code(batch.at, row);
    const spanMs = this.span.code(batch.spanMs, row);
    const rows: Value[] = [];
    for (let i = 0; i < count; i++) rows.push(this.codeRow(batch.rows[i] ?? null));
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
      this.lastCount = coder.raw(count, 12);
    if (this.lastCount > this.limits.maxRows)
      throw malformed(`more than ${this.limits.maxRows} rows in one message`);
    return this.lastCount;
  }

  private codeRow(value: Value): Value {
    const { coder, shapes } = this;
    const index = coder.decoding ? 0 : this.findShape(value);
    const slot = coder.contexts.slot(SHAPE, 0);
    if (coder.bit(index === this.lastShape && shapes.length > 0 ? 1 : 0, slot + 1) === 0) {
      if (coder.bit(index >= 0 && shapes.length > 0 ? 1 : 0, slot + 2) === 1)
        this.lastShape = codeWhole(coder, index, SHAPE_INDEX, this.lastShape);
      else {
        if (shapes.length >= this.limits.maxShapes)
          throw malformed(`more than ${this.limits.maxShapes} shapes`);
        this.lastShape = shapes.length;
        shapes.push(this.shapeCodec.code(value));
      }
    }
    const shape = shapes[this.lastShape];
    if (shape === undefined) throw malformed("a coded row is of no shape that came before");
    this.row.begin();
    return coder.decoding ? this.read(shape) : this.write(shape, value);
  }

  private findShape(value: Value): number {
    const last = this.shapes[this.lastShape];
    if (last !== undefined && matches(last, value)) return this.lastShape;
    return this.shapes.findIndex((shape) => matches(shape, value));
  }

  private columnAt(path: string): Column {
    let column = this.columns.get(path);
    if (column === undefined) {
      if (this.columns.size >= this.limits.maxColumns)
        throw malformed(`more than ${this.limits.maxColumns} columns`);
      column = new Column(this.context, COLUMNS + (this.columns.size + 1) * COLUMN_CONTEXTS);
      this.columns.set(path, column);
    }
    return column;
  }

  private write(shape: Shape, value: Value): Value {
    if (shape.type === "leaf") return shape.column.code(value, this.row);
    if (shape.type === "array") {
      for (let i = 0; i < shape.items.length; i++)
        this.write(shape.items[i] as Shape, (value as Items)[i] as Value);
    } else {
      for (let i = 0; i < shape.keys.length; i++)
        this.write(shape.fields[i] as Shape, (value as Fields)[shape.keys[i] as string] as Value);
    }
    return value;
  }

  private read(shape: Shape): Value {
    if (--this.leavesLeft < 0) throw malformed(`more than ${this.limits.maxLeaves} values in one message`);
    if (shape.type === "leaf") return shape.column.code(null, this.row);
    if (shape.type === "array") return shape.items.map((item) => this.read(item));
    const fields: { [key: string]: Value } = {};
    for (let i = 0; i < shape.keys.length; i++)
      setField(fields, shape.keys[i] as string, this.read(shape.fields[i] as Shape));
    return fields;
  }
}
