import {
  endsEarly,
  malformed,
  notUsed,
  plainBytes,
  readInt64,
  readUint,
  setField,
  type Value,
} from "./msgpack.js";
import { isUtf8, readWtf8 } from "./wtf8.js";

/**
 * Deepest nesting that is decoded, deeper than any `maxDepth` in use. It protects the stack from bytes that
 * `measureValue` has not checked.
 */
const MAX_RECURSION = 256;

/** Reads msgpack item by item, strict about types: an integer is never a float, a key is always a string. */
export class MsgpackReader {
  at = 0;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = plainBytes(bytes);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at === this.bytes.length;
  }

  /** The next byte, not consumed; undefined at the end. */
  peek(): number | undefined {
    return this.bytes[this.at];
  }

  private skip(count: number): number {
    const start = this.at;
    if (start + count > this.bytes.length) throw endsEarly();
    this.at += count;
    return start;
  }
  private take(width: 1 | 2 | 4): number {
    return readUint(this.bytes, this.skip(width), width);
  }

  /**
   * Reads an integer of any msgpack type. Returns undefined and consumes nothing if the next item is not an integer.
   */
  integer(): number | undefined {
    const head = this.peek();
    if (head === undefined) return undefined;
    if (head < 0x80 || head >= 0xe0) {
      this.at++;
      return head < 0x80 ? head : head - 0x100;
    }
    if (head < 0xcc || head > 0xd3) return undefined;
    this.at++;
    switch (head) {
      case 0xcc:
        return this.take(1);
      case 0xcd:
        return this.take(2);
      case 0xce:
        return this.take(4);
      case 0xcf:
        return readInt64(this.bytes, this.skip(8), false);
      case 0xd0:
        return (this.take(1) << 24) >> 24;
      case 0xd1:
        return (this.take(2) << 16) >> 16;
      case 0xd2:
        return this.take(4) | 0;
      default:
        return readInt64(this.bytes, this.skip(8), true);
    }
  }

  /** Text of a frame: UTF-8. */
  text(): string | undefined {
    const start = this.textStart();
    if (start === undefined) return undefined;
    if (!isUtf8(this.bytes, start, this.at)) throw malformed("a string of a frame is not UTF-8");
    return readWtf8(this.bytes, start, this.at);
  }

  /** Text of a value: WTF-8. */
  valueText(): string | undefined {
    const start = this.textStart();
    return start === undefined ? undefined : readWtf8(this.bytes, start, this.at);
  }

  private textStart(): number | undefined {
    const length = this.length(0xa0, 0x1f, 0xd9, true);
    return length === undefined ? undefined : this.skip(length);
  }

  /** Reads binary, and returns a view into the bytes of the reader. */
  binary(): Uint8Array | undefined {
    const head = this.peek();
    if (head === undefined || head < 0xc4 || head > 0xc6) return undefined;
    this.at++;
    const length = this.take(head === 0xc4 ? 1 : head === 0xc5 ? 2 : 4);
    const start = this.skip(length);
    return this.bytes.subarray(start, this.at);
  }

  /** Reads the head of an array, and returns its number of items. */
  array(): number | undefined {
    return this.length(0x90, 0x0f, 0xdc, false);
  }

  private map(): number | undefined {
    return this.length(0x80, 0x0f, 0xde, false);
  }

  /**
   * Reads a length in its short or in a wide form. `short`: first byte of the short form, whose length is in the bits
   * of `mask`. `wide`: type byte of the narrowest wide form, which is str 8, array 16 or map 16.
   */
  private length(short: number, mask: number, wide: number, hasWidth8: boolean): number | undefined {
    const head = this.peek();
    if (head === undefined) return undefined;
    if (head >= short && head <= short + mask) {
      this.at++;
      return head & mask;
    }
    const step = head - wide + (hasWidth8 ? 0 : 1);
    if (head < wide || step > 2) return undefined;
    this.at++;
    return this.take(step === 0 ? 1 : step === 1 ? 2 : 4);
  }

  value(depth = 0): Value {
    const head = this.peek();
    if (head === undefined) throw endsEarly();
    if (head < 0x80 || head >= 0xe0 || (head >= 0xcc && head <= 0xd3)) return this.integer() as number;
    if (head >= 0xa0 && head < 0xc0) return this.valueText() as string;
    if (head < 0x90) return this.entries(this.map() as number, depth);
    if (head < 0xa0) return this.items(this.array() as number, depth);
    switch (head) {
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.binary() as Uint8Array;
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.valueText() as string;
      case 0xdc:
      case 0xdd:
        return this.items(this.array() as number, depth);
      case 0xde:
      case 0xdf:
        return this.entries(this.map() as number, depth);
    }
    this.at++;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.view.getFloat32(this.skip(4));
      case 0xcb:
        return this.view.getFloat64(this.skip(8));
      default:
        throw notUsed(head);
    }
  }

  private items(count: number, depth: number): Value[] {
    if (depth === MAX_RECURSION) throw malformed("a msgpack value is nested too deeply");
    const items: Value[] = [];
    for (let i = 0; i < count; i++) items.push(this.value(depth + 1));
    return items;
  }

  private entries(count: number, depth: number): { readonly [key: string]: Value } {
    if (depth === MAX_RECURSION) throw malformed("a msgpack value is nested too deeply");
    const map: { [key: string]: Value } = {};
    for (let i = 0; i < count; i++) {
      const key = this.valueText();
      if (key === undefined) throw malformed("a msgpack map has a key that is not a string");
      setField(map, key, this.value(depth + 1));
    }
    return map;
  }
}

/** Decodes one whole value; nothing may follow it. Throws `malformed`. */
export function decodeMsgpack(bytes: Uint8Array): Value {
  const reader = new MsgpackReader(bytes);
  const value = reader.value();
  if (!reader.done) throw malformed("bytes follow a msgpack value");
  return value;
}
