import type { Command } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { lazily } from "../base/lazily.js";
import { parseAccount } from "../base/parse.js";

export function addPurge(program: Command): void {
  const command = program
    .command("purge")
    .summary("remove everything that the component keeps of an account (administrators)")
    .description(
      "Removes everything that the component keeps of an account: its services with their logs and maps, its cursors " +
        "and subscriptions, and its approvals and memberships at services of others. Run it as an account that the component's " +
        "config file lists in `admins`.",
    )
    .argument("<jid>", "the account: carol@example.org", parseAccount)
    .option("--dry-run", "only show what would be removed")
    .option("--yes", "do not ask for confirmation")
    .option("--json", "one JSON array on stdout: rows {what, count, nodes}");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Delete or block the account at its server first. A program of the account that is still logged in loses its services and
subscriptions, and may offer and subscribe again.

Rows of --json, also those with the count 0. \`nodes\` has the first 100 at most:
  services       nodes of the account, with their updates, members and approvals
  cursors        its named cursors: node, space, name
  subscriptions  services that it subscribes to, or whose subscriptions it may resume
  grants         services of others that have approved it, or list it as a member
  requests       services of others that have not answered it yet

Examples:
  $ stanzapack purge carol@example.org --dry-run
  $ stanzapack purge carol@example.org
  $ stanzapack purge carol@example.org --yes --json`,
    )
    .action(lazily(async () => (await import("../actions/purge.js")).purge));
}
