#!/usr/bin/env node
// Prepares a fresh machine like Debian. Uses Node's built-in modules only, since node_modules may not exist yet.
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ensureBuild, ensureWebBuild } from "./setup/build.mjs";
import { ensureNpmPackages } from "./setup/npm-packages.mjs";
import { say, SetupError } from "./setup/say.mjs";
import { ensureSystemPackages, SERVERS } from "./setup/system-packages.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** As `engines` in package.json. Older versions lack features that our dependencies use. */
const NEEDED_NODE = [20, 19];

const HELP = `Usage: npm run setup -- [--servers LIST]

Makes this clone ready to run. Does only what is missing:
- installs the npm packages (npm ci);
- builds the packages (tsc -b), and the client for browsers;
- installs the XMPP servers, nginx and Redis, which the demo and the tests start privately, and Chromium for the tests.
  It uses apt-get, with sudo if you are not root, and starts no service.

  --servers LIST   install only these, and no Chromium: ${SERVERS.join(", ")}, separated by commas, or none
                   (default: all, and Chromium)
  --help           print this text
`;

/**
 * @param {{
 *   servers?: readonly string[],
 *   forTests?: boolean,
 *   forBrowsers?: boolean,
 *   forContainers?: boolean,
 * }} [options] The servers to set up, by default all; whether to set up what only tests use, what only pages use, and a
 * container engine.
 * @throws SetupError that says what to do
 */
export async function setUp({
  servers = SERVERS,
  forTests = false,
  forBrowsers = false,
  forContainers = false,
} = {}) {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor < NEEDED_NODE[1])) {
    throw new SetupError(
      `this is Node ${process.versions.node}: install Node ${NEEDED_NODE.join(".")} or later, see https://nodejs.org/en/download`,
    );
  }
  // The servers come first, since sudo may ask for a password there.
  await ensureSystemPackages({ servers, forTests, forContainers });
  await ensureNpmPackages(ROOT);
  await ensureBuild(ROOT);
  if (forBrowsers) await ensureWebBuild();
}

/**
 * Writes the failure as every command here does, and sets the exit status.
 *
 * @param {unknown} error
 */
export function fail(error) {
  if (!(error instanceof SetupError)) throw error;
  if (error.details !== "") process.stderr.write(`${error.details}\n`);
  process.stderr.write(`stanzapack: setup-failed: ${error.message}\n`);
  process.exitCode = 1;
}

/** @param {readonly string[]} args */
function parseArgs(args) {
  /** @type {readonly string[]} */
  let servers = SERVERS;
  let forTests = true;
  for (let index = 0; index < args.length; index += 1) {
    const [name, inline] = (args[index] ?? "").split(/=(.*)/s);
    if (name === "--help" || name === "-h") return undefined;
    if (name !== "--servers") throw new TypeError(`unknown option: ${args[index]}`);
    const value = inline ?? args[(index += 1)] ?? "";
    servers = value === "none" ? [] : value.split(",");
    forTests = false;
    const unknown = servers.find((server) => !SERVERS.includes(server));
    if (unknown !== undefined)
      throw new TypeError(`unknown server: ${unknown || "(empty)"}; there are ${SERVERS.join(", ")}`);
  }
  return { servers, forTests };
}

async function main() {
  let options;
  try {
    options = parseArgs(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`stanzapack: usage: ${error.message} (see --help)\n`);
    process.exitCode = 2;
    return;
  }
  if (options === undefined) {
    process.stderr.write(HELP);
    return;
  }
  try {
    await setUp({ ...options, forBrowsers: true });
    say("ready");
  } catch (error) {
    fail(error);
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  await main();
