import { type Command, Option } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import {
  collectNodes,
  listOf,
  parseCount,
  parseCursorName,
  parseInterval,
  parseNumber,
  parseSinceOption,
  parseWindow,
} from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addSubscribe(program: Command): void {
  const command = program
    .command("subscribe")
    .summary("print the values of services as they arrive")
    .description(
      "Subscribes to services and prints every value as one line of JSON, until --count values have " +
        "arrived, or SIGINT or SIGTERM. Reconnects by itself. If a publisher withdraws a service, the " +
        "command ends with exit code 1, unless only a pattern matched the service. A map has no such values: use " +
        "`stanzapack map watch`.",
    )
    .argument(
      "<node...>",
      "a service, as alice@example.org/temp; or a pattern, as 'alice@example.org/t*' or 'alice@example.org/*', " +
        "for all services of a publisher that match it, now and later",
      collectNodes,
    )
    .option(
      "--window <duration>",
      "longest time that values may wait for a common batch, which saves bytes: 100ms, 1s, 0",
      parseWindow,
      0,
    )
    .option(
      "--since <where>",
      "for logs, where to begin: `first` (the oldest value kept), EPOCH:OFFSET (after this position), 5m (ago), " +
        "or a time, as 2026-11-24T12:00:00Z",
      parseSinceOption,
    )
    .option(
      "--cursor <name>",
      "for logs: the component keeps under this name how far this command has come, and the next command with the " +
        "name continues there, also on another machine; --since then has an effect only the first time",
      parseCursorName,
    )
    .addOption(
      new Option("--samples <which>", "`latest`: only the newest value of each window")
        .choices(["all", "latest"])
        .default("all"),
    )
    .option("--max-rate <number>", "most values a second; newer values replace older values", parseNumber)
    .option("--fields <name,...>", "of objects, receive only these top-level fields", listOf(String))
    .option(
      "--deadband <number>",
      "leave out a value if no number in it differs by more than this from the last value; 0: receive only changes",
      parseNumber,
    )
    .option(
      "--heartbeat <duration>",
      "longest time without a line; then the value that --deadband held back arrives, or a line of `status`",
      parseInterval,
    )
    .option("--wait", "wait for a service that nobody offers yet, and again after it was withdrawn")
    .option("--count <n>", "end after this number of values, of all nodes together", parseCount);
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Lines on stdout:
  {"node", "epoch", "offset", "at", "value"}      \`at\`: ms since 1970 by the component's clock; bytes are base64
  {"node", "event", "from", "to", "reason"}       event:
    lost        the values at these offsets should have arrived, and never will
    conflated   the values at these offsets were left out in favour of newer values
    reset       offsets began anew: \`from\` is the last old offset, \`to\` the first new offset
    status      \`reason\` is the status of the publisher (online, offline, paused), or of the link of this command
                (disconnected, waiting); with --heartbeat the line is repeated while no value arrives

With --cursor a value counts as taken once its line is written. After a crash, the values of the last two seconds may
come again. A second command with the same cursor ends the first one.

--samples latest, --max-rate and --deadband leave values out. Events \`conflated\` report these values. The three
options cannot be used with logs.

Examples:
  $ stanzapack subscribe alice@example.org/temp
  $ stanzapack subscribe alice@example.org/temp --window 1s --count 10
  $ stanzapack subscribe alice@example.org/journal --since first
  $ stanzapack subscribe alice@example.org/journal --since 5m --wait
  $ stanzapack subscribe alice@example.org/orders --cursor warehouse --since first | ./import-orders
  $ stanzapack subscribe 'alice@example.org/*' --window 5s
  $ stanzapack subscribe alice@example.org/weather --fields wind,gust --deadband 0.5 --heartbeat 10s
  $ stanzapack subscribe alice@example.org/temp bob@example.org/load | jq -c '[.node, .value]'`,
    )
    .action(lazily(async () => (await import("../actions/subscribe.js")).subscribe));
}
