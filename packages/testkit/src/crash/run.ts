import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import type { RunContext } from "../base/command.js";
import { runSideBySide } from "../base/side-by-side.js";
import type { FaultKind } from "./faults.js";
import { runRound, type CrashRow } from "./round.js";
import { Residents } from "./residents.js";
import { startStage, type LogDurability, type StoreKind } from "./stage.js";

export interface CrashOptions extends RunContext<CrashRow> {
  readonly rounds: number;
  /** Seed of the first round. Each next round adds one. */
  readonly seed: number;
  readonly servers: readonly ServerKind[];
  readonly transports: readonly TransportKind[];
  /** Faults, which consecutive seeds take in turn. */
  readonly faults: readonly FaultKind[];
  readonly store: StoreKind;
  /** Durabilities of logs and maps, which rounds and transports take in turn. */
  readonly durabilities: readonly LogDurability[];
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
  const { rounds, seed: firstSeed, transports, durabilities, swift, signal, tell, onRow } = options;
  tell(`${server}: starting …`);
  const stage = await startStage(server, signal, options.store);
  let residents: Residents | undefined;
  try {
    if (options.store !== "memory") residents = await Residents.start(stage, transports, signal);
    for (let round = 1; round <= rounds; round++) {
      const seed = firstSeed + round - 1;
      const fault = options.faults[seed % options.faults.length] as FaultKind;
      tell(`${server}: round ${round} of ${rounds}, seed ${seed}: ${fault}`);
      const faults = new Map(transports.map((transport) => [transport, fault]));
      const told = { round, seed, faults, durabilities, residents, swift, signal, tell };
      for (const row of await runRound(stage, told)) {
        tell(`${server} ${nameOf(row)}: ${tellOutcome(row)}`);
        if (row.findings.length > 0) tell(`to repeat round ${round}: ${repeatCommand(row, options)}`);
        onRow(row);
      }
      if (residents !== undefined) tell(`${server} own processes: ${residents.progress}`);
    }
  } finally {
    tell(`${server}: stopping …`);
    await residents?.close();
    await stage.stop();
  }
}

/** The command that repeats a round. Its timing depends on the machine. */
function repeatCommand(
  { server, seed, fault, store }: CrashRow,
  { durabilities, transports, swift }: CrashOptions,
): string {
  const options = [
    ...["--rounds 1", `--seed ${seed}`, `--server ${server}`, `--fault ${fault}`, `--store ${store}`],
    ...(durabilities.length === 1 && store !== "memory" ? [`--durability ${durabilities[0]}`] : []),
    ...(transports.length === 1 ? [`--transport ${transports[0]}`] : []),
    ...(swift ? ["--swift"] : []),
  ];
  return `npm -s run test:crash -- ${options.join(" ")}`;
}

function nameOf({ transport, process, durability }: CrashRow): string {
  return process === "test" ? transport : `${transport}, ${durability} log of the own processes`;
}

function tellOutcome({ published, delivered, settledMs, findings }: CrashRow): string {
  const settled = settledMs === null ? "not settled" : `settled in ${settledMs} ms`;
  return [`${delivered} of ${published} delivered, ${settled}`, ...findings].join("\n  ");
}
