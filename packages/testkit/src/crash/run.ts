import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import type { RunContext } from "../base/command.js";
import { runSideBySide } from "../base/side-by-side.js";
import type { FaultKind } from "./faults.js";
import { runRound, type CrashRow } from "./round.js";
import { startStage, type LogDurability } from "./stage.js";

export interface CrashOptions extends RunContext<CrashRow> {
  readonly rounds: number;
  /** Seed of the first round. Each next round adds one. */
  readonly seed: number;
  readonly servers: readonly ServerKind[];
  readonly transports: readonly TransportKind[];
  /** Faults, which consecutive seeds take in turn. */
  readonly faults: readonly FaultKind[];
  readonly durability: LogDurability;
  /** Whether rounds take a third of the time. */
  readonly swift: boolean;
}

/** Runs all servers at once. Each server's rounds run one after another, and in each round all transports at once. */
export async function runCrashes(options: CrashOptions): Promise<void> {
  await runSideBySide(options.servers, options.signal, (server, signal) =>
    runServer(server, { ...options, signal }),
  );
}

async function runServer(server: ServerKind, options: CrashOptions): Promise<void> {
  const { rounds, seed: firstSeed, transports, swift, signal, tell, onRow } = options;
  tell(`${server}: starting …`);
  const stage = await startStage(server, signal, options.durability);
  try {
    for (let round = 1; round <= rounds; round++) {
      const seed = firstSeed + round - 1;
      const fault = options.faults[seed % options.faults.length] as FaultKind;
      tell(`${server}: round ${round} of ${rounds}, seed ${seed}: ${fault}`);
      const faults = new Map(transports.map((transport) => [transport, fault]));
      for (const row of await runRound(stage, { round, seed, faults, swift, signal, tell })) {
        tell(`${server} ${row.transport}: ${tellOutcome(row)}`);
        onRow(row);
      }
    }
  } finally {
    tell(`${server}: stopping …`);
    await stage.stop();
  }
}

function tellOutcome({ published, delivered, settledMs, findings }: CrashRow): string {
  const settled = settledMs === null ? "not settled" : `settled in ${settledMs} ms`;
  return [`${delivered} of ${published} delivered, ${settled}`, ...findings].join("\n  ");
}
