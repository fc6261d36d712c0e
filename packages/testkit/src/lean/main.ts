// `npm -s run test:lean -- --count N`
import { parseArgs } from "node:util";
import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import { onInterruption, readChoice, readWhole } from "../base/command.js";
import { proveLean, type LeanRow } from "./proof.js";

const SERVERS = ["prosody", "ejabberd"] as const satisfies readonly ServerKind[];
const TRANSPORTS = ["tcp", "websocket", "bosh"] as const satisfies readonly TransportKind[];

const USAGE = `Usage: npm -s run test:lean -- [--count N] [--every N] [--server S] [--transport T] [--json]

Sends lean stanzas through private servers. On each transport a client publishes a log, and another client subscribes
to a second log. A proxy loses, repeats and reorders single stanzas. Each fault must end its link before the stanza is
decoded, the link must be lean again, and in the end each subscriber must have every update once and in order.

  --count N      lean stanzas in each direction over each transport (default 100000)
  --every N      lean stanzas of a direction between two faults (default 2000)
  --server S     prosody or ejabberd (default: both, side by side)
  --transport T  tcp, websocket or bosh (default: all, one after another)
  --json         the rows as one JSON array
  --help         this text

Rows: {server, transport, up, down, faults, published, delivered, elapsedMs, findings}. up: lean stanzas from the
publisher to the component; down: from the component to the subscriber.

Exit status: 0 all well, 1 a finding or a failure, 2 wrong arguments.
`;

async function main(): Promise<0 | 1 | 2> {
  let args;
  try {
    const { values } = parseArgs({
      options: {
        count: { type: "string", default: "100000" },
        every: { type: "string", default: "2000" },
        server: { type: "string" },
        transport: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const { json, help } = values;
    args = {
      ...{ json, help },
      count: readWhole("--count", values.count, 1),
      every: readWhole("--every", values.every, 1),
      servers: readChoice("--server", values.server, SERVERS),
      transports: readChoice("--transport", values.transport, TRANSPORTS),
    };
  } catch (error) {
    process.stderr.write(`${USAGE}\nstanzapack: usage: ${(error as Error).message}\n`);
    return 2;
  }
  if (args.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const start = performance.now();
  const tell = (text: string): void => {
    const seconds = ((performance.now() - start) / 1_000).toFixed(1).padStart(6);
    process.stderr.write(`${seconds} s  ${text}\n`);
  };
  const rows: LeanRow[] = [];
  let failure: string | undefined;
  try {
    await proveLean({ ...args, signal: onInterruption(), tell, onRow: (row) => rows.push(row) });
  } catch (error) {
    failure = (error as Error).message.trim().replace(/\s*\n\s*/g, " ");
  }
  // After an interruption, the rows before it are written too.
  process.stdout.write(args.json ? `${JSON.stringify(rows)}\n` : `${rows.map(formatRow).join("\n")}\n`);
  const wrong = rows.filter(({ findings }) => findings.length > 0).length;
  if (wrong > 0) failure ??= `${wrong} of ${rows.length} transports have findings`;
  if (failure === undefined) return 0;
  process.stderr.write(`stanzapack: internal: ${failure}\n`);
  return 1;
}

function formatRow(row: LeanRow): string {
  const { server, transport, up, down, faults, published, delivered, elapsedMs, findings } = row;
  const line =
    `${server} ${transport}: ${up} lean stanzas up, ${down} down, ${faults} faults found and repaired, ` +
    `${delivered} of ${published} updates delivered, in ${Math.round(elapsedMs / 1_000)} s`;
  return [line, ...findings].join("\n  ");
}

process.exitCode = await main();
