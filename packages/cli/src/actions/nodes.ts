import type { Client } from "@stanzapack/client";
import type { ComponentRow, NodeRow } from "@stanzapack/component";
import { StanzapackError } from "@stanzapack/wire";
import Table from "cli-table3";
import type { ConnectionOptions } from "../base/connection-options.js";
import { interruptible } from "../base/signals.js";
import { withClient } from "../base/with-client.js";
import { subscribeAsAdmin } from "../top/subscribe-as-admin.js";

export interface NodesOptions extends ConnectionOptions {
  readonly json?: true;
}

export async function nodes(options: NodesOptions): Promise<void> {
  await interruptible(async (interruption) => {
    const rows = await withClient(options, interruption, (client) => read(client, options.component ?? ""));
    process.stdout.write(options.json ? `${JSON.stringify(rows)}\n` : formatTable(rows));
    const away = rows.flatMap(({ domain, isAlive }) => (isAlive ? [] : [domain]));
    if (away.length > 0)
      throw new StanzapackError("component-unavailable", `these nodes are away: ${away.join(", ")}`, {
        mend: "Start them again, or look whether they reach Redis. A node that stays away is forgotten after an hour.",
      });
  });
}

/** Throws `not-allowed` for an account that is no administrator, and `unsupported` if the component is alone. */
async function read(client: Client, component: string): Promise<readonly NodeRow[]> {
  const [overview] = await subscribeAsAdmin(client, component, (subscribe) => [
    subscribe<ComponentRow>("overview"),
  ]);
  for await (const { value } of overview) {
    if (value.nodes !== undefined) return value.nodes;
    throw new StanzapackError("unsupported", `${component} is one component alone`, {
      mend: "Give each component the same Redis store, and the key `nodes`, if it should be one of several.",
    });
  }
  throw new StanzapackError("no-such-service", `${component} has ended its overview`);
}

function formatTable(rows: readonly NodeRow[]): string {
  const head = [
    "node",
    "region",
    "state",
    "weight",
    "links",
    "services",
    "follows",
    "subscriptions",
    "seen",
    "lag",
  ];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const row of rows)
    table.push([
      ...[row.domain, row.region ?? "", row.isAlive ? "alive" : "away", row.weight, row.links],
      ...[row.services, row.followed, row.subscriptions],
      ...[`${Math.round(row.ageMs / 1_000)} s ago`, `${row.lagMs} ms`],
    ]);
  return `${table.toString()}\n`;
}
