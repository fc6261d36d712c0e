import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createSampleChain } from "../packages/testkit/src/codec-chains.js";

const READER = fileURLToPath(new URL("./support/codec_reader.py", import.meta.url));
const CHAINS = 320;

it("docs/CODEC.md is enough for a decoder in another language", () => {
  const input = Array.from({ length: CHAINS }, (_, i) => JSON.stringify(createSampleChain(i + 1))).join("\n");
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", [READER], {
    ...{ input, encoding: "utf8", timeout: 240_000, maxBuffer: 1 << 20 },
  });
  expect(stderr.slice(0, 2_000)).toBe("");
  expect(stdout).toBe(`${CHAINS} chains read\n`);
  expect(status).toBe(0);
}, 250_000);
