import { Option, type Command } from "commander";
import { parseCount } from "../../base/parse.js";
import { onEachServer, SERVERS, type CrowdOptions } from "./on-each-server.js";

interface ReturnOptions extends CrowdOptions {
  readonly opens?: number;
  readonly burst?: number;
  readonly quick?: true;
}

export function addReturn(bench: Command): void {
  bench
    .command("return")
    .summary("measure the time until all subscribers are back after the component's stream is lost")
    .description(
      "Many subscribers take a value and a log. The benchmark cuts the component's stream to its server, " +
        "while the component keeps running. So all subscribers lose their links at once. Measures when " +
        "they are back, at which positions, and how many links the component admits and refuses.",
    )
    .addOption(new Option("--server <kind>", "only this server (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "number of subscribers, resources of a few accounts", parseCount, 1_000)
    .option("--opens <count>", "opensPerSecond of the component (default: its own)", parseCount)
    .option("--burst <count>", "opensBurst of the component (default: its own)", parseCount)
    .option("--quick", "one minute for each server: 100 subscribers, 20 opens a second, 20 at once")
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, subscribers, interrupted, back, backP50Ms, backMaxMs, faults, logLost, valueLost, opensPerSecond,
opensBurst, opens, opensMaxPerSecond, opensBeyondRate, refused, refusedMaxPerClient, refusedUntold}. Times begin at the
cut.

Examples:
  $ stanzapack bench return
  $ stanzapack bench return --quick --server prosody
  $ stanzapack bench return --subscribers 500 --opens 50 --burst 100 --json`,
    )
    .action(returning);
}

async function returning(options: ReturnOptions): Promise<void> {
  const { opens, burst, quick } = options;
  const size = quick
    ? { subscribers: 100, opensPerSecond: 20, opensBurst: 20 }
    : {
        subscribers: options.subscribers,
        ...(opens !== undefined && { opensPerSecond: opens }),
        ...(burst !== undefined && { opensBurst: burst }),
      };
  await onEachServer(
    options,
    ({ peers }, server, run) => peers.runReturn({ server, ...size, ...run }),
    ({ peers }, row) => peers.judgeReturn(row),
  );
}
