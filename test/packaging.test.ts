import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

/** In the clone, so that Node finds the built packages by name. */
let folder: string;
beforeAll(async () => {
  await mkdir(join(ROOT, "tmp"), { recursive: true });
  folder = await mkdtemp(join(ROOT, "tmp/packaging-"));
  for (const name of ["consumer.cts", "consumer.mts"])
    await copyFile(join(ROOT, "test/support/consumer.cts"), join(folder, name));
});
afterAll(() => rm(folder, { recursive: true }));

/** Output of the program about a port at which nothing listens. */
async function runProgram(file: string): Promise<string[]> {
  const urls = ["xmpp://127.0.0.1:1", "ws://127.0.0.1:1/x", "http://127.0.0.1:1/x"];
  return Promise.all(urls.map(async (url) => (await run(process.execPath, [file, url])).stdout));
}
const UNREACHABLE = ["unreachable", "unreachable", "unreachable"];

describe("the client's types, as they are published,", () => {
  // The first reads every declaration. The others look only at how the packages are found.
  it.each<[string, readonly string[], readonly string[]]>([
    // Both kinds of modules: `require` of an ES module is Node's since 20.19.
    ["module node20", ["consumer.cts", "consumer.mts"], ["--module", "node20", "--skipLibCheck", "false"]],
    [
      "a bundler",
      ["consumer.mts"],
      ["--module", "esnext", "--moduleResolution", "bundler", "--skipLibCheck"],
    ],
    [
      "CommonJS as it was before exports",
      ["consumer.cts"],
      [
        "--module",
        "commonjs",
        "--moduleResolution",
        "node10",
        "--esModuleInterop",
        "--ignoreDeprecations",
        "6.0",
        "--skipLibCheck",
      ],
    ],
  ])("work with %s", async (_, files, args) => {
    const strict = ["--strict", "--exactOptionalPropertyTypes", "--noEmit"];
    const common = ["--ignoreConfig", "--target", "es2023", "--types", "node", ...strict];
    const { stdout } = await run(process.execPath, [TSC, ...common, ...args, ...files], {
      cwd: folder,
    }).catch((error: { readonly stdout: string }) => error);
    expect(stdout).toBe("");
  });
});

describe("a program in CommonJS", () => {
  it("requires the client", async () => {
    const file = join(folder, "required.cjs");
    await writeFile(file, `console.log(typeof require("@stanzapack/client").connect)`);
    expect((await run(process.execPath, [file])).stdout.trim()).toBe("function");
  });
});

describe("a bundle by esbuild for Node", () => {
  it.each([
    ["esm", false],
    ["esm", true],
    ["cjs", false],
  ] as const)("starts, as %s, with parts of its own: %s", async (format, splitting) => {
    const name = `bundle-${format}-${splitting}`;
    await build({
      ...{ entryPoints: [join(folder, "consumer.mts")], outdir: join(folder, name) },
      ...{ bundle: true, platform: "node", format, splitting, minify: splitting, logLevel: "silent" },
      outExtension: { ".js": format === "esm" ? ".mjs" : ".cjs" },
      // The database is a native module.
      external: ["level"],
    });
    const file = join(folder, name, `consumer.${format === "esm" ? "mjs" : "cjs"}`);
    expect(await runProgram(file)).toEqual(UNREACHABLE);
  });
});
