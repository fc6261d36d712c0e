import type { BitCoder } from "../coder/bit-coder.js";
import { readWtf8, writeWtf8, wtf8Length } from "../../msgpack/wtf8.js";
import { over } from "../coder/bounds.js";
import { TextModel } from "./text-model.js";
import { codeWhole } from "../coder/whole-number.js";

/** Lengths below are whole numbers. Other lengths are coded as this number and 32 raw bits. */
const LONG = 1 << 14;

const SIZE = 0;
export const TEXT_CONTEXTS = 1;

/** Codes new texts and bytes, of any column. */
export class TextCodec {
  private scratch = new Uint8Array(256);
  /** Bytes of text that the present message may still have. */
  left = 0;

  /** Made with the first text: a lane of numbers does not need it. */
  private model: TextModel | undefined;

  constructor(private readonly coder: BitCoder) {}

  get bytes(): number {
    return this.scratch.length + (this.model?.bytes ?? 0);
  }

  /**
   * Codes a text and returns it. `id`: context of its length. `column`: number of the texts that it probably resembles.
   */
  codeText(text: string, id: number, column: number): string {
    const { coder } = this;
    const length = this.codeLength(coder.decoding ? 0 : wtf8Length(text), id);
    if (!coder.decoding) writeWtf8(text, this.scratch, 0);
    this.codeBytesOf(length, column);
    return coder.decoding ? readWtf8(this.scratch, 0, length) : text;
  }

  /** Codes bytes and returns them. A decoder ignores the argument. */
  codeBytes(bytes: Uint8Array, id: number, column: number): Uint8Array {
    const { decoding } = this.coder;
    const length = this.codeLength(decoding ? 0 : bytes.length, id);
    if (!decoding) this.scratch.set(bytes);
    this.codeBytesOf(length, column);
    return decoding ? this.scratch.slice(0, length) : bytes;
  }

  private codeBytesOf(length: number, column: number): void {
    this.model ??= new TextModel(this.coder);
    this.model.code(this.scratch, length, column);
  }

  private codeLength(given: number, id: number): number {
    const { coder } = this;
    let length = codeWhole(coder, Math.min(given, LONG), id + SIZE, 0);
    if (length >= LONG) length = LONG + coder.raw(given - LONG, 32);
    this.left -= length;
    if (this.left < 0) throw over(coder, "more bytes of text in one message than are taken");
    if (this.scratch.length < length)
      this.scratch = new Uint8Array(Math.max(length, this.scratch.length * 2));
    return length;
  }
}
