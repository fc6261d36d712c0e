import type { ServiceInfo } from "@stanzapack/client";
import Table from "cli-table3";
import type { ConnectionOptions } from "../base/connection-options.js";
import { withClient } from "../base/with-client.js";
import { interruptible } from "../base/signals.js";

export interface ServicesOptions extends ConnectionOptions {
  readonly json?: true;
}

export async function services(owner: string | undefined, options: ServicesOptions): Promise<void> {
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
      // A publisher wrote the title, so its control characters must not reach the terminal.
      title.replace(/\p{C}/gu, "?"),
    ]);
  return `${table.toString()}\n`;
}

const PLAIN = { head: [], border: [], compact: true };
