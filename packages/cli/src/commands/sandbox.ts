import { type Command, Option } from "commander";
import { parseCount } from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addSandbox(program: Command): void {
  program
    .command("sandbox")
    .summary("start a private XMPP server with accounts and the component, for trials and tests")
    .description(
      "Starts a private Prosody or ejabberd on 127.0.0.1, with its own ports, certificates, accounts and " +
        "Stanzapack component. Prints one JSON line that describes the sandbox, and runs until SIGINT or " +
        "SIGTERM. At the end, also if this process is killed, the server and the component end, and " +
        "their files are removed.",
    )
    .addOption(
      new Option("--server <kind>", "server to start; it must be installed")
        .choices(["prosody", "ejabberd"])
        .default("prosody"),
    )
    .option("--users <n>", "number of accounts: user0@localhost, user1@localhost, …", parseCount, 4)
    .addOption(
      new Option("--settings <kind>", "`stock`: as the server ships; `recommended`: the settings of docker/")
        .choices(["stock", "recommended"])
        .default("recommended"),
    )
    .option("--compress", "the server offers stream compression (XEP-0138)")
    .option("--demo", "also publish demo services from the last account")
    .addHelpText(
      "after",
      `
stdout is one JSON line:
  {server, host, ports: {c2s, component, http}, websocketUrl, boshUrl, caFile, component: {domain, secret},
   streams, accounts: [{jid, password}], pids: {server, component}, configFile}
\`streams\` is the domain of the running Stanzapack component. \`component\` is a second component, which nothing uses
yet. \`configFile\` is the config file of the server. In the folder of \`caFile\`, one file for each account
(env/user0, …) sets the environment for the other commands.

Requests on stdin, one a line. The answer is a JSON line with the pids, once everything works again:
  restart server       stop the server cleanly, start it again on the same ports
  restart component    send SIGTERM to the component, start it again
  crash server         send SIGKILL to the server, start it again
  kill component       send SIGKILL to the component, start it again

Examples:
  $ stanzapack sandbox
  $ stanzapack sandbox --server ejabberd --users 10 --settings stock
  $ stanzapack sandbox > sandbox.json &`,
    )
    .action(lazily(async () => (await import("../actions/sandbox.js")).sandboxCommand));
}
