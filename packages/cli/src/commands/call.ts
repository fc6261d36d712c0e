import { type Command, Option } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { parseCallTimeout, parseMethod, parseNodeArgument } from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addCall(program: Command): void {
  const command = program
    .command("call")
    .summary("call a method of a service's publisher")
    .description(
      "Calls a method of a service's publisher, and prints the result as one line of JSON. The publisher's program " +
        "must answer that method. This account needs the right to subscribe to the service.",
    )
    .argument("<node>", "the service, as alice@example.org/valve", parseNodeArgument)
    .argument("<method>", "the method's name, of 1 to 64 characters", parseMethod)
    .argument("[json]", "the arguments, as one JSON value; null if you leave it out")
    .addOption(
      new Option("--timeout <duration>", "longest time to wait for the result, at most 10m")
        .argParser(parseCallTimeout)
        .default(30_000, "30s"),
    )
    .option("--json", "one JSON array on stdout: one row {node, method, result, ms}");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Bytes in the result are base64. A whole number that a double cannot hold is sent as a string.

A call runs at most once. The last line of stderr names an error:
  call-failed        the publisher's program answered with an error; the text is its own
  unknown-method     the publisher does not answer this method
  publisher-offline  the call did not run: try again when the publisher is online
  busy, timeout      the call did not run: try again
  outcome-unknown    the call may have run: find out what it did before you call again

Exit: 0 a result, 1 an error, 2 wrong usage.

Examples:
  $ stanzapack call alice@example.org/valve status
  $ stanzapack call alice@example.org/valve open '{"percent": 40}' --timeout 5s
  $ stanzapack call alice@example.org/heater setPoint -5
  $ stanzapack call alice@example.org/valve status --json | jq '.[0].ms'`,
    )
    .action(lazily(async () => (await import("../actions/call.js")).call));
}
