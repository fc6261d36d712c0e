import type { ServiceInfo } from "@stanzapack/client";
import type { Command } from "commander";
import Table from "cli-table3";
import { addConnectionOptions, withClient, type ConnectionOptions } from "../connection-options.js";
import { parseBareJid } from "../parse.js";
import { interruptible } from "../signals.js";

interface ServicesOptions extends ConnectionOptions {
  readonly json?: true;
}

export function addServices(program: Command): void {
  const command = program
    .command("services")
    .summary("list the services that this account may take")
    .description("Lists the services that this account may take, or only those of one publisher.")
    .argument("[jid]", "publisher: alice@example.org", parseBareJid)
    .option("--json", "one JSON array on stdout: rows {node, kind, access, windowMs, online}");
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
\`windowMs\` is the smallest window that anyone takes the service in, null while nobody does; \`online\` tells
whether its publisher is there.

Examples:
  $ stanzapack services
  $ stanzapack services alice@example.org --json
  $ stanzapack services --json | jq -r '.[] | select(.online) | .node'`,
    )
    .action(services);
}

async function services(owner: string | undefined, options: ServicesOptions): Promise<void> {
  await interruptible(async (interruption) => {
    const found = await withClient(options, interruption, (client) => client.listServices(owner));
    process.stdout.write(options.json ? `${JSON.stringify(found.map(toRow))}\n` : formatTable(found));
  });
}

function toRow({ node, kind, access, windowMs, online }: ServiceInfo): object {
  return { node, kind, access, windowMs, online };
}

function formatTable(found: readonly ServiceInfo[]): string {
  if (found.length === 0) return "no services\n";
  const table = new Table({ head: ["node", "kind", "access", "window", "publisher", "title"], style: PLAIN });
  for (const { node, kind, access, windowMs, online, title } of found)
    table.push([
      node,
      kind,
      access,
      windowMs === null ? "nobody listens" : `${windowMs} ms`,
      online ? "online" : "offline",
      // A publisher wrote it: control characters stay out of the terminal.
      title.replace(/\p{C}/gu, "?"),
    ]);
  return `${table.toString()}\n`;
}

const PLAIN = { head: [], border: [], compact: true };
