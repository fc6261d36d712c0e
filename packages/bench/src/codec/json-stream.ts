import {
  Z_OK,
  Z_BUF_ERROR,
  Z_SYNC_FLUSH,
  ZStream,
  zlibDeflate,
  zlibDeflateInit2,
  zlibInflate,
  zlibInflateInit2,
} from "pako";

const LEVEL = 6;
const METHOD_DEFLATED = 8;
const RAW = -15;
const MEM_LEVEL = 8;
/** One batch, at most. */
const OUTPUT_BYTES = 1 << 18;

type Step = typeof zlibDeflate | typeof zlibInflate;

/** What a JSON user does for the same: raw deflate with kept context and a flush a batch, in the same language as ours. */
export class JsonDeflater {
  private readonly stream = open((stream) =>
    zlibDeflateInit2(stream, LEVEL, METHOD_DEFLATED, RAW, MEM_LEVEL, 0),
  );
  private readonly encoder = new TextEncoder();

  encode(rows: readonly unknown[]): Uint8Array {
    return run(this.stream, zlibDeflate, this.encoder.encode(JSON.stringify(rows)));
  }
}

export class JsonInflater {
  private readonly stream = open((stream) => zlibInflateInit2(stream, RAW));
  private readonly decoder = new TextDecoder();

  decode(bytes: Uint8Array): unknown {
    return JSON.parse(this.decoder.decode(run(this.stream, zlibInflate, bytes)));
  }
}

function open(init: (stream: ZStream) => void): ZStream {
  const stream = new ZStream();
  init(stream);
  stream.output = new Uint8Array(OUTPUT_BYTES);
  return stream;
}

function run(stream: ZStream, step: Step, input: Uint8Array): Uint8Array {
  stream.input = input;
  stream.next_in = 0;
  stream.avail_in = input.length;
  stream.next_out = 0;
  stream.avail_out = OUTPUT_BYTES;
  const status = step(stream, Z_SYNC_FLUSH);
  if ((status !== Z_OK && status !== Z_BUF_ERROR) || stream.avail_out === 0)
    throw new RangeError(`a batch of JSON does not fit ${OUTPUT_BYTES} bytes`);
  return stream.output.slice(0, stream.next_out);
}
