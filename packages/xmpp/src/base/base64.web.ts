/** RFC 4648 §4, for a text whose length is a multiple of four. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Characters made at once: a call takes only so many arguments. A multiple of three, so that parts can be joined. */
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
  // RFC 4648 §3.5: bits that the padding leaves over must be zero.
  if (text.endsWith("=")) {
    const tail = text.slice(-4);
    if (tail === "====" || tail.startsWith("=") || btoa(atob(tail)) !== tail) return undefined;
  }
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
