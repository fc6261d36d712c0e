import {
  ChainEncoder,
  ColumnCodec,
  DEFAULT_CODEC_LIMITS,
  encodeFrame,
  type CodecLimits,
  type CodedBody,
  type Value,
} from "../src/index.js";
import { BOUNDLESS, CHAIN, EPOCH, list, noise, split, type MadeVector } from "./vector-parts.js";
import { toJson } from "./vectors.js";

const BIG: CodecLimits = { ...BOUNDLESS, maxTextBytes: 1e7, maxPlaceBytes: 1e9, maxDepth: 100 };
type Batches = readonly (readonly Value[])[];

const rows = list<Value>;

/** The double that is 2^63 further on, of all 2^64 in their order. */
export function farthestFrom(value: number): number {
  const double = new Float64Array([value]);
  const bits = new BigUint64Array(double.buffer);
  bits[0] = (1n << 64n) - 1n - (bits[0] as bigint);
  return double[0] as number;
}

const random = noise(4);
const nested = (depth: number): Value => (depth === 0 ? [1] : [nested(depth - 1)]);
const words = (text: string): Value => text.split(" ");
const permuted = (i: number): Value => {
  const keys = ["a", "b", "c", "d", "e"];
  return Object.fromEntries([...keys.slice(i % 5), ...keys.slice(0, i % 5).reverse()].map((key) => [key, i]));
};

/** By name: why it is here, and its batches. */
const CASES: Record<string, readonly [about: string, batches: Batches]> = {
  "one-row": ["One row, the number 1.", [[1]]],
  integers: ["Integers that count up, with a jump.", split([1, 2, 3, 4, 5, 6, 7, 100, 101, 102], 4)],
  decimals: ["Decimals of two digits, then one of three.", [[21.5, 21.45, 21.4, -3.25], [21.4], [21.405]]],
  "scale-coarsens": [
    "After 24 multiples of ten in a row the scale is coarser.",
    [
      [0.5, ...rows(30, (i) => i)],
      [31, 0.5],
    ],
  ],
  "scale-too-fine": [
    "A number that only a coarser scale would hold is a double.",
    [[1.000001, 4e15, 1.000002]],
  ],
  float32: ["Decimals that went through a float32.", [[21.7, 21.8, 0.1, -5.3].map(Math.fround)]],
  "float32-printed": ["Such float32 as programs print it, with six digits.", [[21.700001, 21.799999, 21.9]]],
  "predict-linear": [
    "A straight line, which the linear prediction hits.",
    split(
      rows(40, (i) => i * 137),
      10,
    ),
  ],
  "predict-mean": [
    "Noise about a mean.",
    split(
      rows(40, () => 5_000 + Math.floor(random() * 40)),
      10,
    ),
  ],
  "predict-zero": [
    "Seldom anything but zero.",
    split(
      rows(40, (i) => (i % 5 === 4 ? 1_000 + i : 0)),
      10,
    ),
  ],
  "predict-successor": [
    "What came after 700 comes after it again.",
    split(
      rows(40, (i) => [3, 700, -90, 12_345][i % 4] as number),
      10,
    ),
  ],
  "predict-neighbour": [
    "A number near the one before it in the row, and one that moves with it.",
    split(
      rows(30, () => Math.floor(random() * 1e6)).map((n) => [
        n as number,
        (n as number) + 3,
        9e6 - (n as number),
      ]),
      10,
    ),
  ],
  "predict-beyond-2-52": [
    "A line, and a neighbour's step, that go beyond 2^52: the last value is predicted instead.",
    [
      [0, 2 ** 51, 2 ** 52 - 7, 2 ** 52 - 7, -(2 ** 52), 2 ** 52, 5],
      rows(12, (i) => [2 ** 52 - i * 3e14, 2 ** 52 - i * 3e14]),
      rows(12, (i) => [-(2 ** 52) + i * 3e14, 2 ** 52 - i * 3e14]),
    ],
  ],
  "predict-neighbour-scale": [
    "Neighbours in other scales: brought to this one, rounded, or too large for it.",
    split(
      rows(30, (i) => [i * 1_000, i + 0.5, (i * 1_000) / 1e6, 2 ** 51 - i, (7 * i + 3) / 100]),
      10,
    ),
  ],
  "predict-neighbour-lacks": [
    "Rows that lack the neighbour that predicted best.",
    split(
      rows(60, (i) => {
        const n = Math.floor(random() * 1e6);
        return i % 7 < 4 ? { a: n, b: n + 1 } : i % 7 < 6 ? { b: n } : { a: n, x: -n, b: n + 1 };
      }),
      12,
    ),
  ],
  "successors-grow": [
    "More successors than 64: the table grows, and loses none by that.",
    split(
      rows(400, (i) => Math.imul((i % 100) + 1, 0x9e3779b1) >>> 8),
      40,
    ),
  ],
  "rescaled-tens": [
    "Multiples of ten count towards a coarser scale from the number on that brings a scale.",
    [
      [0.5, ...rows(10, (i) => i), 0.25, ...rows(23, (i) => 10 + i), 0.5],
      [...rows(30, (i) => i * 100), 0.125, ...rows(40, (i) => i * 50)],
    ],
  ],
  "double-near-between": [
    "Sums of 0.1 between doubles with all their bits: the latter go on from each other.",
    split(
      rows(30, (i) => (i % 3 === 0 ? Math.PI + i * 1e-9 : i % 3 === 1 ? 0.1 + 0.2 + i : (i + 0.1) * 3)),
      10,
    ),
  ],
  "booleans-by-word": [
    "Truth values that follow from the text before them.",
    split(
      rows(60, () => {
        const index = Math.floor(random() * 3);
        return { name: ["on", "off", "idle"][index] as string, n: index, ok: index === 0 };
      }),
      12,
    ),
  ],
  "text-by-word": [
    "Texts that follow from the text before them, with numbers between.",
    split(
      rows(60, () => {
        const index = Math.floor(random() * 4);
        return [
          ["Oslo", "Rome", "Kyiv", "Cork"][index] as string,
          Math.floor(random() * 50),
          ["NO", "IT", "UA", "IE"][index] as string,
        ];
      }),
      12,
    ),
  ],
  "text-match-long": [
    "A text that comes again with one letter changed: matches of 32 bytes and more.",
    [["a long line, ".repeat(40)], [`${"a long line, ".repeat(20)}X${"a long line, ".repeat(20)}`]],
  ],
  "text-noise": [
    "Plain texts, whose bytes tell nothing of each other; one that comes again with one byte more; 64 bytes, and 63.",
    split(
      (() => {
        const next = noise(7);
        const bytes = Array.from({ length: 3 }, () =>
          Uint8Array.from({ length: 200 }, () => Math.floor(next() * 256)),
        );
        const letters = bytes.map((noisy) => Buffer.from(noisy).toString("base64"));
        const longer = bytes.map((noisy) => Uint8Array.of(...noisy, 7));
        return [
          ...[...bytes, ...letters, ...longer],
          ...bytes.flatMap((noisy) => [noisy.slice(9, 73), noisy.slice(100, 163)]),
        ];
      })(),
      4,
    ),
  ],
  "text-history-wraps": [
    "More text than 32,768 bytes: the oldest makes room, and contexts of text are replaced.",
    split(
      rows(
        100,
        () =>
          Array.from({ length: 40 }, () => `w${Math.floor(random() * 5_000)}`).join(" ") + " tail".repeat(40),
      ),
      10,
    ),
  ],
  "text-dictionary-full": [
    "More texts than the dictionary keeps: what does not fit is not kept.",
    split(
      rows(
        300,
        (i) =>
          `${i % 7 === 0 ? "" : "a rather long text, so that all of them do not fit, number "}${i % 200}${"x".repeat(100 * (i % 2))}`,
      ),
      50,
    ),
  ],
  "number-long": ["Misses of 15 bits and more.", [[1, 40_000, -3e9, 2 ** 40, 2 ** 52, -(2 ** 52), 0]]],
  "double-near": [
    "Sums of 0.1, some units in the last place beside a decimal.",
    split(
      rows(30, (i) => rows(i + 1, () => 0.1).reduce((a, b) => (a as number) + (b as number), 0)),
      10,
    ),
  ],
  "double-any": [
    "Doubles with all their bits.",
    [
      [Math.PI, Math.E, Math.SQRT2, 1 / 3],
      [Math.PI, 1e300, -1e-300],
    ],
  ],
  "double-edges": [
    "Negative zero, what is not a number, infinity, denormals, and the greatest step there is.",
    [
      [-0, NaN, Infinity, -Infinity, 5e-324, -5e-324, 2 ** 53, 1e308],
      [Math.PI, 1.0204026857391, farthestFrom(1.0204026857391)],
    ],
  ],
  text: [
    "New texts of one, two, three and four bytes a character.",
    [
      ["abc", "ü", "€", "😀", ""],
      ["abcabcabcabc", "abcabd"],
    ],
  ],
  "text-surrogates": ["Lone surrogates.", [["\ud800", "a\udc00b", "\ude00\ud83d"]]],
  "text-dictionary": [
    "Texts that come again.",
    split(
      rows(40, (i) => ["red", "green", "blue"][(i * i) % 3] as string),
      10,
    ),
  ],
  "text-many": [
    "More texts than 16, so that an index takes two symbols.",
    split(
      rows(60, (i) => `text ${(i * 7) % 30}`),
      20,
    ),
  ],
  "text-long": [
    "Longer than the dictionary keeps, and over 16,384 bytes.",
    [["x".repeat(300), "x".repeat(300)], ["ab".repeat(9_000)]],
  ],
  dates: [
    "Days, minutes, seconds and fractions, with and without a zone.",
    [
      ["2026-01-31", "2026-02-01", "2026-02-02"],
      ["2026-01-31 10:00", "2026-01-31 10:05", "2026/01/31"],
      [
        "2026-01-31T10:00:00Z",
        "2026-01-31T10:00:01Z",
        "2026-01-31T10:00:02.500+0100",
        "1969-12-31T23:59:59.999999-05:30",
      ],
      ["0000-01-01", "9999-12-31"],
    ],
  ],
  "dates-not": [
    "What looks like a date and would be written otherwise is text.",
    [["2026-02-30", "2026-01-01T24:00", "2026-01-01T00:00:60Z", "2200-01-01T00:00:00.000000Z", "2026-1-1"]],
  ],
  numerics: [
    "Decimals as text, with as many digits as they have.",
    [
      ["1.50", "1.55", "1.60", "-0.05"],
      ["7", "8", "900000000000000.5", "-0", "1e5", "00.1"],
    ],
  ],
  booleans: [
    "Truth values, in a pattern.",
    split(
      rows(40, (i) => i % 3 === 0),
      10,
    ),
  ],
  nulls: [
    "Null between numbers.",
    split(
      rows(20, (i) => (i % 4 === 3 ? null : i)),
      10,
    ),
  ],
  bytes: [
    "Bytes, also none.",
    [[Uint8Array.of(1, 2, 3), Uint8Array.of(), Uint8Array.of(255)], [Uint8Array.of(1, 2, 3)]],
  ],
  "classes-take-turns": [
    "Every class at one place, one after another.",
    [
      [1, "1", "a", true, null, 1.25, "2026-01-01", [1], { a: 1 }, Uint8Array.of(1), Math.PI],
      [{ a: 1 }, [1], 1],
    ],
  ],
  arrays: [
    "Arrays of other sizes, empty ones, and arrays in arrays.",
    [
      [[1, 2, 3], [1, 2], [], [4, 5, 6, 7]],
      [[[1], [2, 3]], [[]]],
    ],
  ],
  "array-long": ["Items behind the 256th share a place.", [[rows(300, (i) => i)], [rows(300, (i) => i + 1)]]],
  objects: [
    "Objects of one shape.",
    split(
      rows(20, (i) => ({ id: i, name: `n${i % 3}`, ok: i % 2 === 0, at: { x: i / 10, y: -i } })),
      5,
    ),
  ],
  "objects-keys-come-and-go": [
    "Keys that lack, and new ones before, between and behind.",
    [
      [{ b: 1, d: 2 }, { b: 3 }, {}],
      [{ a: 0, b: 1, c: 2, d: 3, e: 4 }, { d: 1 }],
    ],
  ],
  "objects-orders": [
    "The same keys in other orders.",
    [
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
        { a: 3, b: 4 },
        { b: 5, a: 6 },
      ],
    ],
  ],
  "objects-strange-keys": [
    "Keys that JavaScript moves, refuses or cannot write as UTF-8.",
    [
      [
        { 2: "c", 1: "b", x: "a" },
        JSON.parse('{"__proto__":1,"constructor":2}') as Value,
        { "": 1, "\ud800": 2 },
      ],
    ],
  ],
  "map-orders": [
    "An object for which none of eight orders of keys holds is a map.",
    [
      rows(10, (i) =>
        i < 5 ? permuted(i) : Object.fromEntries(Object.entries(permuted(i) as object).reverse()),
      ),
      [{ e: 1, c: 2, a: 3, d: 4, b: 5 }],
    ],
  ],
  "packed-deep": ["What is nested deeper than 32 travels as msgpack.", [[nested(40)], [nested(40)]]],
  "packed-places": [
    "When the places are used up, containers travel as msgpack.",
    [
      [
        Object.fromEntries(
          Array.from({ length: 100 }, (_, i) => [
            `k${i}`,
            Object.fromEntries(Array.from({ length: 10 }, (_, j) => [`f${j}`, i * j])),
          ]),
        ),
      ],
    ],
  ],
  "containers-stay": [
    "Containers that are what they were, the whole row or a part of it.",
    split(
      rows(24, (i) => ({
        at: { x: Math.floor(i / 4), y: 7 },
        tags: ["a", "b"],
        on: { a: i > 12, b: [1, 2] },
      })),
      6,
    ),
  ],
  "object-few": [
    "Of forty fields a few change, later all of them.",
    split(
      rows(16, (i) =>
        Object.fromEntries(
          Array.from({ length: 40 }, (_, j) => [`f${j}`, i < 12 ? (j % 12 === i ? i * 5 : j) : i * j]),
        ),
      ),
      4,
    ),
  ],
  "list-slides": [
    "A window of twenty numbers that slides, first an array of places, then a list.",
    split(
      rows(12, (i) => rows(20, (j) => ((i + j) * (i + j) * 37) % 1_000)),
      3,
    ),
  ],
  "list-spliced": [
    "Texts that come and leave at the front, in the middle and at the end.",
    [
      [words("a b c d e f g h"), words("b c d e f g h"), words("b c d x y e f g h")],
      [words("b c d x y e f g h i"), words("d x e f i j"), words("z")],
      [[], words("a b c d e f g h"), words("h g f e d c b a")],
    ],
  ],
  "list-objects": [
    "Objects that move, come and leave, each known by its first field; two fields change together.",
    split(
      rows(16, (i) =>
        rows(12, (j) => j + (i > 8 ? 3 : 0))
          .filter((id) => id !== i)
          .map((id) => {
            const steps = Math.floor((i + (id as number)) / 3);
            return { id: id, x: steps * 2, y: 100 - steps, state: ["idle", "walk"][steps % 2] as Value };
          }),
      ),
      4,
    ),
  ],
  "list-board": [
    "A board of eight rows of eight texts; a piece moves.",
    split(
      rows(10, (i) =>
        rows(8, (y) => rows(8, (x) => (y === i % 8 && x === (i * 3) % 8 ? "K" : y < 2 ? "p" : ""))),
      ),
      2,
    ),
  ],
  "list-values": [
    "Items of every class, each of which changes.",
    split(
      rows(12, (i) => [
        ["a", i % 5, null, "2026-01-0" + String(1 + (i % 9)), i % 4 === 1 ? "1.50" : "x"],
        [[i % 3 === 0, i / 4, Math.sqrt(i % 7), Uint8Array.of(i % 5)], { a: i % 2 === 0 ? 1 : "b" }],
        ...[{ a: 1, ...(i % 3 === 0 ? { b: i } : {}) }, "y", -0],
      ]),
      3,
    ),
  ],
  "map-keys": [
    "A map of 130 keys: one is set, one is removed, and comes again at the end.",
    (() => {
      const counts = new Map(Array.from({ length: 130 }, (_, i) => [`k${i}`, i * 3]));
      const states = rows(6, (i) => {
        counts.set(`k${i * 17}`, i * 1_000);
        if (i % 2 === 1) counts.delete(`k${i * 9}`);
        else counts.set(`k${(i - 1) * 9}`, i);
        return Object.fromEntries(counts);
      });
      return split(states, 2);
    })(),
  ],
  "text-patch": [
    "A long text and long bytes of which a few letters change, or to which some are added.",
    (() => {
      const text = "the quick brown fox jumps over the lazy dog ".repeat(8);
      const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * i) % 251);
      return [
        [text, text, text.replace("fox", "cat"), `${text}.`, text.replaceAll("lazy", "lively"), "short"],
        [text, bytes, bytes.slice().fill(0, 100, 102), `${text}\ud83d\ude00`, `${text}\ud83d\ude01`],
      ];
    })(),
  ],
  "scale-exception": [
    "One number with nine digits after the point among those with one; then such numbers come often, then no more.",
    [
      rows(20, (i) => (i === 10 ? 20.123456789 : 20 + i / 10)),
      rows(30, (i) => (i < 6 ? 20.123456789 + i : 20 + i / 10)),
    ],
  ],
  conflated: ["Fewer rows than positions; the number of rows changes.", [[1, 2], [3], [4, 5, 6]]],
  "contexts-replaced": [
    "More situations than there are slots: the less used make room.",
    split(
      rows(30, () => rows(120, () => Math.floor(random() * 1e4))),
      10,
    ),
  ],
};

/** One chain, a key and chained bodies. */
function encodeChain(batches: Batches, conflated: (i: number) => number): CodedBody[] {
  const encoder = new ChainEncoder(DEFAULT_CODEC_LIMITS);
  let to = 99;
  return batches.map((rows, i) => {
    const from = to + 1;
    to += rows.length + conflated(i);
    return encoder.encode(
      { epoch: EPOCH, from, to, rows, at: 1_000 + i * 100, spanMs: rows.length * 10 - 10 },
      0,
      CHAIN,
    );
  });
}

const hexOf = (body: CodedBody): string =>
  Buffer.from(encodeFrame({ type: "coded", alias: 1, ...body })).toString("hex");

function caseVector(name: string): MadeVector {
  const [about, batches] = CASES[name] as (typeof CASES)[string];
  const conflated = (i: number): number => (name === "conflated" ? i * 300 : 0);
  const hex = encodeChain(batches, conflated).map(hexOf);
  let to = 99;
  const value = batches.map((rows, i) => {
    const from = to + 1;
    to += rows.length + conflated(i);
    return { epoch: EPOCH, from, to, at: 1_000 + i * 100, spanMs: rows.length * 10 - 10, rows: toJson(rows) };
  });
  return {
    kind: "valid",
    vector: {
      name: `codec/coded-${name}`,
      layer: "codec",
      about,
      hex,
      value,
    },
  };
}

/** Six bodies of one chain: a key, chained ones, a wide one in the middle, and a second chain's key. */
function chainBodies(): { bodies: CodedBody[]; values: object[] } {
  const encoder = new ChainEncoder(DEFAULT_CODEC_LIMITS, { wideEveryBodies: 2, wideEveryMs: 0 });
  const bodies: CodedBody[] = [];
  const values: object[] = [];
  for (let i = 0; i < 6; i++) {
    if (i === 5) encoder.end();
    const batch = { epoch: EPOCH, from: 10 + i, to: 10 + i, rows: [i * i], at: i * 100, spanMs: 0 };
    bodies.push(encoder.encode(batch, i, CHAIN + (i === 5 ? 1 : 0)));
    values.push(batch);
  }
  return { bodies, values };
}

function chainVectors(): MadeVector[] {
  const { bodies, values } = chainBodies();
  const independent = (batch: { from: number; rows: Value[] }): CodedBody => ({
    form: "independent",
    epoch: EPOCH,
    from: batch.from,
    payload: new ColumnCodec(DEFAULT_CODEC_LIMITS).encode({
      rows: batch.rows,
      conflated: 1,
      at: 5,
      spanMs: 0,
    }),
  });
  const alone = { epoch: EPOCH, from: 40, to: 42, rows: ["a", "b"], at: 5, spanMs: 0 };
  /** Of the chain above: which bodies come, whether a block was lost before each, and which are refused. */
  const chain = (
    name: string,
    about: string,
    order: readonly number[],
    refused: readonly number[] = [],
    gaps: readonly number[] = [],
    change: (body: CodedBody, i: number) => CodedBody = (body) => body,
  ): MadeVector => ({
    kind: "valid",
    vector: {
      name: `codec/chain-${name}`,
      layer: "codec",
      about,
      hex: order.map((index, i) => hexOf(change(bodies[index] as CodedBody, i))),
      ...(gaps.length === 0 ? {} : { contiguous: order.map((_, i) => !gaps.includes(i)) }),
      value: order.map((index, i) => (refused.includes(i) ? null : values[index])),
    },
  });
  return [
    chain("whole", "A key, chained and wide bodies, and the key of the next chain.", [0, 1, 2, 3, 4, 5]),
    chain(
      "lost",
      "After a lost block chained bodies are refused, and the wide one too, until the next key.",
      [0, 2, 3, 4, 5],
      [1, 2, 3],
      [1],
    ),
    chain(
      "lost-wide-tells",
      "A loss that nothing told of shows in the wide body; what is chained to it is refused.",
      [0, 1, 3, 4, 5],
      [2, 3],
    ),
    chain(
      "repeated",
      "A body that came twice is out of turn: it is refused, and all that is chained to it.",
      [0, 1, 1, 2, 5],
      [2, 3],
      [2],
    ),
    chain(
      "reordered",
      "Bodies that changed places are out of turn: both are refused.",
      [0, 2, 1, 3, 5],
      [1, 2, 3],
      [1, 2],
    ),
    chain("late", "Who comes late is given nothing before the first key.", [1, 2, 3, 5], [0, 1, 2]),
    chain("other-chain", "A wide body of another chain is refused.", [0, 1, 2, 3, 4], [3, 4], [], (body) =>
      body.form === "wide" ? { ...body, chain: 1 } : body,
    ),
    chain(
      "other-check",
      "A wide body whose check differs is refused: one of those before was another.",
      [0, 1, 2, 3, 4],
      [3, 4],
      [],
      (body) => (body.form === "wide" ? { ...body, check: 1 } : body),
    ),
    chain(
      "other-position",
      "A wide body at another position is refused.",
      [0, 1, 2, 3, 4],
      [3, 4],
      [],
      (body) => (body.form === "wide" ? { ...body, from: 14 } : body),
    ),
    chain("other-epoch", "A wide body of another epoch is refused.", [0, 1, 2, 3, 4], [3, 4], [], (body) =>
      body.form === "wide" ? { ...body, epoch: 7 } : body,
    ),
    chain("key-after-gap", "A key needs nothing before it.", [0, 5], [], [1]),
    {
      kind: "valid",
      vector: {
        name: "codec/chain-independent",
        layer: "codec",
        about: "An independent body needs nothing, and ends the chain for its receiver.",
        hex: [
          hexOf(independent(alone)),
          hexOf(bodies[0] as CodedBody),
          hexOf(independent(alone)),
          hexOf(bodies[1] as CodedBody),
        ],
        contiguous: [false, true, true, true],
        value: [alone, values[0], alone, null],
      },
    },
  ];
}

const key = (payload: Uint8Array, from = 1): CodedBody => ({
  form: "key",
  chain: 1,
  epoch: 1,
  from,
  payload,
});
const coded = (rows: readonly Value[], conflated = 0): Uint8Array =>
  new ColumnCodec(BIG).encode({ rows, conflated, at: 0, spanMs: 0 });

/** Bodies that go over a limit, each in few bytes. */
function bombVectors(): MadeVector[] {
  const bomb = (name: string, about: string, error: string, body: CodedBody): MadeVector => ({
    kind: "invalid",
    vector: { name: `codec/coded-${name}`, layer: "codec", about, hex: [hexOf(body)], error },
  });
  const over = "limit-exceeded";
  return [
    bomb("bomb-rows", "More than 4,096 rows.", over, key(coded(rows(4_097, () => 0)))),
    bomb("bomb-values", "More than 65,536 values in one array.", over, key(coded([rows(65_537, () => 0)]))),
    bomb(
      "bomb-values-rows",
      "More than 65,536 values, a row each 17 of them.",
      over,
      key(coded(rows(4_096, (i) => rows(16, () => i)))),
    ),
    bomb(
      "bomb-kept",
      "Lists that stay as they were count an eighth of their items.",
      over,
      key(coded(rows(4_000, () => rows(150, () => "")))),
    ),
    bomb(
      "bomb-text",
      "More than 131,072 bytes of text that repeats itself.",
      over,
      key(coded(["x".repeat(131_073)])),
    ),
    bomb(
      "bomb-missing-keys",
      "Objects that lack a hundred keys count those.",
      over,
      key(
        coded([
          Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, 0])),
          ...rows(700, () => ({})),
        ]),
      ),
    ),
    bomb(
      "bomb-places",
      "More than 4,096 places.",
      over,
      key(coded(rows(20, (i) => [Object.fromEntries([[`k${i}`, rows(255, () => 0)]])]))),
    ),
    bomb("bomb-depth", "Nested deeper than 32.", over, key(coded([nested(40)]))),
    bomb("bomb-keys", "Keys of more than 32,768 characters, all together, are not kept.", over, forgedKeys()),
    bomb("no-rows", "A body without rows.", "malformed", key(coded([]))),
    bomb(
      "position-beyond-2-53",
      "Positions end at 2^53 − 1.",
      "malformed",
      key(coded([1, 2]), Number.MAX_SAFE_INTEGER),
    ),
    bomb(
      "conflated-beyond-2-53",
      "So do those that were conflated.",
      "malformed",
      key(coded([1], Number.MAX_SAFE_INTEGER), 2),
    ),
  ];
}

/** An honest encoder would pack the object. */
function forgedKeys(): CodedBody {
  const codec = new ColumnCodec(BIG);
  (codec as unknown as { context: { keyChars: number } }).context.keyChars = 1e9;
  const rows = [{ ["k".repeat(40_000)]: 0 }];
  return key(codec.encode({ rows, conflated: 0, at: 0, spanMs: 0 }));
}

const LONG_TEXTS = [`${"x".repeat(300)}a`, `${"x".repeat(300)}b`, `${"x".repeat(300)}cd`];
/** Of so many keys, those in another order are a map. */
const REORDERED: readonly Value[] = [..."abcdefghi"].map((_, i, keys) =>
  Object.fromEntries([...keys.slice(i), ...keys.slice(0, i)].map((name) => [name, 0])),
);

/** What damaged messages are refused for: a sentence of the error, and the batches before. */
const REFUSED: Record<string, readonly [text: string, before: readonly Value[]]> = {
  "patch-without-text": ["a coded patch has nothing that it would change", [1]],
  "patch-takes-more": ["a coded patch takes away more than there is", LONG_TEXTS],
  "patch-behind-end": ["a coded patch begins behind the end", LONG_TEXTS],
  "patch-changes-nothing": ["a coded patch changes nothing", LONG_TEXTS],
  "list-loses-more": ["a coded list loses more than it has", [words("a b c d e"), words("a b c d")]],
  "list-changes-behind-end": ["a coded list changes behind its end", [words("a b c d e"), words("b c d e")]],
  "map-key-twice": ["a coded map has a key twice", REORDERED],
  "number-without-scale": ["a coded number has no scale", ["a"]],
  "scale-unknown": ["there is no such scale", ["a"]],
  "number-beyond-2-52": ["a coded number is beyond 2^52", [1, 2]],
  "index-unknown": ["a coded text is of none that came before", ["a", "b", "a", "b"]],
  "template-unknown": ["there is no such template of a date", ["2026-01-01", "2026-01-02"]],
  "date-beyond-9999": ["a coded date is in no year of four digits", ["2026-01-01", "2026-01-02"]],
  "digits-unknown": ["a coded decimal has more than 8 digits", ["1.50", "1.55"]],
  "order-unknown": ["a coded object is of no known order", [{ a: 1 }, { a: 2 }]],
  "key-repeated": ["a coded object has a new key that it cannot have", [{ a: 1 }, { a: 2 }]],
  "item-missing": ["a coded array lacks an item", [[1], [2]]],
  "row-missing": ["a coded row is not there", [1, 2]],
  "text-not-wtf-8": ["text is not WTF-8", ["ü", "é"]],
  "packed-not-msgpack": ["a msgpack", ["a"]],
  "double-units": ["a coded double is over 64 units off", [0.1 + 0.2, 0.7999999999999999]],
};

/** Found by trying: nobody writes such messages. */
function refusedVectors(): MadeVector[] {
  return Object.entries(REFUSED).map(([name, [text, before]]) => {
    const payload = coded(before);
    const next = noise(name.length);
    for (let tries = 0; tries < 2_000_000; tries++) {
      const bytes = Uint8Array.from({ length: 1 + (tries % 9) }, () => Math.floor(next() * 256));
      const codec = new ColumnCodec({
        ...DEFAULT_CODEC_LIMITS,
        maxValues: 500,
        maxTextBytes: 500,
        maxRows: 20,
      });
      codec.decode(payload);
      try {
        codec.decode(bytes);
      } catch (error) {
        if (!(error as Error).message.startsWith(text)) continue;
        const hex = [hexOf(key(payload)), hexOf({ form: "chained", payload: bytes })];
        const about = `Refused, since ${text.replace(/^there/, "there")}.`;
        return {
          kind: "invalid",
          vector: { name: `codec/coded-${name}`, layer: "codec", about, hex, error: "malformed" },
        };
      }
    }
    throw new Error(`no message was found for which ${text}`);
  });
}

function frameVectors(): MadeVector[] {
  const payload = Uint8Array.of(1, 2, 3);
  const frames: readonly [string, string, number, CodedBody][] = [
    ["coded-chained", "A chained body: nothing but its payload.", 5, { form: "chained", payload }],
    [
      "coded-chained-empty",
      "All that was predicted came: the payload has no bytes.",
      5,
      { form: "chained", payload: new Uint8Array(0) },
    ],
    [
      "coded-chained-alias-wide",
      "Above alias 127 the prefix has six bytes.",
      300,
      { form: "chained", payload },
    ],
    [
      "coded-chained-long",
      "A payload of 300 bytes has a length of two.",
      5,
      { form: "chained", payload: new Uint8Array(300).fill(7) },
    ],
    [
      "coded-wide",
      "A wide body says which chain, which position, and what those before it were.",
      5,
      { form: "wide", chain: CHAIN, epoch: EPOCH, from: 1_000, check: 4_294_967_295, payload },
    ],
    [
      "coded-key",
      "A key: nothing before it is needed.",
      5,
      { form: "key", chain: 0, epoch: EPOCH, from: 1, payload },
    ],
    [
      "coded-key-largest",
      "A key of the greatest numbers.",
      5,
      {
        form: "key",
        chain: 4_294_967_295,
        epoch: EPOCH,
        from: Number.MAX_SAFE_INTEGER,
        payload,
      },
    ],
    [
      "coded-map",
      "A key of a map: it begins a chain whose rows are updates of a map.",
      5,
      { form: "map", chain: CHAIN, epoch: EPOCH, from: 12, payload },
    ],
    [
      "coded-independent",
      "An independent body.",
      65_535,
      { form: "independent", epoch: 0, from: 70_000, payload },
    ],
  ];
  const invalid: readonly [string, string, string][] = [
    ["coded-chained-range", "A chained body implies its position.", "94120501c403010203c0c0c0"],
    ["coded-chained-text", "Its payload is binary, not text.", "931205a3616263"],
    ["coded-wide-from-zero", "Positions begin at 1.", "9713050107000ac400c0"],
    ["coded-wide-check-beyond-32-bits", "The check has 32 bits.", "971305010701cf0000000100000000c400"],
    ["coded-key-chain-beyond-32-bits", "The chain's number has 32 bits.", "961405cf00000001000000000701c400"],
    ["coded-key-without-from", "Elements do not lack.", "9514050107c400"],
    ["coded-map-from-zero", "Positions begin at 1.", "961705010700c400"],
    ["coded-independent-from-zero", "Positions begin at 1.", "9515050700c400"],
    ["coded-independent-negative", "Positions are not negative.", "95150507ffc400"],
    ["coded-truncated", "A payload that is not all there.", "931205c4050102"],
  ];
  return [
    ...frames.map(([name, about, alias, body]): MadeVector => ({
      kind: "valid",
      vector: {
        name: `frame/${name}`,
        layer: "frame",
        about,
        hex: Buffer.from(encodeFrame({ type: "coded", alias, ...body })).toString("hex"),
        value: toJson({ type: "coded", alias, ...body }),
      },
    })),
    ...invalid.map(([name, about, hex]): MadeVector => ({
      kind: "invalid",
      vector: { name: `frame/${name}`, layer: "frame", about, hex, error: "malformed" },
    })),
  ];
}

/** All but those that are searched for, which takes a while: quick enough to hold the files against. */
export function madeVectors(): MadeVector[] {
  return [
    ...Object.keys(CASES).map((name) => caseVector(name)),
    ...chainVectors(),
    ...bombVectors(),
    ...frameVectors(),
  ];
}

export function searchedVectors(): MadeVector[] {
  return refusedVectors();
}
