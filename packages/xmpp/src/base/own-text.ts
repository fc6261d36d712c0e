/**
 * Returns a copy of a text, in memory of its own. V8 keeps a text as long as a slice of the text exists. So an address
 * that a link keeps would keep everything of the same read of the socket, up to 64 KB. V8 also keeps a text that was
 * joined from parts as a tree of the parts; the copy is one piece.
 */
export function ownText(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string;
}
