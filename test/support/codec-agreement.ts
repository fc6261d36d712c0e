import {
  ChainEncoder,
  createRowCodec,
  DataReader,
  decodeBlock,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  type Value,
} from "@stanzapack/wire";

/**
 * Runs in Node and in a browser. Returns a line for each vector and each generated chain. Throws if a chain does not
 * decode to its values.
 */
export function agree({
  vectors,
  seeds,
}: {
  readonly vectors: readonly {
    readonly name: string;
    readonly hex: readonly string[];
    readonly contiguous?: boolean[];
  }[];
  readonly seeds: number;
}): string[] {
  const lines = vectors.map(({ name, hex, contiguous }) => {
    const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, createRowCodec(DEFAULT_LIMITS));
    const batches = hex.map((one, i) => {
      const [frame] = decodeBlock(fromHex(one), DEFAULT_LIMITS);
      return frame?.type === "coded" ? reader.read(frame, contiguous?.[i] ?? true) : undefined;
    });
    return `${name} ${text(batches)}`;
  });
  for (let seed = 1; seed <= seeds; seed++) {
    const next = random(seed);
    const encoder = new ChainEncoder(DEFAULT_CODEC_LIMITS);
    const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, createRowCodec(DEFAULT_LIMITS));
    let to = 0;
    const payloads: string[] = [];
    for (let batch = 0; batch < 6; batch++) {
      const rows = Array.from({ length: 1 + Math.floor(next() * 30) }, (_, i) => row(seed, to + i, next));
      const from = to + 1;
      to += rows.length;
      const given = { epoch: 1, from, to, rows, at: to * 10, spanMs: rows.length };
      const body = encoder.encode(given, batch, seed);
      if (text(reader.read({ type: "coded", alias: 0, ...body }, true)) !== text(given))
        throw new Error(`seed ${seed}: batch ${batch} came back otherwise`);
      payloads.push(toHex(body.payload));
    }
    lines.push(`seed ${seed} ${payloads.join(" ")}`);
  }
  return lines;
}

/** A row with every sort of float. The shape is the same for one seed. */
function row(seed: number, i: number, next: () => number): Value {
  const wave = Math.round(next() * 1e6) / 1e4;
  switch (seed % 6) {
    case 0:
      return wave;
    case 1:
      return { id: i, x: wave, y: Math.fround(wave), name: `n${Math.floor(next() * 9)}`, ok: next() > 0.3 };
    case 2:
      return Array.from({ length: 20 }, (_, j) => Math.floor(next() * 10 ** (j % 12)));
    case 3:
      return [
        i * 0.1,
        (i + 1) * 0.1 + 0.2,
        next(),
        -next() * 1e300,
        next() * 5e-320,
        [-0, NaN, Infinity][i % 3] as number,
      ];
    case 4:
      return `line ${Math.floor(next() * 1e9)} of ${["alpha", "βήτα", "гамма", "\ud800"][i % 4] as string}`;
    default:
      return [
        `2026-01-0${1 + (i % 9)}T10:00:00.${100 + (i % 800)}Z`,
        wave.toFixed(2),
        Uint8Array.of(i, i >> 8),
        null,
      ];
  }
}

function random(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

/** A value as text: JSON, and also values that JSON lacks. */
function text(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (item instanceof Uint8Array) return `bytes ${toHex(item)}`;
    if (typeof item === "number" && (!Number.isFinite(item) || Object.is(item, -0)))
      return `number ${Object.is(item, -0) ? "-0" : String(item)}`;
    return item;
  });
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
