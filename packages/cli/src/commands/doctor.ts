import type { Command } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { lazily } from "../base/lazily.js";
import { parseNumber } from "../base/parse.js";

export function addDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .summary("check a deployment, and say how to fix what is wrong")
    .description(
      "Checks a deployment, and says how to fix each finding on Prosody and on ejabberd. With --config it checks " +
        "from the component's side: config, secret, server, store. With --jid it checks from a client's side: DNS, " +
        "certificates, transports, the component, limits, clocks. With both it checks both.",
    )
    .option("--config <file>", "check from the component's side: the config file of `stanzapack serve`")
    .option("--websocket-url <url>", "address of WebSocket to check, instead of a look-up: wss://…")
    .option("--bosh-url <url>", "address of BOSH to check, instead of a look-up: https://…")
    .option(
      "--load <kB/s>",
      "kB a second that your busiest publisher sends; a lower limit is then a failure (default: 64, a warning)",
      parseNumber,
    )
    .option("--json", "one JSON array on stdout: rows {check, side, result, found, fix}");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Each check has a line: ok, warning, failure, or skipped with the reason. The last line is the verdict. The exit code is
0 if no check has failed, 1 if one has, and 2 for wrong usage.

doctor changes nothing, and disturbs nobody. It logs in as the component only if none is connected. With --jid it logs in
as that account, up to two sessions at a time, and sends 350 kB to its own session. It takes some seconds.

Run the component's side on the component's machine, as the component's user. Without --component, the client's side
uses the domain of the config file. With an address (--url, --websocket-url or --bosh-url) it looks up no other address.

Examples:
  $ sudo -u stanzapack stanzapack doctor --config /etc/stanzapack.yml
  $ stanzapack doctor --jid bob@example.org --password-file bob.password --component streams.example.org
  $ stanzapack doctor --json … | jq -r '.[] | select(.result == "failure") | .check'`,
    )
    .action(lazily(async () => (await import("../actions/doctor.js")).doctor));
}
