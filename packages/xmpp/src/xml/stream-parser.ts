import { EventEmitter } from "@xmpp/events";
import { ParseError } from "./parse-error.js";
import type { Element } from "./xml.js";
import { findUndeclaredPrefix } from "./xml-namespaces.js";
import { isSpace, parseTag, unescapeXml } from "./xml-tag.js";

export interface ParserLimits {
  /** Largest stanza, in characters. Default 1,048,576: four times what servers let a client send. */
  readonly maxStanzaChars: number;
  /** Deepest nesting. Default 128: serializing an element recurses. */
  readonly maxDepth: number;
  /**
   * Most elements in one stanza. Default 65,536, for a list of as many services. An element takes 160 bytes of memory,
   * up to forty times its text.
   */
  readonly maxElements: number;
  /**
   * What happens to a stanza beyond these bounds. `fail`, the default, ends the stream. `strip` emits the stanza
   * without its content, for a stream that many peers share. It drops a stanza whose first tag alone is too long. It
   * ends the stream when a stanza has not ended at 16 times the size.
   */
  readonly beyond?: "fail" | "strip";
  /**
   * What happens to a stanza with an undeclared prefix. `strip`, the default, emits the stanza without its content.
   * `fail` ends the stream. The reason is ejabberd 23.01: it relays a prefix that the header of a client's stream
   * declares, but not the declaration. With `fail`, any client could end the stream of any other.
   */
  readonly undeclared?: "fail" | "strip";
}

/**
 * `strip` skips at most this many times the largest stanza. No server relays more. So a longer stanza is a fault of the
 * stream.
 */
const MAX_STRIPPED = 16;

export const DEFAULT_PARSER_LIMITS: ParserLimits = {
  maxStanzaChars: 1_048_576,
  maxDepth: 128,
  maxElements: 65_536,
};

const enum Mode {
  text,
  tag,
  bang,
  cdata,
}

const CDATA_START = "![CDATA[";
const CDATA_END = "]]>";
const WHITESPACE = /^[ \t\r\n]*$/;
/** Characters that XML 1.0 §2.2, production 2, excludes and a UTF-8 decoder lets through. */
const NO_CHARACTER = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
/** XML 1.0 §2.8, production 23; group 1 is the encoding. */
const DECLARATION =
  /^\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:'1\.\d+'|"1\.\d+")(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*['"]([A-Za-z][\w.-]*)['"])?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:'(?:yes|no)'|"(?:yes|no)"))?[ \t\r\n]*\?$/;

/**
 * Turns the text of one XML stream into elements, within bounds. Its time grows linearly with the length of the text,
 * however the text is cut into chunks. Emits the events that xmpp.js expects of its parser (`start`, `element`, `end`).
 * Unlike that parser, `write` throws `ParseError`. After that, and after `stop`, `write` does nothing.
 *
 * ltx keeps an unfinished token and searches all of it again with every chunk, so its time grows with the square of a
 * long text. `StreamParser` keeps the parts of a token apart and joins them once.
 */
export class StreamParser extends EventEmitter {
  root: Element | null = null;
  /** Length of the element emitted last, in characters. */
  lastElementChars = 0;

  readonly #limits: ParserLimits;
  #cursor: Element | null = null;
  #depth = 0;
  /** Elements of the current stanza so far. */
  #elementCount = 0;
  #mode = Mode.text;
  #held: string[] = [];
  #quote = "";
  #stopped = false;
  #declared = false;
  /** Characters of the stream before the current chunk. */
  #base = 0;
  /** Position where the current stanza began, in characters of the stream. */
  #stanzaStart = 0;
  /** The parser skips the rest of the current stanza. */
  #stripping = false;
  /** The stanza that is stripped; null when not even its first tag was kept. */
  #stripped: Element | null = null;

  constructor(limits: ParserLimits = DEFAULT_PARSER_LIMITS) {
    super();
    this.#limits = limits;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Everything written so far has been emitted. */
  get betweenStanzas(): boolean {
    return this.#mode === Mode.text && this.#depth <= 1 && this.#held.length === 0;
  }

  stop(): void {
    this.#stopped = true;
    // So that a caller that still holds the parser does not hold an unfinished stanza.
    this.#held = [];
    this.#cursor = null;
  }

  /** xmpp.js calls `end` on its parsers. */
  end(): void {
    this.stop();
  }

  write(data: string): void {
    if (this.#stopped) return;
    try {
      if (NO_CHARACTER.test(data))
        throw new ParseError("not-well-formed", "a character that XML does not have");
      this.#parse(data);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  #parse(data: string): void {
    let pos = 0;
    while (!this.#stopped) {
      switch (this.#mode) {
        case Mode.text: {
          const lt = data.indexOf("<", pos);
          if (lt < 0) return this.#hold(data, pos);
          if (lt > pos || this.#held.length > 0) this.#onText(this.#take(data, pos, lt));
          if (this.#depth <= 1) this.#stanzaStart = this.#base + lt;
          pos = lt + 1;
          this.#mode = Mode.tag;
          break;
        }
        case Mode.tag: {
          if (this.#held.length === 0 && pos < data.length && data.charCodeAt(pos) === 33 /* ! */) {
            this.#mode = Mode.bang;
            break;
          }
          const gt = this.#findTagEnd(data, pos);
          if (gt < 0) return this.#hold(data, pos);
          const tag = this.#take(data, pos, gt);
          pos = gt + 1;
          this.#mode = Mode.text;
          this.#onTag(tag, this.#base + pos);
          break;
        }
        case Mode.bang: {
          const seen = this.#held.join("");
          const more = data.slice(pos, pos + CDATA_START.length - seen.length);
          if (!CDATA_START.startsWith(seen + more)) {
            // RFC 6120 §11.1: no comments, no document type.
            throw new ParseError("restricted-xml", "comments and declarations are not allowed in a stream");
          }
          if (seen.length + more.length < CDATA_START.length) return this.#hold(data, pos);
          this.#held = [];
          pos += more.length;
          this.#mode = Mode.cdata;
          break;
        }
        case Mode.cdata: {
          const end = this.#findCdataEnd(data, pos);
          if (end < 0) return this.#hold(data, pos);
          const whole = this.#take(data, pos, end);
          this.#appendText(whole.slice(0, -CDATA_END.length));
          pos = end;
          this.#mode = Mode.text;
          break;
        }
      }
    }
  }

  /** Keeps the unfinished rest of a chunk. */
  #hold(data: string, pos: number): void {
    this.#base += data.length;
    const betweenStanzas = this.#mode === Mode.text && this.#depth <= 1;
    if (betweenStanzas) {
      if (!WHITESPACE.test(data.slice(pos))) throw new ParseError("not-well-formed", "text between stanzas");
      return;
    }
    if (pos < data.length) this.#held.push(pos === 0 ? data : data.slice(pos));
    this.#assertSize(this.#base);
    if (this.#stripping) this.#thin();
  }

  /** Drops the held parts of a skipped token, except those that show its kind and its end. */
  #thin(): void {
    const whole = this.#held.join("");
    if (this.#mode === Mode.text) this.#held = [];
    else if (this.#mode === Mode.cdata) this.#held = [whole.slice(-2)];
    else if (this.#mode === Mode.tag && whole.length > 2) this.#held = [whole.slice(0, 1), whole.slice(-1)];
  }

  #take(data: string, from: number, to: number): string {
    const rest = data.slice(from, to);
    if (this.#held.length === 0) return rest;
    this.#held.push(rest);
    const whole = this.#held.join("");
    this.#held = [];
    return whole;
  }

  #findTagEnd(data: string, from: number): number {
    let pos = from;
    while (pos < data.length) {
      if (this.#quote !== "") {
        const quote = data.indexOf(this.#quote, pos);
        if (quote < 0) return -1;
        this.#quote = "";
        pos = quote + 1;
        continue;
      }
      const c = data.charCodeAt(pos);
      if (c === 62 /* > */) return pos;
      if (c === 34 /* " */) this.#quote = '"';
      else if (c === 39 /* ' */) this.#quote = "'";
      else if (c === 60 /* < */) throw new ParseError("not-well-formed", "'<' inside a tag");
      pos++;
    }
    return -1;
  }

  /** The position after `]]>`, which may have begun in an earlier chunk. */
  #findCdataEnd(data: string, from: number): number {
    let tail = "";
    for (let i = this.#held.length - 1; i >= 0 && tail.length < 2; i--) {
      tail = (this.#held[i] ?? "").slice(-2) + tail;
    }
    tail = tail.slice(-2);
    const split = (tail + data.slice(from, from + 2)).indexOf(CDATA_END);
    if (split >= 0) return from + split + CDATA_END.length - tail.length;
    const end = data.indexOf(CDATA_END, from);
    return end < 0 ? -1 : end + CDATA_END.length;
  }

  #assertSize(position: number): void {
    const { maxStanzaChars } = this.#limits;
    const length = position - this.#stanzaStart;
    if (this.#stripping && length > MAX_STRIPPED * maxStanzaChars)
      throw new ParseError("policy-violation", "a stanza does not end");
    if (!this.#stripping && length > maxStanzaChars)
      this.#exceed(`a stanza is longer than ${String(maxStanzaChars)} characters`);
  }

  #exceed(what: string): void {
    if (this.#limits.beyond !== "strip" || this.#depth === 0) throw new ParseError("policy-violation", what);
    this.#strip();
  }

  /** Drops the content of the current stanza. The parser emits the stanza when it ends. */
  #strip(): void {
    this.#stripping = true;
    this.#stripped = this.#depth === 1 ? null : this.#cursor;
    while (this.#stripped?.parent) this.#stripped = this.#stripped.parent;
    if (this.#stripped !== null) this.#stripped.children = [];
  }

  /** Counts a tag of a stripped stanza. */
  #passOver(tag: string, position: number): void {
    if (tag.charCodeAt(0) === 47 /* / */) this.#depth--;
    else if (tag.charCodeAt(tag.length - 1) !== 47) this.#depth++;
    if (this.#depth === 1) this.#finishStripped(position);
  }

  #finishStripped(position: number): void {
    const element = this.#stripped;
    this.#stripping = false;
    this.#stripped = null;
    if (element !== null) this.#emitStanza(element, position);
    else this.#cursor = this.root;
  }

  #emitStanza(element: Element, position: number): void {
    this.#cursor = this.root;
    element.parent = this.root;
    this.lastElementChars = position - this.#stanzaStart;
    this.emit("element", element);
  }

  #onText(text: string): void {
    if (this.#stripping) return;
    if (this.#depth <= 1) {
      if (!WHITESPACE.test(text)) throw new ParseError("not-well-formed", "text between stanzas");
      return;
    }
    if (text.includes(CDATA_END)) throw new ParseError("not-well-formed", "']]>' in a text");
    this.#appendText(unescapeXml(text));
  }

  #appendText(text: string): void {
    if (this.#stripping) return;
    if (this.#depth <= 1) throw new ParseError("not-well-formed", "text between stanzas");
    if (text !== "") this.#cursor?.t(text);
  }

  #onTag(tag: string, position: number): void {
    if (this.#stripping) return this.#passOver(tag, position);
    switch (tag.charCodeAt(0)) {
      case 47 /* / */:
        return this.#onClose(closedName(tag), position);
      case 63 /* ? */:
        return this.#onDeclaration(tag);
    }
    const selfClosing = tag.charCodeAt(tag.length - 1) === 47; /* / */
    const element = parseTag(selfClosing ? tag.slice(0, -1) : tag);
    if (++this.#depth > this.#limits.maxDepth) {
      this.#exceed(`elements are nested deeper than ${String(this.#limits.maxDepth)}`);
    }
    if (this.#depth <= 2) this.#elementCount = 0;
    if (++this.#elementCount > this.#limits.maxElements) {
      this.#exceed(`a stanza has more than ${String(this.#limits.maxElements)} elements`);
    }
    if (this.#stripping) {
      if (selfClosing) this.#depth--;
      return;
    }
    if (this.root === null) {
      this.root = element;
      this.#cursor = element;
      this.emit("start", element);
    } else {
      // Stanzas are not appended to the stream's root, which would keep all of them.
      if (this.#depth > 2) this.#cursor?.cnode(element);
      this.#cursor = element;
    }
    if (tag.includes(":") || tag.includes("xmlns")) this.#checkNamespaces(element);
    if (selfClosing) this.#onClose(element.name, position);
  }

  #checkNamespaces(element: Element): void {
    const prefix = findUndeclaredPrefix(element, this.root);
    if (prefix === undefined) return;
    if (this.#limits.undeclared === "fail" || this.#depth === 1)
      throw new ParseError("bad-namespace-prefix", `the prefix ${prefix.slice(0, 40)} is not declared`);
    this.#strip();
  }

  #onDeclaration(tag: string): void {
    // RFC 6120 §11.1, §11.4: only the XML declaration, and only once, before the stream's header.
    if (this.root !== null || this.#declared || !/^\?xml[ \t\r\n]/.test(tag))
      throw new ParseError("restricted-xml", "processing instructions are not allowed in a stream");
    this.#declared = true;
    const declaration = DECLARATION.exec(tag);
    if (declaration === null) throw new ParseError("not-well-formed", "the XML declaration is broken");
    // RFC 6120 §11.6
    if (!/^utf-8$/i.test(declaration[1] ?? "utf-8"))
      throw new ParseError("unsupported-encoding", "the stream is not in UTF-8");
  }

  #onClose(name: string, position: number): void {
    const element = this.#cursor;
    if (element?.name !== name) {
      throw new ParseError("not-well-formed", `</${name}> closes <${element?.name ?? ""}>`);
    }
    if (this.#depth > 2) {
      this.#depth--;
      this.#cursor = element.parent;
      return;
    }
    if (this.#depth === 2) {
      this.#assertSize(position);
      this.#depth--;
      if (this.#stripping) this.#finishStripped(position);
      else this.#emitStanza(element, position);
      return;
    }
    this.#depth--;
    this.emit("end", element);
    this.stop();
  }
}

/** Name in a closing tag such as `/name`, which may end with whitespace. */
function closedName(tag: string): string {
  let end = tag.length;
  while (isSpace(tag.charCodeAt(end - 1))) end--;
  return tag.slice(1, end);
}
