import { StanzapackError, type Value } from "@stanzapack/wire";
import type { Fault } from "../input/encoding.js";
import { InputError } from "../input/input-error.js";
import { parseJson, shorten } from "../input/json-numbers.js";

export interface TextRules {
  /** Publish every text as a string. */
  readonly asText: boolean;
  /** Treat a text that is not JSON, or has a number that a double cannot hold, as a fault. */
  readonly strictJson: boolean;
  /** Treat a text that is not JSON as a fault, which these words mend. */
  readonly jsonOnly?: string;
  readonly onError: "skip" | "stop";
}

/** Source of a text: `stdin` and the line, or a run of a command. */
export interface Place {
  readonly source: string;
  readonly line?: number;
}

/** Most warnings of one kind that are written. Further warnings are only counted. */
const MAX_TOLD = 10;

/** Publishes values. */
export interface ValueSink {
  /** `bytes`: length of the value's JSON. Throws `too-large`, `unencodable` and `limit-exceeded` for a value that it cannot take. */
  publish(value: Value, bytes: number): Promise<void>;
}

/** Errors of a single value. Other errors end the service. */
const FAULTS = ["too-large", "unencodable", "limit-exceeded"];

/** Makes values of texts and publishes them. Reports texts that it cannot use, and values that may surprise. */
export class ValuePublisher {
  private count = 0;
  private skipped = 0;
  private firstSkipped: Place | undefined;
  private readonly warned = new Map<string, number>();

  constructor(
    private readonly publisher: ValueSink,
    private readonly rules: TextRules,
    private readonly tell: (line: string) => void,
  ) {}

  /** Throws the error that ends the service. With `stop`, also throws the fault of the text. */
  async publish(text: string, place: Place): Promise<void> {
    const value = this.read(text, place);
    if (value === undefined) return;
    try {
      await this.publisher.publish(value, Buffer.byteLength(text));
      this.count++;
    } catch (error) {
      if (!(error instanceof StanzapackError && FAULTS.includes(error.code))) throw error;
      this.fail({ what: error.text, mend: "" }, place, error);
    }
  }

  /** Handles a text that cannot be used: skips it, or throws with `stop`. */
  fail({ what, mend }: Fault, place: Place, cause?: StanzapackError): void {
    if (this.rules.onError === "stop") {
      if (cause !== undefined)
        throw new StanzapackError(cause.code, `${formatPlace(place)}: ${cause.text}`, { cause });
      throw new InputError(place.line, what, mend, place.source);
    }
    this.skipped++;
    this.firstSkipped ??= place;
    this.tell(`${formatPlace(place)} is skipped: ${mend === "" ? what : `${what}; ${mend}`}`);
  }

  /** Writes how many warnings were only counted. */
  summarize(): void {
    for (const [kind, count] of this.warned)
      if (count > MAX_TOLD) this.tell(`${count - MAX_TOLD} more: ${kind}`);
    this.warned.clear();
  }

  /** The error with which a command ends if it skipped texts. Undefined if it skipped none. */
  get failure(): InputError | undefined {
    if (this.firstSkipped === undefined) return undefined;
    const total = this.count + this.skipped;
    return new InputError(
      undefined,
      `${this.skipped} of ${total} ${total === 1 ? "value was" : "values were"} skipped, first ${formatPlace(this.firstSkipped)}`,
      "the lines above say why; `--on-error stop` ends at the first one",
      this.firstSkipped.source,
    );
  }

  private read(text: string, place: Place): Value | undefined {
    const { asText, strictJson, jsonOnly } = this.rules;
    if (asText) return text;
    try {
      const { value, kept, rounded } = parseJson(text);
      if (kept !== undefined && strictJson) {
        this.fail(
          { what: `a double cannot hold its number ${shorten(kept)}`, mend: "write it as a string" },
          place,
        );
        return undefined;
      }
      if (kept !== undefined)
        this.warn("numbers that a double cannot hold are published as strings", shorten(kept), place);
      if (rounded !== undefined)
        this.warn("fractions are rounded to the nearest double", shorten(rounded), place);
      return value;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      const mend = jsonOnly ?? (strictJson ? "--strict-json accepts only JSON" : undefined);
      if (mend !== undefined) {
        this.fail({ what: `it is not JSON (${error.message})`, mend }, place);
        return undefined;
      }
      if (/^[\ufeff\s]*[{["]/.test(text))
        this.warn("begins like JSON but is not JSON, so it is published as text", error.message, place);
      return text;
    }
  }

  private warn(kind: string, what: string, place: Place): void {
    const count = (this.warned.get(kind) ?? 0) + 1;
    this.warned.set(kind, count);
    if (count <= MAX_TOLD) this.tell(`warning: ${formatPlace(place)}: ${kind} (${what})`);
  }
}

function formatPlace({ source, line }: Place): string {
  return line === undefined ? source : `${source}:${line}`;
}
