import { XmppError } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import { ParseError } from "./parse-error.js";
import { StreamParser } from "./stream-parser.js";
import { assertXmlCharacters } from "./xml-characters.js";
import type { Element } from "./xml.js";

/** A stream header. `stream` is the one prefix that it declares (RFC 6120 §4.8.5). */
const ROOT = `<stream xmlns='${NS.CLIENT}' xmlns:stream='${NS.STREAM}'>`;
const STANZAS = new Set(["message", "presence", "iq"]);
/** Only the server limits the size of the caller's own text. */
const NO_LIMITS = {
  maxStanzaChars: Infinity,
  maxDepth: Infinity,
  maxElements: Infinity,
  undeclared: "fail",
} as const;

/** Parses texts of whole elements, one after the other, and counts the elements. */
class OutboundParser extends StreamParser {
  elements = 0;
  stanzas = 0;

  constructor() {
    super(NO_LIMITS);
    super.write(ROOT);
    this.on("element", ({ name }: Element) => {
      this.elements++;
      if (STANZAS.has(name)) this.stanzas++;
    });
  }
}

let parser = new OutboundParser();

/**
 * Returns how many elements a text holds, and how many of them are stanzas. Throws `XmppError` (`invalid-xml`) unless
 * the text is whole elements of well-formed XML that RFC 6120 §11 allows in a stream. A server ends the stream when it
 * receives anything else.
 */
export function countElements(text: string): { readonly elements: number; readonly stanzas: number } {
  assertXmlCharacters(text, "the text to send");
  const counting = parser;
  counting.elements = counting.stanzas = 0;
  try {
    counting.write(text);
    if (counting.stopped || !counting.betweenStanzas)
      throw new ParseError("not-well-formed", "it does not hold whole elements");
    return counting;
  } catch (cause) {
    parser = new OutboundParser();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new XmppError("invalid-xml", `the text to send is not well-formed XML: ${why}`, { cause });
  }
}

/**
 * Throws `XmppError` (`invalid-xml`) unless `text` holds `count` stanzas. With a wrong count, the server's
 * acknowledgements would not agree with the count of what was sent (XEP-0198 §4).
 */
export function assertStanzas(text: string, count: number): void {
  const { stanzas } = countElements(text);
  if (stanzas === count) return;
  throw new XmppError(
    "invalid-xml",
    `the text to send holds ${String(stanzas)} stanzas, but ${String(count)} were announced`,
  );
}
