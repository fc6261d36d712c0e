import { XmppError } from "../base/errors.js";

/**
 * Returns the answer's text. Rejects with `XmppError` when the answer is longer than `maxBytes` or not UTF-8. Reads no
 * more after `maxBytes`. Calls `onBytes` with the length of each part.
 */
export async function readAnswer(
  response: Response,
  maxBytes: number,
  onBytes: (count: number) => void = () => undefined,
): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const reader = response.body?.getReader();
  let [text, length] = ["", 0];
  for (;;) {
    const part = await reader?.read();
    if (part?.value === undefined) break;
    const bytes = part.value as Uint8Array;
    length += bytes.length;
    onBytes(bytes.length);
    if (length > maxBytes) {
      await reader?.cancel().catch(() => undefined);
      throw new XmppError("protocol", `the answer is longer than ${String(maxBytes)} bytes`);
    }
    text += decode(bytes, true);
  }
  return text + decode(new Uint8Array(), false);

  function decode(bytes: Uint8Array, more: boolean): string {
    try {
      return decoder.decode(bytes, { stream: more });
    } catch (cause) {
      throw new XmppError("protocol", "the answer is not UTF-8", { cause });
    }
  }
}
