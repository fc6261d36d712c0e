import type { Command } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { parseBareJid } from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addServices(program: Command): void {
  const command = program
    .command("services")
    .summary("list the services that this account may subscribe to")
    .description("Lists the services that this account may subscribe to, or only those of one publisher.")
    .argument("[jid]", "publisher: alice@example.org", parseBareJid)
    .option("--json", "one JSON array on stdout: rows {node, kind, access, windowMs, online}");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
\`windowMs\` is the smallest window of all subscribers, or null while there are none. \`online\` says whether the
publisher is connected.

Examples:
  $ stanzapack services
  $ stanzapack services alice@example.org --json
  $ stanzapack services --json | jq -r '.[] | select(.online) | .node'`,
    )
    .action(lazily(async () => (await import("../actions/services.js")).services));
}
