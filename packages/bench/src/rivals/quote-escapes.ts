import { childElements, type Element } from "@stanzapack/xmpp";

/** Characters by which `&quot;` is longer than `"`. */
const SURPLUS_CHARS = 5;

/**
 * Measures what a server adds to JSON by writing each `"` of a body as `&quot;`, which XML does not require. The parser
 * hides how a character was written. So the stanza's length on the stream is compared with that of its shortest
 * rendering. A stanza in which nothing else can be longer decides what this server does.
 */
export class QuoteEscapes {
  private writesQuot: boolean | undefined;

  /**
   * `separable`: a character is a byte on the wire. False with stream compression, where quotes cost almost nothing.
   */
  constructor(private readonly separable = true) {}

  /** Whether this server writes `&quot;`. Undefined until a stanza has decided it. */
  get found(): boolean | undefined {
    return this.writesQuot;
  }

  /** Examines one received message. `chars`: its length on the stream. Returns the number of quotes in its text. */
  observe(message: Element, chars: number): number {
    const text = textOf(message);
    const quotes = count(text, /"/g);
    if (this.writesQuot === undefined && quotes > 0 && !/['>]/.test(text)) {
      const surplus = chars - shortestLength(message);
      // Any other length means that it is unknown how this server writes. Then nothing is subtracted.
      if (surplus === 0) this.writesQuot = false;
      else if (surplus === SURPLUS_CHARS * quotes) this.writesQuot = true;
    }
    return quotes;
  }

  /** Bytes that this number of quotes costs on this server. */
  bytesFor(quotes: number): number {
    return this.separable && this.writesQuot === true ? SURPLUS_CHARS * quotes : 0;
  }
}

/** Length of an element in which only required characters are escaped, in characters. */
export function shortestLength(element: Element): number {
  let length = 1 + element.name.length;
  // In quotes that the value does not have: ` key='value'`.
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
