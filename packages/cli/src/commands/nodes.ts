import type { Command } from "commander";
import { addConnectionOptions } from "../base/connection-options.js";
import { lazily } from "../base/lazily.js";

export function addNodes(program: Command): void {
  const command = program
    .command("nodes")
    .summary("list the nodes of a component that has several")
    .description(
      "Lists the nodes of a component that has several, as one of them sees them: where they are, what they carry, and " +
        "whether they live. For accounts that the component's config names under `admins`.",
    )
    .option("--json", "one JSON array on stdout");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
A node lives while it renews its session in Redis, once a second. After 10 s without that it is "away", and its services
are offline until their publishers come to another node. "seen" is the time since the last renewal, and "lag" is how long
that took. "follows" counts services of other nodes that are taken here.

Exit status: 0 if all nodes live, 1 if one is away or if the list cannot be had, 2 for wrong usage.

Examples:
  $ stanzapack nodes
  $ stanzapack nodes --json | jq -r '.[] | select(.isAlive | not) | .domain'`,
    )
    .action(lazily(async () => (await import("../actions/nodes.js")).nodes));
}
