import type { Value } from "../msgpack.js";
import { readUtf8, utf8Length, writeUtf8 } from "../utf8.js";
import type { BitCoder } from "./bit-coder.js";
import { DoubleModel, DOUBLE_CONTEXTS } from "./double-model.js";
import { formatDate, parseDate, type DateTemplate, type ParsedDate } from "./iso-date.js";
import { NumberModel, NUMBER_CONTEXTS, type Row } from "./number-model.js";
import { findScale, fits } from "./scaled.js";
import type { TextMixing } from "./text-mixing.js";
import type { TextModel } from "./text-model.js";

/** Classes of leaves. */
const NUMBER = 0;
const RESCALED = 1;
const DOUBLE = 2;
const TEXT = 3;
const DATE = 4;
const BOOLEAN = 5;
const NULL = 6;
const BYTES = 7;
const NUMERIC = 8;
const CLASSES = 9;

const CLASS = 0;
const CLASS_TREE = 1;
const BOOLEANS = 2;
const SCALE = 3;
const NUMBERS = 4;
const DATES = NUMBERS + NUMBER_CONTEXTS;
const TEMPLATE = DATES + NUMBER_CONTEXTS;
const KNOWN = TEMPLATE + 1;
const INDEX = KNOWN + 1;
const INDEX_PLAIN = INDEX + 1;
const INDEX_ROW = INDEX + 2;
const INDEX_TWO = INDEX + 3;
const CLASS_ROW = INDEX + 4;
const CLASS_WORD = INDEX + 5;
const TEXT_LENGTH = INDEX + 6;
const DOUBLES = TEXT_LENGTH + 1;
const NUMERICS = DOUBLES + DOUBLE_CONTEXTS;
export const COLUMN_CONTEXTS = NUMERICS + NUMBER_CONTEXTS;

const MAX_ENTRIES = 4_096;

const PLAIN_DECIMAL = /^-?(?:0|[1-9]\d{0,14})(?:\.(\d{1,8}))?$/;

/** What columns of one codec share. */
export interface Shared {
  readonly coder: BitCoder;
  readonly text: TextModel | TextMixing;
  /** Contexts that speak for columns which are new. */
  readonly parent: number;
}

/** The leaves at one place of a shape, row after row. */
export class Column {
  private readonly id: number;
  private lastClass = 0;
  private flags = 0;
  private numbers: NumberModel | undefined;
  private doubles: DoubleModel | undefined;
  private dates: NumberModel | undefined;
  private template: DateTemplate | undefined;
  private numerics: NumberModel | undefined;
  private numericDigits = 0;
  private readonly dictionary = new Map<string, number>();
  private readonly entries: string[] = [];
  private lastIndex = 0;
  private secondIndex = 0;
  private secondClass = 0;
  private known = 0;
  private bytes = new Uint8Array(64);

  constructor(
    private readonly shared: Shared,
    private readonly number: number,
  ) {
    this.id = shared.parent + (number + 1) * COLUMN_CONTEXTS;
  }

  code(value: Value, row: Row): Value {
    const { coder } = this.shared;
    const { contexts } = coder;
    let parsed: ParsedDate | undefined;
    let kind = 0;
    if (!coder.decoding) {
      switch (typeof value) {
        case "number":
          kind = this.classOf(value);
          break;
        case "string":
          parsed = parseDate(value);
          kind = parsed !== undefined ? DATE : this.isNumeric(value) ? NUMERIC : TEXT;
          break;
        case "boolean":
          kind = BOOLEAN;
          break;
        default:
          kind = value === null ? NULL : BYTES;
      }
    }
    const { lastClass, id } = this;
    const parent = this.shared.parent;
    const { slots, mixing } = coder;
    slots[0] = contexts.slot(id + CLASS, 0);
    slots[1] = contexts.slot(parent + CLASS, 0);
    if (mixing) {
      slots[2] = contexts.slot(id + CLASS, 1 + this.secondClass);
      slots[3] = contexts.slot(id + CLASS_ROW, row.kind);
      slots[4] = contexts.slot(id + CLASS_WORD, row.word);
    }
    const same = coder.bitIn(kind === lastClass ? 1 : 0, 1 + lastClass, 5, parent + CLASS);
    if (same === 1) kind = lastClass;
    else {
      slots[0] = contexts.slot(id + CLASS_TREE, lastClass);
      slots[1] = contexts.slot(parent + CLASS_TREE, lastClass);
      if (mixing) slots[2] = contexts.slot(id + CLASS_TREE, 16 + row.kind);
      kind = coder.treeIn(kind, 4, 3, parent + CLASS_TREE);
    }
    this.secondClass = lastClass;
    this.lastClass = kind === RESCALED ? NUMBER : kind;
    row.kind = kind;
    switch (kind) {
      case RESCALED:
        this.codeScale(value as number);
        return (this.numbers as NumberModel).code(value as number, row);
      case NUMBER:
        return (this.numbers as NumberModel).code(value as number, row);
      case DOUBLE:
        this.doubles ??= new DoubleModel(coder, id + DOUBLES, parent + DOUBLES);
        return this.doubles.code(value as number, row);
      case DATE:
        return this.codeDate(parsed, row);
      case BOOLEAN: {
        slots[0] = contexts.slot(id + BOOLEANS, 0);
        slots[1] = contexts.slot(parent + BOOLEANS, 0);
        if (mixing) slots[2] = contexts.slot(id + BOOLEANS, 1 + row.word);
        const bit = coder.bitIn(value === true ? 1 : 0, 1 + this.flags, 3, parent + BOOLEANS);
        this.flags = ((this.flags << 1) | bit) & 7;
        row.word = 1 + bit;
        return bit === 1;
      }
      case NULL:
        row.word = 3;
        return null;
      case NUMERIC:
        return this.codeNumeric(value as string, row);
      case TEXT:
        return this.codeText(value as string, row);
      default:
        throw new Error("class");
    }
  }

  private classOf(value: number): number {
    const { numbers } = this;
    if (numbers !== undefined && fits(value, numbers.exponent, numbers.kind)) return NUMBER;
    const scale = findScale(value);
    if (scale === undefined) return DOUBLE;
    // A coarser scale of the same kind would not hold what comes next.
    return numbers !== undefined && scale.kind === numbers.kind && scale.exponent < numbers.exponent ? DOUBLE : RESCALED;
  }

  private codeScale(value: number): void {
    const { coder, parent } = this.shared;
    const scale = coder.decoding ? undefined : findScale(value);
    const kind = coder.raw(scale?.kind ?? 0, 2);
    const exponent = coder.raw((scale?.exponent ?? 0) + 8, 5) - 8;
    this.numbers ??= new NumberModel(coder, this.id + NUMBERS, parent + NUMBERS);
    this.numbers.setScale(kind, exponent);
  }

  private codeDate(parsed: ParsedDate | undefined, row: Row): string {
    const { coder, parent } = this.shared;
    const slot = coder.contexts.slot(this.id + TEMPLATE, 0) + 1;
    const same = parsed !== undefined && this.template !== undefined && sameTemplate(parsed.template, this.template);
    if (coder.bit(same ? 1 : 0, slot) === 0) this.template = this.codeTemplate(parsed?.template);
    this.dates ??= new NumberModel(coder, this.id + DATES, parent + DATES);
    const { length } = row.numbers;
    const count = this.dates.code(parsed?.count ?? 0, row);
    row.numbers.length = length;
    return formatDate(count, this.template as DateTemplate);
  }

  private codeTemplate(template: DateTemplate | undefined): DateTemplate {
    const { coder } = this.shared;
    const separator = coder.raw(template?.separator === "/" ? 1 : 0, 1) === 1 ? "/" : "-";
    const between = ["", "T", " "][coder.raw(["", "T", " "].indexOf(template?.between ?? ""), 2)] as string;
    const precision = coder.raw(template?.precision ?? 0, 2);
    const digits = coder.raw(template?.digits ?? 0, 3);
    const zone = this.codeNewText(template?.zone ?? "");
    return { separator, between, precision, digits, zone };
  }

  private isNumeric(text: string): boolean {
    if (text.length > 20 || text.length === 0) return false;
    const match = PLAIN_DECIMAL.exec(text);
    if (match === null) return false;
    return numericText(toNumeric(text), match[1]?.length ?? 0) === text;
  }

  private codeNumeric(text: string, row: Row): string {
    const { coder, parent } = this.shared;
    const point = coder.decoding ? -1 : text.indexOf(".");
    const digits = point < 0 ? 0 : text.length - point - 1;
    const slot = coder.contexts.slot(this.id + TEMPLATE, 0) + 2;
    if (coder.bit(digits === this.numericDigits ? 1 : 0, slot) === 0) this.numericDigits = coder.raw(digits, 4);
    this.numerics ??= new NumberModel(coder, this.id + NUMERICS, parent + NUMERICS);
    const { length } = row.numbers;
    const count = this.numerics.code(coder.decoding ? 0 : toNumeric(text), row);
    row.numbers.length = length;
    return numericText(count, this.numericDigits);
  }

  private codeText(text: string, row: Row): string {
    const { coder, parent } = this.shared;
    const { contexts, slots, mixing } = coder;
    const { id } = this;
    const index = coder.decoding ? 0 : (this.dictionary.get(text) ?? -1);
    slots[0] = contexts.slot(id + KNOWN, 0);
    slots[1] = contexts.slot(parent + KNOWN, 0);
    if (mixing) slots[2] = contexts.slot(id + KNOWN, 1 + this.lastIndex);
    const known = coder.bitIn(index >= 0 ? 1 : 0, 1 + this.known, 3, parent + KNOWN);
    this.known = ((this.known << 1) | known) & 7;
    let coded: string;
    if (known === 1) {
      this.setIndex(this.codeIndex(index, row));
      coded = this.entries[this.lastIndex] as string;
    } else {
      coded = this.codeNewText(text);
      if (this.entries.length < MAX_ENTRIES) {
        this.dictionary.set(coded, this.entries.length);
        this.entries.push(coded);
        this.setIndex(this.entries.length - 1);
      }
    }
    row.word = 4 + this.number * MAX_ENTRIES + this.lastIndex;
    return coded;
  }

  private setIndex(index: number): void {
    this.secondIndex = this.lastIndex;
    this.lastIndex = index;
  }

  private codeIndex(index: number, row: Row): number {
    const { coder } = this.shared;
    const { contexts, slots, mixing } = coder;
    const { id } = this;
    const one = this.lastIndex + 1;
    const two = Math.imul(this.secondIndex + 1, 0x10001) + one;
    let value = 0;
    let left = 0;
    let prefix = 0;
    let width = 4;
    let part = 32 - Math.clz32(index);
    for (;;) {
      slots[0] = contexts.slot(id + INDEX, Math.imul(prefix, MAX_ENTRIES + 1) + one);
      slots[1] = contexts.slot(id + INDEX_PLAIN, prefix);
      if (mixing) {
        slots[2] = contexts.slot(id + INDEX_ROW, Math.imul(prefix, 0x9e3779b1) ^ row.word);
        slots[3] = contexts.slot(id + INDEX_TWO, Math.imul(prefix, 0x9e3779b1) ^ two);
      }
      const coded = coder.treeIn(part, width, 4, this.shared.parent + INDEX);
      if (prefix === 0) {
        if (coded === 0) return 0;
        value = 1;
        left = coded - 1;
        prefix = coded << 16;
      } else value = (value << width) | coded;
      if (left === 0) return value;
      width = Math.min(left, 4);
      left -= width;
      prefix = (prefix & 0xf0000) | value;
      part = (index >>> left) & ((1 << width) - 1);
    }
  }

  private codeNewText(text: string): string {
    const { coder, text: model } = this.shared;
    const { contexts } = coder;
    const given = coder.decoding ? 0 : utf8Length(text);
    const bits = coder.tree(32 - Math.clz32(given), 4, contexts.slot(this.id + TEXT_LENGTH, 0));
    let length = bits > 0 ? 1 : 0;
    for (let left = bits - 1; left > 0; ) {
      const step = Math.min(left, 4);
      left -= step;
      const prefix = (bits << 16) | length;
      length = (length << step) | coder.tree((given >>> left) & ((1 << step) - 1), step, contexts.slot(this.id + TEXT_LENGTH, 1 + prefix));
    }
    if (this.bytes.length < length) this.bytes = new Uint8Array(length * 2);
    if (!coder.decoding) writeUtf8(text, this.bytes, 0);
    model.code(this.bytes, length, this.number);
    return coder.decoding ? readUtf8(this.bytes, 0, length) : text;
  }

  /** A key of a new shape. */
  codeKey(key: string): string {
    return this.codeNewText(key);
  }
}

function sameTemplate(a: DateTemplate, b: DateTemplate): boolean {
  return (
    a.separator === b.separator &&
    a.between === b.between &&
    a.precision === b.precision &&
    a.digits === b.digits &&
    a.zone === b.zone
  );
}

function toNumeric(text: string): number {
  return Number(text.replace(".", ""));
}

function numericText(count: number, digits: number): string {
  const size = String(Math.abs(count)).padStart(digits + 1, "0");
  const sign = count < 0 ? "-" : "";
  return digits === 0 ? sign + size : `${sign}${size.slice(0, -digits)}.${size.slice(-digits)}`;
}
void CLASSES;
