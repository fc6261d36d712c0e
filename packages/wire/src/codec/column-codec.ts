import type { Value } from "../msgpack.js";
import { BitCoder } from "./bit-coder.js";
import { Column, COLUMN_CONTEXTS, type Shared } from "./column.js";
import { Row } from "./number-model.js";
import { isContainer, matches, type Shape } from "./shape.js";
import { TextMixing } from "./text-mixing.js";
import { TextModel } from "./text-model.js";

const COUNT = 10;
const SHAPE = 11;
const TAG = 12;
const SIZE = 13;
/** Above what the codec and the text model use themselves. */
const PARENT = 32;

/** One direction of a lane: codes batches of rows, each with all that was learned from those before. */
export class ColumnCodec {
  private readonly coder: BitCoder;
  private readonly shared: Shared;
  private readonly shapes: Shape[] = [];
  private readonly columns = new Map<string, Column>();
  private readonly keys: Column;
  private lastShape = 0;
  private lastCount = 1;
  private readonly row = new Row();

  constructor(decoding: boolean, { mixing = false, text = 0 }: { readonly mixing?: boolean; readonly text?: number } = {}) {
    this.coder = new BitCoder(decoding, mixing);
    this.shared = { coder: this.coder, text: text > 0 ? new TextMixing(this.coder, text) : new TextModel(this.coder, 0), parent: PARENT };
    this.keys = new Column(this.shared, 0);
  }

  encode(rows: readonly Value[]): Uint8Array {
    this.coder.begin();
    this.codeCount(rows.length);
    for (const row of rows) this.codeRow(row);
    const bytes = this.coder.finish().slice();
    this.coder.contexts.growIfCrowded();
    return bytes;
  }

  decode(bytes: Uint8Array): Value[] {
    this.coder.begin(bytes);
    const count = this.codeCount(0);
    const rows: Value[] = [];
    for (let i = 0; i < count; i++) rows.push(this.codeRow(null));
    this.coder.contexts.growIfCrowded();
    return rows;
  }

  private codeCount(count: number): number {
    const { coder } = this;
    const slot = coder.contexts.slot(COUNT, 0) + 1;
    if (coder.bit(count === this.lastCount ? 1 : 0, slot) === 0) this.lastCount = coder.raw(count, 12);
    return this.lastCount;
  }

  private codeRow(value: Value): Value {
    const { coder, shapes } = this;
    let index = -1;
    if (!coder.decoding) {
      if (shapes.length > 0 && matches(shapes[this.lastShape] as Shape, value)) index = this.lastShape;
      else index = shapes.findIndex((shape) => matches(shape, value));
    }
    const slot = coder.contexts.slot(SHAPE, 0) + 1;
    if (coder.bit(index === this.lastShape && shapes.length > 0 ? 1 : 0, slot) === 0) {
      if (coder.bit(index >= 0 ? 1 : 0, slot + 1) === 1) this.lastShape = this.codeShapeIndex(index);
      else {
        this.lastShape = shapes.length;
        shapes.push(this.codeShape(value, ""));
      }
    }
    this.row.begin();
    return this.walk(shapes[this.lastShape] as Shape, value);
  }

  private codeShapeIndex(index: number): number {
    const { coder } = this;
    const size = coder.tree(32 - Math.clz32(index), 4, coder.contexts.slot(SHAPE, 1 + this.lastShape));
    let value = size > 0 ? 1 : 0;
    for (let left = size - 1; left > 0; ) {
      const step = Math.min(left, 4);
      left -= step;
      const prefix = (size << 12) | value;
      const part = coder.tree((index >>> left) & ((1 << step) - 1), step, coder.contexts.slot(SHAPE, 0x10000 + (this.lastShape << 16) + prefix));
      value = (value << step) | part;
    }
    return value;
  }

  private codeShape(value: Value, path: string): Shape {
    const { coder } = this;
    const tag = coder.tree(!isContainer(value) ? 0 : Array.isArray(value) ? 1 : 2, 2, coder.contexts.slot(TAG, 0));
    if (tag === 0) {
      let column = this.columns.get(path);
      if (column === undefined) {
        column = new Column(this.shared, this.columns.size + 1);
        this.columns.set(path, column);
      }
      return { type: "leaf", column };
    }
    const given = coder.decoding ? 0 : tag === 1 ? (value as readonly Value[]).length : Object.keys(value as object).length;
    const bits = coder.tree(32 - Math.clz32(given), 4, coder.contexts.slot(SIZE, tag));
    const size = bits === 0 ? 0 : coder.raw(given & ((1 << (bits - 1)) - 1), bits - 1) + (1 << (bits - 1));
    if (tag === 1) {
      const items: Shape[] = [];
      for (let i = 0; i < size; i++)
        items.push(this.codeShape(coder.decoding ? null : ((value as readonly Value[])[i] as Value), `${path}[${i}`));
      return { type: "array", items };
    }
    const keys: string[] = [];
    const fields: Shape[] = [];
    const given2 = coder.decoding ? [] : Object.keys(value as object);
    for (let i = 0; i < size; i++) {
      const key = this.keys.codeKey(given2[i] ?? "");
      keys.push(key);
      fields.push(this.codeShape(coder.decoding ? null : ((value as { [key: string]: Value })[key] as Value), `${path}.${key}`));
    }
    return { type: "object", keys, fields };
  }

  private walk(shape: Shape, value: Value): Value {
    switch (shape.type) {
      case "leaf":
        return shape.column.code(value, this.row);
      case "array": {
        const { items } = shape;
        if (!this.coder.decoding) {
          for (let i = 0; i < items.length; i++) this.walk(items[i] as Shape, (value as readonly Value[])[i] as Value);
          return null;
        }
        const array: Value[] = [];
        for (const item of items) array.push(this.walk(item, null));
        return array;
      }
      case "object": {
        const { keys, fields } = shape;
        if (!this.coder.decoding) {
          for (let i = 0; i < keys.length; i++)
            this.walk(fields[i] as Shape, (value as { [key: string]: Value })[keys[i] as string] as Value);
          return null;
        }
        const object: { [key: string]: Value } = {};
        for (let i = 0; i < keys.length; i++) object[keys[i] as string] = this.walk(fields[i] as Shape, null);
        return object;
      }
    }
  }
}
void COLUMN_CONTEXTS;
