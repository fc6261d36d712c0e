import {
  ChainDecoder,
  ChainEncoder,
  ColumnCodec,
  createRawDeflate,
  createRowCodec,
  DataReader,
  decodeBlock,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeFrame,
  encodeUpdate,
  StanzapackError,
  type ChainBatch,
  type ChainBody,
  type CodecLimits,
  type Value,
} from "@stanzapack/wire";
import { anyValue, createMapUpdates, editedRows, isSame, similarRows } from "./codec-fuzz-values.js";
import { createRandom, type Random } from "../base/random.js";

export interface CodecFuzzReport {
  readonly seed: number;
  readonly batches: number;
  /**
   * Number of batches by result: arrived unchanged, read although damaged, refused for want of another, or threw this
   * code.
   */
  readonly results: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly heapGrowthBytes: number | undefined;
  readonly findings: readonly string[];
}

/**
 * Errors that a peer's bytes may cause. Any other is a finding. `version-mismatch`: damage may change a HELLO's
 * version.
 */
const ALLOWED = new Set(["malformed", "limit-exceeded", "version-mismatch"]);
const MAX_FINDINGS = 20;
/** Longest time of one read, in ms. Any batch takes at most 0.1 s; on a busy machine it may wait longer. */
const DEADLINE_MS = 2_000;
const MAX_HEAP_GROWTH_BYTES = 20_000_000;
/** Small limits, so that most damaged batches end soon. Some batches are read with the real limits. */
const SMALL: CodecLimits = { ...DEFAULT_CODEC_LIMITS, maxValues: 1_000, maxTextBytes: 1_000, maxRows: 200 };

/** A chain as it was sent. */
interface Sent {
  readonly rowsAre: "any" | "map";
  readonly bodies: readonly ChainBody[];
  readonly batches: readonly ChainBatch[];
}

/**
 * Gives the columnar codec damaged and hostile batches, and values that it must return unchanged. Synchronous. The same
 * seed does the same.
 */
export function fuzzCodec({
  count,
  seed,
  collectGarbage,
  onProgress,
}: {
  readonly count: number;
  readonly seed: number;
  readonly collectGarbage?: (() => void) | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}): CodecFuzzReport {
  const fuzzer = new CodecFuzzer(createRandom(seed));
  const heapBytes = (): number => {
    collectGarbage?.();
    return process.memoryUsage().heapUsed;
  };
  let heapAtFirst: number | undefined;
  let toldAt = 0;
  while (fuzzer.batches < count && fuzzer.findings.length < MAX_FINDINGS) {
    fuzzer.step();
    if (fuzzer.batches - toldAt > 5_000) onProgress?.((toldAt = fuzzer.batches));
    if (heapAtFirst === undefined && fuzzer.batches >= count / 10) heapAtFirst = heapBytes();
  }
  const { batches, results, slowestMs, findings } = fuzzer;
  const heapGrowthBytes = collectGarbage && heapBytes() - (heapAtFirst as number);
  if (heapGrowthBytes !== undefined && heapGrowthBytes > MAX_HEAP_GROWTH_BYTES)
    findings.push(`the heap grew by ${heapGrowthBytes} bytes`);
  return { seed, batches, results, slowestMs: Math.round(slowestMs), heapGrowthBytes, findings };
}

class CodecFuzzer {
  batches = 0;
  slowestMs = 0;
  readonly findings: string[] = [];
  readonly results: Record<string, number> = {};
  private readonly rows = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
  private chains: Sent[] = [];

  constructor(private readonly random: Random) {}

  /** Tests some batches of one sort. */
  step(): void {
    const { random } = this;
    // Encoding takes longest, so chains are sent more than once, and replaced one by one.
    if (this.chains.length < 64) this.chains.push(this.send());
    else if (random.chance(1)) this.chains[random.below(64)] = this.send();
    const dice = random.below(100);
    if (dice < 60) this.damageMessages();
    else if (dice < 85) this.damageChain();
    else this.damageFrames();
  }

  /** Encodes a chain, and reads it undamaged: it must arrive. */
  private send(): Sent {
    const { random } = this;
    const policy = { wideEveryBodies: 2, wideEveryMs: 0 };
    const rowsAre = random.chance(30) ? "map" : "any";
    const nextUpdate = createMapUpdates(random);
    const encoder = new ChainEncoder(DEFAULT_CODEC_LIMITS, policy, rowsAre === "map" ? "map" : "key");
    const decoder = new ChainDecoder(DEFAULT_CODEC_LIMITS);
    const batches: ChainBatch[] = [];
    const bodies: ChainBody[] = [];
    let next = 1 + random.below(1_000);
    for (let length = 1 + random.below(6); length > 0; length--) {
      const rows =
        rowsAre === "map" ? Array.from({ length: 1 + random.below(12) }, nextUpdate) : this.someRows();
      const to = next + rows.length - 1 + (random.chance(10) ? random.below(50) : 0);
      const batch = { epoch: 7, from: next, to, rows, at: random.below(1e6), spanMs: random.below(100) };
      this.guarded("round trip", () => {
        try {
          bodies.push(encoder.encode(batch, 0, random.below(2 ** 32)));
        } catch (error) {
          // Packed containers are msgpack, which lacks some values of the codec.
          if (error instanceof StanzapackError && error.code === "unencodable") return "unencodable";
          throw error;
        }
        batches.push(batch);
        const read = decoder.decode(bodies.at(-1) as ChainBody, true);
        if (!isSame(read as never, batch)) this.fault(`decoded to other rows: ${JSON.stringify(batch)}`);
        return "arrived";
      });
      if (batches.length < bodies.length || bodies.length === 0 || batches.at(-1) !== batch) break;
      next = to + 1;
    }
    return bodies.length === 0 ? this.send() : { rowsAre, bodies, batches };
  }

  private someRows(): readonly Value[] {
    const { random } = this;
    const dice = random.below(10);
    if (dice < 4) return similarRows(random, 1 + random.below(12));
    if (dice < 7) return editedRows(random, 1 + random.below(12));
    return Array.from({ length: 1 + random.below(4) }, () => anyValue(random));
  }

  /** Gives damaged messages to a codec that has read some good ones, until the codec throws. */
  private damageMessages(): void {
    const { random } = this;
    const { rowsAre, bodies } = random.pick(this.chains);
    const limits = random.below(1_000) === 0 ? DEFAULT_CODEC_LIMITS : SMALL;
    const codec = new ColumnCodec(limits, rowsAre);
    const good = random.chance(90) ? random.below(2) : random.below(bodies.length + 1);
    try {
      for (let i = 0; i < good; i++) codec.decode((bodies[i] as ChainBody).payload);
    } catch {
      // A good message exceeds the small limits.
      return;
    }
    for (let i = 0, ended = false; i < 32 && !ended; i++) {
      const body = bodies[good + i] ?? random.pick(bodies);
      const bytes = this.damaged(body.payload);
      ended = this.guarded(`a message: ${hex(bytes)}`, () => {
        const { rows } = codec.decode(bytes);
        if (rows.length > limits.maxRows) this.fault("more rows than the limit");
        return "read";
      });
    }
  }

  /**
   * Loses, repeats, swaps and damages bodies of a chain. A body that arrives undamaged must have the values that were
   * sent.
   */
  private damageChain(): void {
    const { random } = this;
    const { bodies, batches } = random.pick(this.chains);
    const decoder = new ChainDecoder(DEFAULT_CODEC_LIMITS);
    let expected = 0;
    for (let i = 0; i < bodies.length; i++) {
      let index = i;
      const dice = random.below(20);
      if (dice === 0) continue;
      if (dice === 1) index = random.below(bodies.length);
      const body = bodies[index] as ChainBody;
      // IBB's sequence shows that a body is missing or repeated.
      const contiguous = index === expected;
      const whole = random.chance(92);
      const given = whole ? body : { ...body, payload: this.damaged(body.payload) };
      const ended = this.guarded(`body ${index} of a chain: ${hex(given.payload)}`, () => {
        const read = decoder.decode(given, contiguous);
        if (!whole) return read === undefined ? "refused" : "read";
        if (isKey(body) || (contiguous && expected > 0)) {
          if (read === undefined) {
            if (isKey(body) || !this.broken) this.fault("the decoder refused a correct body");
          } else if (!this.broken && !isSame(read as never, batches[index] as never))
            this.fault("the decoder returned another batch");
        } else if (read !== undefined) this.fault("the decoder took a body that does not follow");
        return read === undefined ? "refused" : "arrived";
      });
      if (isKey(body)) this.broken = false;
      if (!contiguous || !whole) this.broken = true;
      expected = contiguous || isKey(body) ? index + 1 : -1;
      if (ended) return;
    }
    this.broken = false;
  }
  private broken = false;

  /** Damages frames of all forms as bytes. */
  private damageFrames(): void {
    const { random } = this;
    const { bodies, batches } = random.pick(this.chains);
    const reader = new DataReader(
      random.chance(99) ? SMALL : DEFAULT_CODEC_LIMITS,
      DEFAULT_LIMITS,
      this.rows,
    );
    for (const [i, body] of bodies.entries()) {
      const frame = random.chance(70)
        ? encodeFrame({ type: "coded", alias: 1, ...body })
        : this.otherFrame(batches[i] as ChainBatch);
      if (frame === undefined) continue;
      const bytes = random.chance(30) ? frame : this.damaged(frame);
      const ended = this.guarded(`a block: ${hex(bytes)}`, () => {
        let result = "read";
        for (const one of decodeBlock(bytes, DEFAULT_LIMITS)) {
          if (one.type !== "data" && one.type !== "coded") continue;
          const batch = reader.read(one, random.chance(95));
          if (batch === undefined) result = "refused";
          else if (batch.rows.length === 0 || batch.from < 1 || batch.to < batch.from || batch.at < 0)
            this.fault("the reader returned an impossible batch");
        }
        return result;
      });
      if (ended) return;
    }
  }

  private otherFrame(batch: ChainBatch): Uint8Array | undefined {
    const { random } = this;
    const conflated = batch.to - batch.from + 1 - batch.rows.length;
    try {
      if (random.chance(50)) {
        const payload = new ColumnCodec(DEFAULT_CODEC_LIMITS).encode({ ...batch, conflated });
        return encodeFrame({
          type: "coded",
          form: "independent",
          alias: 1,
          epoch: 7,
          from: batch.from,
          payload,
        });
      }
      const encoded = this.rows.encode(
        batch.rows.map((row) => encodeUpdate(row, DEFAULT_LIMITS)),
        "plain",
      );
      return encodeFrame({ type: "data", alias: 1, ...batch, ...encoded });
    } catch (error) {
      if (error instanceof StanzapackError && error.scope === "update") return undefined;
      throw error;
    }
  }

  private damaged(bytes: Uint8Array): Uint8Array {
    const { random } = this;
    switch (random.below(12)) {
      case 0:
        return Uint8Array.from({ length: random.below(60) }, () => random.below(256));
      case 1:
        return new Uint8Array(random.below(40)).fill(random.pick([0, 0xff, 0x80, 0x7f, 0x55]));
      case 2:
        return bytes.slice(0, random.below(bytes.length + 1));
      case 3: {
        // Bytes that the coder takes for the likeliest symbols: long runs.
        const tail = new Uint8Array(random.below(200)).fill(random.pick([0, 0xff]));
        return Uint8Array.from([...bytes.subarray(0, random.below(bytes.length + 1)), ...tail]);
      }
      default: {
        const out = bytes.slice();
        for (let n = 1 + random.below(3); n > 0 && out.length > 0; n--) {
          const at = random.below(out.length);
          out[at] = random.chance(50) ? random.below(256) : (out[at] as number) ^ (1 << random.below(8));
        }
        if (random.chance(10)) out.copyWithin(random.below(out.length + 1), random.below(out.length + 1));
        return out;
      }
    }
  }

  /** Counts a batch by its result. Returns true if it threw: then nothing more may be read. */
  private guarded(about: string, read: () => string): boolean {
    this.batches++;
    const start = performance.now();
    let result: string;
    let hasThrown = false;
    try {
      result = read();
    } catch (error) {
      hasThrown = true;
      const known = error instanceof StanzapackError && error.origin === "peer" && ALLOWED.has(error.code);
      result = known ? error.code : "crashed";
      if (!known) this.fault(`${about} threw ${(error as Error).stack ?? String(error)}`);
    }
    const elapsedMs = performance.now() - start;
    if (elapsedMs > this.slowestMs) this.slowestMs = elapsedMs;
    if (elapsedMs > DEADLINE_MS) this.fault(`${about} took ${Math.round(elapsedMs)} ms`);
    this.results[result] = (this.results[result] ?? 0) + 1;
    return hasThrown;
  }

  private fault(text: string): void {
    if (this.findings.length < MAX_FINDINGS)
      this.findings.push(`batch ${this.batches}: ${text.slice(0, 2_000)}`);
  }
}

/** Whether the body begins a chain. */
function isKey({ form }: ChainBody): boolean {
  return form === "key" || form === "map";
}

function hex(bytes: Uint8Array): string {
  return bytes.length > 400 ? `${bytes.length} bytes` : Buffer.from(bytes).toString("hex");
}
