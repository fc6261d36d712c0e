import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launchChromium } from "./support/browser.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Number of seeds, with one chain for each. */
const SEEDS = 120;

let browser: Awaited<ReturnType<typeof launchChromium>>;
let server: Server;
let code = "";
beforeAll(async () => {
  const build = await rolldown({
    cwd: ROOT,
    input: "test/support/codec-agreement.ts",
    platform: "browser",
    resolve: { conditionNames: ["stanzapack-source"] },
    logLevel: "silent",
  });
  const { output } = await build.generate({ format: "esm", codeSplitting: false });
  code = output[0].code;
  await build.close();
  server = createServer((request, response) => {
    const isCode = request.url === "/codec.js";
    response.setHeader("content-type", isCode ? "text/javascript" : "text/html");
    response.end(isCode ? code : "<!doctype html><title>codec</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  browser = await launchChromium();
});
afterAll(async () => {
  await browser.close();
  server.close();
});

interface Vector {
  readonly hex: string | string[];
  readonly contiguous?: boolean[];
}

/** The coded bodies of all valid vectors. The test compares what each engine decodes. */
function vectors(): object[] {
  const folder = `${ROOT}vectors/valid/codec/`;
  return readdirSync(folder)
    .filter((name) => /^(coded|chain)-/.test(name))
    .sort()
    .map((name) => {
      const { hex, contiguous } = JSON.parse(readFileSync(folder + name, "utf8")) as Vector;
      return { name, hex: [hex].flat(), contiguous };
    });
}

it("makes and reads the same bytes in Node and in Chromium", async () => {
  const given = JSON.stringify({ vectors: vectors(), seeds: SEEDS });
  const page = await browser.context.newPage();
  const { port } = server.address() as AddressInfo;
  await page.goto(`http://127.0.0.1:${port}/`);
  const there = await page.evaluate<string[]>(`import("/codec.js").then(({ agree }) => agree(${given}))`);
  const { agree } = (await import(
    /* @vite-ignore */ `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`
  )) as { agree: (input: unknown) => string[] };
  const here = agree(JSON.parse(given));
  expect(here.length).toBeGreaterThan(SEEDS + 40);
  const hash = (lines: readonly string[]): string =>
    createHash("sha256").update(lines.join("\n")).digest("hex");
  // The first difference tells more than a hash.
  expect(there.find((line, i) => line !== here[i])?.slice(0, 500)).toBeUndefined();
  expect(hash(there)).toBe(hash(here));
  // Enough bytes for a difference of one bit to show.
  expect(here.join("").length).toBeGreaterThan(200_000);
});
