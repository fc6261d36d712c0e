/** Bytes to read at most. A header or a first value is shorter. */
const HEAD_BYTES = 65_536;

export interface Peeked {
  /** Beginning of the input without a byte order mark: to the first line that is not blank, or `HEAD_BYTES`. */
  readonly head: string;
  /** The whole input, with the beginning. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Reads until the end of the first line that is not blank. */
export async function peek(bytes: AsyncIterable<Uint8Array>): Promise<Peeked> {
  const source = bytes[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let head = "";
  let size = 0;
  while (size < HEAD_BYTES && !/\S[^\n]*\n/.test(head)) {
    const next = await source.next();
    if (next.done === true) break;
    seen.push(next.value);
    size += next.value.length;
    head = Buffer.concat(seen)
      .toString("utf8")
      .replace(/^\ufeff/, "");
  }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      yield* seen;
      for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
    } finally {
      await source.return?.();
    }
  }
  return { head, chunks: chunks() };
}
