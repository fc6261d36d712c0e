import { Option, type Command } from "commander";
import Table from "cli-table3";
import { loadBench } from "../bench-module.js";
import { parseCount, parseInterval, parseWindow } from "../parse.js";
import { interruptible } from "../signals.js";

interface FanOutOptions {
  readonly server?: (typeof SERVERS)[number];
  readonly subscribers: number;
  readonly rate: number;
  readonly window: number;
  readonly for: number;
  readonly json?: true;
}

const SERVERS = ["prosody", "ejabberd"] as const;

export function addBench(program: Command): void {
  const bench = program
    .command("bench")
    .summary("measure, on this machine")
    .description("Measures Stanzapack on private servers of its own. Only in a clone of the repository.");
  bench.action(() => bench.help({ error: true }));
  bench
    .command("fanout")
    .summary("what one small update to many subscribers costs")
    .description(
      "One publisher, many subscribers of one service: processor time of component and server for each stanza, delays, memory.",
    )
    .addOption(new Option("--server <kind>", "only this one (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "resources of a few accounts", parseCount, 200)
    .option("--rate <count>", "updates a second", parseCount, 10)
    .option("--window <duration>", "window of every subscription", parseWindow, 100)
    .option("--for <duration>", "how long is measured", parseInterval, 20_000)
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {system, server, subscribers, updatesPerSecond, windowMs, stanzas, updates, componentCpuUsPerStanza,
serverCpuUsPerStanza, totalCpuUsPerUpdate, p50Ms, p99Ms, componentRssBytesPerSubscriber}. The subscribers run on the
same machine and share its processors; compare rows of one run, not of two machines.

Examples:
  $ stanzapack bench fanout
  $ stanzapack bench fanout --server ejabberd --subscribers 500 --window 1s --json`,
    )
    .action(fanOut);
}

async function fanOut(options: FanOutOptions): Promise<void> {
  await interruptible(async ({ signal }) => {
    const benchmarks = await loadBench("the benchmarks");
    const rows: Readonly<Record<string, string | number | null>>[] = [];
    for (const server of options.server === undefined ? SERVERS : [options.server]) {
      rows.push(
        await benchmarks.runFanOut({
          server,
          subscribers: options.subscribers,
          updatesPerSecond: options.rate,
          windowMs: options.window,
          forMs: options.for,
          signal,
          onProgress: (text) => process.stderr.write(`${server}: ${text}\n`),
        }),
      );
    }
    process.stdout.write(options.json ? `${JSON.stringify(rows)}\n` : `${formatRows(rows)}\n`);
  });
}

/** Figures in columns, one row down the page each: there are more of them than fit across. */
function formatRows(rows: readonly Readonly<Record<string, string | number | null>>[]): string {
  const table = new Table({ style: { head: [], border: [], compact: true } });
  for (const name of Object.keys(rows[0] ?? {}))
    table.push([name, ...rows.map((row) => String(row[name] ?? "not measured"))]);
  return table.toString();
}
