import { type Command, Option } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import {
  collectNodes,
  listOf,
  parseCount,
  parseInterval,
  parseNumber,
  parseSinceOption,
  parseWindow,
} from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addSubscribe(program: Command): void {
  const command = program
    .command("subscribe")
    .summary("print the values of services as they come")
    .description(
      "Subscribes to services and prints every value as one line of JSON, until --count values have come, or " +
        "SIGINT or SIGTERM. Reconnects by itself. A service that its publisher withdraws ends it with exit code 1, unless " +
        "a pattern brought it.",
    )
    .argument(
      "<node...>",
      "alice@example.org/temp; 'alice@example.org/*' or 'alice@example.org/t*': all services of a publisher that match, now and later",
      collectNodes,
    )
    .option(
      "--window <duration>",
      "how long values may be gathered, which saves bytes: 100ms, 1s, 0",
      parseWindow,
      0,
    )
    .option(
      "--since <where>",
      "of logs, begin with what is kept: `first`, behind EPOCH:OFFSET, 5m ago, or from a time: 2026-11-24T12:00:00Z",
      parseSinceOption,
    )
    .addOption(
      new Option("--samples <which>", "`latest`: of each window the newest value alone")
        .choices(["all", "latest"])
        .default("all"),
    )
    .option("--max-rate <number>", "most values a second; older ones give way to newer ones", parseNumber)
    .option("--fields <name,...>", "of objects, these top-level fields alone travel", listOf(String))
    .option(
      "--deadband <number>",
      "leave a value out while it, or each of its numbers, differs by no more from the last one that came; 0: print changes",
      parseNumber,
    )
    .option(
      "--heartbeat <duration>",
      "so often something comes: the value that --deadband holds back, or a line of `status`",
      parseInterval,
    )
    .option("--wait", "wait for a service that nobody offers yet, and again when it was withdrawn")
    .option("--count <n>", "end after so many values, of all nodes together", parseCount);
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Lines on stdout:
  {"node", "epoch", "offset", "at", "value"}      \`at\`: ms since 1970 of the component's clock; bytes are base64
  {"node", "event", "from", "to", "reason"}       event:
    lost        the values at these offsets should have come and never will
    conflated   they were left out in favour of newer ones
    reset       offsets began anew: from the old one to the new one
    status      of the publisher (online, offline, paused) or our own link (disconnected, waiting), in \`reason\`;
                with --heartbeat again while nothing comes

--samples latest, --max-rate and --deadband leave values out, which are told as conflated, and are not for logs.

Examples:
  $ stanzapack subscribe alice@example.org/temp
  $ stanzapack subscribe alice@example.org/temp --window 1s --count 10
  $ stanzapack subscribe alice@example.org/journal --since first
  $ stanzapack subscribe alice@example.org/journal --since 5m --wait
  $ stanzapack subscribe 'alice@example.org/*' --window 5s
  $ stanzapack subscribe alice@example.org/weather --fields wind,gust --deadband 0.5 --heartbeat 10s
  $ stanzapack subscribe alice@example.org/temp bob@example.org/load | jq -c '[.node, .value]'`,
    )
    .action(lazily(async () => (await import("../actions/subscribe.js")).subscribe));
}
