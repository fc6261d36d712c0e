/** A piece of a stream, with the space before it: a whole stanza, or a tag of the stream itself. */
export interface StreamPiece {
  readonly text: string;
  readonly isStanza: boolean;
}

/**
 * Cuts the text of one direction of an XML stream (RFC 6120 §4.2) after each stanza. It knows tags and quotes; XMPP has
 * nothing more.
 */
export class StanzaSplitter {
  private rest = "";
  /** Length of the part of `rest` whose tags have been read. */
  private seen = 0;
  private depth = 0;

  push(text: string): StreamPiece[] {
    this.rest += text;
    const pieces: StreamPiece[] = [];
    for (let tag = this.nextTag(); tag !== undefined; tag = this.nextTag()) {
      this.seen = tag.end;
      const isInside = this.depth > 0;
      if (tag.text.startsWith("</")) this.depth--;
      else if (!tag.text.endsWith("/>") && !tag.text.startsWith("<?")) this.depth++;
      // Now at the stream's own level, or at a tag of the stream.
      if (this.depth > 1) continue;
      pieces.push({ text: this.rest.slice(0, tag.end), isStanza: isInside && this.depth === 1 });
      this.rest = this.rest.slice(tag.end);
      this.seen = 0;
    }
    return pieces;
  }

  private nextTag(): { readonly text: string; readonly end: number } | undefined {
    const start = this.rest.indexOf("<", this.seen);
    if (start === -1) return undefined;
    let quote = "";
    for (let at = start + 1; at < this.rest.length; at++) {
      const char = this.rest[at] as string;
      if (quote !== "") {
        if (char === quote) quote = "";
      } else if (char === '"' || char === "'") quote = char;
      else if (char === ">") return { text: this.rest.slice(start, at + 1), end: at + 1 };
    }
    return undefined;
  }
}
