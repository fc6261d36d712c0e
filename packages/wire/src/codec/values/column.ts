import { malformed, type Value } from "../../msgpack/msgpack.js";
import type { BitCoder } from "../coder/bit-coder.js";
import { claim, unencodable, type PlaceMemory, type ValueBudget } from "../coder/bounds.js";
import { HeldObject, isList, type Held } from "./held.js";
import { Dictionary, DICTIONARY_CONTEXTS, type DictionaryBudget } from "./dictionary.js";
import { DoubleModel, DOUBLE_CONTEXTS } from "../numbers/double-model.js";
import {
  formatDate,
  parseDate,
  readTemplate,
  sameTemplate,
  type DateTemplate,
  type ParsedDate,
} from "../numbers/iso-date.js";
import { SET } from "../coder/mixer-sets.js";
import { NumberModel, NUMBER_CONTEXTS, type NumberModelOptions } from "../numbers/number-model.js";
import { formatNumeric, MAX_DIGITS, parseNumeric, type NumericText } from "../numbers/numeric-text.js";
import type { Row } from "../numbers/row.js";
import { findScale, fits, MAX_EXPONENT, MIN_EXPONENT, PRINTED, type Scale } from "../numbers/scaled.js";
import { ScalePolicy } from "../numbers/scale-policy.js";
import type { Successors } from "../numbers/successors.js";
import type { Trends } from "../numbers/trends.js";
import { TEXT_CONTEXTS, type TextCodec } from "../texts/text-codec.js";

/** Classes of leaves. */
const NUMBER = 0;
/** A number in a scale that is coded with it. */
const RESCALED = 1;
const DOUBLE = 2;
const TEXT = 3;
const DATE = 4;
const NUMERIC = 5;
const BOOLEAN = 6;
const NULL = 7;
const BYTES = 8;
/** A container that the tree of places has no room for, as msgpack. */
export const PACKED = 9;
export const ARRAY = 10;
export const OBJECT = 11;
/** An object lacks this key. */
export const ABSENT = 12;
/** A list or a map. Its items have no places of their own: they share what is learned, and only changes are coded. */
export const LIST = 13;
export const MAP = 14;
/** A text, or bytes, coded by what changed since the one before. */
export const PATCH = 15;
const CLASSES = 16;

/** Class of a value at a place in a row. */
export type LeafClass = number;

/** Contexts of one column, from its `id` on. */
const CLASS = 0;
const CLASS_ROW = 1;
const STEADY_CLASS = 2;
const NEW_CLASS = 3;
const BOOLEANS = 4;
const BOOLEANS_WORD = 5;
const TEMPLATE = 6;
const TEXTS = 7;
const ENTRIES = TEXTS + TEXT_CONTEXTS;
const NUMBERS = ENTRIES + DICTIONARY_CONTEXTS;
const DATES = NUMBERS + NUMBER_CONTEXTS;
const NUMERICS = DATES + NUMBER_CONTEXTS;
const DOUBLES = NUMERICS + NUMBER_CONTEXTS;
export const COLUMN_CONTEXTS = DOUBLES + DOUBLE_CONTEXTS;

/** Values of one class in a row after which one context alone codes whether the class stays. */
const STEADY = 12;

/** Words of a row that are no text; 0: none came yet. */
const FALSE_WORD = 1;
const NULL_WORD = 3;
const FIRST_TEXT_WORD = 4;

/** Approximate memory of a column, and of each of its models, in bytes, as measured in V8. */
export const COLUMN_BYTES = 320;
export const NUMBERS_BYTES = 896;
const DOUBLES_BYTES = 1_280;
const DICTIONARY_BYTES = 512;

/** State that the columns of a codec share. */
export interface ColumnContext extends PlaceMemory, ValueBudget {
  readonly coder: BitCoder;
  readonly text: TextCodec;
  readonly successors: Successors;
  /** Undefined: the rows are no map. */
  readonly trends: Trends | undefined;
  readonly dictionaries: DictionaryBudget;
  /** First of the contexts that all places share. */
  readonly sharedId: number;
  /** msgpack of a container, and back. */
  readonly pack: (value: Value) => Uint8Array;
  readonly unpack: (bytes: Uint8Array) => Value;
}

/** Codes the leaves at one place of the rows, one after another. */
export class Column {
  private lastClass = NUMBER;
  private classBefore = NUMBER;
  /** Values of the same class in a row. */
  private steady = 0;
  /** The newest truth values. */
  private flags = 0;
  private dictionary: Dictionary | undefined;
  private numbers: NumberModel | undefined;
  private doubles: DoubleModel | undefined;
  private dates: NumberModel | undefined;
  private template: DateTemplate | undefined;
  private numerics: NumberModel | undefined;
  private digits = 0;
  /** The text that is being encoded, if it is a date or a decimal. */
  private parsed: ParsedDate | NumericText | undefined;
  /** Scale of the number that is being encoded. */
  private scale: Scale | undefined;
  /** Only an encoder has one. */
  private policy: ScalePolicy | undefined;

  constructor(
    private readonly context: ColumnContext,
    /** First id of its contexts. */
    private readonly id: number,
    /** First id of the contexts that all places share. */
    private readonly sharedId: number,
    /** Column whose texts it uses; undefined: its own. */
    private readonly twin?: Column,
  ) {}

  /** Sets the memory as if `old` had been coded last here, and `older` before it. */
  recall(old: Held, older: Held | undefined): void {
    switch (typeof old) {
      case "number": {
        const before = typeof older === "number" ? older : old;
        this.recallClass(this.lastClass === DOUBLE ? DOUBLE : NUMBER);
        this.numbers?.recall(old, before);
        this.doubles?.recall(old);
        return;
      }
      case "string":
        return this.recallText(old, typeof older === "string" ? older : old);
      case "boolean":
        this.flags = old ? 1 : 0;
        return this.recallClass(BOOLEAN);
      default:
        if (old === null) return this.recallClass(NULL);
        if (old instanceof Uint8Array) return this.recallClass(this.lastClass === PATCH ? PATCH : BYTES);
        if (this.lastClass === PACKED) return;
        if (old instanceof HeldObject) return this.recallClass(this.lastClass === MAP ? MAP : OBJECT);
        return this.recallClass(isList(old) && this.lastClass === LIST ? LIST : ARRAY);
    }
  }

  private recallClass(leafClass: LeafClass): void {
    this.lastClass = leafClass;
  }

  private recallText(old: string, older: string): void {
    const { lastClass } = this;
    if (lastClass === DATE) {
      const date = parseDate(old);
      if (date === undefined) return;
      this.template = date.template;
      this.dates?.recall(date.count, parseDate(older)?.count ?? date.count);
    } else if (lastClass === NUMERIC) {
      const numeric = parseNumeric(old);
      if (numeric?.digits !== this.digits) return;
      this.numerics?.recall(numeric.count, parseNumeric(older)?.count ?? numeric.count);
    } else {
      this.recallClass(lastClass === PATCH ? PATCH : TEXT);
      this.texts?.recall(old, older);
    }
  }

  private get texts(): Dictionary | undefined {
    return (this.twin ?? this).dictionary;
  }

  /** Whether the dictionary has the text, which then costs only an index. */
  knows(text: string): boolean {
    return this.texts?.has(text) ?? false;
  }

  /** Returns the class of a value that is no array and no object. */
  classOf(value: Value): LeafClass {
    switch (typeof value) {
      case "number":
        return this.classOfNumber(value);
      case "string": {
        this.parsed = parseText(value);
        return this.parsed === undefined ? TEXT : "template" in this.parsed ? DATE : NUMERIC;
      }
      case "boolean":
        return BOOLEAN;
      case "object":
        return value === null ? NULL : BYTES;
      default:
        throw unencodable(`a ${typeof value} is not a value`);
    }
  }

  private classOfNumber(value: number): LeafClass {
    const { numbers } = this;
    const policy = (this.policy ??= new ScalePolicy());
    if (numbers !== undefined && fits(value, numbers.exponent, numbers.kind)) {
      this.scale = policy.fitted(value, numbers);
      return this.scale === undefined ? NUMBER : RESCALED;
    }
    const scale = (this.scale = findScale(value));
    if (scale === undefined) return DOUBLE;
    if (numbers === undefined) return RESCALED;
    // The next numbers would not fit a coarser scale.
    if (scale.kind === numbers.kind && scale.exponent < numbers.exponent) return DOUBLE;
    return policy.isException(scale, numbers) ? DOUBLE : RESCALED;
  }

  /** Codes a leaf of the class that was coded before. Throws `malformed` for bits that no encoder writes. */
  codeLeaf(leafClass: LeafClass, value: Value, row: Row): Value {
    switch (leafClass) {
      case NUMBER:
        if (this.numbers === undefined) throw malformed("a coded number has no scale");
        return this.numbers.code(value as number, row);
      case RESCALED:
        return this.codeScale().code(value as number, row);
      case DOUBLE:
        this.doubles ??= new DoubleModel(this.modelOptions(DOUBLES, DOUBLES_BYTES));
        return this.doubles.code(value as number, row);
      case TEXT:
        return this.codeText(value as string, row);
      case DATE:
        return this.codeDate(this.parsed as ParsedDate, row);
      case NUMERIC:
        return this.codeNumeric(this.parsed as NumericText, row);
      case BOOLEAN:
        return this.codeBoolean(value === true, row);
      case NULL:
        row.word = NULL_WORD;
        return null;
      case BYTES:
        return this.context.text.codeBytes(value as Uint8Array, this.id + TEXTS, this.id);
      case PACKED:
        return this.codePacked(value);
      default:
        throw malformed(`there is no class ${leafClass}`);
    }
  }

  private codePacked(value: Value): Value {
    const { coder, text, pack, unpack } = this.context;
    const bytes = text.codeBytes(coder.decoding ? NOTHING : pack(value), this.id + TEXTS, this.id);
    // Returns the value as it arrives: msgpack leaves out undefined fields.
    return unpack(bytes);
  }

  /** Codes the class of the next value, and returns it. `leafClass`: the class, which a decoder ignores. */
  codeClass(leafClass: LeafClass, row: Row): LeafClass {
    const { id, sharedId, lastClass, classBefore } = this;
    const { coder } = this.context;
    const { contexts, slots } = coder;
    contexts.growIfCrowded();
    const given = leafClass === lastClass ? 1 : 0;
    let same: number;
    if (this.steady >= STEADY) {
      same = coder.bitOr(given, 1, id + STEADY_CLASS, 0, sharedId + STEADY_CLASS, 0);
    } else {
      const place = placeOf(lastClass);
      const own = id + CLASS;
      const shared = sharedId + CLASS;
      const ofRow = id + CLASS_ROW;
      same = coder.bitIn(given, place, SET.leafClass, own, classBefore, shared, 0, ofRow, row.leafClass);
    }
    this.steady = same === 1 ? this.steady + 1 : 0;
    let coded = lastClass;
    if (same === 0) {
      slots[0] = contexts.slot(id + NEW_CLASS, lastClass);
      slots[1] = contexts.slot(sharedId + NEW_CLASS, lastClass);
      slots[2] = contexts.slot(id + NEW_CLASS, CLASSES + row.leafClass);
      coded = coder.treeIn(leafClass, 4, SET.newClass);
    }
    this.classBefore = lastClass;
    this.lastClass = coded === RESCALED ? NUMBER : coded;
    row.leafClass = coded;
    return coded;
  }

  /** Returns the options of a model that is about to be made, and counts its memory. */
  private modelOptions(part: number, bytes = NUMBERS_BYTES): NumberModelOptions {
    const { coder, successors, trends } = this.context;
    claim(this.context, coder, bytes);
    return { coder, successors, trends, id: this.id + part, sharedId: this.sharedId + part };
  }

  private codeScale(): NumberModel {
    const { coder } = this.context;
    const scale = coder.decoding ? undefined : this.scale;
    const kind = coder.raw(scale?.kind ?? 0, 2);
    const exponent = coder.raw((scale?.exponent ?? 0) - MIN_EXPONENT, 5) + MIN_EXPONENT;
    if (kind > PRINTED || exponent > MAX_EXPONENT) throw malformed("there is no such scale");
    this.numbers ??= new NumberModel({ ...this.modelOptions(NUMBERS), coarsens: true });
    this.numbers.setScale(kind, exponent);
    return this.numbers;
  }

  private codeText(text: string, row: Row): string {
    const { context } = this;
    const owner = this.twin ?? this;
    const dictionary = owner.takeDictionary();
    let coded = dictionary.code(text, row);
    if (coded === undefined) {
      coded = context.text.codeText(text, owner.id + TEXTS, owner.id);
      dictionary.add(coded);
    }
    row.word = FIRST_TEXT_WORD + dictionary.word;
    return coded;
  }

  private takeDictionary(): Dictionary {
    if (this.dictionary !== undefined) return this.dictionary;
    const { context, id, sharedId } = this;
    claim(context, context.coder, DICTIONARY_BYTES);
    this.dictionary = new Dictionary(context.coder, id + ENTRIES, sharedId + ENTRIES, context.dictionaries);
    return this.dictionary;
  }

  private codeDate(date: ParsedDate | undefined, row: Row): string {
    const { coder } = this.context;
    const { template } = this;
    const slot = coder.contexts.slot(this.id + TEMPLATE, 0);
    const same = date !== undefined && template !== undefined && sameTemplate(date.template, template);
    const used = coder.bit(same ? 1 : 0, slot + 1) === 1 ? template : this.codeTemplate(date?.template);
    if (used === undefined) throw malformed("a coded date has no template");
    this.template = used;
    this.dates ??= new NumberModel({ ...this.modelOptions(DATES), isApart: true });
    const count = this.dates.code(date?.count ?? 0, row);
    const text = formatDate(count, used);
    if (text === undefined) throw malformed("a coded date is in no year of four digits");
    return text;
  }

  private codeTemplate(template: DateTemplate | undefined): DateTemplate {
    const text = template === undefined ? "" : formatDate(0, template);
    const read = readTemplate(this.context.text.codeText(text ?? "", this.id + TEXTS, this.id));
    if (read === undefined) throw malformed("there is no such template of a date");
    return read;
  }

  private codeNumeric(numeric: NumericText | undefined, row: Row): string {
    const { coder } = this.context;
    const slot = coder.contexts.slot(this.id + TEMPLATE, 1);
    const digits = coder.tree(numeric?.digits ?? 0, 4, slot);
    if (digits > MAX_DIGITS) throw malformed(`a coded decimal has more than ${MAX_DIGITS} digits`);
    if (this.numerics === undefined || digits !== this.digits)
      this.numerics = new NumberModel({
        ...this.modelOptions(NUMERICS, this.numerics === undefined ? NUMBERS_BYTES : 0),
        isApart: true,
      });
    this.digits = digits;
    const count = this.numerics.code(numeric?.count ?? 0, row);
    return formatNumeric({ count, digits });
  }

  private codeBoolean(value: boolean, row: Row): boolean {
    const { id, context } = this;
    const own = id + BOOLEANS;
    const shared = this.sharedId + BOOLEANS;
    const byWord = id + BOOLEANS_WORD;
    const place = 1 + this.flags;
    const bit = context.coder.bitIn(value ? 1 : 0, place, SET.boolean, own, 0, shared, 0, byWord, row.word);
    this.flags = ((this.flags << 1) | bit) & 7;
    row.word = FALSE_WORD + bit;
    return bit === 1;
  }
}

/** Place of a class among the contexts of classes. PATCH has the place of RESCALED, which is never the last class. */
function placeOf(lastClass: LeafClass): number {
  return 1 + (lastClass === PATCH ? RESCALED : lastClass);
}

function parseText(text: string): ParsedDate | NumericText | undefined {
  const first = text.charCodeAt(0);
  // A date or a decimal begins with a digit or a minus.
  if ((first < 0x30 || first > 0x39) && first !== 0x2d) return undefined;
  return parseDate(text) ?? parseNumeric(text);
}

const NOTHING = new Uint8Array(0);
