#!/usr/bin/env node
// The house checks: types, lint and package boundaries, format, import cycles, sizes of files, unused code,
// publishability, warnings of the API reference. Runs all of them, then exits with 1 if one failed.
// `npm run check -- eslint knip` runs only those two.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { runCommand } from "./setup/run-command.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * Each check returns its problem, or an empty text, and may add a note. The checks of `FIRST` write files that others
 * read.
 */
const CHECKS = {
  types: () => tool("typescript/bin/tsc", "-b"),
  "browser build": checkWeb,
  "types of tests": () => tool("typescript/bin/tsc", "-p", "tsconfig.test.json"),
  eslint: () => tool("eslint/bin/eslint.js", "--max-warnings=0", "."),
  prettier: () => tool("prettier/bin/prettier.cjs", "--check", "--log-level=warn", "."),
  cycles: checkCycles,
  sizes: checkSizes,
  knip: () => tool("knip/bin/knip.js", "--no-progress"),
  publint: checkPackages,
  "api reference": () => tool("typedoc/bin/typedoc", "--emit", "none"),
};
const FIRST = ["types", "browser build"];

/** Runs a tool of node_modules. */
async function tool(file, ...args) {
  const { ok, output } = await runCommand(process.execPath, [join(ROOT, "node_modules", file), ...args], {
    cwd: ROOT,
  });
  return ok ? "" : output.trim() || "failed without output";
}

/**
 * Checks the size of the browser build, that it needs nothing that browsers lack, and that packing the client builds
 * and includes it.
 */
async function checkWeb() {
  const folder = "dist/web/";
  rmSync(join(ROOT, "packages/client", folder), { recursive: true, force: true });
  const args = ["pack", "--dry-run", "--json", "--workspace", "@stanzapack/client"];
  const { ok, output } = await runCommand("npm", args, { cwd: ROOT });
  if (!ok) return output;
  const files = [...output.matchAll(/"path": "dist\/web\/([^"]+)"/g)].map(([, name]) => name);
  const missing = ["stanzapack.js", "stanzapack.all.js", "LICENSES.txt"].filter(
    (name) => !files.includes(name),
  );
  const sizes = [...output.matchAll(/(stanzapack[^/:]*\.js): \d+ bytes, (\d+) gzipped/g)];
  return {
    problem: missing.length === 0 ? "" : `not in the package: ${missing.join(", ")}`,
    note: `gzipped: ${sizes.map(([, name, bytes]) => `${name} ${bytes}`).join(", ")}`,
  };
}

/** Checks for cycles between files and between folders, at run time. `.dependency-cruiser.mjs` says what counts. */
function checkCycles() {
  const sources = readdirSync(join(ROOT, "packages")).map((name) => `packages/${name}/src`);
  const config = ["--config", ".dependency-cruiser.mjs"];
  return tool("dependency-cruiser/bin/dependency-cruise.mjs", ...config, ...sources.filter(existsSync));
}

/** A longer file has a second idea in it, or says at its top why not. */
const MAX_LINES = 400;
const REASON = /^\/\/ Over 400 lines: /;

async function checkSizes() {
  const files = readdirSync(join(ROOT, "packages"), { recursive: true }).filter(
    (file) => /^[^/]+\/src\/.*\.ts$/.test(file) && !file.endsWith(".test.ts"),
  );
  return files
    .map((file) => ({ file, text: readFileSync(join(ROOT, "packages", file), "utf8") }))
    .filter(({ text }) => text.trimEnd().split("\n").length > MAX_LINES && !REASON.test(text))
    .map(
      ({ file }) =>
        `packages/${file} is over ${MAX_LINES} lines: split it, or begin it with "// Over 400 lines: WHY"`,
    )
    .join("\n");
}

async function checkPackages() {
  const problems = [];
  for (const name of readdirSync(join(ROOT, "packages"))) {
    const pkgDir = join(ROOT, "packages", name);
    const manifestFile = join(pkgDir, "package.json");
    if (!existsSync(manifestFile)) continue;
    const pkg = JSON.parse(readFileSync(manifestFile, "utf8"));
    if (pkg.private) continue;
    const { messages } = await publint({ pkgDir, strict: true, level: "warning", pack: "npm" });
    problems.push(...messages.map((message) => `${pkg.name}: ${formatMessage(message, pkg)}`));
  }
  return problems.join("\n");
}

/** @returns {Promise<boolean>} Whether the check passed. */
async function run(name) {
  const startedAt = performance.now();
  let [problem, note] = ["", ""];
  try {
    const result = await CHECKS[name]();
    ({ problem, note = "" } = typeof result === "string" ? { problem: result } : result);
  } catch (error) {
    problem = error.stack;
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const aside = note === "" ? "" : `  ${note}`;
  const lines = problem === "" ? "" : `${problem}\n`;
  process.stdout.write(
    `${problem === "" ? "ok    " : "FAILED"} ${name.padEnd(15)} ${seconds.padStart(5)} s${aside}\n${lines}`,
  );
  return problem === "";
}

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !Object.hasOwn(CHECKS, name));
if (unknown !== undefined) {
  process.stderr.write(
    `stanzapack: usage: no check is named ${unknown}; there are ${Object.keys(CHECKS).join(", ")}\n`,
  );
  process.exit(2);
}
const queue = Object.keys(CHECKS).filter((name) => asked.length === 0 || asked.includes(name));
let allPassed = true;
while (FIRST.includes(queue[0])) allPassed = (await run(queue.shift())) && allPassed;
const work = async () => {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (!(await run(name))) allPassed = false;
  }
};
// At most three at once, since each check fills a processor.
await Promise.all(Array.from({ length: Math.min(availableParallelism(), 3) }, work));
process.exitCode = allPassed ? 0 : 1;
