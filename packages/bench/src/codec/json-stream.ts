import { Deflate, Inflate, Z_SYNC_FLUSH } from "pako";

const LEVEL = 6;

/**
 * The equivalent for a JSON user, in the same language as our codec: raw deflate with kept context, flushed after each
 * batch.
 */
export class JsonDeflater {
  private readonly deflate = new Deflate({ raw: true, level: LEVEL });
  private readonly encoder = new TextEncoder();
  private chunks: Uint8Array[] = [];

  constructor() {
    this.deflate.onData = (chunk) => this.chunks.push(chunk);
  }

  encode(rows: readonly unknown[]): Uint8Array {
    this.deflate.push(this.encoder.encode(JSON.stringify(rows)), Z_SYNC_FLUSH);
    return join(this.chunks.splice(0));
  }
}

export class JsonInflater {
  private readonly inflate = new Inflate({ raw: true });
  private readonly decoder = new TextDecoder();
  private chunks: Uint8Array[] = [];

  constructor() {
    this.inflate.onData = (chunk) => this.chunks.push(chunk);
  }

  decode(bytes: Uint8Array): unknown {
    this.inflate.push(bytes, Z_SYNC_FLUSH);
    return JSON.parse(this.decoder.decode(join(this.chunks.splice(0))));
  }
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
}
