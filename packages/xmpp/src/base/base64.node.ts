/** RFC 4648 §4. `decodeBase64` checks first that the length of the text is a multiple of four. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/**
 * Returns the bytes of one base64 text, or `undefined` when the text is not canonical base64.
 * XEP-0047 §7: characters outside the alphabet and padding inside are rejected, never skipped.
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  // RFC 4648 §3.5: the unused bits before the padding must be zero. Otherwise two texts would mean the same bytes.
  if (text.endsWith("=")) {
    const tail = text.slice(-4);
    if (Buffer.from(tail, "base64").toString("base64") !== tail) return undefined;
  }
  return bytes;
}
