import type { CursorInfo } from "@stanzapack/client";
import Table from "cli-table3";
import type { ConnectionOptions } from "../base/connection-options.js";
import { UsageError } from "../base/failure.js";
import { interruptible } from "../base/signals.js";
import { withClient } from "../base/with-client.js";

export interface CursorsOptions extends ConnectionOptions {
  readonly delete?: true;
  readonly json?: true;
}

export async function cursors(
  node: string | undefined,
  name: string | undefined,
  options: CursorsOptions,
): Promise<void> {
  if ((options.delete === true) !== (name !== undefined))
    throw new UsageError("`cursors` takes a name together with `--delete`: --delete NODE NAME");
  await interruptible(async (interruption) => {
    const text = await withClient(options, interruption, async (client) => {
      if (node !== undefined && name !== undefined) {
        await client.deleteCursor(node, name);
        return options.json ? toJson([{ node, cursor: name }]) : "";
      }
      const found = await client.cursors(node);
      return options.json ? toJson(found.map(toRow)) : formatTable(found);
    });
    process.stdout.write(text);
  });
}

function toJson(rows: readonly object[]): string {
  return `${JSON.stringify(rows)}\n`;
}

function toRow({ node, name, epoch, offset, at, used }: CursorInfo): object {
  return { node, cursor: name, epoch, offset, at, used };
}

function formatTable(found: readonly CursorInfo[]): string {
  if (found.length === 0) return "no cursors\n";
  const table = new Table({ head: ["node", "cursor", "position", "written", "in use"], style: PLAIN });
  for (const { node, name, epoch, offset, at, used } of found)
    table.push([node, name, `${epoch}:${offset}`, new Date(at).toISOString(), used ? "yes" : "no"]);
  return `${table.toString()}\n`;
}

const PLAIN = { head: [], border: [], compact: true };
