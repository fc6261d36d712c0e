import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createSampleChain } from "../packages/testkit/src/codec-fuzz/codec-chains.js";

const READER = fileURLToPath(new URL("./support/codec_reader.py", import.meta.url));
/** 80 chains use every rule; `STANZAPACK_CHAINS=1000` reads more. */
const CHAINS = Number(process.env["STANZAPACK_CHAINS"] ?? "80");

it("docs/reference/codec.md is enough for a decoder in another language", async () => {
  const lines = Array.from({ length: CHAINS }, (_, i) => `${JSON.stringify(createSampleChain(i + 1))}\n`);
  const answer = await new Promise((resolve) => {
    const done = (error: unknown, stdout: string, stderr: string): void =>
      resolve({ error, stdout, stderr: stderr.slice(0, 2_000) });
    const reader = execFile("/usr/bin/python3", [READER], done);
    reader.stdin?.end(lines.join(""));
  });
  expect(answer).toEqual({ error: null, stdout: `${CHAINS} chains read\n`, stderr: "" });
}, 3_600_000);
