import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { encodeBase64 } from "../base/base64.node.js";
import type { OutBlock } from "./in-band-bytestreams.js";
import {
  formatLeanId,
  formatProbe,
  isProbe,
  leanBody,
  readLeanId,
  readProbe,
  tagOf,
} from "./lean-stanzas.js";

const VECTORS = fileURLToPath(new URL("../../../../vectors/", import.meta.url));

interface Vector {
  readonly name: string;
  readonly layer: "lean";
  readonly about: string;
  readonly id: string;
  readonly value?: unknown;
  readonly error?: string;
}

/** A block of frames; `pad` bytes of it are padding. */
const frames = (hex: string, pad: number): OutBlock => ({
  base64: encodeBase64(Buffer.from(hex, "hex")),
  pad,
  body: undefined,
  label: 0,
});
const body = (payload: Uint8Array, label: number): OutBlock => ({
  ...frames("920400", 0),
  body: leanBody(encodeBase64(payload)),
  label,
});
const run = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 37 + 165) & 0xff);

/** Cases by name: the reason for the case, its block, its tag and its number. */
const CASES: Record<string, readonly [about: string, block: OutBlock, tag: number, seq: number]> = {
  "body-1": [
    "One byte: four bits of label; the low four bits of seq are the spare bits of the last character.",
    body(run(1), 1),
    17,
    0x123,
  ],
  "body-2": [
    "Two bytes: eight bits of label, and the low two bits of seq at the end.",
    body(run(2), 1),
    17,
    0x123,
  ],
  "body-3": ["Three bytes: six bits of label, and all of seq in the header.", body(run(3), 1), 17, 0x123],
  "body-4": [
    "The next number of a longer body changes its last character alone.",
    body(run(4), 14),
    63,
    0x124,
  ],
  "body-empty": ["A body without payload.", body(run(0), 62), 0, 0],
  "body-labels": ["The largest label of a body whose length is 2 modulo 3.", body(run(2), 254), 62, 4_095],
  "body-longest": ["The longest id, 1,024 characters: 765 bytes.", body(run(765), 3), 26, 2_048],
  "frames-ack": [
    "Whole frames by the label 63: ACK, with a number whose low 12 bits are 0.",
    frames("920405", 0),
    52,
    4_096,
  ],
  "frames-one-padding": [
    "Whole frames by the label 255: the byte of padding is left out.",
    frames("94070100c0c0", 1),
    52,
    7,
  ],
  "frames-two-padding": [
    "Whole frames by the label 15: two bytes of padding are left out.",
    frames("931d0042c0c0", 2),
    52,
    8,
  ],
  "frames-several": [
    "Whole frames, among them a body whose alias is no label.",
    frames("93124fc401a5920405", 0),
    5,
    3_000,
  ],
  "frames-none": ["A block without a frame.", frames("", 0), 9, 1],
};

const valid: Vector[] = [
  ...Object.entries(CASES).map(([name, [about, block, tag, seq]]): Vector => {
    const id = formatLeanId(block, tag, seq) as string;
    const read = readLeanId(id);
    const value = {
      ...{ tag, seq: seq & 0xfff, label: read?.label ?? null },
      block: { $bytes: Buffer.from(read?.block ?? []).toString("hex") },
    };
    return { name: `lean/${name}`, layer: "lean", about, id, value };
  }),
  ...[66, 1_024].map((chars): Vector => ({
    ...{ name: `lean/probe-${chars}`, layer: "lean", about: "A probe: it is no block and has no number." },
    ...{ id: formatProbe(11, chars), value: { tag: 11, probe: chars } },
  })),
];
const invalid = [
  ["length-2", "No id has a length of 2 modulo 4.", "RESpTA"],
  ["too-short-1", "A length of 1 modulo 4 has five characters at least.", "R"],
  ["too-short-3", "A length of 3 modulo 4 has seven characters at least.", "RES"],
  ["too-long", "An id has at most 1,024 characters.", "R".repeat(1_025)],
  ["header-alphabet", "A character of the header is none of the alphabet.", "R-SpT"],
  [
    "block-alphabet",
    "A character of the block is none of the alphabet: URL-safe base64 is not used.",
    "RAAAAA-A",
  ],
  ["padding", "The block has no padding.", "RAAApQ=="],
  [
    "probe-lower-case",
    "A probe that changed on its way.",
    formatProbe(11, 66).toLowerCase().replace("l", "L"),
  ],
  ["probe-cut", "A probe that was cut on its way.", formatProbe(11, 66).slice(0, -1)],
].map(([name, about, id]): Vector => ({
  ...{ name: `lean/${name as string}`, layer: "lean", about: about as string },
  ...{ id: id as string, error: "malformed" },
}));

const textOf = (vector: Vector): string => `${JSON.stringify(vector, null, 2)}\n`;
const pathOf = (kind: string, name: string): string => `${VECTORS}${kind}/${name}.json`;
if (process.env["UPDATE_VECTORS"] === "1") {
  for (const vector of valid) writeFileSync(pathOf("valid", vector.name), textOf(vector));
  for (const vector of invalid) writeFileSync(pathOf("invalid", vector.name), textOf(vector));
}

/** The meaning of an id, in the shape of a vector's value. */
function meaningOf(id: string): unknown {
  const tag = tagOf(id);
  if (isProbe(id)) {
    const probe = readProbe(id);
    return probe && { tag, probe };
  }
  const read = readLeanId(id);
  if (read === undefined || tag === undefined) return undefined;
  const { seq, label = null, block } = read;
  return { tag, seq, label, block: { $bytes: Buffer.from(block).toString("hex") } };
}

describe.each([
  ["valid", valid],
  ["invalid", invalid],
] as const)("vectors/%s/lean", (kind, made) => {
  it("are those that are made here", () => {
    const names = readdirSync(`${VECTORS}${kind}/lean`).map(
      (file) => `lean/${file.slice(0, -".json".length)}`,
    );
    expect(names.sort()).toEqual(made.map(({ name }) => name).sort());
  });

  it.each(made.map((vector) => [vector.name, vector] as const))("%s", (name, vector) => {
    expect(readFileSync(pathOf(kind, name), "utf8"), "UPDATE_VECTORS=1 makes them anew").toBe(textOf(vector));
    expect(meaningOf(vector.id)).toEqual(vector.value);
  });
});
