import { StanzapackError } from "../base/errors.js";
import { MAX_ALIAS } from "./frames.js";
import { assertWithin, type Limits } from "../base/limits.js";
import { NIL } from "../msgpack/msgpack.js";
import { measureValue } from "../msgpack/msgpack-measure.js";
import type { MsgpackReader } from "../msgpack/msgpack-reader.js";

/** Reads the elements of one frame in order; every mismatch is `malformed` and names the frame and the element. */
export class FrameFields {
  private element = 0;
  name = "frame";
  constructor(
    private readonly reader: MsgpackReader,
    private readonly count: number,
  ) {}

  private next<T>(value: T | undefined, what: string): T {
    // An element beyond the array's count is missing, even if bytes follow.
    if (value === undefined || this.element >= this.count)
      throw this.wrong(`element ${this.element} is not ${what}`);
    this.element++;
    return value;
  }
  wrong(text: string): StanzapackError {
    return new StanzapackError("malformed", `${this.name}: ${text}`, { origin: "peer" });
  }
  private integer(max: number): number {
    const what = `an integer from 0 to ${max}`;
    const value = this.reader.integer();
    if (value === undefined || value < 0 || value > max)
      throw this.wrong(`element ${this.element} is not ${what}`);
    return value;
  }
  uint(max: number = Number.MAX_SAFE_INTEGER): number {
    return this.next(this.integer(max), "there");
  }
  private nil(): boolean {
    if (this.reader.peek() !== NIL) return false;
    this.reader.at++;
    return true;
  }
  uintOrNil(max: number = Number.MAX_SAFE_INTEGER): number | null {
    return this.next(this.nil() ? null : this.integer(max), "there");
  }
  alias(): number {
    return this.uint(MAX_ALIAS);
  }
  /** Positions begin at 1. */
  position(): number {
    const position = this.uint();
    if (position === 0) throw this.wrong("a range begins at 0");
    return position;
  }
  text(maxChars: number): string {
    const text = this.next(this.reader.text(), "a string");
    assertWithin(text.length, maxChars, `${this.name} text`);
    return text;
  }
  oneOf<T>(choices: readonly T[]): T {
    return choices[this.uint(choices.length - 1)] as T;
  }
  bytes(): Uint8Array {
    return this.next(this.reader.binary(), "binary");
  }
  bytesWithin(maxBytes: number): Uint8Array {
    const bytes = this.bytes();
    assertWithin(bytes.length, maxBytes, `${this.name} bytes`);
    return bytes;
  }
  /** Reads a binary with one msgpack value in it, of at most `maxUpdateBytes` bytes. */
  row(limits: Limits): Uint8Array {
    const row = this.bytesWithin(limits.maxUpdateBytes);
    if (measureValue(row, 0, limits) !== row.length) throw this.wrong("a binary has more than one value");
    return row;
  }
  bytesOrNil(maxBytes: number): Uint8Array | null {
    return this.orNil(() => this.bytesWithin(maxBytes));
  }
  /** Reads a nested array of integers from 0: `count` of them if `exactly`, else at most `count`. */
  uints(count: number, exactly = true): number[] {
    const found = this.reader.array();
    if (found === undefined || found > count || (exactly && found < count))
      throw this.wrong(`element ${this.element} is not an array of ${exactly ? "" : "at most "}${count}`);
    const values: number[] = [];
    for (let i = 0; i < found; i++) values.push(this.integer(Number.MAX_SAFE_INTEGER));
    return this.next(values, "there");
  }
  /** Reads the length of a nested array. The array counts as one element, and the caller reads its items. */
  private length(maxItems: number): number {
    const found = this.next(this.reader.array(), "an array");
    assertWithin(found, maxItems, `${this.name} list`);
    return found;
  }
  private nestedText(maxChars: number): string {
    const text = this.reader.text();
    if (text === undefined) throw this.wrong("an item is not a string");
    assertWithin(text.length, maxChars, `${this.name} text`);
    return text;
  }
  /** Reads a nested array of groups of `size` items. `read` reads one group. */
  private grouped<T>(maxGroups: number, size: number, read: () => T): T[] {
    const found = this.length(maxGroups * size);
    if (found % size !== 0) throw this.wrong(`a list of ${found} items is not in groups of ${size}`);
    return Array.from({ length: found / size }, read);
  }
  /** Reads a nested array of integers in groups. `max`: the largest integer at each place of a group. */
  groups(maxGroups: number, max: readonly number[]): number[][] {
    return this.grouped(maxGroups, max.length, () => max.map((most) => this.integer(most)));
  }
  list(maxItems: number, max: number): number[] {
    return this.grouped(maxItems, 1, () => this.integer(max));
  }
  texts(maxItems: number, maxChars: number): string[] {
    return this.grouped(maxItems, 1, () => this.nestedText(maxChars));
  }
  textPairs(maxPairs: number, ...[first, second]: readonly [number, number]): [string, string][] {
    return this.grouped(maxPairs, 2, () => [this.nestedText(first), this.nestedText(second)]);
  }
  /**
   * Reads a nested array of pairs of a number and a value. `read` reads the value and returns true. If it returns false
   * instead, the value is skipped.
   */
  pairs(maxPairs: number, read: (number: number) => boolean): void {
    const found = this.length(maxPairs);
    const numbers = new Set<number>();
    for (let i = 0; i < found; i++) {
      if (this.reader.array() !== 2) throw this.wrong("an item of a list of pairs is not a pair");
      const number = this.integer(Number.MAX_SAFE_INTEGER);
      if (numbers.has(number)) throw this.wrong(`${number} comes twice in a list of pairs`);
      numbers.add(number);
      if (!read(number)) this.reader.value();
    }
  }
  /** The value of a pair. */
  pairUintOrNil(max: number): number | null {
    return this.nil() ? null : this.integer(max);
  }
  /** The value of a pair, if it is not nil. */
  pairOrNil<T>(read: () => T): T | null {
    return this.nil() ? null : read();
  }
  /** Reads an array of texts, each with an integer behind it. It counts as no element: it is in one. */
  nestedTextsAndUints(maxGroups: number, maxChars: number, max: number): [string, number][] {
    const found = this.reader.array();
    if (found === undefined || found % 2 !== 0)
      throw this.wrong("an item is no array of texts with integers");
    assertWithin(found / 2, maxGroups, `${this.name} list`);
    return Array.from({ length: found / 2 }, () => [this.nestedText(maxChars), this.integer(max)]);
  }
  /** The same as an element of the frame. */
  textsAndUints(...bounds: readonly [maxGroups: number, maxChars: number, max: number]): [string, number][] {
    return this.next(this.nestedTextsAndUints(...bounds), "there");
  }
  orNil<T>(read: () => T): T | null {
    return this.nil() ? this.next(null, "there") : read();
  }
  /** Returns `frame`. Throws `malformed` if an element is left: within a version, frames gain no elements. */
  end<T>(frame: T): T {
    if (this.element !== this.count || !this.reader.done)
      throw this.wrong(`it has ${this.count} elements, not ${this.element}`);
    return frame;
  }
}
