import { Option, type Command } from "commander";
import { parseCount } from "../../base/parse.js";
import { duration, onEachServer, SERVERS, type CrowdOptions } from "./on-each-server.js";

export function addJoiners(bench: Command): void {
  bench
    .command("joiners")
    .summary("measure what joining and leaving subscribers cost the others")
    .description(
      "One service sends at 10 Hz, in windows of 100 ms. A tenth of its subscribers keep " +
        "joining and leaving: every second one joins and one leaves. The same values are sent twice: in " +
        "the first run nobody joins. Measures the bytes to the subscribers that stay, and how long a " +
        "joiner receives bodies of its own.",
    )
    .addOption(new Option("--server <kind>", "only this server (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "number of subscribers, resources of a few accounts", parseCount, 100)
    .addOption(duration("--for <duration>", "length of each of the two runs", 120_000))
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, subscribers, staying, updatesPerSecond, windowMs, joins, updates, lost, quietBytesPerUpdate,
busyBytesPerUpdate, ratio, joinerBytesPerUpdate, waitP50Ms, waitMaxMs, leftWaiting}. Bytes are those of XMPP, both ways.

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
