import { type Command, Option } from "commander";
import { parseCount } from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addSandbox(program: Command): void {
  program
    .command("sandbox")
    .summary("a private XMPP server with accounts and the component, for trying out and tests")
    .description(
      "Starts a private Prosody or ejabberd on 127.0.0.1 with ports, certificates, accounts and a running Stanzapack " +
        "component of its own, prints one JSON line that describes it, and runs until SIGINT or SIGTERM. Then, or when " +
        "this process is killed, server, component and files are gone.",
    )
    .addOption(
      new Option("--server <kind>", "which server; it must be installed")
        .choices(["prosody", "ejabberd"])
        .default("prosody"),
    )
    .option("--users <n>", "accounts user0@localhost, user1@localhost, …", parseCount, 4)
    .addOption(
      new Option("--settings <kind>", "as it ships, or with the settings of docker/")
        .choices(["stock", "recommended"])
        .default("recommended"),
    )
    .option("--compress", "the server offers stream compression (XEP-0138)")
    .option("--demo", "also publish demo services, from the last account")
    .addHelpText(
      "after",
      `
stdout is one JSON line:
  {server, host, ports: {c2s, component, http}, websocketUrl, boshUrl, caFile, component: {domain, secret},
   streams, accounts: [{jid, password}], pids: {server, component}, configFile}
\`streams\` is the domain of the running Stanzapack component, \`component\` a second, free one; \`configFile\` is
the server's. Beside \`caFile\`, one file per account (env/user0, …) sets the environment for the other commands.

Lines on stdin; each is answered by a JSON line with the pids once everything works again:
  restart server       stop it cleanly, start it on the same ports
  restart component    SIGTERM, then start
  crash server         SIGKILL, then start
  kill component       SIGKILL, then start

Examples:
  $ stanzapack sandbox
  $ stanzapack sandbox --server ejabberd --users 10 --settings stock
  $ stanzapack sandbox > sandbox.json &`,
    )
    .action(lazily(async () => (await import("../actions/sandbox.js")).sandboxCommand));
}
