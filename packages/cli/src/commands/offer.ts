import { type Command, Option } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { collectMembers, parseCount, parseInterval, parseSeconds, parseServiceName } from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addOffer(program: Command): void {
  const command = program
    .command("offer")
    .summary("offer a service: publish lines of stdin, or the output of a command")
    .description(
      "Offers the service JID/NAME and publishes one value for each line of stdin. A line that is valid " +
        "JSON is that value; any other line is a string. A line that begins like JSON but is not JSON " +
        "causes a warning. At the end of stdin the command sends all values, then withdraws the service. " +
        "While nobody subscribes, values of kind `value` are not sent; a later subscriber receives the " +
        "newest value. All values of a log are sent, and the component keeps them for later " +
        "subscribers. With --kind map, each line sets or removes a key. With --store the command need not be online, and values that the component does " +
        "not have yet outlive this process: the next process with the same directory sends them.",
    )
    .argument("<name>", "1 to 64 of a-z A-Z 0-9 . _ -", parseServiceName)
    .argument("[command...]", "with --every, after `--`: command that prints the value")
    .addOption(
      new Option(
        "--kind <kind>",
        "`value`: newer values may replace older values; `log`: every value is kept, in order; `map`: keys with values, " +
          "of which each subscriber has a copy (see also `stanzapack map`)",
      )
        .choices(["value", "log", "map"])
        .default("value"),
    )
    .addOption(
      new Option("--access <model>", "who may subscribe")
        .choices(["open", "whitelist", "authorize"])
        .default("open"),
    )
    .option(
      "--member <jid...>",
      "accounts that may subscribe, with --access whitelist or authorize: bob@example.org",
      collectMembers,
    )
    .addOption(
      new Option(
        "--compression <how>",
        "`isolated`: each update is coded alone, so that its size tells nothing about other people's updates",
      )
        .choices(["shared", "isolated"])
        .default("shared"),
    )
    .addOption(
      new Option(
        "--durability <how>",
        "`none`: the component keeps updates in memory; `interval`: on its disk within a second; `sync`: on its disk " +
          "before anybody receives them (default: interval where the component has a disk, otherwise none)",
      ).choices(["none", "interval", "sync"]),
    )
    .option(
      "--max-items <count>",
      "for a log: most updates that the component keeps; for a map: most keys",
      parseCount,
    )
    .option(
      "--max-bytes <count>",
      "for a log: most bytes that the component keeps; for a map: most bytes of keys and values",
      parseCount,
    )
    .option(
      "--item-expire <duration>",
      "for a log: the component drops updates that are older: 90s, 720h",
      parseSeconds,
    )
    .option("--title <text>", "description of the service, shown in service discovery")
    .option("--every <duration>", "run COMMAND this often and publish its output: 100ms, 1s", parseInterval)
    .option("--text", "publish every value as a string, even if it looks like JSON")
    .option(
      "--strict-json",
      "do not publish a line that is not JSON, or that has a number that a double cannot hold",
    )
    .addOption(
      new Option(
        "--on-error <what>",
        "at a line that cannot be published: `skip` the line, and exit with 1 at the end; or `stop` there",
      )
        .choices(["skip", "stop"])
        .default("skip"),
    )
    .option(
      "--store <dir>",
      "for a log: keep values in DIR until the component acknowledges them; a signal withdraws nothing",
    )
    .option("--keep", "keep offering the last value after the end of stdin, until SIGINT or SIGTERM");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Lines are UTF-8 and end with LF or CRLF. A byte order mark before the first line is left out. A number that a double
cannot hold (9007199254740993, 1e400) is published as a string of its digits, with a warning. The command cannot publish
a line that is longer than 1 MiB, has bytes that are not UTF-8, has a NUL, or whose value is too large or nested too
deeply. It reports the number of such a line.

With --kind map, lines are {"key": "k", "value": 1} or {"key": "k", "removed": true}. The command cannot publish other
lines, and lines beyond --max-items or --max-bytes. When the command ends, the map ends too; with --keep the command
waits for a signal first. \`stanzapack map import\` sets keys that stay.

Examples:
  $ printf '%s\\n' 21.4 21.5 '{"c": 21.6}' | stanzapack offer temp --keep
  $ stanzapack offer load --every 1s -- cut -d ' ' -f 1 /proc/loadavg
  $ journalctl -f -o json | stanzapack offer journal --kind log --access whitelist --member bob@example.org
  $ journalctl -f -o json | stanzapack offer journal --kind log --max-items 10000 --item-expire 24h
  $ tail -F readings.ndjson | stanzapack offer readings --kind log --store /var/lib/readings
  $ ./watch-fleet | stanzapack offer fleet --kind map --max-items 5000
  $ stanzapack offer orders --kind log --strict-json --on-error stop < orders.ndjson
  $ ping example.org | stanzapack offer ping --text`,
    )
    .action(lazily(async () => (await import("../actions/offer.js")).offer));
}
