import type { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { XmppError } from "../base/errors.js";

/** What the head of an answer says about its body. */
export interface AnswerHead {
  readonly "content-length"?: string | undefined;
  readonly "content-encoding"?: string | undefined;
}

export interface AnswerText {
  readonly text: string;
  /** Of the body as it came, and of its text; equal where it came uncompressed. */
  readonly sentBytes: number;
  readonly textBytes: number;
  readonly compressed: boolean;
}

/**
 * Reads and decodes a body of at most so many bytes, compressed and inflated alike. Rejects with `XmppError`
 * `protocol` where it is longer, no gzip or no UTF-8, and with the stream's own error.
 */
export async function readAnswer(body: Readable, head: AnswerHead, maxBytes: number): Promise<AnswerText> {
  const encoding = head["content-encoding"]?.toLowerCase() ?? "identity";
  const compressed = encoding === "gzip" || encoding === "x-gzip";
  if (!compressed && encoding !== "identity") {
    body.destroy();
    throw new XmppError("protocol", `the answer has an encoding nobody asked for: ${encoding.slice(0, 20)}`);
  }
  const sent = await readBytes(body, Number(head["content-length"] ?? 0), maxBytes);
  const bytes = compressed ? inflate(sent, maxBytes) : sent;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { text, sentBytes: sent.length, textBytes: bytes.length, compressed };
  } catch (cause) {
    throw new XmppError("protocol", "the answer is not UTF-8", { cause });
  }
}

function readBytes(body: Readable, announcedBytes: number, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const refuse = (): void => {
      reject(tooLong(maxBytes));
      body.destroy();
    };
    // Before anything else: what is refused here is destroyed, and may say so.
    body.on("error", reject);
    if (announcedBytes > maxBytes) return refuse();
    body.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) return refuse();
      chunks.push(chunk);
    });
    body.on("end", () => {
      resolve(Buffer.concat(chunks, length));
    });
    body.on("close", () => {
      reject(new XmppError("disconnected", "the answer was cut off"));
    });
  });
}

/** At once: an answer of a kilobyte takes a tenth of what another thread would, and the bound holds for a long one. */
function inflate(sent: Buffer, maxBytes: number): Buffer {
  let result: { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
  try {
    // With `info` it gives both, which its types do not say.
    result = gunzipSync(sent, { maxOutputLength: maxBytes, info: true }) as unknown as typeof result;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ERR_BUFFER_TOO_LARGE") throw tooLong(maxBytes, cause);
    throw new XmppError("protocol", "the answer is not gzip, or not all of it", { cause });
  }
  // RFC 1952 §2.2: members, one after the other, and nothing else. zlib leaves zeros behind them lying.
  if (result.engine.bytesWritten !== sent.length)
    throw new XmppError("protocol", "the answer goes on behind its gzip");
  return result.buffer;
}

function tooLong(maxBytes: number, cause?: unknown): XmppError {
  return new XmppError("protocol", `the answer is longer than ${String(maxBytes)} bytes`, { cause });
}
