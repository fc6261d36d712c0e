import * as NS from "../base/namespaces.js";
import { splitStanzas } from "../xml/split-stanzas.js";
import { ParseError } from "../xml/parse-error.js";
import { StreamParser, type ParserLimits } from "../xml/stream-parser.js";
import type { Element } from "../xml/xml.js";

/** RFC 7395 §3.6. */
export const FRAMED_CLOSE = `<close xmlns='${NS.FRAMING}'/>`;

/** A start tag. Group 1 is its name, group 2 its attributes. */
const START_TAG = /^<([^\s<>/"']+)((?:[^<>"']|"[^"]*"|'[^']*')*?)\/?>/;
/** One attribute. Group 1 is its name. */
const ATTRIBUTE = /\s([^\s=]+)\s*=\s*(?:"[^"]*"|'[^']*')/g;

/**
 * Cuts our own stream text into elements, each with its own namespace declaration. Frames have no stream header around
 * them that could declare the namespaces (RFC 7395 §3.3.1, XEP-0206 §2).
 */
export function splitFrames(text: string): string[] {
  return splitStanzas(text).map((element) => {
    const [, name = "", attributes = ""] = START_TAG.exec(element) ?? [];
    const [key, namespace] = name.startsWith("stream:") ? ["xmlns:stream", NS.STREAM] : ["xmlns", NS.CLIENT];
    return declares(attributes, key)
      ? element
      : `<${name} ${key}='${namespace}'${element.slice(name.length + 1)}`;
  });
}

function declares(attributes: string, key: string): boolean {
  // The hot path: our own stanzas declare no namespace.
  if (!attributes.includes(key)) return false;
  for (const [, name] of attributes.matchAll(ATTRIBUTE)) if (name === key) return true;
  return false;
}

/**
 * Takes the place of a stream header, which framed streams do not have. A peer's closing tag for it ends the stream.
 */
const ROOT = `<stream xmlns='${NS.CLIENT}' xmlns:stream='${NS.STREAM}'>`;

/**
 * Reads a stream in frames. Each `write` must hold whole elements; otherwise it throws `ParseError`. `<open/>` and
 * `<close/>` (RFC 7395 §3.4, §3.6) are the stream's header and its end. Any number of elements may share a frame, as
 * in BOSH's bodies.
 */
export class FramedParser extends StreamParser {
  constructor(limits?: ParserLimits) {
    super(limits);
    super.write(ROOT);
  }

  override write(frame: string): void {
    super.write(frame);
    if (this.stopped || this.betweenStanzas) return;
    this.stop();
    throw new ParseError("not-well-formed", "a frame holds a part of an element");
  }

  override emit(event: string, ...args: unknown[]): boolean {
    const [element] = args as [Element?];
    if (event !== "element" || element?.attrs["xmlns"] !== NS.FRAMING) return super.emit(event, ...args);
    if (element.name === "open") return super.emit("start", element);
    if (element.name !== "close") return super.emit(event, element);
    this.stop();
    return super.emit("end", element);
  }
}
