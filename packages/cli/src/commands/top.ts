import { Option, type Command } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { lazily } from "../base/lazily.js";
import { parseCount, parseDuration } from "../base/parse.js";
import { SORTS } from "../top/sorts.js";

export function addTop(program: Command): void {
  const command = program
    .command("top")
    .summary("watch the component at work: services, clients, rates, bytes")
    .description(
      "Shows what the component does: its services and clients, their rates and ages, what waits, and how many bytes " +
        "JSON would take. On a terminal the view is renewed in its place. For accounts that the component's config " +
        "names under `admins`.",
    )
    .option("--interval <duration>", "time between two views", parseDuration, 1_000)
    .addOption(new Option("--sort <by>", "order of the services").choices(SORTS).default("bytes"))
    .option("--rows <n>", "most services, and most clients, of a view", parseCount, 15)
    .option("--count <n>", "end after this many views", parseCount)
    .option("--json", "NDJSON on stdout: a row {at, overview, services, clients} for each view");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Rates are means over the last few seconds. "bytes/s" are those of the stanzas to all subscribers of a service. "JSON" says how many
times as many bytes the same updates would take if each travelled as JSON in a message of its own. "age" is the time
since the newest update. "unacked" are stanzas that a client has not acknowledged yet, and "for" is for how long; up to
50 stanzas and 100 s are usual. Clients with a trouble come first:

  N wait       subscriptions of the client get no updates, because the client acknowledges or reads too slowly
  slowed T     the client publishes over its budget, and was asked to send only once in T
  suspended    the client's server is away or busy
  ibb          updates travel as In-Band Bytestreams, which take more bytes than lean stanzas

With --json, the shapes of the rows are those of the services DOMAIN/overview, DOMAIN/services and DOMAIN/clients, to
which any program of an administrator can subscribe.

Examples:
  $ stanzapack top
  $ stanzapack top --sort subscribers --rows 40
  $ stanzapack top --json --count 1 | jq '.services | map_values(.subscribers)'`,
    )
    .action(lazily(async () => (await import("../actions/top.js")).top));
}
