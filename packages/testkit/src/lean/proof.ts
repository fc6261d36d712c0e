import { setTimeout as sleep } from "node:timers/promises";
import { connect, StanzapackError, type Client, type OfferedService } from "@stanzapack/client";
import { startSandbox, type ComponentProcess, type Sandbox, type ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import type { RunContext } from "../base/command.js";
import { runSideBySide } from "../base/side-by-side.js";
import { startTestComponent } from "../base/test-component.js";
import { Witness } from "../crash/witness.js";
import { startStanzaProxy, type StanzaDirection, type StanzaProxy } from "../proxies/stanza-proxy.js";
import { isLean, LEAN_FAULTS, leanFault, type LeanFault } from "./lean-faults.js";

/** Updates that may wait for their acknowledgement. With more, the publisher waits. */
const MOST_UNACKNOWLEDGED = 1_000;
/** Time between two updates of a log, in ms, as far as timers keep to it: each leaves as a stanza of its own. */
const PUBLISH_MS = 1;
/** Longest time until a fault is made, found and repaired, in ms: the link opens again, and probes. */
const REPAIR_MS = 60_000;
/** Longest time from the last update until the subscriber has everything, in ms. */
const SETTLE_MS = 60_000;
const POLL_MS = 5;
const TELL_MS = 10_000;

/** The clients of one transport. The first two are on that transport, and the others on TCP. */
const ROLES = ["publisher", "subscriber", "near-publisher", "near-subscriber"] as const;
type Role = (typeof ROLES)[number];

/** Result of one transport of one server. */
export interface LeanRow {
  readonly server: ServerKind;
  readonly transport: TransportKind;
  /** Lean stanzas from the publisher to the component. */
  readonly up: number;
  /** Lean stanzas from the component to the subscriber. */
  readonly down: number;
  /** Stanzas that the proxy lost, repeated and reordered. Each ended its link with `gap`, before it was decoded. */
  readonly faults: number;
  readonly published: number;
  readonly delivered: number;
  readonly elapsedMs: number;
  readonly findings: readonly string[];
}

export interface LeanProofOptions extends RunContext<LeanRow> {
  readonly servers: readonly ServerKind[];
  readonly transports: readonly TransportKind[];
  /** Lean stanzas in each direction of each transport. */
  readonly count: number;
  /** Lean stanzas of a direction between two of its faults. */
  readonly every: number;
}

/** Runs the servers side by side, and the transports of each one after another. */
export async function proveLean(options: LeanProofOptions): Promise<void> {
  await runSideBySide(options.servers, options.signal, (server, signal) =>
    proveServer(server, { ...options, signal }),
  );
}

async function proveServer(server: ServerKind, options: LeanProofOptions): Promise<void> {
  const { transports, signal, tell, onRow } = options;
  tell(`${server}: starting …`);
  const users = transports.flatMap((transport) => ROLES.map((role) => `${transport}-${role}`));
  const sandbox = await startSandbox({ server, users, signal });
  let proxy: StanzaProxy | undefined;
  let component: ComponentProcess | undefined;
  try {
    proxy = await startStanzaProxy({ host: sandbox.host, port: sandbox.ports.component });
    component = await startTestComponent(sandbox, proxy.port, signal);
    for (const transport of transports) {
      const proof = await Proof.start(sandbox, proxy, transport, options);
      try {
        await proof.run();
      } finally {
        await proof.close();
      }
      const row: LeanRow = { server, transport, ...proof.figures };
      const { up, down, faults, findings } = row;
      tell(
        [`${server} ${transport}: ${up} up, ${down} down, ${faults} faults repaired`, ...findings].join(
          "\n  ",
        ),
      );
      onRow(row);
    }
  } finally {
    tell(`${server}: stopping …`);
    await component?.end("SIGKILL");
    await proxy?.close();
    await sandbox.stop();
  }
}

/** One log, its publisher and its subscriber. */
class Flow {
  readonly witness = new Witness("subscriber");
  private readonly timer: NodeJS.Timeout;

  private constructor(
    readonly publisher: Client,
    readonly subscriber: Client,
    private readonly service: OfferedService,
  ) {
    service.on("ended", (error) => {
      this.stop();
      if (error !== undefined) this.witness.fault(`its log ended: ${error.message}`);
    });
    this.timer = setInterval(() => this.publish(), PUBLISH_MS);
  }

  static async start(publisher: Client, subscriber: Client, name: string): Promise<Flow> {
    const service = await publisher.offer(name, { kind: "log" });
    const subscription = await subscriber.subscribe<number>(service.node, { windowMs: 0, since: "first" });
    const flow = new Flow(publisher, subscriber, service);
    for (const what of ["lost", "conflated", "reset"] as const)
      subscription.on(what, (range) => flow.witness.tell(what, range));
    subscription.on("update", ({ value, epoch, offset }) => flow.witness.update(value, epoch, offset));
    subscription.on("ended", (error) => {
      if (error !== undefined) flow.witness.fault(`ended: ${error.message}`);
    });
    return flow;
  }

  private publish(): void {
    if (this.service.unacknowledged >= MOST_UNACKNOWLEDGED) return;
    try {
      this.service.publish(this.service.published + 1);
    } catch (error) {
      if (!(error instanceof StanzapackError && error.code === "busy")) throw error;
    }
  }

  get published(): number {
    return this.service.published;
  }
  get isWhole(): boolean {
    return this.service.unacknowledged === 0 && this.witness.last === this.published;
  }

  /** Publishes no more. */
  stop(): void {
    clearInterval(this.timer);
  }
}

/**
 * Two logs: one whose publisher is on the transport, and one whose subscriber is. The clients at their other ends are on
 * TCP, so that each direction is as fast as the transport. The proxy between the component and its server makes the
 * faults.
 */
class Proof {
  private readonly findings: string[] = [];
  private readonly counts = { toClient: 0, toServer: 0 };
  private readonly ends = { toClient: 0, toServer: 0 };
  private readonly startedAt = performance.now();
  private readonly clients: Readonly<Record<StanzaDirection, Client>>;
  private faults = 0;
  private toldAt = performance.now();

  private constructor(
    private readonly name: string,
    private readonly proxy: StanzaProxy,
    private readonly up: Flow,
    private readonly down: Flow,
    private readonly options: LeanProofOptions,
  ) {
    this.clients = { toClient: up.publisher, toServer: down.subscriber };
    for (const direction of ["toClient", "toServer"] as const)
      this.clients[direction].on("offline", ({ code, message }) => {
        this.ends[direction]++;
        if (code !== "gap") this.findings.push(`${direction}: the link ended with ${code}: ${message}`);
      });
    this.pass();
  }

  static async start(
    sandbox: Sandbox,
    proxy: StanzaProxy,
    transport: TransportKind,
    options: LeanProofOptions,
  ): Promise<Proof> {
    const clients: Client[] = [];
    const far = { tcp: sandbox.url, websocket: sandbox.websocketUrl, bosh: sandbox.boshUrl }[transport];
    const login = async (role: Role, url: string): Promise<Client> => {
      const account = sandbox.accounts.find(({ jid }) => jid.startsWith(`${transport}-${role}@`));
      if (account === undefined) throw new Error(`no account for the ${role}`);
      const component = sandbox.components[0]?.domain as string;
      const { signal } = options;
      const client = await connect({ ...account, component, url, ca: sandbox.ca, signal });
      clients.push(client);
      return client;
    };
    try {
      const near = sandbox.url;
      const [publisher, subscriber] = [await login("publisher", far), await login("subscriber", far)];
      const up = await Flow.start(publisher, await login("near-subscriber", near), `up-${transport}`);
      const down = await Flow.start(await login("near-publisher", near), subscriber, `down-${transport}`);
      return new Proof(`${sandbox.server} ${transport}`, proxy, up, down, options);
    } catch (error) {
      await Promise.all(clients.map((client) => client.close()));
      throw error;
    }
  }

  async run(): Promise<void> {
    const { every } = this.options;
    await this.until(() => this.isLean, REPAIR_MS, "lean stanzas");
    for (let next = every; this.isGoingOn; next += every)
      for (const direction of ["toClient", "toServer"] as const) {
        await this.until(() => this.counts[direction] >= next || !this.isGoingOn, Infinity, "stanzas");
        const fault = LEAN_FAULTS[this.faults % LEAN_FAULTS.length] as LeanFault;
        if (this.isGoingOn) await this.makeFault(fault, direction);
      }
    for (const flow of [this.up, this.down]) flow.stop();
    await this.until(() => this.up.isWhole && this.down.isWhole, SETTLE_MS, "the last updates");
    for (const { witness, published } of [this.up, this.down]) witness.conclude(published, 0);
  }

  async close(): Promise<void> {
    this.proxy.filter = undefined;
    for (const flow of [this.up, this.down]) {
      flow.stop();
      await Promise.all([flow.publisher.close(), flow.subscriber.close()]);
    }
  }

  get figures(): Omit<LeanRow, "server" | "transport"> {
    const { counts, faults, up, down, startedAt } = this;
    return {
      ...{ up: counts.toClient, down: counts.toServer, faults },
      published: up.published + down.published,
      delivered: up.witness.delivered + down.witness.delivered,
      elapsedMs: Math.round(performance.now() - startedAt),
      findings: this.allFindings,
    };
  }

  private get allFindings(): string[] {
    return [...this.findings, ...this.up.witness.findings, ...this.down.witness.findings];
  }

  /** Whether there is something left to prove. */
  private get isGoingOn(): boolean {
    const { counts, options } = this;
    return this.allFindings.length === 0 && Math.min(counts.toClient, counts.toServer) < options.count;
  }

  private get isLean(): boolean {
    const { toClient, toServer } = this.clients;
    return toClient.envelope?.up === "lean" && toServer.envelope?.down === "lean";
  }

  /** Stanzas pass, and are counted. */
  private pass(): void {
    this.proxy.filter = (stanza, direction) => this.count(stanza, direction);
  }

  private count(stanza: string, direction: StanzaDirection): undefined {
    if (stanza.includes(this.clients[direction].jid) && isLean(stanza)) this.counts[direction]++;
  }

  /** Makes one fault, and waits until its link has ended, and lean stanzas flow again. */
  private async makeFault(fault: LeanFault, direction: StanzaDirection): Promise<void> {
    const ended = this.ends[direction];
    const what = `${fault} ${direction} after ${this.counts[direction]}`;
    let isMade = false;
    const filter = leanFault(fault, direction, this.clients[direction].jid, () => {
      isMade = true;
      this.pass();
    });
    this.proxy.filter = (stanza, way) => {
      this.count(stanza, way);
      return filter(stanza, way);
    };
    const isFound = (): boolean => isMade && this.ends[direction] > ended;
    await this.until(isFound, REPAIR_MS, `the end of the link: ${what}`);
    await this.until(() => this.isLean, REPAIR_MS, `lean stanzas again: ${what}`);
    this.faults++;
  }

  /** Waits for a condition. Adds a finding if it does not come true in time. */
  private async until(condition: () => boolean, withinMs: number, what: string): Promise<void> {
    const { signal, tell, count } = this.options;
    const deadline = performance.now() + withinMs;
    while (!condition() && this.allFindings.length === 0) {
      if (performance.now() > deadline) this.findings.push(`not within ${withinMs} ms: ${what}`);
      if (performance.now() - this.toldAt > TELL_MS) {
        this.toldAt = performance.now();
        const { toClient, toServer } = this.counts;
        tell(`${this.name}: ${toClient} up, ${toServer} down, of ${count}; ${this.faults} faults`);
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}
