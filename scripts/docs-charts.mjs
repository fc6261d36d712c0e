#!/usr/bin/env node
// `npm run docs:charts`: draws the chart of README.md from docs/charts/rows.json.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { drawChart, THEMES } from "./docs-charts/chart.mjs";
import { formatRows, readRows, selectRows } from "./docs-charts/rows.mjs";

const FOLDER = fileURLToPath(new URL("../docs/charts/", import.meta.url));
const ROWS_FILE = `${FOLDER}rows.json`;

const HELP = `Usage: npm run docs:charts -- [--rows FILE]

Draws docs/charts/bytes-per-update-light.svg and -dark.svg from docs/charts/rows.json.

  --rows FILE   first replace the rows of rows.json by those of FILE. FILE is the output of \`stanzapack bench wire\`,
                with --json, or without it, such as packages/bench/WIRE.md
  --help        print this text

Exit status: 0 if the chart was drawn, 1 if a row is missing, 2 for wrong usage.
`;

async function main(args) {
  let values;
  try {
    ({ values } = parseArgs({ args, options: { rows: { type: "string" }, help: { type: "boolean" } } }));
  } catch (error) {
    process.stderr.write(`stanzapack: usage: ${error.message} (see --help)\n`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  try {
    mkdirSync(FOLDER, { recursive: true });
    if (values.rows !== undefined)
      writeFileSync(ROWS_FILE, formatRows(selectRows(readRows(readFileSync(values.rows, "utf8")))));
    const rows = selectRows(readRows(readFileSync(ROWS_FILE, "utf8")));
    for (const theme of Object.keys(THEMES)) {
      const file = `${FOLDER}bytes-per-update-${theme}.svg`;
      writeFileSync(file, await drawChart(rows, theme));
      process.stderr.write(`${file}\n`);
    }
    return 0;
  } catch (error) {
    process.stderr.write(`stanzapack: failed: ${error.message}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
