import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { madeVectors, searchedVectors } from "../../test/coded-vectors.js";
import { madeMapVectors, searchedMapVectors } from "../../test/map-vectors.js";
import type { MadeVector } from "../../test/vector-parts.js";
import { readVectors, VECTORS } from "../../test/vectors.js";

const pathOf = ({ kind, vector }: MadeVector): string => `${VECTORS}${kind}/${vector.name}.json`;
const textOf = ({ vector }: MadeVector): string => `${JSON.stringify(vector, null, 2)}\n`;
/** Names of the vectors that this file makes. */
const IS_MADE = /^(codec\/(coded|chain|updates)|frame\/coded)-/;

const made = [...madeVectors(), ...madeMapVectors()];

if (process.env["UPDATE_VECTORS"] === "1") {
  for (const kind of ["valid", "invalid"] as const)
    for (const { path } of readVectors(kind))
      if (IS_MADE.test(path)) rmSync(`${VECTORS}${kind}/${path}.json`);
  for (const one of [...made, ...searchedVectors(), ...searchedMapVectors()])
    writeFileSync(pathOf(one), textOf(one));
}

describe("the vectors of the columnar codec", () => {
  it.each(made.map((one) => [one.vector.name, one] as const))("%s is what the encoder makes", (_, one) => {
    expect(readFileSync(pathOf(one), "utf8"), "UPDATE_VECTORS=1 makes them anew").toBe(textOf(one));
  });
});
