import { childElements, type Element } from "@stanzapack/xmpp";

/** `&quot;` instead of `"`, in characters. */
const SURPLUS_CHARS = 5;

/**
 * Measures what a server adds to JSON by writing each `"` of a body as `&quot;`, which XML does not ask for. The parser
 * hides how a character was written, so the stanza's length on the stream is compared with that of its shortest
 * rendering; a stanza in which nothing else can have been lengthened tells, once and for all, what this server does.
 */
export class QuoteEscapes {
  private writesQuot: boolean | undefined;

  /** `separable`: a character is a byte on the wire. Not so with stream compression, where quotes cost nearly nothing. */
  constructor(private readonly separable = true) {}

  /** Whether this server does so; undefined until a stanza told. */
  get found(): boolean | undefined {
    return this.writesQuot;
  }

  /** Looks at one message as it came. `chars`: its length on the stream. Gives the count of quotes in its text. */
  observe(message: Element, chars: number): number {
    const text = textOf(message);
    const quotes = count(text, /"/g);
    if (this.writesQuot === undefined && quotes > 0 && !/['>]/.test(text)) {
      const surplus = chars - shortestLength(message);
      // Anything else means that we do not know how this server writes: then nothing is subtracted.
      if (surplus === 0) this.writesQuot = false;
      else if (surplus === SURPLUS_CHARS * quotes) this.writesQuot = true;
    }
    return quotes;
  }

  /** Bytes that so many quotes cost on this server. */
  bytesFor(quotes: number): number {
    return this.separable && this.writesQuot === true ? SURPLUS_CHARS * quotes : 0;
  }
}

/** Length of an element with nothing escaped but what must be, in characters. */
export function shortestLength(element: Element): number {
  let length = 1 + element.name.length;
  // Between quotes that the value does not hold: ` key='value'`.
  const attributes: Record<string, string> = element.attrs;
  for (const [key, value] of Object.entries(attributes)) length += key.length + 4 + escapedLength(value);
  if (element.children.length === 0) return length + 2;
  for (const child of childElements(element)) length += shortestLength(child);
  return length + escapedLength(ownText(element)) + element.name.length + 4;
}

function escapedLength(text: string): number {
  return text.length + 4 * count(text, /&/g) + 3 * count(text, /</g);
}

function textOf(element: Element): string {
  return ownText(element) + childElements(element).map(textOf).join("");
}

function ownText(element: Element): string {
  return element.children.filter((child): child is string => typeof child === "string").join("");
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
