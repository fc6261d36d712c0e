import { malformed, type Value } from "../msgpack.js";
import type { BitCoder } from "./bit-coder.js";
import type { Column } from "./column.js";
import { isContainer, type Fields, type Items, type Shape } from "./shape.js";
import type { TextCodec } from "./text-codec.js";
import { codeWhole } from "./whole-number.js";

/** Contexts, from its `id` on. */
const TYPE = 0;
const SIZE = 1;
const KEY = 2;
export const SHAPE_CONTEXTS = 3;

const LEAF = 0;
const ARRAY = 1;
const OBJECT = 2;

export interface ShapeCodecOptions {
  readonly coder: BitCoder;
  readonly text: TextCodec;
  /** First of its contexts. */
  readonly id: number;
  readonly maxDepth: number;
  /** The column of the leaves at a path, new or not. Throws when there would be too many. */
  readonly columnAt: (path: string) => Column;
}

/** Shapes that are new: types, sizes and keys, in the order of the value. */
export class ShapeCodec {
  constructor(private readonly options: ShapeCodecOptions) {}

  /** The shape of `value`, when encoding. Throws `malformed`. */
  code(value: Value, path = "", depth = 0): Shape {
    const { coder, id, maxDepth, columnAt } = this.options;
    const { decoding } = coder;
    const given = !isContainer(value) ? LEAF : Array.isArray(value) ? ARRAY : OBJECT;
    const type = coder.tree(given, 2, coder.contexts.slot(id + TYPE, Math.min(depth, 15)));
    if (type === LEAF) return { type: "leaf", column: columnAt(path) };
    if (depth >= maxDepth) throw malformed(`a coded value is nested deeper than ${maxDepth}`);
    if (type === ARRAY) {
      const source = value as Items;
      const size = codeWhole(coder, decoding ? 0 : source.length, id + SIZE, ARRAY);
      const items: Shape[] = [];
      for (let i = 0; i < size; i++)
        items.push(this.code(decoding ? null : (source[i] as Value), `${path}[${i}`, depth + 1));
      return { type: "array", items };
    }
    if (type !== OBJECT) throw malformed(`there is no container ${type}`);
    return this.codeObject(value as Fields, path, depth);
  }

  private codeObject(value: Fields, path: string, depth: number): Shape {
    const { coder, text, id } = this.options;
    const { decoding } = coder;
    const given = decoding ? [] : Object.keys(value);
    const size = codeWhole(coder, given.length, id + SIZE, OBJECT);
    const keys: string[] = [];
    const fields: Shape[] = [];
    for (let i = 0; i < size; i++) {
      const key = text.codeText(given[i] ?? "", id + KEY, 0);
      keys.push(key);
      fields.push(this.code(decoding ? null : (value[key] as Value), `${path}.${key}`, depth + 1));
    }
    if (decoding && new Set(keys).size < size) throw malformed("a coded object has a key twice");
    return { type: "object", keys, fields };
  }
}
