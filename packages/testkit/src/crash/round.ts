import { setTimeout as sleep } from "node:timers/promises";
import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import { createRandom } from "../base/random.js";
import { Crew, type CrewReport } from "./crew.js";
import {
  isMachineryFault,
  isRedisFault,
  isRoadFault,
  MACHINERY_FAULT_KINDS,
  MACHINERY_FAULTS,
  REDIS_FAULTS,
  ROAD_FAULT_KINDS,
  ROAD_FAULTS,
  type DrawOptions,
  type Fault,
  type FaultKind,
  type Machinery,
  type RoadFaultKind,
  type Roads,
} from "./faults.js";
import { drawResidentFault, isKill, type ResidentFault, type Residents } from "./residents.js";
import { TRANSPORTS, type LogDurability, type Stage, type StoreKind } from "./stage.js";
import { mix } from "./values.js";

/** Results of one round for one transport. */
export interface CrashRow extends CrewReport {
  readonly server: ServerKind;
  readonly transport: TransportKind;
  readonly round: number;
  /** Seed of the round. `--rounds 1` with this seed repeats the fault. */
  readonly seed: number;
  readonly fault: FaultKind;
  readonly store: StoreKind;
  readonly durability: LogDurability;
  /**
   * Whose clients the row is about: `test`, of the test's process, which logs in anew in each round; `own`, of programs
   * with a process of their own, which live through all rounds.
   */
  readonly process: "test" | "own";
  /** Which of these programs were killed in the round. */
  readonly killed: Killed;
}

export type Killed = "none" | "publisher" | "subscriber" | "both";

export interface RoundOptions extends DrawOptions {
  readonly round: number;
  readonly seed: number;
  /** The fault of each transport. A transport without a fault has no clients. */
  readonly faults: ReadonlyMap<TransportKind, FaultKind>;
  /** Durabilities of logs and maps. The transports take them in turn, and each transport from round to round. */
  readonly durabilities: readonly LogDurability[];
  /** Programs that live through all rounds. Undefined where the component has no store. */
  readonly residents?: Residents | undefined;
  /** What is done to them. Default: what the seed draws. */
  readonly residentFault?: ResidentFault | undefined;
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

const START_TRIES = 3;

/** One round on a stage. All clients log in anew, and the load runs before, during and after the fault. */
export async function runRound(stage: Stage, options: RoundOptions): Promise<CrashRow[]> {
  const { seed, round, faults, signal, swift, residents } = options;
  const residentRandom = createRandom(mix(seed, 6));
  const drawn = drawResidentFault(residentRandom);
  const residentFault = options.residentFault ?? drawn;
  const crews = await startCrews(stage, options);
  try {
    const random = createRandom(mix(seed, 2));
    const shared = drawShared(options);
    // Before a component loses its memory, it must have acknowledged some updates that the slow subscriber has not
    // received yet.
    const beforeMs = (shared?.endsComponent === true ? 4_000 : 1_500) + (swift ? 0 : random.below(2_500));
    for (const crew of crews) crew.publish();
    residents?.begin();
    await sleep(beforeMs, undefined, { signal });
    const alsoBack = swift || random.chance(50);
    await Promise.all([
      strike(stage, crews, shared, options),
      residents?.strike(residentFault, residentRandom, {
        ...options,
        tell: (text) => options.tell(`${stage.server} ${text}`),
      }),
    ]);
    // Under load, a gap shows at once. Without load, clients must look for gaps.
    while (alsoBack && stage.componentRoad.connections === 0) await sleep(100, undefined, { signal });
    await sleep(1_000, undefined, { signal });
    for (const crew of crews) crew.quiesce();
    residents?.quiesce();
    await Promise.all([...crews.map((crew) => crew.settle(signal)), residents?.settle(signal)]);
    const broken = stage.componentFailures.map((how) => `the component's process ended by itself: ${how}`);
    const { server, store } = stage;
    const ofCrews = crews.map((crew): CrashRow => {
      const { transport, durability } = crew;
      const fault = faults.get(transport) as FaultKind;
      const report = crew.report();
      return {
        ...{ server, transport, store, round, seed, fault, durability, process: "test", killed: "none" },
        ...report,
        findings: [...broken, ...report.findings],
      };
    });
    const [fault] = faults.values() as Iterable<FaultKind>;
    const ofResidents = residents?.report().map((report): CrashRow => {
      const killed = isKill(residentFault) ? residentFault : "none";
      return {
        ...{ server, store, round, seed, fault: fault as FaultKind, process: "own", killed },
        ...report,
      };
    });
    return [...ofCrews, ...(ofResidents ?? [])];
  } finally {
    await Promise.all(crews.map((crew) => crew.close()));
  }
}

/** Starts all crews, or none. */
async function startCrews(
  stage: Stage,
  { seed, faults, durabilities, signal, tell }: RoundOptions,
): Promise<Crew[]> {
  const durabilityOf = (transport: TransportKind): LogDurability =>
    durabilities[(seed + TRANSPORTS.indexOf(transport)) % durabilities.length] as LogDurability;
  for (let tries = 1; ; tries++) {
    const started = await Promise.allSettled(
      [...faults.keys()].map((transport) => {
        const crew = { transport, seed: seedOf(seed, transport), durability: durabilityOf(transport) };
        return Crew.start(stage, crew, signal);
      }),
    );
    const crews = started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const failures = started.flatMap((result) =>
      result.status === "rejected" ? [result.reason as Error] : [],
    );
    if (failures[0] === undefined) return crews;
    await Promise.all(crews.map((crew) => crew.close()));
    // A machine may be too busy to answer logins in time. That proves nothing, so the start is retried.
    if (tries === START_TRIES || signal.aborted) throw failures[0];
    tell(`${stage.server}: the round could not begin, trying again: ${failures[0].message}`);
  }
}

function seedOf(seed: number, transport: TransportKind): number {
  return mix(seed, TRANSPORTS.indexOf(transport));
}

/** Resolves when all faults are over. */
async function strike(
  stage: Stage,
  crews: readonly Crew[],
  shared: Fault<Machinery> | undefined,
  options: RoundOptions,
): Promise<void> {
  const { seed, faults, signal, tell } = options;
  const acts: Promise<void>[] = [];
  if (shared !== undefined) {
    tell(`${stage.server}: ${shared.text}`);
    if (shared.endsComponent === true) options.residents?.componentEnds();
    const act = shared.run(stage, signal);
    acts.push(shared.endsComponent === true ? withoutMemory(crews, act) : act);
  }
  for (const crew of crews) {
    const fault = drawOwn(faults.get(crew.transport) as FaultKind, seedOf(seed, crew.transport), options);
    if (fault === undefined) continue;
    tell(`${stage.server} ${crew.transport}: ${fault.text}`);
    acts.push(fault.run(crew.roads, signal));
  }
  await Promise.all(acts);
}

async function withoutMemory(crews: readonly Crew[], act: Promise<void>): Promise<void> {
  for (const crew of crews) crew.componentEnds();
  await act;
  for (const crew of crews) crew.componentIsBack();
}

/** The fault that affects all transports at once, if there is one. */
function drawShared(options: RoundOptions): Fault<Machinery> | undefined {
  const kind = [...options.faults.values()].find((one) => !isRoadFault(one));
  if (kind === undefined) return undefined;
  const random = createRandom(mix(options.seed, 3));
  if (isRedisFault(kind)) return REDIS_FAULTS[kind](random, options);
  const drawn = isMachineryFault(kind) ? kind : random.pick(MACHINERY_FAULT_KINDS);
  return MACHINERY_FAULTS[drawn](random, options);
}

function drawOwn(kind: FaultKind, seed: number, options: DrawOptions): Fault<Roads> | undefined {
  const random = createRandom(mix(seed, 4));
  const drawn: RoadFaultKind | undefined =
    kind === "storm" ? random.pick(ROAD_FAULT_KINDS) : isRoadFault(kind) ? kind : undefined;
  return drawn && ROAD_FAULTS[drawn](random, options);
}
