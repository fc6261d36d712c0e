import { StanzapackError, type Value } from "@stanzapack/wire";
import type { Fault } from "../input/encoding.js";
import { InputError } from "../input/input-error.js";
import { parseJson, shorten } from "../input/json-numbers.js";
import type { PacedPublisher } from "./paced-publisher.js";

export interface TextRules {
  /** Every text is a string. */
  readonly asText: boolean;
  /** What is no JSON is a fault. */
  readonly strictJson: boolean;
  readonly onError: "skip" | "stop";
}

/** Where a text is from: `stdin` and its line, or a run of a command. */
export interface Place {
  readonly source: string;
  readonly line?: number;
}

/** Warnings of one kind that are told; the others are counted. */
const MAX_TOLD = 10;

/** Makes values of texts and publishes them; tells which it could not use, and which others might not expect. */
export class ValuePublisher {
  private count = 0;
  private skipped = 0;
  private firstSkipped: Place | undefined;
  private readonly warned = new Map<string, number>();

  constructor(
    private readonly publisher: PacedPublisher,
    private readonly rules: TextRules,
    private readonly tell: (line: string) => void,
  ) {}

  /** Throws what ends the service, and with `stop` what is wrong with the text. */
  async publish(text: string, place: Place): Promise<void> {
    const value = this.read(text, place);
    if (value === undefined) return;
    try {
      await this.publisher.publish(value, Buffer.byteLength(text));
      this.count++;
    } catch (error) {
      if (!(error instanceof StanzapackError && ["too-large", "unencodable"].includes(error.code)))
        throw error;
      this.fail({ what: error.text, mend: "" }, place, error);
    }
  }

  /** A text that cannot be used: skips it, or throws. */
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

  /** Tells the warnings that were only counted. */
  summarize(): void {
    for (const [kind, count] of this.warned)
      if (count > MAX_TOLD) this.tell(`${count - MAX_TOLD} more: ${kind}`);
    this.warned.clear();
  }

  /** The end of a command that skipped something; undefined where it did not. */
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
    const { asText, strictJson } = this.rules;
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
      if (strictJson) {
        this.fail(
          { what: `it is no JSON (${error.message})`, mend: "--strict-json wants JSON alone" },
          place,
        );
        return undefined;
      }
      if (/^[\ufeff\s]*[{["]/.test(text))
        this.warn("begins like JSON and is none, so it is published as text", error.message, place);
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
