import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import type { FaultKind } from "./faults.js";
import { runRound, type CrashRow } from "./round.js";
import { startStage } from "./stage.js";

export interface CrashOptions {
  readonly rounds: number;
  /** Of the first round; the next one's is one more. */
  readonly seed: number;
  readonly servers: readonly ServerKind[];
  readonly transports: readonly TransportKind[];
  /** Consecutive seeds have one after another. */
  readonly faults: readonly FaultKind[];
  /** Rounds a third as long. */
  readonly swift: boolean;
  readonly signal: AbortSignal;
  /** Progress, a line each time. */
  readonly tell: (text: string) => void;
  readonly onRow: (row: CrashRow) => void;
}

/** All servers at once, their rounds one after the other, in each all transports at once. */
export async function runCrashes(options: CrashOptions): Promise<void> {
  // One server's failure must not leave the other running.
  const stopping = new AbortController();
  const signal = AbortSignal.any([options.signal, stopping.signal]);
  const results = await Promise.allSettled(
    options.servers.map(async (server) => {
      try {
        await runServer(server, { ...options, signal });
      } catch (error) {
        stopping.abort();
        throw error;
      }
    }),
  );
  options.signal.throwIfAborted();
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as Error] : [],
  );
  const [failure] = failures.filter(({ name }) => name !== "AbortError").concat(failures);
  if (failure !== undefined) throw failure;
}

async function runServer(server: ServerKind, options: CrashOptions): Promise<void> {
  const { rounds, seed: firstSeed, transports, swift, signal, tell, onRow } = options;
  tell(`${server}: starting …`);
  const stage = await startStage(server, signal);
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
