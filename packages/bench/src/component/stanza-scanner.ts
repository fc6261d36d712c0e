/** One stanza of the component, as the simulated server needs it. */
export interface ScannedStanza {
  readonly name: "message" | "iq" | "presence";
  readonly type: string;
  readonly to: string;
  readonly id: string;
  /** The stanza's text, from its start tag to its end. */
  readonly text: string;
  /** Its `<data/>`. Undefined if it has none. */
  readonly data: { readonly sid: string; readonly seq: number; readonly base64: string } | undefined;
}

/** Everything except stanzas that the component writes to its server. */
export type ScannedControl = "open" | "handshake" | "close";

const NAME = /[\w:?]+/y;
const ATTRIBUTE = /\s(to|type|id)=(?:'([^']*)'|"([^"]*)")/g;
const DATA = /<data [^>]*?sid=['"]([^'"]*)['"][^>]*?seq=['"](\d+)['"][^>]*>([^<]*)</;

/**
 * Cuts a component's stream (XEP-0114) into stanzas. It reads only what this component writes: no comments, no CDATA,
 * no stanza within a stanza of the same name. A parser would cost more than the measured component.
 */
export class StanzaScanner {
  private held = "";

  constructor(
    private readonly onStanza: (stanza: ScannedStanza) => void,
    private readonly onControl: (control: ScannedControl) => void,
  ) {}

  write(chunk: string): void {
    const text = this.held + chunk;
    let at = 0;
    for (;;) {
      const begin = text.indexOf("<", at);
      const end = begin < 0 ? -1 : this.take(text, begin);
      if (end < 0) {
        this.held = begin < 0 ? "" : text.slice(begin);
        return;
      }
      at = end;
    }
  }

  /** Index after the part that begins here. −1: the part is not complete. */
  private take(text: string, begin: number): number {
    const close = text.indexOf(">", begin);
    if (close < 0) return -1;
    if (text.startsWith("</", begin)) {
      this.onControl("close");
      return close + 1;
    }
    NAME.lastIndex = begin + 1;
    const name = NAME.exec(text)?.[0] ?? "";
    if (name === "stream:stream") this.onControl("open");
    // A declaration, or the stream's own header, whose end tag is far behind.
    if (name.startsWith("?") || name === "stream:stream") return close + 1;
    const isEmpty = text.charCodeAt(close - 1) === 47; /* / */
    const endTag = `</${name}>`;
    const last = isEmpty ? close + 1 : text.indexOf(endTag, close);
    if (last < 0) return -1;
    const end = isEmpty ? last : last + endTag.length;
    if (name === "handshake") this.onControl("handshake");
    else if (name === "message" || name === "iq" || name === "presence")
      this.onStanza(scan(name, text.slice(begin, close), text.slice(begin, end)));
    return end;
  }
}

function scan(name: ScannedStanza["name"], head: string, text: string): ScannedStanza {
  const attributes = { to: "", type: "", id: "" };
  for (const [, key, single, double] of head.matchAll(ATTRIBUTE))
    attributes[key as keyof typeof attributes] = single ?? double ?? "";
  const [, sid, seq, base64] = name === "message" ? (DATA.exec(text) ?? []) : [];
  const data = sid === undefined || base64 === undefined ? undefined : { sid, seq: Number(seq), base64 };
  return { name, ...attributes, text, data };
}
