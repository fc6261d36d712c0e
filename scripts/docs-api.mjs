#!/usr/bin/env node
// `npm run docs:api`: makes the pages of the API reference. typedoc.config.mjs says of what.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TYPEDOC = `${ROOT}node_modules/typedoc/bin/typedoc`;
const FOLDER = `${ROOT}dist/api/`;

const HELP = `Usage: npm run docs:api

Makes HTML pages of the packages that programs import, with their READMEs and the documentation, in dist/api/.
Replaces the pages of an earlier run.

  --help   print this text

Exit status: 0 if the pages were made, 1 if typedoc reports an error or a warning, 2 for wrong usage.
`;

async function main(args) {
  let values;
  try {
    ({ values } = parseArgs({ args, options: { help: { type: "boolean" } } }));
  } catch (error) {
    process.stderr.write(`stanzapack: usage: ${error.message} (see --help)\n`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  rmSync(FOLDER, { recursive: true, force: true });
  const child = spawn(process.execPath, [TYPEDOC, "--out", FOLDER], { cwd: ROOT, stdio: "inherit" });
  const [status] = await once(child, "close");
  if (status !== 0) {
    rmSync(FOLDER, { recursive: true, force: true });
    process.stderr.write(
      "stanzapack: failed: typedoc reports errors or warnings, see above; no pages were made\n",
    );
    return 1;
  }
  process.stderr.write(`${FOLDER}index.html\n`);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
