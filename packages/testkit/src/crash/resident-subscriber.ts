import { setTimeout as sleep } from "node:timers/promises";
import { CommandWitness } from "./command-witness.js";
import { CursorWitness } from "./cursor-witness.js";
import { differenceOf, type Entry } from "./map-load.js";
import { findingOf, type Verified } from "./map-watch.js";
import {
  LOGS,
  VALUES_SEED,
  type Login,
  type LogName,
  type SubscriberReport,
  type SubscriberStart,
} from "./resident-messages.js";
import type { ResidentPublisher, Resting, Window } from "./resident-publisher.js";
import { Resident, type NextLogin } from "./resident.js";
import { Witness } from "./witness.js";

/** Longest time for a check of the map, in ms. The program gives up before that. */
const VERIFY_MS = 60_000;

interface State {
  readonly synced: boolean;
  readonly map: ReadonlyMap<string, Entry>;
  readonly view: ReadonlyMap<string, Entry>;
}

export class ResidentSubscriber extends Resident<SubscriberStart, SubscriberReport> {
  readonly witnesses = {
    sync: new Witness("sync log"),
    interval: new Witness("interval log", true),
  } as const;
  readonly cursor = new CursorWitness(this.witnesses.sync);
  readonly commands = new CommandWitness();
  private state: State | undefined;
  private onVerified: (result: Verified) => void = () => undefined;
  private resting = false;
  /** Updates of the log with `interval` up to this number were checked. */
  private checked = 0;

  constructor(
    nextLogin: NextLogin,
    private readonly location: string,
    private readonly publisherJid: string,
  ) {
    super("subscriber", nextLogin);
  }

  override begin(): void {
    this.resting = false;
    super.begin();
  }

  protected begins(login: Login): SubscriberStart {
    const { location, witnesses } = this;
    this.resting = false;
    this.state = undefined;
    this.cursor.begins();
    witnesses.interval.readOn();
    return {
      ...{ login, location, seed: VALUES_SEED, publisher: this.publisherJid },
      since: witnesses.interval.position ?? null,
      lastCommand: this.commands.last,
    };
  }

  protected take(report: SubscriberReport): void {
    switch (report.type) {
      case "update":
        if (report.log === "sync") this.cursor.update(...report.of);
        else this.witnesses.interval.update(...report.of);
        return;
      case "told":
        this.hearTold(report.log, report);
        return;
      case "pending":
        return this.commands.continues(report.pending);
      case "queueing":
        return this.commands.queueing(report.n);
      case "queued":
        return this.commands.queued(report.n);
      case "ended":
        return this.commands.ends(report.n, report);
      case "resting":
        this.resting = true;
        return;
      case "state":
        this.state = { synced: report.synced, map: new Map(report.map), view: new Map(report.view) };
        return;
      case "verified":
        return this.onVerified(report.result);
      default:
        return;
    }
  }

  private hearTold(
    log: LogName,
    {
      what,
      from,
      to,
    }: { readonly what: "lost" | "conflated" | "reset"; readonly from: number; readonly to: number },
  ): void {
    const witness = this.witnesses[log];
    if (what === "reset") witness.fault(`a reset of a stored log was reported`);
    if (log === "sync")
      witness.fault(`positions ${from} to ${to} were reported as ${what}, but nothing may be lost`);
    witness.tell(what, { from, to });
  }

  /** Asks the program for its copy of the map. */
  look(): void {
    if (this.ready && this.resting) this.order("look");
  }

  /** Whether it has everything that the publisher has. */
  isAt({ published, map }: Resting): boolean {
    const { state, commands, witnesses, resting } = this;
    return (
      resting &&
      LOGS.every((name) => witnesses[name].last === published[name]) &&
      commands.waiting === 0 &&
      state?.synced === true &&
      differenceOf(map, state.map) === undefined &&
      differenceOf(map, state.view) === undefined
    );
  }

  /** Compares its copy of the map with the component's map. */
  async verify(signal: AbortSignal): Promise<void> {
    const answer = new Promise<Verified>((resolve) => (this.onVerified = resolve));
    this.order("verify");
    const done = new AbortController();
    const limit = AbortSignal.any([signal, done.signal]);
    const late = sleep(VERIFY_MS, "no result", { signal: limit }).catch(() => "interrupted");
    const wrong = findingOf(await Promise.race([answer, late]), this.state?.map.size ?? 0);
    done.abort();
    if (wrong !== undefined) this.fault(wrong);
  }

  /** Checks a round that has settled. */
  conclude(publisher: ResidentPublisher): void {
    const { sync, interval } = this.witnesses;
    const { published } = publisher;
    sync.conclude(published.sync, 0);
    interval.concludeTold();
    this.checkLost(publisher);
    this.commands.conclude(this.breaks + publisher.breaks);
  }

  /** The log with `interval` may lack only updates that the component had not stored when it was killed. */
  private checkLost({ windows, published }: ResidentPublisher): void {
    const { interval } = this.witnesses;
    const lost = new Map<Window, number>();
    for (let n = this.checked + 1; n <= published.interval; n++) {
      if (interval.has(n)) continue;
      const window = windows.find(({ from, to }) => from <= n && n <= to);
      if (window === undefined)
        interval.fault(
          `update ${n} is lost, but it was stored, or not acknowledged, when the component was killed`,
        );
      else lost.set(window, (lost.get(window) ?? 0) + 1);
    }
    for (const [{ from, to, most }, count] of lost) {
      if (count > most)
        interval.fault(`expected at most ${most} lost updates of ${from} to ${to}, but ${count} are`);
    }
    this.checked = published.interval;
  }

  /** Everything that was found since the last call. */
  takeFindings(): string[] {
    const { sync, interval } = this.witnesses;
    return [this.findings, sync.findings, interval.findings, this.commands.findings].flatMap((it) =>
      it.splice(0),
    );
  }

  /** What it has, for findings. */
  standing({ map }: Pick<Resting, "map">): string {
    const { ready, resting, commands, state, witnesses } = this;
    const logs = LOGS.map((name) => `\`${name}\` up to ${witnesses[name].last}`);
    const copies =
      state === undefined
        ? ["no map"]
        : (["map", "view"] as const).map((name) => `${name}: ${differenceOf(map, state[name]) ?? "equal"}`);
    return [
      ...(ready ? [] : ["not ready"]),
      ...(resting ? [] : ["queueing"]),
      ...logs,
      `${commands.waiting} commands wait`,
      ...copies,
      ...(state?.synced === false ? ["not synced"] : []),
    ].join(", ");
  }
}
