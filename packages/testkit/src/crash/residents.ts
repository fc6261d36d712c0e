import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { TransportKind } from "@stanzapack/xmpp";
import type { Random } from "../base/random.js";
import { ROAD_FAULTS, type DrawOptions } from "./faults.js";
import type { CrewReport } from "./crew.js";
import type { NextLogin } from "./resident.js";
import { LOGS, type LogName } from "./resident-messages.js";
import { ResidentPublisher } from "./resident-publisher.js";
import { ResidentSubscriber } from "./resident-subscriber.js";
import { Watcher } from "./resident-watcher.js";
import type { Stage } from "./stage.js";

/** Longest time until the programs are ready for the first round, in ms, on a busy machine. */
const READY_MS = 90_000;
/** Longest time from the end of the load until everything is as it must be, in ms: longer than every time-out. */
const SETTLE_MS = 120_000;
const POLL_MS = 200;

/** What the proof does to the programs in one round. `none`: only the faults of the round. */
export const RESIDENT_FAULTS = ["publisher", "subscriber", "both", "network", "none"] as const;
export type ResidentFault = (typeof RESIDENT_FAULTS)[number];
/** Of 100 rounds, this many have each fault of the programs. */
const SHARES = { publisher: 30, subscriber: 30, both: 15, network: 15, none: 10 } as const satisfies Record<
  ResidentFault,
  number
>;
/** Faults of their network. Others take as long as the longest time-out, and `Crew` has them. */
const NETWORK_FAULTS = ["kill-clients", "cut-clients", "delay"] as const;

interface Counts {
  readonly published: number;
  readonly acknowledged: number;
  readonly delivered: number;
  readonly repeated: number;
  readonly duplicated: number;
  readonly reordered: number;
}

const ZERO: Counts = {
  published: 0,
  acknowledged: 0,
  delivered: 0,
  repeated: 0,
  duplicated: 0,
  reordered: 0,
};

/** Results of one round for one of the logs. */
export interface ResidentReport extends CrewReport {
  readonly transport: TransportKind;
  readonly durability: LogName;
}

export function isKill(fault: ResidentFault): fault is Exclude<ResidentFault, "network" | "none"> {
  return fault !== "network" && fault !== "none";
}

/** Draws the fault of a round. */
export function drawResidentFault(random: Random): ResidentFault {
  let drawn = random.below(100);
  return RESIDENT_FAULTS.find((fault) => (drawn -= SHARES[fault]) < 0) ?? "none";
}

/**
 * A publisher and a subscriber, each in a process of its own. They live through all rounds of a stage, so what is stored
 * must be there in each round: logs, map, cursor, approval, outboxes and commands. Their component has a store.
 */
export class Residents {
  private readonly findings: string[] = [];
  private settledMs: number | null = null;

  /** Counts before the round. */
  private before: Readonly<Record<LogName, Counts>> = { sync: ZERO, interval: ZERO };

  private constructor(
    private readonly publisher: ResidentPublisher,
    private readonly subscriber: ResidentSubscriber,
    private readonly watcher: Watcher,
    private readonly folder: string,
  ) {}

  /** Resolves when both programs run, and the subscriber's account is approved. */
  static async start(
    stage: Stage,
    transports: readonly TransportKind[],
    signal: AbortSignal,
  ): Promise<Residents> {
    const folder = await mkdtemp(join(tmpdir(), "stanzapack-residents-"));
    const [first, second] = [stage.residentAccount("publisher"), stage.residentAccount("subscriber")];
    const logins = (account: typeof first) => createLogins(stage, account, transports);
    const publisher = new ResidentPublisher(logins(first), join(folder, "publisher"), second.jid);
    const subscriber = new ResidentSubscriber(logins(second), join(folder, "subscriber"), first.jid);
    publisher.onRun = (n) => subscriber.commands.runs(n);
    const watcher = new Watcher(stage, second, first.jid);
    const residents = new Residents(publisher, subscriber, watcher, folder);
    try {
      await publisher.start();
      await residents.until(() => publisher.ready, READY_MS, signal, "the publisher is not ready");
      await subscriber.start();
      await residents.until(() => subscriber.ready, READY_MS, signal, "the subscriber is not ready");
      await watcher.start(signal);
      const [failure] = residents.takeFindings();
      if (failure !== undefined) throw new Error(failure);
    } catch (error) {
      await residents.close();
      throw error;
    }
    return residents;
  }

  /** Begins the load of a round. */
  begin(): void {
    this.settledMs = null;
    this.before = this.counts();
    this.publisher.begin();
    this.subscriber.begin();
  }

  /** Kills programs, or breaks their network, at a random moment. Resolves when the programs run again. */
  async strike(
    fault: ResidentFault,
    random: Random,
    options: DrawOptions & { readonly signal: AbortSignal; readonly tell: (text: string) => void },
  ): Promise<void> {
    const { signal, swift, tell } = options;
    const { publisher, subscriber } = this;
    const beforeMs = random.below(swift ? 500 : 1_500);
    const downMs = random.below(swift ? 300 : 1_500);
    if (fault === "none") return;
    if (fault === "network") {
      const drawn = ROAD_FAULTS[random.pick(NETWORK_FAULTS)](random, options);
      tell(`own processes: after ${beforeMs} ms ${drawn.text}`);
      await sleep(beforeMs, undefined, { signal });
      return drawn.run({ publisher: publisher.road, subscribers: [subscriber.road] }, signal);
    }
    const struck = { publisher: [publisher], subscriber: [subscriber], both: [publisher, subscriber] }[fault];
    const who = { publisher: "the publisher", subscriber: "the subscriber", both: "both" }[fault];
    tell(`own processes: after ${beforeMs} ms ${who} killed, started again after ${downMs} ms`);
    await sleep(beforeMs, undefined, { signal });
    await Promise.all(struck.map((program) => program.kill()));
    await sleep(downMs, undefined, { signal });
    for (const program of struck) await program.start();
  }

  /** Called before the component's process ends: the log with `interval` may lose what was not stored. */
  componentEnds(): void {
    this.publisher.componentEnds();
    this.subscriber.breaks++;
  }

  quiesce(): void {
    this.publisher.rest();
    this.subscriber.rest();
  }

  /** Waits until everything has arrived, then checks what must be there after each round. */
  async settle(signal: AbortSignal): Promise<void> {
    const { publisher, subscriber, watcher } = this;
    const start = performance.now();
    const standing = (): string => {
      const rest = publisher.resting ?? { map: new Map() };
      return `not settled after ${SETTLE_MS} ms: publisher: ${publisher.standing}; subscriber: ${subscriber.standing(rest)}; ${watcher.standing(rest)}`;
    };
    const settled = await this.until(
      () =>
        publisher.ready &&
        subscriber.ready &&
        publisher.resting !== undefined &&
        subscriber.isAt(publisher.resting) &&
        watcher.isAt(publisher.resting),
      SETTLE_MS,
      signal,
      standing,
    );
    if (!settled || publisher.resting === undefined) return;
    this.settledMs = Math.round(performance.now() - start);
    await subscriber.verify(signal);
    await watcher.check(subscriber.cursor, signal);
    subscriber.conclude(publisher);
  }

  /** A report for each log. The first one has the findings of everything else too. */
  report(): ResidentReport[] {
    const { transport = "tcp" } = this.publisher;
    const findings = this.takeFindings();
    const counts = this.counts();
    return LOGS.map((name) => {
      const of = (key: keyof Counts): number => counts[name][key] - this.before[name][key];
      const [published, delivered] = [of("published"), of("delivered")];
      return {
        ...{ transport, durability: name, published, acknowledged: of("acknowledged"), delivered },
        ...{ lost: published - delivered, repeated: of("repeated"), duplicated: of("duplicated") },
        ...{ reordered: of("reordered"), settledMs: this.settledMs },
        findings: name === "sync" ? findings : [],
      };
    });
  }

  /** How the programs stand, for progress. */
  get progress(): string {
    const { commands } = this.subscriber;
    return `${commands.last} commands so far, ${commands.unknown} of them with an unknown outcome`;
  }

  private counts(): Record<LogName, Counts> {
    const of = (name: LogName): Counts => {
      const witness = this.subscriber.witnesses[name];
      return {
        published: this.publisher.published[name],
        acknowledged: this.publisher.kept[name],
        delivered: witness.delivered,
        repeated: name === "sync" ? this.subscriber.cursor.repeated : witness.repeated,
        duplicated: witness.duplicated,
        reordered: witness.reordered,
      };
    };
    return { sync: of("sync"), interval: of("interval") };
  }

  /** All findings since the last call. */
  private takeFindings(): string[] {
    const parts = [this.findings, this.publisher.findings, this.watcher.findings];
    return [...parts.flatMap((findings) => findings.splice(0)), ...this.subscriber.takeFindings()];
  }

  private async until(
    condition: () => boolean,
    withinMs: number,
    signal: AbortSignal,
    what: string | (() => string),
  ): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    while (!condition()) {
      const failed = this.publisher.failed ?? this.subscriber.failed;
      if (failed === undefined && performance.now() < deadline) {
        await sleep(POLL_MS, undefined, { signal });
        this.subscriber.look();
        continue;
      }
      this.findings.push(failed ?? (typeof what === "string" ? what : what()));
      return false;
    }
    return true;
  }

  async close(): Promise<void> {
    await Promise.all([this.publisher.close(), this.subscriber.close(), this.watcher.close()]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

function createLogins(
  stage: Stage,
  { jid, password }: { readonly jid: string; readonly password: string },
  transports: readonly TransportKind[],
): NextLogin {
  let count = 0;
  return async () => {
    const transport = transports[count++ % transports.length] as TransportKind;
    const { proxy: road, url } = await stage.openRoad(transport);
    const login = { jid, password, component: stage.domain, url, ca: stage.sandbox.ca };
    return { login, road, transport };
  };
}
