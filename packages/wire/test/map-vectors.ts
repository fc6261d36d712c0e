import {
  ChainEncoder,
  ColumnCodec,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeFrame,
  type CodecLimits,
  type CodedBody,
  type Value,
} from "../src/index.js";
import { BOUNDLESS, CHAIN, EPOCH, list, noise, split, type MadeVector } from "./vector-parts.js";
import { toJson } from "./vectors.js";

const BIG: CodecLimits = { ...BOUNDLESS, packed: { ...DEFAULT_LIMITS, maxMapKeyChars: 1e6 } };

type Update = readonly Value[];

const next = noise(14);
const below = (n: number): number => Math.floor(next() * n);
const keyOf = (i: number): string => `sensor/${String(i).padStart(5, "0")}`;

/** Sources of values of one key, by the number of the key: each has its own scale, and moves in its own way. */
const SOURCES: readonly ((i: number) => Value)[] = [
  (i) => i * 137,
  (i) => 20 + ((i * 7) % 5) / 10,
  (i) => Math.fround(21 + i / 10),
  (i) => (i % 9 === 8 ? 3 : 4),
  (i) => new Date(1_764_000_000_000 + i * 60_000).toISOString(),
  (i) => (i * 0.35).toFixed(2),
  (i) => i * 0.1 + 0.2,
  (i) => ["on", "off", "idle"][(i * 5) % 3] as string,
  (i) => i % 4 === 0,
  (i) => (i % 3 === 0 ? null : i),
  (i) => Uint8Array.of(i, 7),
  (i) => [i, i * 2, "x"],
];

/** By name: why it is here, and its batches of updates. */
const CASES: Record<string, readonly [about: string, batches: readonly (readonly Update[])[]]> = {
  "one-key": [
    "One key, whose number counts up.",
    split(
      list(12, (i) => [["a", i]]),
      4,
    ),
  ],
  "keys-in-turn": [
    "Five keys in turn: the next key is the one that came next the last time.",
    split(
      list(60, (i) => [[keyOf(i % 5), (i % 5) * 1_000 + i]]),
      12,
    ),
  ],
  "keys-by-chance": [
    "Forty keys by chance, of which some come often.",
    split(
      list(300, () => {
        const key = below(3) === 0 ? below(4) : below(40);
        return [[keyOf(key), key * 100 + below(9)]];
      }),
      30,
    ),
  ],
  "keys-ascending": [
    "Some keys of eighty, in ascending order, again and again.",
    split(
      list(10, () => list(80, (i) => i).filter(() => below(5) === 0)).flatMap((keys) =>
        keys.map((key): Update => [[keyOf(key), below(50)]]),
      ),
      40,
    ),
  ],
  objects: [
    "Sensors of three fields; some fields stay as they were.",
    split(
      list(80, (i) => [
        [keyOf(i % 8), { t: (200 + 10 * (i % 8) + below(7)) / 10, h: 40 + (i % 8), ok: below(9) > 0 }],
      ]),
      20,
    ),
  ],
  "own-scales": [
    "Keys of all classes: each goes on from its own values, in its own scale.",
    split(
      list(240, (i) => {
        const key = below(SOURCES.length);
        return [[`key ${key}`, (SOURCES[key] as (i: number) => Value)(i)]];
      }),
      24,
    ),
  ],
  "shapes-change": [
    "Values that change their class, lists that grow, fields that come and go.",
    split(
      list(60, (i): Update => {
        const values: Value[] = [
          i,
          `text ${i % 3}`,
          { a: i },
          list(i % 20, (j) => j),
          { b: 1, a: i, ...(i % 2 === 0 && { c: 2 }) },
          [null],
        ];
        return [[`k${i % 3}`, values[below(values.length)] as Value]];
      }),
      12,
    ),
  ],
  removed: [
    "Keys that are removed, also unknown ones, and cleared, and come again.",
    [
      [
        [
          ["a", 1],
          ["b", 2],
        ],
        [["a"]],
        [["c"]],
        [["a", 3]],
      ],
      [[[]], [["b", 4], [], ["a", 5]], [["c", 6]]],
      [[["a"], ["b"], ["c"]], [["b", 7]]],
    ],
  ],
  parts: [
    "An empty update; updates of many changes; parts of an update, which the next row continues.",
    [
      [[], list(9, (i) => [keyOf(i), i])],
      [
        [...list(9, (i): Value => [keyOf(i), i + 1]), null],
        [...list(9, (i): Value => [keyOf(i), i + 2]), null],
        [null],
        [],
      ],
    ],
  ],
};

function encodeChain(batches: readonly (readonly Update[])[]): { bodies: CodedBody[]; values: object[] } {
  const encoder = new ChainEncoder(DEFAULT_CODEC_LIMITS, undefined, "map");
  const bodies: CodedBody[] = [];
  const values: object[] = [];
  let to = 99;
  for (const [i, rows] of batches.entries()) {
    const from = to + 1;
    to += rows.length;
    const batch = { epoch: EPOCH, from, to, rows, at: 1_000 + i * 100, spanMs: rows.length * 10 - 10 };
    bodies.push(encoder.encode(batch, 0, CHAIN));
    values.push({ ...batch, rows: toJson(rows) });
  }
  return { bodies, values };
}

const hexOf = (body: CodedBody): string =>
  Buffer.from(encodeFrame({ type: "coded", alias: 1, ...body })).toString("hex");

function caseVector(name: string): MadeVector {
  const [about, batches] = CASES[name] as (typeof CASES)[string];
  const { bodies, values } = encodeChain(batches);
  const hex = bodies.map(hexOf);
  return {
    kind: "valid",
    vector: { name: `codec/updates-${name}`, layer: "codec", about, hex, value: values },
  };
}

const key = (payload: Uint8Array): CodedBody => ({ form: "map", chain: 1, epoch: 1, from: 1, payload });
const coded = (rows: readonly Update[]): Uint8Array =>
  new ColumnCodec(BIG, "map").encode({ rows, conflated: 0, at: 0, spanMs: 0 });

/** Bodies that go over a limit, each in few bytes. */
function bombVectors(): MadeVector[] {
  const bomb = (name: string, about: string, rows: readonly Update[]): MadeVector => ({
    kind: "invalid",
    vector: {
      name: `codec/updates-${name}`,
      layer: "codec",
      about,
      hex: [hexOf(key(coded(rows)))],
      error: "limit-exceeded",
    },
  });
  const long = "k".repeat(512);
  return [
    bomb("bomb-changes", "More than 65,536 changes in one update.", [list(65_537, () => [])]),
    bomb("bomb-known-keys", "A key of 512 characters counts each time as three values.", [
      [[long, 0]],
      list(30_000, () => [long]),
    ]),
    bomb("bomb-key", "A key of more than 512 characters.", [[["k".repeat(513), 0]]]),
  ];
}

/** What damaged messages are refused for: a sentence of the error, and the updates before. */
const REFUSED: Record<string, readonly [text: string, before: readonly Update[]]> = {
  "operation-unknown": ["a coded change of a map does nothing that is known", [[["a", 1]], [["a", 2]]]],
  "index-unknown": ["a coded key of a map is of none that came before", [[["a", 1]], [["b", 2]]]],
  "key-impossible": ["a coded map has a new key that it cannot have", [[["a", 1]], [["b", 2]]]],
  "value-missing": ["a coded change of a map lacks its value", [[["a", { x: 1 }]], [["a", 2]]]],
};

/** Found by trying: nobody writes such messages. */
function refusedVectors(): MadeVector[] {
  return Object.entries(REFUSED).map(([name, [text, before]]) => {
    const payload = coded(before);
    const random = noise(name.length);
    for (let tries = 0; tries < 2_000_000; tries++) {
      const bytes = Uint8Array.from({ length: 1 + (tries % 9) }, () => Math.floor(random() * 256));
      const codec = new ColumnCodec(
        { ...DEFAULT_CODEC_LIMITS, maxValues: 500, maxTextBytes: 500, maxRows: 20 },
        "map",
      );
      codec.decode(payload);
      try {
        codec.decode(bytes);
      } catch (error) {
        if (!(error as Error).message.startsWith(text)) continue;
        const hex = [hexOf(key(payload)), hexOf({ form: "chained", payload: bytes })];
        const about = `Refused, since ${text}.`;
        return {
          kind: "invalid",
          vector: { name: `codec/updates-${name}`, layer: "codec", about, hex, error: "malformed" },
        };
      }
    }
    throw new Error(`no message was found for which ${text}`);
  });
}

/** A chain of a map, then one of other rows: the key says which rules the bodies that follow have. */
function chainVector(): MadeVector {
  const [first, second] = [
    encodeChain([[[["a", 1]]], [[["a", 2]]], [[["a", 3]]]]),
    new ChainEncoder(DEFAULT_CODEC_LIMITS),
  ];
  const plain = list(2, (i) => ({
    epoch: EPOCH,
    from: 103 + i,
    to: 103 + i,
    rows: [[["a", i]]],
    at: 5,
    spanMs: 0,
  }));
  const bodies = [...first.bodies, ...plain.map((batch) => second.encode(batch, 0, CHAIN + 1))];
  const [, mapSecond] = first.bodies as [CodedBody, CodedBody];
  return {
    kind: "valid",
    vector: {
      name: "codec/updates-chain",
      layer: "codec",
      about:
        "A chain of a map, a chain of any rows, and a body of the first chain after a lost block, which is refused.",
      hex: [...bodies, first.bodies[0] as CodedBody, mapSecond].map(hexOf),
      contiguous: [...bodies.map(() => true), true, false],
      value: [...first.values, ...plain, first.values[0], null],
    },
  };
}

/** All but those that are searched for, which takes a while. */
export function madeMapVectors(): MadeVector[] {
  return [...Object.keys(CASES).map((name) => caseVector(name)), chainVector(), ...bombVectors()];
}

export function searchedMapVectors(): MadeVector[] {
  return refusedVectors();
}
