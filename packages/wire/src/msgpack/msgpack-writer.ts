import { StanzapackError } from "../base/errors.js";
import { NIL } from "./msgpack.js";
import { writeWtf8, wtf8Length } from "./wtf8.js";

const INITIAL_BYTES = 4_096;
/** NaN as others write it. */
const CANONICAL_NAN = 0x7ff8_0000_0000_0000n;
const TWO_32 = 0x1_0000_0000;

export interface WriteBounds {
  readonly maxBytes: number;
  readonly maxItems: number;
  readonly maxDepth: number;
}

/**
 * Writes msgpack in its shortest form, with text as WTF-8. Common libraries are not used, because they change values
 * silently: -0 becomes 0, and a lone surrogate becomes U+FFFD. The writer checks its bounds while it writes, so that no
 * value costs more than its bound.
 */
export class MsgpackWriter {
  private bytes = new Uint8Array(INITIAL_BYTES);
  private view = new DataView(this.bytes.buffer);
  private at = 0;
  private items = 0;
  /** Keys and indexes that lead to the value being written. An error names them. */
  private readonly path: (string | number)[] = [];
  private bounds: WriteBounds = { maxBytes: 0, maxItems: 0, maxDepth: 0 };

  /** `sorts`: fields of an object are in the order of the UTF-16 code units of their names. */
  constructor(private readonly sorts = false) {}

  /** A copy of `value`'s msgpack. Throws `unencodable` or `too-large`. */
  encode(value: unknown, bounds: WriteBounds): Uint8Array {
    return this.encodeShared(value, bounds).slice();
  }

  /** `value`'s msgpack, which the next call overwrites. Throws as `encode`. */
  encodeShared(value: unknown, bounds: WriteBounds): Uint8Array {
    this.at = 0;
    this.items = 0;
    this.bounds = bounds;
    this.write(value, 0);
    this.claim(0);
    return this.bytes.subarray(0, this.at);
  }

  /** Checks that `count` more bytes are within the bound, and makes room for them. */
  private claim(count: number): void {
    if (this.at + count > this.bounds.maxBytes)
      throw new StanzapackError("too-large", `its msgpack is over ${this.bounds.maxBytes} bytes`);
    this.reserve(count);
  }

  private reserve(count: number): void {
    const end = this.at + count;
    if (end <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(end, this.bytes.length * 2));
    larger.set(this.bytes);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }

  private fail(depth: number, what: string): never {
    const path = this.path
      .slice(0, depth)
      .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`));
    const text = `value${path.join("")}`;
    throw new StanzapackError("unencodable", `${text.slice(0, 200)} is ${what}`);
  }

  private write(value: unknown, depth: number): void {
    // Checked for each value, not only at the end: a value that contains itself twice would otherwise take 2^32 steps.
    this.claim(1);
    if (++this.items > this.bounds.maxItems)
      throw new StanzapackError("too-large", `it has more than ${this.bounds.maxItems} items`);
    switch (typeof value) {
      case "boolean":
        return this.byte(value ? 0xc3 : 0xc2);
      case "number":
        return this.number(value);
      case "string":
        return this.text(value);
      case "object":
        break;
      default:
        this.fail(depth, `of type ${typeof value}`);
    }
    if (value === null) return this.byte(NIL);
    if (value instanceof Uint8Array) return this.binary(value);
    if (depth === this.bounds.maxDepth) this.fail(depth, "nested deeper than maxDepth, or contains itself");
    if (Array.isArray(value)) {
      this.head(value.length, 0x90, 16, 0xdc);
      for (let i = 0; i < value.length; i++) {
        this.path[depth] = i;
        // As in JSON: a hole or an undefined item becomes null, so later items keep their places.
        this.write(value[i] ?? null, depth + 1);
      }
      return;
    }
    if (isPlain(value)) return this.fields(value as Record<string, unknown>, depth);
    // A Uint8Array of another realm is no instance of this realm's Uint8Array.
    if (Object.prototype.toString.call(value) === "[object Uint8Array]")
      return this.binary(value as Uint8Array);
    this.fail(depth, describeInstance(value));
  }

  /** As in JSON: a field that is undefined is left out. */
  private fields(entries: Record<string, unknown>, depth: number): void {
    const keys = Object.keys(entries);
    if (this.sorts) keys.sort();
    let count = 0;
    for (const key of keys) if (entries[key] !== undefined) count++;
    this.head(count, 0x80, 16, 0xde);
    for (const key of keys) {
      const value = entries[key];
      if (value === undefined) continue;
      count--;
      this.items++;
      this.text(key);
      this.path[depth] = key;
      this.write(value, depth + 1);
    }
    // A getter returned a value in only one of the two reads.
    if (count !== 0) this.fail(depth, "an object that changes while it is read");
  }

  private byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  private number(value: number): void {
    this.reserve(9);
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.bytes[this.at] = 0xcb;
      this.view.setFloat64(this.at + 1, value);
      // An engine may write any of the many bit patterns that mean NaN.
      if (Number.isNaN(value)) this.view.setBigUint64(this.at + 1, CANONICAL_NAN);
      this.at += 9;
    } else if (value >= -32 && value < 0x80) this.bytes[this.at++] = value;
    else if (value >= 0)
      if (value < 0x100) this.sized(0xcc, value, 1);
      else if (value < 0x10000) this.sized(0xcd, value, 2);
      else if (value < TWO_32) this.sized(0xce, value, 4);
      else this.sized(0xcf, value, 8);
    else if (value >= -0x80) this.sized(0xd0, value, 1);
    else if (value >= -0x8000) this.sized(0xd1, value, 2);
    else if (value >= -0x80000000) this.sized(0xd2, value, 4);
    else this.sized(0xd3, value, 8);
  }

  /**
   * Writes a type byte and a big-endian integer, in two's complement if it is negative. The caller has reserved the
   * bytes.
   */
  private sized(head: number, value: number, width: 1 | 2 | 4 | 8): void {
    this.bytes[this.at++] = head;
    if (width === 1) this.bytes[this.at] = value;
    else if (width === 2) this.view.setUint16(this.at, value);
    else if (width === 4) this.view.setUint32(this.at, value);
    else {
      this.view.setInt32(this.at, Math.floor(value / TWO_32));
      this.view.setUint32(this.at + 4, value);
    }
    this.at += width;
  }

  /**
   * Writes the header of a counted item. Below `shortLimit` it is `short | count`. Otherwise it is `wide16` and a count
   * of 16 bits, or the type byte after `wide16` and a count of 32 bits.
   */
  private head(count: number, short: number, shortLimit: number, wide16: number): void {
    this.reserve(5);
    if (count < shortLimit) this.bytes[this.at++] = short | count;
    else if (count < 0x10000) this.sized(wide16, count, 2);
    else this.sized(wide16 + 1, count, 4);
  }

  private text(text: string): void {
    // Checked before the text is read: a text has at least as many bytes as UTF-16 code units.
    this.claim(text.length);
    const length = wtf8Length(text);
    this.claim(length);
    this.reserve(5 + length);
    if (length >= 32 && length < 0x100) this.sized(0xd9, length, 1);
    else this.head(length, 0xa0, 32, 0xda);
    this.at = writeWtf8(text, this.bytes, this.at);
  }

  private binary(value: Uint8Array): void {
    const length = value.length;
    this.claim(length);
    this.reserve(5 + length);
    // Throws if the buffer was transferred: a view of such a buffer has no bytes.
    if (length === 0) new Uint8Array(value.buffer);
    if (length < 0x100) this.sized(0xc4, length, 1);
    else if (length < 0x10000) this.sized(0xc5, length, 2);
    else this.sized(0xc6, length, 4);
    this.bytes.set(value, this.at);
    this.at += length;
  }
}

/** Whether `{}`, `Object.create(null)` or `JSON.parse` made the object, in any realm. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || prototype === Object.prototype || Object.hasOwn(prototype, "isPrototypeOf");
}

function describeInstance(value: object): string {
  const { constructor, toJSON } = value as { readonly constructor?: unknown; readonly toJSON?: unknown };
  const name =
    typeof constructor === "function" && constructor.name !== "" ? `a ${constructor.name}` : "an instance";
  return `${name}, not a plain object${typeof toJSON === "function" ? ": publish what its `toJSON` returns" : ""}`;
}
