import type { Command } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { lazily } from "../base/lazily.js";
import { parseCursorName, parseNodeName } from "../base/parse.js";

export function addCursors(program: Command): void {
  const command = program
    .command("cursors")
    .summary("list the cursors of this account, or delete one")
    .description(
      "Lists the cursors of this account, or only those of one service. A cursor says how far a consumer has come in " +
        "a log. `subscribe --cursor NAME` creates the cursor, and continues there next time.",
    )
    .argument("[node]", "a service: alice@example.org/orders", parseNodeName)
    .argument("[name]", "with --delete: the name of a cursor", parseCursorName)
    .option("--delete", "delete the cursor of this node and name")
    .option("--json", "one JSON array on stdout: rows {node, cursor, epoch, offset, at, used}");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
\`epoch\` and \`offset\` are the last position that the consumer has taken. \`at\` is the time at which the component wrote
the cursor, in ms since 1970 by the component's clock. \`used\` says whether a subscription uses the cursor now; such a
cursor cannot be deleted. With --delete and --json, the array has {node, cursor} of the cursor that was deleted.

Examples:
  $ stanzapack cursors
  $ stanzapack cursors alice@example.org/orders --json
  $ stanzapack cursors --delete alice@example.org/orders warehouse`,
    )
    .action(lazily(async () => (await import("../actions/cursors.js")).cursors));
}
