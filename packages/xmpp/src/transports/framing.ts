import * as NS from "../base/namespaces.js";
import { splitStanzas } from "../xml/split-stanzas.js";
import { ParseError } from "../xml/parse-error.js";
import { StreamParser, type ParserLimits } from "../xml/stream-parser.js";
import type { Element } from "../xml/xml.js";

/** RFC 7395 §3.6. */
export const FRAMED_CLOSE = `<close xmlns='${NS.FRAMING}'/>`;

/** A start tag: its name, and its attributes. */
const START_TAG = /^<([^\s<>/"']+)((?:[^<>"']|"[^"]*"|'[^']*')*?)\/?>/;
/** One attribute: its name. */
const ATTRIBUTE = /\s([^\s=]+)\s*=\s*(?:"[^"]*"|'[^']*')/g;

/**
 * Cuts our own stream text into elements that say their namespaces themselves, since there is no stream header around
 * them (RFC 7395 §3.3.1, XEP-0206 §2).
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
  // The hot path: our own stanzas name no namespace.
  if (!attributes.includes(key)) return false;
  for (const [, name] of attributes.matchAll(ATTRIBUTE)) if (name === key) return true;
  return false;
}

/** In the place of the stream header that there is not; a peer's closing tag for it ends the stream. */
const ROOT = `<stream xmlns='${NS.CLIENT}' xmlns:stream='${NS.STREAM}'>`;

/**
 * Reads a stream in frames: each `write` must hold whole elements. `<open/>` and `<close/>` (RFC 7395 §3.4, §3.6) are
 * its header and its end, any number of the elements between them may share a frame, as they do in BOSH's bodies.
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
