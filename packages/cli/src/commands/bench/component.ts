import { Option, type Command } from "commander";
import { loadBench } from "../../base/bench-module.js";
import { listOf, parseCount, parseWindow } from "../../base/parse.js";
import { interruptible } from "../../base/signals.js";
import { duration } from "./on-each-server.js";

interface ComponentOptions {
  readonly subscribers?: readonly number[];
  readonly rate?: readonly number[];
  readonly resources: number;
  readonly envelope: "lean" | "ibb";
  readonly window: number;
  readonly for: number;
  readonly json?: true;
}

const WINDOW_MS = 100;
const FOR_MS = 10_000;

export function addBenchComponent(bench: Command): void {
  bench
    .command("component")
    .summary("measure what each further stanza and subscriber costs the component")
    .description(
      "Runs the component alone in a process, behind a simulated server that opens links, subscribes, " +
        "reads and acknowledges. Measures processor time, heap after a garbage collection, and resident " +
        "memory in steady state, for several numbers of subscribers. Computes the slopes over these " +
        "numbers, which leave out the cost of a component without subscribers.",
    )
    .option("--subscribers <list>", "numbers of subscribers (default: 200,1000,5000)", listOf(parseCount))
    .option("--rate <list>", "updates a second, for each number (default: 10)", listOf(parseCount))
    .option("--resources <count>", "number of subscribers that share an account", parseCount, 1)
    .addOption(
      new Option("--envelope <kind>", "envelope of the stanzas to subscribers")
        .choices(["lean", "ibb"])
        .default("lean"),
    )
    .addOption(duration("--window <duration>", "window of every subscription", WINDOW_MS, parseWindow))
    .addOption(duration("--for <duration>", "length of each measurement", FOR_MS))
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Lists are separated by commas. If the window is as long as the time between two updates, each update is a stanza of its
own.

Rows: {subscribers, accounts, stanzasPerSecond, cpuUsPerStanza, heapBytesPerSubscriber, rssBytesPerSubscriber, slope}.
The last row has slope true, and the slopes: µs of processor time for each further stanza, bytes for each further
subscriber. The other rows divide the component's own costs among the subscribers, so few subscribers look expensive.
An account is a bare JID.

Examples:
  $ stanzapack bench component                                   # a minute and a half
  $ stanzapack bench component --subscribers 200,2000 --for 5s   # a first look
  $ stanzapack bench component --rate 2,10 --resources 10 --json # two rates, ten sessions of each account`,
    )
    .action(component);
}

async function component(options: ComponentOptions): Promise<void> {
  await interruptible(async ({ signal }) => {
    const { component: benchmark } = await loadBench("the benchmarks");
    const { subscribers, rate, resources, envelope } = options;
    const rows = await benchmark.runComponent({
      ...(subscribers && { subscribers }),
      ...(rate && { rates: rate }),
      ...{ resources, envelope, windowMs: options.window, forMs: options.for, signal },
      onProgress: (text) => void process.stderr.write(`${text}\n`),
    });
    process.stdout.write(
      options.json ? `${JSON.stringify(rows)}\n` : `${benchmark.formatComponentReport(rows)}\n`,
    );
  });
}
