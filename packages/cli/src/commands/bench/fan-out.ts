import { Option, type Command } from "commander";
import { parseCount, parseWindow } from "../../base/parse.js";
import { duration, onEachServer, SERVERS, type ServerOptions } from "./on-each-server.js";

interface FanOutOptions extends ServerOptions {
  readonly subscribers: number;
  readonly rate: number;
  readonly window: number;
  readonly for: number;
}

export function addFanOut(bench: Command): void {
  bench
    .command("fanout")
    .summary("measure what one small update to many subscribers costs")
    .description(
      "One publisher sends to many subscribers of one service. Measures processor time of component and " +
        "server for each stanza, delays and memory.",
    )
    .addOption(new Option("--server <kind>", "only this server (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "number of subscribers, resources of a few accounts", parseCount, 200)
    .option("--rate <count>", "updates a second", parseCount, 10)
    .addOption(duration("--window <duration>", "window of every subscription", 100, parseWindow))
    .addOption(duration("--for <duration>", "length of the measurement", 20_000))
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {system, server, subscribers, updatesPerSecond, windowMs, stanzas, updates, componentCpuUsPerStanza,
serverCpuUsPerStanza, totalCpuUsPerUpdate, p50Ms, p99Ms, componentRssBytesPerSubscriber}. The subscribers run on the
same machine and share its processors. So compare rows of one run, not of two machines.

Examples:
  $ stanzapack bench fanout
  $ stanzapack bench fanout --server ejabberd --subscribers 500 --window 1s --json`,
    )
    .action(fanOut);
}

async function fanOut(options: FanOutOptions): Promise<void> {
  await onEachServer(options, (benchmarks, server, run) =>
    benchmarks.runFanOut({
      server,
      subscribers: options.subscribers,
      updatesPerSecond: options.rate,
      windowMs: options.window,
      forMs: options.for,
      ...run,
    }),
  );
}
