// `npm -s run test:lean -- --count N`
import { parseArgs } from "node:util";
import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import { readChoice, readWhole, runRowCommand } from "../base/command.js";
import { proveLean, type LeanRow } from "./proof.js";

const SERVERS = ["prosody", "ejabberd"] as const satisfies readonly ServerKind[];
const TRANSPORTS = ["tcp", "websocket", "bosh"] as const satisfies readonly TransportKind[];

const USAGE = `Usage: npm -s run test:lean -- [--count N] [--every N] [--links N] [--server S] [--transport T] [--json]

Sends lean stanzas through private servers. On each transport clients publish logs, and other clients subscribe to
further logs. A proxy loses, repeats and reorders single stanzas. Each fault must end its link before the stanza is
decoded, the link must be lean again, and in the end each subscriber must have every update once and in order.

  --count N      lean stanzas in each direction over each transport (default 100000)
  --every N      lean stanzas of a link between two faults (default 2000)
  --links N      links in each direction of each transport, at the same time (default 8)
  --server S     prosody or ejabberd (default: both, side by side)
  --transport T  tcp, websocket or bosh (default: all, side by side)
  --json         the rows as one JSON array
  --help         this text

Rows: {server, transport, links, up, down, faults, published, delivered, elapsedMs, findings}. up: lean stanzas from the
publishers to the component; down: from the component to the subscribers.

Exit status: 0 all well, 1 a finding or a failure, 2 wrong arguments.
`;

interface Arguments {
  readonly count: number;
  readonly every: number;
  readonly links: number;
  readonly servers: readonly ServerKind[];
  readonly transports: readonly TransportKind[];
  readonly json: boolean;
  readonly help: boolean;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "100000" },
      every: { type: "string", default: "2000" },
      links: { type: "string", default: "8" },
      server: { type: "string" },
      transport: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { json, help } = values;
  return {
    ...{ json, help },
    count: readWhole("--count", values.count, 1),
    every: readWhole("--every", values.every, 1),
    links: readWhole("--links", values.links, 1),
    servers: readChoice("--server", values.server, SERVERS),
    transports: readChoice("--transport", values.transport, TRANSPORTS),
  };
}

function formatRow(row: LeanRow): string {
  const { server, transport, up, down, faults, published, delivered, elapsedMs, findings } = row;
  const line =
    `${server} ${transport}: ${up} lean stanzas up, ${down} down, ${faults} faults found and repaired, ` +
    `${delivered} of ${published} updates delivered, in ${Math.round(elapsedMs / 1_000)} s`;
  return [line, ...findings].join("\n  ");
}

process.exitCode = await runRowCommand<Arguments, LeanRow>({
  ...{ usage: USAGE, read: readArguments, rowsAre: "transports" },
  run: (args, context) => proveLean({ ...args, ...context }),
  format: (rows) => `${rows.map(formatRow).join("\n")}\n`,
});
