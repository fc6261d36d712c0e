import { Option, type Command } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { lazily } from "../base/lazily.js";
import {
  collectKeys,
  parseCursorName,
  parseKey,
  parseNodeName,
  parseServiceName,
  parseWindow,
} from "../base/parse.js";

const NODE = "the map: alice@example.org/fleet";
const NAME = "name of a map of this account: 1 to 64 of a-z A-Z 0-9 . _ -";

export function addMap(program: Command): void {
  const map = program
    .command("map")
    .summary("read, watch and change services of kind map")
    .description("Reads, watches and changes maps: services with keys and values.");
  map.action(() => map.help({ error: true }));
  addGet(map);
  addWatch(map);
  addSet(map);
  addDelete(map);
  addExport(map);
  addImport(map);
}

function addGet(map: Command): void {
  const command = map
    .command("get")
    .summary("print the values of some keys")
    .description(
      "Prints each key with its value, as one line of JSON. Receives only the keys that are named, up to 64 of them. " +
        "Without keys, prints all of the map, in the order of keys. Exits with 1 if a key is not there.",
    )
    .argument("<node>", NODE, parseNodeName)
    .argument("[key...]", "keys of the map")
    .option("--json", "one JSON array on stdout: rows {key, value}");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Lines on stdout: {"key", "value"}. Bytes are base64.

Examples:
  $ stanzapack map get alice@example.org/fleet van-7
  $ stanzapack map get alice@example.org/fleet | jq -r 'select(.value.fuel < 10) | .key'`,
    )
    .action(lazily(async () => (await import("../actions/map.js")).get));
}

function addWatch(map: Command): void {
  const command = map
    .command("watch")
    .summary("print each change of a map as it comes")
    .description(
      "Prints all of the map, then each change, as lines of JSON, until SIGINT or SIGTERM. Reconnects by itself. If " +
        "stdout is read slowly, prints the newest value of each key. Ends with exit code 1 if the map is withdrawn.",
    )
    .argument("<node>", NODE, parseNodeName)
    .option(
      "--window <duration>",
      "longest time that changes may wait for a common batch, which saves bytes: 100ms, 1s, 0",
      parseWindow,
      0,
    )
    .option("--key <key...>", "print only these keys, at most 64", collectKeys)
    .addOption(
      new Option("--prefix <text>", "print only keys that begin so").argParser(parseKey).conflicts("key"),
    )
    .option(
      "--cursor <name>",
      "the component keeps under this name how far this command has come, and the next command with the name prints only " +
        "what has changed since, also on another machine",
      parseCursorName,
    );
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Lines on stdout:
  {"key", "value"}              the key has this value now
  {"key", "removed": true}      the key was removed
  {"event": "synced"}           the lines above are the map: at the beginning, and after each break
  {"event": "repaired", "keys"} this many keys of this command's copy were wrong; the lines above have their right values
  {"event": "reset", "reason"}  with --cursor: what was printed before does not count; all of the map follows
  {"event": "status", "reason"} status of the publisher (online, offline, paused), or of the link (disconnected, waiting)

With --cursor a change counts as taken once its line is written. After a crash, some changes may come again. Use one
cursor with the same --key or --prefix each time. A second command with the same cursor ends the first one.

Examples:
  $ stanzapack map watch alice@example.org/fleet --window 1s
  $ stanzapack map watch alice@example.org/fleet --key van-1 van-7
  $ stanzapack map watch alice@example.org/fleet --prefix van- --cursor warehouse | ./update-database`,
    )
    .action(lazily(async () => (await import("../actions/map.js")).watch));
}

function addSet(map: Command): void {
  const command = map
    .command("set")
    .summary("set the value of a key")
    .description(
      "Sets a key of a map of this account, and ends when the component keeps the change. Offers the map if nobody " +
        "does. Without another publisher, the component keeps the map for ten minutes, or for 30 days if it has a " +
        "store. While another session offers the map, ends with the error `conflict`.",
    )
    .argument("<name>", NAME, parseServiceName)
    .argument("<key>", "1 to 512 characters")
    .argument("<value>", "JSON, or any other text as a string");
  addConnectionOptions(command)
    .addHelpText("after", `\nExample:\n  $ stanzapack map set fleet van-7 '{"lat": 52.51, "lon": 13.4}'`)
    .action(lazily(async () => (await import("../actions/map.js")).set));
}

function addDelete(map: Command): void {
  const command = map
    .command("delete")
    .summary("remove keys")
    .description(
      "Removes keys of a map of this account, all in one change, and ends when the component keeps the change. Ignores " +
        "keys that are not there.",
    )
    .argument("<name>", NAME, parseServiceName)
    .argument("<key...>", "keys to remove");
  addConnectionOptions(command)
    .addHelpText("after", `\nExample:\n  $ stanzapack map delete fleet van-7 van-8`)
    .action(lazily(async () => (await import("../actions/map.js")).remove));
}

function addExport(map: Command): void {
  const command = map
    .command("export")
    .summary("write a map to stdout, for `map import`")
    .description(
      'Writes all of a map as lines {"key", "value"}, in the order of keys. Bytes are base64, which `map import` reads ' +
        "as text.",
    )
    .argument("<node>", NODE, parseNodeName);
  addConnectionOptions(command)
    .addHelpText("after", `\nExample:\n  $ stanzapack map export alice@example.org/fleet > fleet.ndjson`)
    .action(lazily(async () => (await import("../actions/map.js")).exportMap));
}

function addImport(map: Command): void {
  const command = map
    .command("import")
    .summary("set the keys of lines of stdin")
    .description(
      'Reads lines {"key", "value"} and {"key", "removed": true} from stdin, and makes all of them one change of ' +
        "the map, of at most 16 MiB. If a line has another form, changes nothing and exits with 1.",
    )
    .argument("<name>", NAME, parseServiceName)
    .option("--replace", "remove all keys that stdin does not have");
  addConnectionOptions(command)
    .addHelpText("after", `\nExample:\n  $ stanzapack map import fleet --replace < fleet.ndjson`)
    .action(lazily(async () => (await import("../actions/map.js")).importMap));
}
