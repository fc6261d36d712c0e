import { StanzapackError, type Client, type Held } from "@stanzapack/client";
import Table from "cli-table3";
import { confirm } from "../base/confirm.js";
import type { ConnectionOptions } from "../base/connection-options.js";
import { UsageError } from "../base/failure.js";
import { interruptible } from "../base/signals.js";
import { withClient } from "../base/with-client.js";

export interface PurgeOptions extends ConnectionOptions {
  readonly dryRun?: true;
  readonly yes?: true;
  readonly json?: true;
}

export async function purge(account: string, options: PurgeOptions): Promise<void> {
  const { dryRun, yes, json } = options;
  // Asked before the login, because nobody is there to answer.
  if (dryRun !== true && yes !== true && !process.stdin.isTTY)
    throw new UsageError("without a terminal, `purge` needs `--yes` or `--dry-run`");
  await interruptible(async (interruption) => {
    await withClient(options, interruption, async (client) => {
      if (dryRun !== true && yes !== true && !(await mayPurge(client, account, interruption.signal)))
        throw new StanzapackError("aborted", "nothing was removed", { mend: "Answer y to remove it." });
      const held = await client.purge(account, { dryRun: dryRun === true });
      process.stdout.write(json === true ? `${JSON.stringify(held)}\n` : formatTable(held));
    });
  });
}

/** Shows what would be removed, and asks. */
async function mayPurge(client: Client, account: string, signal: AbortSignal): Promise<boolean> {
  process.stderr.write(formatTable(await client.purge(account, { dryRun: true })));
  return confirm(`Remove all of this of ${account}? [y/N] `, signal);
}

function formatTable(held: readonly Held[]): string {
  const table = new Table({ head: ["what", "count", "nodes"], style: PLAIN });
  for (const { what, count, nodes } of held) {
    const more = count > nodes.length ? [`and ${count - nodes.length} more`] : [];
    table.push([what, count, [...nodes, ...more].join("\n")]);
  }
  return `${table.toString()}\n`;
}

const PLAIN = { head: [], border: [], compact: true };
