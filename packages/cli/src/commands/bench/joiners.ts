import { Option, type Command } from "commander";
import { parseCount } from "../../base/parse.js";
import { duration, onEachServer, SERVERS, type CrowdOptions } from "./on-each-server.js";

export function addJoiners(bench: Command): void {
  bench
    .command("joiners")
    .summary("what it costs the others when subscribers come and go")
    .description(
      "One service at 10 Hz, windows of 100 ms; a tenth of its subscribers come and go, one of each every second. The same values " +
        "twice: first nobody joins. Bytes to those who stay, and how long a joiner gets bodies of its own.",
    )
    .addOption(new Option("--server <kind>", "only this one (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "resources of a few accounts", parseCount, 100)
    .addOption(duration("--for <duration>", "how long each of the two runs is measured", 120_000))
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, subscribers, staying, updatesPerSecond, windowMs, joins, updates, lost, quietBytesPerUpdate,
busyBytesPerUpdate, ratio, joinerBytesPerUpdate, waitP50Ms, waitMaxMs, leftWaiting}; bytes of XMPP, both ways.

Examples:
  $ stanzapack bench joiners
  $ stanzapack bench joiners --server ejabberd --subscribers 50 --for 30s --json`,
    )
    .action(joiners);
}

async function joiners(options: CrowdOptions & { readonly for: number }): Promise<void> {
  await onEachServer(options, (benchmarks, server, run) =>
    benchmarks.runJoiners({ server, subscribers: options.subscribers, forMs: options.for, ...run }),
  );
}
