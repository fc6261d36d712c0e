import type { Command } from "commander";
import { loadBench } from "../../base/bench-module.js";
import { listOf, parseCount, parseInterval, parseWhole } from "../../base/parse.js";
import { interruptible } from "../../base/signals.js";
import { oneOf } from "./on-each-server.js";

interface JournalOptions {
  readonly store?: readonly string[];
  readonly durability?: readonly string[];
  readonly writers?: readonly number[];
  readonly for?: number;
  readonly entries?: number;
  readonly dir?: string;
  readonly quick?: true;
  readonly json?: true;
}

const STORES = ["memory", "lmdb", "redis"];
const DURABILITIES = ["none", "interval", "sync"];

export function addJournal(bench: Command): void {
  const list = (allowed: readonly string[]) => listOf((text) => oneOf(allowed, text));
  bench
    .command("journal")
    .summary("measure how fast the component's stores take updates, and how soon a restart is over")
    .description(
      "Appends updates of 100 bytes to logs, in a separate process, within a component's default bounds. Each writer " +
        "has a log, and waits for the acknowledgement of an update before it appends the next. Then the command fills " +
        "logs, ends the process, and measures how soon a new process can read a log for a subscriber: after a clean " +
        "stop, and after kill -9. Uses no server.",
    )
    .option("--store <list>", STORES.join(", "), list(STORES))
    .option("--durability <list>", DURABILITIES.join(", "), list(DURABILITIES))
    .option(
      "--writers <list>",
      "numbers of logs that are written at the same time (default: 1,100)",
      listOf(parseCount),
    )
    .option(
      "--for <duration>",
      "length of each measurement of appends (default: 10s, with --quick 1s)",
      parseInterval,
    )
    .option(
      "--entries <count>",
      "updates in the logs before a restart; 0: no restart (default: 1000000, with --quick 100000)",
      parseWhole,
    )
    .option("--dir <folder>", "folder on the disk that is to be measured (default: that of temporary files)")
    .option("--quick", "half a minute: one second for each measurement, and 100,000 updates")
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Lists are separated by commas. Without a list, the command takes everything that the list may have, but for the store
\`redis\`, which needs Redis: the command starts one of its own. The store \`memory\` is measured with the durability
\`none\` alone, and \`redis\` with the others, and without restarts.

Rows: {store, durability, writers, appendsPerSecond, p99Ms, bytesPerAppend, keptBytesPerUpdate, entries, stop, restartMs,
openMs}. An append is one update, and is over when it is acknowledged: with \`sync\`, flushed to the disk. The time of
appendsPerSecond ends when all updates are on the disk. bytesPerAppend: bytes written to the disk, as Linux counts them.
keptBytesPerUpdate: bytes that an update takes in the store, an estimate. Rows with \`stop\` (clean, killed) are restarts.
restartMs: from the start of the process to the first read. openMs: the part that opens the store. Each row has the
median of three restarts.

Examples:
  $ stanzapack bench journal                              # two minutes
  $ stanzapack bench journal --quick
  $ stanzapack bench journal --store lmdb --durability sync --writers 1,10,100,1000 --entries 0 --json`,
    )
    .action(journal);
}

async function journal(options: JournalOptions): Promise<void> {
  await interruptible(async ({ signal }) => {
    const { journal } = await loadBench("the benchmarks");
    const { store, durability, writers, for: forMs, entries, dir } = options;
    const isTerminal = process.stderr.isTTY;
    const rows = await journal.runJournal({
      ...(store && { stores: store }),
      ...(durability && { durabilities: durability }),
      ...(writers && { writers }),
      ...(forMs !== undefined && { forMs }),
      ...(entries !== undefined && { entries }),
      ...(dir !== undefined && { folder: dir }),
      quick: options.quick ?? false,
      signal,
      // On a terminal, one line that changes.
      onProgress: (text) => void process.stderr.write(isTerminal ? `\r\u001b[K${text}` : `${text}\n`),
      onNotice: (text) => void process.stderr.write(`warning: ${text}\n`),
    });
    if (isTerminal) process.stderr.write("\r\u001b[K");
    process.stdout.write(
      options.json ? `${JSON.stringify(rows)}\n` : `${journal.formatJournalReport(rows)}\n`,
    );
  });
}
