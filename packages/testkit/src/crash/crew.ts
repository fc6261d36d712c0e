import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Client, type OfferedService } from "@stanzapack/client";
import type { TransportKind } from "@stanzapack/xmpp";
import { createRandom } from "../base/random.js";
import type { TcpProxy } from "../proxies/tcp-proxy.js";
import type { Roads } from "./faults.js";
import { Load, publishNext, RATE } from "./load.js";
import { MapWatch } from "./map-watch.js";
import type { LogDurability, Role, Stage } from "./stage.js";
import { Subscriber } from "./subscriber.js";
import { mix } from "./values.js";

/**
 * Longest time from the end of the load until every subscriber has everything, in ms. A client that must find out by
 * time-outs alone needs 60 s.
 */
export const SETTLE_MS = 90_000;
/**
 * Updates published last, before a `stop` that promises to send them. They are too few to make the slow subscriber
 * pause.
 */
const LAST_UPDATES = 40;
/** Longest time for closing, in ms, on a busy machine. */
const CLOSE_MS = 20_000;
const POLL_MS = 20;
/**
 * Most updates that a component with the durability `interval` may lose: those of the second before it was killed, and
 * as many for a disk that is busy.
 */
const MOST_LOST = 2 * RATE;

/** Results of a crew. */
export interface CrewReport {
  readonly published: number;
  readonly acknowledged: number;
  readonly delivered: number;
  readonly lost: number;
  readonly repeated: number;
  readonly duplicated: number;
  readonly reordered: number;
  /**
   * Time from the end of the load until all subscribers had everything, in ms. The load ends at least a second after
   * the fault. Null if they never had everything.
   */
  readonly settledMs: number | null;
  readonly findings: readonly string[];
}

export interface CrewOptions {
  readonly transport: TransportKind;
  readonly seed: number;
  /** Durability of the log and the map. */
  readonly durability: LogDurability;
}

/** A publisher of a log and a map, and three subscribers, all on one transport. Each client has its own road. */
export class Crew {
  private readonly findings: string[] = [];
  private load: Load | undefined;
  private settledMs: number | null = null;
  /** Updates up to this number may be lost with a component's memory. */
  private expendable = 0;
  /** Whether the ends of the publisher's link matter: not, each of them, or only the next one. */
  private noting: "no" | "yes" | "once" = "no";

  private constructor(
    readonly transport: TransportKind,
    readonly roads: Roads,
    private readonly publisher: Client,
    private readonly service: OfferedService,
    private readonly subscribers: readonly Subscriber[],
    private readonly map: MapWatch,
    private readonly seed: number,
    private readonly busy: { load: boolean },
    readonly durability: LogDurability,
  ) {
    publisher.on("offline", () => this.noteAcknowledged());
    publisher.on("closed", (reason) => {
      if (reason !== undefined) this.findings.push(`publisher: its client ended: ${reason.message}`);
    });
    service.on("ended", (error) => {
      if (error !== undefined) this.findings.push(`publisher: its log ended: ${error.message}`);
    });
  }

  static async start(
    stage: Stage,
    { transport, seed, durability }: CrewOptions,
    signal: AbortSignal,
  ): Promise<Crew> {
    const proxies: TcpProxy[] = [];
    const clients: Client[] = [];
    const login = async (role: Role): Promise<Client> => {
      const { proxy, url } = await stage.openRoad(transport);
      proxies.push(proxy);
      const { jid, password } = stage.account(transport, role);
      const { domain: component, sandbox } = stage;
      const client = await connect({
        ...{ jid, password, component, url, ca: sandbox.ca, signal },
      });
      clients.push(client);
      return client;
    };
    try {
      const publisher = await login("publisher");
      const service = await publisher.offer(stage.nextName(), { kind: "log", durability });
      const busy = { load: true };
      const subscribers: Subscriber[] = [];
      for (const role of ["first", "live", "slow"] as const) {
        const options = {
          ...{ role, node: service.node, seed, busy: () => busy.load },
          skips: durability === "interval",
        };
        subscribers.push(await Subscriber.start(await login(role), options));
      }
      const map = await MapWatch.start(
        publisher,
        subscribers.map(({ client }) => client),
        stage.nextName(),
        createRandom(mix(seed, 5)),
        durability,
      );
      const [first, ...others] = proxies as [TcpProxy, ...TcpProxy[]];
      const roads = { publisher: first, subscribers: others };
      return new Crew(transport, roads, publisher, service, subscribers, map, seed, busy, durability);
    } catch (error) {
      await Promise.all(clients.map((client) => client.close()));
      await Promise.all(proxies.map((proxy) => proxy.close()));
      throw error;
    }
  }

  publish(): void {
    this.load = new Load(this.service, this.seed, createRandom(mix(this.seed, 1)));
    this.map.begin();
  }

  quiesce(): void {
    this.load?.stop();
    this.map.stop();
    this.busy.load = false;
  }

  /** Called before the component's process ends, and loses what is only in its memory. */
  componentEnds(): void {
    if (this.durability === "sync") return;
    this.noting = "yes";
    this.noteAcknowledged();
  }

  /** Called when another component runs. */
  componentIsBack(): void {
    if (this.durability === "sync") return;
    // The publisher may not have noticed yet that the link to the old component is gone.
    this.noting = this.publisher.online ? "once" : "no";
  }

  private get acknowledged(): number {
    return this.service.published - this.service.unacknowledged;
  }

  /** Called when the publisher's link has ended. A component that ends acknowledges nothing more after that. */
  private noteAcknowledged(): void {
    if (this.noting === "no") return;
    if (this.noting === "once") this.noting = "no";
    this.expendable = this.acknowledged;
  }

  /**
   * Waits until every subscriber has everything. Then publishes a last burst, which the publisher's `stop` must deliver
   * too.
   */
  async settle(signal: AbortSignal): Promise<void> {
    const start = performance.now();
    if (!(await this.until(() => this.isSettled(), signal))) return;
    this.settledMs = Math.round(performance.now() - start);
    await this.map.verify();
    for (let i = 0; i < LAST_UPDATES; i++) publishNext(this.service, this.seed);
    try {
      await this.service.stop();
      await this.map.offered.stop();
    } catch (error) {
      this.findings.push(`publisher: stop: ${(error as Error).message}`);
      return;
    }
    await this.until(() => this.subscribers.every(({ ended }) => ended !== undefined), signal);
    for (const { ended, witness } of this.subscribers)
      if (ended !== undefined && ended.error?.code !== "withdrawn")
        witness.fault(`ended with ${String(ended.error?.message)} when the log was withdrawn`);
  }

  private isSettled(): boolean {
    const { published, pending } = this.service;
    return (
      this.map.settled &&
      !pending &&
      this.subscribers.every(({ witness, taking }) => taking && witness.last === published)
    );
  }

  /** Waits for a condition. Returns false, and adds a finding, if it does not come true in time, or no longer can. */
  private async until(condition: () => boolean, signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + SETTLE_MS;
    while (!condition()) {
      const failures = this.subscribers.flatMap(({ failure }) => failure ?? []);
      if (performance.now() > deadline) {
        const standing = this.subscribers.map(
          ({ witness, client, standing }) =>
            `${witness.last}${client.online ? "" : " (offline)"} (${standing})`,
        );
        failures.push(
          `not settled after ${SETTLE_MS} ms: publisher${this.publisher.online ? "" : " (offline)"}: ${this.service.published} published, ` +
            `${this.acknowledged} acknowledged, ${this.service.pending ? "some" : "none"} unsent; newest at the subscribers: ${standing.join(", ")}; map: ${this.map.standing}`,
        );
      } else if (failures.length === 0 || this.service.ended) {
        await sleep(POLL_MS, undefined, { signal });
        continue;
      }
      this.findings.push(...failures);
      return false;
    }
    return true;
  }

  report(): CrewReport {
    const { published } = this.service;
    const witnesses = this.subscribers.map(({ witness }) => witness);
    for (const [i, witness] of witnesses.entries()) {
      witness.conclude(published, this.expendable);
      for (const other of witnesses.slice(i + 1)) witness.compare(other);
      if (this.durability !== "none" && witness.resets > 0)
        witness.fault("a reset of a stored log was reported");
    }
    let delivered = 0;
    for (let n = 1; n <= published; n++) if (witnesses.every((witness) => witness.has(n))) delivered++;
    const lost = published - delivered;
    if (this.durability === "interval" && lost > MOST_LOST)
      this.findings.push(`${lost} updates are lost: more than the component may have had only in memory`);
    const most = (of: (witness: (typeof witnesses)[number]) => number): number =>
      Math.max(...witnesses.map(of));
    return {
      published,
      acknowledged: this.acknowledged,
      delivered,
      lost,
      repeated: most(({ repeated }) => repeated),
      duplicated: most(({ duplicated }) => duplicated),
      reordered: most(({ reordered }) => reordered),
      settledMs: this.settledMs,
      findings: [...this.findings, ...this.map.findings, ...witnesses.flatMap(({ findings }) => findings)],
    };
  }

  async close(): Promise<void> {
    this.quiesce();
    const { publisher, subscribers, roads } = this;
    for (const proxy of [roads.publisher, ...roads.subscribers]) proxy.heal();
    const closed = Promise.all([publisher.close(), ...subscribers.map((subscriber) => subscriber.close())]);
    const overdue = new AbortController();
    await Promise.race([
      closed,
      sleep(CLOSE_MS, undefined, { signal: overdue.signal }).then(() => {
        throw new Error(`${this.transport}: closing took over ${CLOSE_MS} ms`);
      }),
    ]).finally(() => overdue.abort());
    await Promise.all([roads.publisher, ...roads.subscribers].map((proxy) => proxy.close()));
  }
}
