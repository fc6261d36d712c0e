import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build as esbuild } from "esbuild";
import { build as vite } from "vite";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { launchChromium } from "./support/browser.js";
import { startStack, type Stack } from "./support/stack.js";
import { WHOLE } from "./support/whole.js";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = join(ROOT, "test/support/installed");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
/** Each package that users install. */
const PUBLIC = ["wire", "xmpp", "sandbox", "client", "component", "estimate", "cli"];
const RECEIVED = `{"celsius":21.5}\n`;

/** A user's project, outside the clone, with the packed packages and what they need. */
let project: string;
let stack: Stack | undefined;
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "stanzapack-installed-"));
  const tarballs = join(project, "tarballs");
  await mkdir(tarballs);
  const workspaces = PUBLIC.flatMap((name) => ["--workspace", `packages/${name}`]);
  await run("npm", ["pack", "--silent", "--pack-destination", tarballs, ...workspaces], { cwd: ROOT });
  const files = (await readdir(tarballs)).map((name) => `./tarballs/${name}`);
  expect(files).toHaveLength(PUBLIC.length);
  await writeFile(join(project, "package.json"), `{ "private": true }\n`);
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--silent"];
  await run("npm", ["install", ...quiet, ...files], { cwd: project });
  for (const name of ["program.mts", "program.cts"])
    await copyFile(join(SOURCES, "program.cts"), join(project, name));
  await copyFile(join(SOURCES, "page.mts"), join(project, "page.mts"));
  await writeFile(join(project, "index.html"), `<script type="module" src="./page.mts"></script>\n`);
  stack = await startStack("prosody", ["alice"]);
});
afterAll(async () => {
  await stack?.stop();
  await rm(project, { recursive: true, force: true });
});

/** Options of `connect`, for a program or a page. */
function login(way: (sandbox: Stack["sandbox"]) => object): string {
  const { sandbox, domain } = stack as Stack;
  const [account] = sandbox.accounts;
  return JSON.stringify({ ...account, component: domain, ...way(sandbox) });
}

async function runProgram(file: string): Promise<string> {
  return (await run(process.execPath, [file, login(({ url, ca }) => ({ url, ca }))], { cwd: project }))
    .stdout;
}

it("the installed command runs", async () => {
  const command = join(project, "node_modules/.bin/stanzapack");
  const { version } = JSON.parse(await readFile(join(ROOT, "packages/cli/package.json"), "utf8")) as {
    readonly version: string;
  };
  expect((await run(command, ["--version"], { cwd: project })).stdout.trim()).toBe(version);
});

describe("a program in an empty project publishes and receives", () => {
  it("compiled strictly, as an ES module and by `require`", async () => {
    const strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"];
    const target = ["--module", "node20", "--target", "es2023", "--types", "node", "--outDir", "out"];
    // The project has no types of Node of its own.
    const roots = ["--typeRoots", join(ROOT, "node_modules/@types")];
    const args = [TSC, "--ignoreConfig", ...strict, ...target, ...roots, "program.mts", "program.cts"];
    const { stdout } = await run(process.execPath, args, { cwd: project }).catch(
      (error: { readonly stdout: string }) => error,
    );
    expect(stdout).toBe("");
    for (const name of ["program.mjs", "program.cjs"])
      expect(await runProgram(join(project, "out", name))).toBe(RECEIVED);
  });

  it("bundled by esbuild for Node", async () => {
    const outfile = join(project, "bundled.mjs");
    await esbuild({
      ...{ entryPoints: [join(project, "program.mts")], outfile, absWorkingDir: project },
      ...{ bundle: true, platform: "node", format: "esm", minify: true, logLevel: "silent" },
    });
    expect(await runProgram(outfile)).toBe(RECEIVED);
  });
});

describe("a page in an empty project publishes and receives", () => {
  it.each(WHOLE ? (["Vite", "esbuild"] as const) : (["Vite"] as const))("bundled by %s", async (bundler) => {
    const outDir = join(project, `page-${bundler}`);
    if (bundler === "Vite")
      await vite({
        ...{ root: project, base: "./", configFile: false, logLevel: "silent" },
        build: { outDir },
      });
    else {
      await esbuild({
        ...{ entryPoints: [join(project, "page.mts")], outdir: outDir, absWorkingDir: project },
        ...{ bundle: true, splitting: true, format: "esm", minify: true, logLevel: "silent" },
      });
      await writeFile(join(outDir, "index.html"), `<script type="module" src="./page.js"></script>\n`);
    }
    const server = await serve(outDir);
    onTestFinished(() => void server.close());
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.context.newPage();
    const { port } = server.address() as AddressInfo;
    const options = encodeURIComponent(login(({ websocketUrl }) => ({ url: websocketUrl })));
    await page.goto(`http://127.0.0.1:${port}/index.html#${options}`);
    await page.waitForFunction(`document.title !== ""`);
    expect(await page.title()).toBe("received 42");
  });
});

const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

/** Serves the files of a folder on loopback. */
async function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    readFile(join(folder, path)).then(
      (bytes) => response.setHeader("Content-Type", TYPES[extname(path)] ?? "text/plain").end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
