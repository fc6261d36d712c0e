import { type Command, Option } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { collectMembers, parseInterval, parseServiceName } from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addOffer(program: Command): void {
  const command = program
    .command("offer")
    .summary("offer a service: publish lines of stdin, or what a command prints")
    .description(
      "Offers the service JID/NAME and publishes one value per line of stdin; a line that is valid JSON is that " +
        "value, any other a string, and one that begins like JSON and is none gets a warning. At the end of stdin everything is sent, then the service is withdrawn. While " +
        "nobody listens nothing is sent; who comes later gets the newest value. Of a log everything is sent and kept by " +
        "the component, in memory, for those who come later. With --store it need not be online for that, and what the component " +
        "does not have yet outlives this process: the next one with the same directory sends it.",
    )
    .argument("<name>", "1 to 64 of a-z A-Z 0-9 . _ -", parseServiceName)
    .argument("[command...]", "with --every, after `--`: the command that prints the value")
    .addOption(
      new Option(
        "--kind <kind>",
        "`value`: newer values may replace older ones; `log`: every one is kept, in order",
      )
        .choices(["value", "log"])
        .default("value"),
    )
    .addOption(
      new Option("--access <model>", "who may subscribe")
        .choices(["open", "whitelist", "authorize"])
        .default("open"),
    )
    .option(
      "--member <jid...>",
      "who may, with --access whitelist or authorize: bob@example.org",
      collectMembers,
    )
    .addOption(
      new Option(
        "--compression <how>",
        "`isolated` codes no update by another, for text of several people: sizes tell nothing of others",
      )
        .choices(["shared", "isolated"])
        .default("shared"),
    )
    .option("--title <text>", "a line for people, shown in service discovery")
    .option("--every <duration>", "run COMMAND so often and publish what it prints: 100ms, 1s", parseInterval)
    .option("--text", "every value is a string, also where it looks like JSON")
    .option(
      "--strict-json",
      "a line that is no JSON, or has a number that a double cannot hold, cannot be published",
    )
    .addOption(
      new Option(
        "--on-error <what>",
        "at a line that cannot be published: skip it, and exit with 1 in the end; or stop there",
      )
        .choices(["skip", "stop"])
        .default("skip"),
    )
    .option(
      "--store <dir>",
      "of a log: keep in DIR what the component has not acknowledged; a signal withdraws nothing",
    )
    .option("--keep", "go on offering the last value after the end of stdin, until SIGINT or SIGTERM");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Lines are UTF-8 and end with LF or CRLF; a byte order mark before the first one is left out. A number that a double cannot hold
(9007199254740993, 1e400) is published as a string of its digits, with a warning. A line that is longer than 1 MiB, has bytes that
are no UTF-8, a NUL, or a value that is too large or too deep, cannot be published: its number is told.

Examples:
  $ printf '%s\\n' 21.4 21.5 '{"c": 21.6}' | stanzapack offer temp --keep
  $ stanzapack offer load --every 1s -- cut -d ' ' -f 1 /proc/loadavg
  $ journalctl -f -o json | stanzapack offer journal --kind log --access whitelist --member bob@example.org
  $ tail -F readings.ndjson | stanzapack offer readings --kind log --store /var/lib/readings
  $ stanzapack offer orders --kind log --strict-json --on-error stop < orders.ndjson
  $ ping example.org | stanzapack offer ping --text`,
    )
    .action(lazily(async () => (await import("../actions/offer.js")).offer));
}
