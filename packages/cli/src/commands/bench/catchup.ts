import { resolve } from "node:path";
import type { Command } from "commander";
import { loadBench } from "../../base/bench-module.js";
import { listOf, parseCount } from "../../base/parse.js";
import { interruptible } from "../../base/signals.js";
import { oneOf } from "./on-each-server.js";

interface CatchUpOptions {
  readonly form?: readonly string[];
  readonly keys?: number;
  readonly modules?: string;
  readonly json?: true;
}

const FORMS = ["stanzapack", "json", "pouchdb", "rsync", "live", "services"];

export function addCatchUp(bench: Command): void {
  bench
    .command("catchup")
    .summary("measure how many bytes a copy of a map needs to catch up")
    .description(
      "Fills a map with keys `sensor/00042` whose values have three fields, and brings a copy up to date: the whole map " +
        "at first, then after 0.1 %, 1 % and 10 % of the keys have changed while the copy was away. Each form has the " +
        "same map and the same changes. Stanzapack runs with its component on a private Prosody.",
    )
    .option(
      "--form <list>",
      FORMS.join(", "),
      listOf((text) => oneOf(FORMS, text)),
    )
    .option("--keys <count>", "keys of the map (default: 100000)", parseCount)
    .option("--modules <folder>", "folder whose node_modules has PouchDB and its server", (text) =>
      resolve(text),
    )
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Lists are separated by commas. Without a list, the command takes everything that the list may have.

Rows: {form, keys, changed, bytes, ms}. \`changed\` 1 is the whole map. Bytes of \`stanzapack\` are payloads before
base64. \`json\` is one object under brotli of quality 5. It does not travel: its ms are those of packing and reading.
\`pouchdb\` is a PouchDB in memory that replicates over HTTP: bytes of its TCP connections, both directions. \`rsync\`
copies a file with a line for each key, compressed: bytes as rsync counts them, both directions.

\`live\` and \`services\` need no server, and have no copy that was away. \`live\`: payload of one message with 1, 10 or
100 changes of a map of 1,000 keys. \`services\`: the same changes, each in a message of a service of its own.

PouchDB is not a part of Stanzapack. A form that is not installed has null as bytes and ms. To install both:
  $ npm install --prefix /tmp/pouchdb pouchdb pouchdb-adapter-memory express-pouchdb express
  $ sudo apt-get install rsync

Examples:
  $ stanzapack bench catchup --modules /tmp/pouchdb       # some minutes, most of them for PouchDB
  $ stanzapack bench catchup --form stanzapack,json --json
  $ stanzapack bench catchup --form live,services         # some seconds`,
    )
    .action(catchUp);
}

async function catchUp({ form, keys, modules, json }: CatchUpOptions): Promise<void> {
  await interruptible(async ({ signal }) => {
    const { catchup } = await loadBench("the benchmarks");
    const rows = await catchup.runCatchUp({
      ...(form && { forms: form }),
      ...(keys !== undefined && { keys }),
      ...(modules !== undefined && { modules }),
      signal,
      onProgress: (text) => void process.stderr.write(`${text}\n`),
      onNotice: (text) => void process.stderr.write(`warning: ${text}\n`),
    });
    process.stdout.write(json ? `${JSON.stringify(rows)}\n` : `${catchup.formatCatchUpReport(rows)}\n`);
  });
}
