#!/usr/bin/env node
// Runs `npm start`, `npm test`, `npm run fuzz:ibb` and the like. Sets up what is missing, then runs the program in this
// same process. So arguments, streams, signals and the exit status need not be passed on.
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { guardOutput } from "../packages/cli/bin/whole-output.js";
import { fail, setUp } from "./setup.mjs";
import { SERVERS } from "./setup/system-packages.mjs";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const XMPP_SERVERS = ["prosody", "ejabberd"];
const VITEST = at("node_modules/vitest/vitest.mjs");
/** The named server. Other names are left out: the program refuses them itself. */
const named = (name) => XMPP_SERVERS.filter((server) => server === name);

const namedOrBoth = (args) => {
  const name = optionOf(args, "--server");
  return name === undefined ? XMPP_SERVERS : named(name);
};

/**
 * For each program: its file, arguments before the user's, variables of the environment, the servers that it needs, and
 * whether it needs what only tests use, what only pages use, or a container engine.
 */
const PROGRAMS = {
  start: {
    file: at("packages/bench/dist/demo/main.js"),
    args: [],
    servers: (args) => named(optionOf(args, "--server") ?? "prosody"),
    forBrowsers: true,
  },
  test: { file: VITEST, args: ["run"], servers: () => SERVERS, forTests: true },
  "test:whole": {
    file: VITEST,
    args: ["run"],
    env: { STANZAPACK_TEST: "whole" },
    servers: () => SERVERS,
    forTests: true,
  },
  "test:repeat": { file: at("scripts/repeat-tests.mjs"), args: [], servers: () => SERVERS, forTests: true },
  "test:node-versions": { file: at("scripts/node-versions.mjs"), args: [], servers: () => XMPP_SERVERS },
  "test:crash": {
    file: at("packages/testkit/dist/crash/main.js"),
    args: [],
    servers: (args) => [...namedOrBoth(args), ...(optionOf(args, "--store") === "redis" ? ["redis"] : [])],
  },
  "test:containers": {
    file: at("packages/testkit/dist/containers/main.js"),
    args: [],
    servers: () => [],
    forContainers: true,
  },
  "test:day": {
    file: VITEST,
    args: ["run", "--project", "unit", "packages/component/src/broker/simulated-day.test.ts"],
    env: { STANZAPACK_DAY_MINUTES: "1440" },
    servers: () => [],
  },
  "test:lean": { file: at("packages/testkit/dist/lean/main.js"), args: [], servers: namedOrBoth },
  "fuzz:ibb": { file: at("packages/testkit/dist/ibb-fuzz/ibb-fuzz-main.js"), args: [], servers: () => [] },
  "fuzz:codec": {
    file: at("packages/testkit/dist/codec-fuzz/codec-fuzz-main.js"),
    args: [],
    servers: () => [],
  },
  chains: { file: at("packages/testkit/dist/codec-fuzz/codec-chains-main.js"), args: [], servers: () => [] },
  "fuzz:bosh": { file: at("packages/testkit/dist/bosh-fuzz/bosh-fuzz-main.js"), args: [], servers: () => [] },
  "fuzz:component": {
    file: at("packages/testkit/dist/component-fuzz/component-fuzz-main.js"),
    args: [],
    servers: (args) => named(optionOf(args, "--server") ?? "prosody"),
  },
  "docs:charts": { file: at("scripts/docs-charts.mjs"), args: [], servers: () => [] },
  "docs:api": { file: at("scripts/docs-api.mjs"), args: [], servers: () => [] },
};

function optionOf(args, name) {
  const index = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (index < 0) return undefined;
  const arg = args[index];
  return arg === name ? args[index + 1] : arg.slice(name.length + 1);
}

const [name, ...args] = process.argv.slice(2);
const program = Object.hasOwn(PROGRAMS, name ?? "") ? PROGRAMS[name] : undefined;
if (program === undefined) {
  process.stderr.write(`stanzapack: usage: run.mjs ${Object.keys(PROGRAMS).join("|")} [arguments]\n`);
  process.exit(2);
}
try {
  // If the user only asks for help, nothing but npm packages is installed first.
  const asksForHelp = args.includes("--help");
  await setUp({
    servers: asksForHelp ? [] : program.servers(args),
    forTests: program.forTests === true && !asksForHelp,
    forBrowsers: program.forBrowsers === true && !asksForHelp,
    forContainers: program.forContainers === true && !asksForHelp,
  });
} catch (error) {
  fail(error);
}
if (process.exitCode === undefined) {
  if (!existsSync(program.file)) {
    process.stderr.write(`stanzapack: missing-file: ${program.file} does not exist\n`);
    process.exit(1);
  }
  // vitest calls process.exit without waiting for its streams.
  if (program.file !== VITEST) guardOutput();
  Object.assign(process.env, program.env);
  process.argv = [process.execPath, program.file, ...program.args, ...args];
  await import(pathToFileURL(program.file).href);
}
