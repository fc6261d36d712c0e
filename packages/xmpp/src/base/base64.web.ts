/** RFC 4648 §4. `decodeBase64` checks first that the length of the text is a multiple of four. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Bytes that `encodeBase64` encodes in one step. A call takes a limited number of arguments.
 * A multiple of three, so that no part but the last has padding.
 */
const PART_BYTES = 0x6000;

export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + PART_BYTES)));
  }
  return text;
}

/** As in `base64.node.ts`. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return undefined;
  // RFC 4648 §3.5: the unused bits before the padding must be zero.
  if (text.endsWith("=")) {
    const tail = text.slice(-4);
    if (tail === "====" || tail.startsWith("=") || btoa(atob(tail)) !== tail) return undefined;
  }
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
