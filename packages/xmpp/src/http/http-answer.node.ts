import type { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { XmppError } from "../base/errors.js";

/** The parts of an answer's head that describe its body. */
export interface AnswerHead {
  readonly "content-length"?: string | undefined;
  readonly "content-encoding"?: string | undefined;
}

export interface AnswerText {
  readonly text: string;
  /** Bytes of the body as received. */
  readonly sentBytes: number;
  /** Bytes of the body's text. Equal to `sentBytes` when the body is not compressed. */
  readonly textBytes: number;
  readonly compressed: boolean;
}

/**
 * Reads and decodes a body. `maxBytes` bounds the body as received, and its text. Rejects with `XmppError` (`protocol`)
 * when the body is longer, has another encoding, is broken gzip or no UTF-8. Rejects with `XmppError` (`disconnected`)
 * when the body is cut off, or with the stream's own error.
 */
export async function readAnswer(body: Readable, head: AnswerHead, maxBytes: number): Promise<AnswerText> {
  const encoding = head["content-encoding"]?.toLowerCase() ?? "identity";
  const compressed = encoding === "gzip" || encoding === "x-gzip";
  if (!compressed && encoding !== "identity") {
    body.destroy();
    throw new XmppError("protocol", `the answer has an unexpected encoding: ${encoding.slice(0, 20)}`);
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
    // The first listener of all, because a body that is destroyed below may emit an error.
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

/**
 * Inflates synchronously. An answer of a kilobyte takes a tenth of the time that another thread would take. `maxBytes`
 * bounds the time of a long one.
 */
function inflate(sent: Buffer, maxBytes: number): Buffer {
  let result: { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
  try {
    // With `info`, zlib returns the buffer and the engine. The types do not declare this.
    result = gunzipSync(sent, { maxOutputLength: maxBytes, info: true }) as unknown as typeof result;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ERR_BUFFER_TOO_LARGE") throw tooLong(maxBytes, cause);
    throw new XmppError("protocol", "the answer is not gzip, or not all of it", { cause });
  }
  // RFC 1952 §2.2: a file has members, one after the other, and nothing else. zlib ignores zeros after the members.
  if (result.engine.bytesWritten !== sent.length)
    throw new XmppError("protocol", "the answer continues after its gzip data");
  return result.buffer;
}

function tooLong(maxBytes: number, cause?: unknown): XmppError {
  return new XmppError("protocol", `the answer is longer than ${String(maxBytes)} bytes`, { cause });
}
