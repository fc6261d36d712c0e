// `npm -s run test:crash -- --rounds N`
import { parseArgs } from "node:util";
import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import { onInterruption, readChoice, readWhole } from "../base/command.js";
import { FAULT_KINDS, type FaultKind } from "./faults.js";
import { formatRows } from "./report.js";
import type { CrashRow } from "./round.js";
import { runCrashes } from "./run.js";
import { TRANSPORTS } from "./stage.js";

const SERVERS = ["prosody", "ejabberd"] as const satisfies readonly ServerKind[];

const USAGE = `Usage: npm -s run test:crash -- [--rounds N] [--seed S] [--server S] [--transport T]
                                      [--fault F] [--swift] [--json]

Starts private servers, a component and clients, and has something go wrong under load: a log of 200 updates a second, read by
one subscriber from the first update, one live, and one that reads too slowly. Then every update must have come to everyone once and in
order, or its loss must have been told exactly.

  --rounds N     rounds on each server, all transports in each (default 20)
  --seed S       of the first round, the next has S + 1, …; the seed draws what happens (default: by the clock, and told).
                 \`--rounds 1 --seed S\` repeats the round of that seed; what it meets when is the machine's.
  --server S     prosody or ejabberd (default: both, at once)
  --transport T  tcp, websocket or bosh (default: all)
  --fault F      this alone, in every round (default: one after another)
  --swift        rounds as short as those of \`npm test\`
  --json         the rows as one JSON array
  --help         this text

Faults: ${FAULT_KINDS.join(", ")}.
Seeds that follow each other have them all. \`clients\` are the publisher, one subscriber, all of them, or everyone.

Rows: {server, transport, round, seed, fault, durability, published, acknowledged, delivered, lost, repeated, duplicated,
reordered, settledMs, findings}. delivered: updates that every subscriber got; lost: the others, each told. repeated: came again
after a reset, since the component had forgotten them. settledMs: from the load's end, a second or more
after the fault's, until everyone had everything.
Only a component whose process ends may lose or repeat anything: journals are in memory (durability \`none\`).

Exit status: 0 all well, 1 a finding or a failure, 2 wrong arguments.
`;

interface Arguments {
  readonly rounds: number;
  readonly seed: number;
  readonly servers: readonly ServerKind[];
  readonly transports: readonly TransportKind[];
  readonly faults: readonly FaultKind[];
  readonly swift: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "20" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      server: { type: "string" },
      transport: { type: "string" },
      fault: { type: "string" },
      swift: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    rounds: readWhole("--rounds", values.rounds, 1),
    seed: readWhole("--seed", values.seed, 0),
    servers: readChoice("--server", values.server, SERVERS),
    transports: readChoice("--transport", values.transport, TRANSPORTS),
    faults: readChoice("--fault", values.fault, FAULT_KINDS),
    swift: values.swift,
    json: values.json,
    help: values.help,
  };
}

async function main(): Promise<0 | 1 | 2> {
  let args: Arguments;
  try {
    args = readArguments();
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
  const rows: CrashRow[] = [];
  let failure: string | undefined;
  try {
    await runCrashes({ ...args, signal: onInterruption(), tell, onRow: (row) => rows.push(row) });
  } catch (error) {
    failure = (error as Error).message.trim().replace(/\s*\n\s*/g, " ");
  }
  // After an interruption, the rows before it are written too.
  process.stdout.write(args.json ? `${JSON.stringify(rows)}\n` : formatRows(rows));
  const wrong = rows.filter(({ findings }) => findings.length > 0).length;
  if (wrong > 0) failure ??= `${wrong} of ${rows.length} rounds went wrong`;
  if (failure === undefined) return 0;
  process.stderr.write(`stanzapack: internal: ${failure}\n`);
  return 1;
}

process.exitCode = await main();
