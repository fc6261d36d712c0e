// `npm -s run test:crash -- --rounds N`
import { parseArgs } from "node:util";
import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import { readChoice, readWhole, runRowCommand } from "../base/command.js";
import { FAULT_KINDS, REDIS_FAULT_KINDS, type FaultKind } from "./faults.js";
import { formatRows } from "./report.js";
import type { CrashRow } from "./round.js";
import { runCrashes } from "./run.js";
import { STORED_DURABILITIES, STORES, TRANSPORTS, type LogDurability, type StoreKind } from "./stage.js";

const SERVERS = ["prosody", "ejabberd"] as const satisfies readonly ServerKind[];

const USAGE = `Usage: npm -s run test:crash -- [--rounds N] [--seed S] [--server S] [--transport T]
                                      [--fault F] [--store S] [--durability D] [--swift] [--json]

Starts private servers, a component and clients, and breaks something under load. In each round each transport has a
new log of 200 updates a second. One subscriber reads it from the first update, one reads live, and one reads too
slowly. In the end each subscriber must have every update once and in order, or an exact report of its loss. Each
subscriber also has a copy of a map, one of them of a part of it. In the end the copies must be the publisher's map, and
\`verify\` must find nothing to repair.

With a store there are also a publisher and a subscriber with a process of their own, which live through all rounds.
Most rounds kill (SIGKILL) one of them or both, or break their network, beside the fault of the round. They have a log
with \`sync\`, which is read by a named cursor, a log with \`interval\`, a map, a queue of commands, and an approved
account. After each round everything that was promised must be there.

  --rounds N     rounds on each server; a round uses all transports (default 20)
  --seed S       seed of the first round, which decides what breaks and how; the next round has S + 1, and so on
                 (default: from the clock, and printed). \`--rounds 1 --seed S\` repeats one round. Its timing depends on
                 the machine.
  --server S     prosody or ejabberd (default: both at once)
  --transport T  tcp, websocket or bosh (default: all)
  --fault F      the only fault, in every round (default: all faults, one after another)
  --store S      memory: the component forgets everything when its process ends. lmdb: it has a store on its disk.
                 redis: it has a store in a Redis of its own (default: lmdb)
  --durability D durability of the logs and maps in the store. sync: nothing may be lost or repeated. interval: a
                 component that is killed may lose what it had not stored yet, at most two seconds of it; what was
                 delivered but not stored may be repeated. (default: both, the transports in turn)
  --swift        rounds as short as those of \`npm test\`
  --json         print the rows as one JSON array
  --help         print this text

Faults: ${FAULT_KINDS.join(", ")}.
With \`--store redis\` also: ${REDIS_FAULT_KINDS.join(", ")}.
Consecutive seeds go through all faults. \`clients\` are the publisher, one subscriber, all subscribers, or everyone.

Rows: {server, transport, store, round, seed, fault, durability, process, killed, published, acknowledged, delivered,
lost, repeated, duplicated, reordered, settledMs, findings}.
  process     test: clients of this process, one row for each transport. own: programs with a process of their own, one
              row for each of their logs. \`transport\` is then that of their publisher
  killed      which of these programs were killed
  delivered   updates that every subscriber received
  lost        all other updates; their loss was reported
  repeated    updates that arrived again: after a crash, since the component had not stored them; or behind a cursor,
              since the killed program had not told yet that it has them
  settledMs   time from the end of the load until every subscriber had every update; the load ends a second or more
              after the fault
  findings    what was expected, and what was seen. stderr also has the command that repeats the round
No component with the durability \`sync\` may lose or repeat anything. With \`interval\` a component that was killed
leaves out positions, and tells its subscribers so; its updates then go on behind these positions.

Exit status: 0 all well, 1 at least one finding or a failure, 2 wrong arguments.
`;

interface Arguments {
  readonly rounds: number;
  readonly seed: number;
  readonly servers: readonly ServerKind[];
  readonly transports: readonly TransportKind[];
  readonly faults: readonly FaultKind[];
  readonly store: StoreKind;
  readonly durabilities: readonly LogDurability[];
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
      store: { type: "string", default: "lmdb" },
      durability: { type: "string" },
      swift: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [store = "lmdb"] = readChoice("--store", values.store, STORES);
  const stored = readChoice("--durability", values.durability, STORED_DURABILITIES);
  const faults = store === "redis" ? [...REDIS_FAULT_KINDS, ...FAULT_KINDS] : FAULT_KINDS;
  return {
    rounds: readWhole("--rounds", values.rounds, 1),
    seed: readWhole("--seed", values.seed, 0),
    servers: readChoice("--server", values.server, SERVERS),
    transports: readChoice("--transport", values.transport, TRANSPORTS),
    faults: readChoice("--fault", values.fault, faults),
    store,
    durabilities: store === "memory" ? ["none"] : stored,
    swift: values.swift,
    json: values.json,
    help: values.help,
  };
}

process.exitCode = await runRowCommand<Arguments, CrashRow>({
  ...{ usage: USAGE, read: readArguments, format: formatRows, rowsAre: "rounds" },
  run: (args, context) => runCrashes({ ...args, ...context }),
});
