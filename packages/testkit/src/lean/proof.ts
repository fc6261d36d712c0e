import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, StanzapackError, type Client, type OfferedService } from "@stanzapack/client";
import { startSandbox, type Sandbox, type ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import { createComponentProcess, type ComponentProcess } from "../crash/component-process.js";
import { Witness } from "../crash/witness.js";
import { startStanzaProxy, type StanzaDirection, type StanzaProxy } from "../proxies/stanza-proxy.js";
import { isLean, LEAN_FAULTS, leanFault, type LeanFault } from "./lean-faults.js";

/** Updates that may wait for their acknowledgement. With more, the publisher waits. */
const MOST_UNACKNOWLEDGED = 1_000;
/** Time between two updates, in ms, as far as timers keep to it: each leaves as a stanza of its own. */
const PUBLISH_MS = 1;
/** Longest time until a fault is made, found and repaired, in ms: the link opens again, and probes. */
const REPAIR_MS = 60_000;
/** Longest time from the last update until the subscriber has everything, in ms. */
const SETTLE_MS = 60_000;
const POLL_MS = 5;
const TELL_MS = 10_000;

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

export interface LeanProofOptions {
  readonly servers: readonly ServerKind[];
  readonly transports: readonly TransportKind[];
  /** Lean stanzas in each direction of each transport. */
  readonly count: number;
  /** Lean stanzas of a direction between two of its faults. */
  readonly every: number;
  readonly signal: AbortSignal;
  /** Receives progress, line by line. */
  readonly tell: (text: string) => void;
  readonly onRow: (row: LeanRow) => void;
}

/** Runs the servers side by side, and the transports of each one after another. */
export async function proveLean(options: LeanProofOptions): Promise<void> {
  // If one server fails, the other must not keep running.
  const stopping = new AbortController();
  const signal = AbortSignal.any([options.signal, stopping.signal]);
  setMaxListeners(0, signal);
  const results = await Promise.allSettled(
    options.servers.map(async (server) => {
      try {
        await proveServer(server, { ...options, signal });
      } catch (error) {
        stopping.abort();
        throw error;
      }
    }),
  );
  options.signal.throwIfAborted();
  const failures = results.flatMap((it) => (it.status === "rejected" ? [it.reason as Error] : []));
  const [failure] = failures.filter(({ name }) => name !== "AbortError").concat(failures);
  if (failure !== undefined) throw failure;
}

async function proveServer(server: ServerKind, options: LeanProofOptions): Promise<void> {
  const { transports, signal, tell, onRow } = options;
  tell(`${server}: starting …`);
  const users = transports.flatMap((transport) => [`${transport}-publisher`, `${transport}-subscriber`]);
  const sandbox = await startSandbox({ server, users, signal });
  let proxy: StanzaProxy | undefined;
  let component: ComponentProcess | undefined;
  try {
    proxy = await startStanzaProxy({ host: sandbox.host, port: sandbox.ports.component });
    component = await createComponentProcess(sandbox, proxy.port);
    await component.start(signal);
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

/** One publisher of a log and one subscriber. The proxy between the component and its server makes the faults. */
class Proof {
  private readonly witness = new Witness("subscriber");
  private readonly findings: string[] = [];
  private readonly counts = { toClient: 0, toServer: 0 };
  private readonly ends = { publisher: 0, subscriber: 0 };
  private readonly startedAt = performance.now();
  private faults = 0;
  private timer: NodeJS.Timeout | undefined;
  private toldAt = performance.now();

  private constructor(
    private readonly name: string,
    private readonly proxy: StanzaProxy,
    private readonly publisher: Client,
    private readonly subscriber: Client,
    private readonly service: OfferedService,
    private readonly options: LeanProofOptions,
  ) {
    for (const role of ["publisher", "subscriber"] as const)
      this[role].on("offline", ({ code, message }) => {
        this.ends[role]++;
        if (code !== "gap") this.findings.push(`${role}: its link ended with ${code}: ${message}`);
      });
    service.on("ended", (error) => {
      clearInterval(this.timer);
      if (error !== undefined) this.findings.push(`publisher: its log ended: ${error.message}`);
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
    const url = { tcp: sandbox.url, websocket: sandbox.websocketUrl, bosh: sandbox.boshUrl }[transport];
    const login = async (role: string): Promise<Client> => {
      const account = sandbox.accounts.find(({ jid }) => jid.startsWith(`${transport}-${role}@`));
      if (account === undefined) throw new Error(`no account for the ${role}`);
      const component = sandbox.components[0]?.domain as string;
      const { signal } = options;
      const client = await connect({ ...account, component, url, ca: sandbox.ca, signal });
      clients.push(client);
      return client;
    };
    try {
      const publisher = await login("publisher");
      const service = await publisher.offer(`lean-${transport}`, { kind: "log" });
      const subscriber = await login("subscriber");
      const proof = new Proof(
        ...([`${sandbox.server} ${transport}`, proxy, publisher, subscriber, service, options] as const),
      );
      const subscription = await subscriber.subscribe<number>(service.node, { windowMs: 0, since: "first" });
      for (const what of ["lost", "conflated", "reset"] as const)
        subscription.on(what, (range) => proof.witness.tell(what, range));
      subscription.on("update", ({ value, epoch, offset }) => proof.witness.update(value, epoch, offset));
      subscription.on("ended", (error) => {
        if (error !== undefined) proof.witness.fault(`ended: ${error.message}`);
      });
      return proof;
    } catch (error) {
      await Promise.all(clients.map((client) => client.close()));
      throw error;
    }
  }

  async run(): Promise<void> {
    const { every } = this.options;
    this.timer = setInterval(() => this.publish(), PUBLISH_MS);
    await this.until(() => this.isLean, REPAIR_MS, "lean stanzas");
    for (let next = every; this.isGoingOn; next += every)
      for (const direction of ["toClient", "toServer"] as const) {
        await this.until(() => this.counts[direction] >= next || !this.isGoingOn, Infinity, "stanzas");
        const fault = LEAN_FAULTS[this.faults % LEAN_FAULTS.length] as LeanFault;
        if (this.isGoingOn) await this.makeFault(fault, direction);
      }
    clearInterval(this.timer);
    const { service, witness } = this;
    const isWhole = (): boolean => service.unacknowledged === 0 && witness.last === service.published;
    await this.until(isWhole, SETTLE_MS, "the last update");
    witness.conclude(service.published, 0);
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    this.proxy.filter = undefined;
    await Promise.all([this.publisher.close(), this.subscriber.close()]);
  }

  get figures(): Omit<LeanRow, "server" | "transport"> {
    const { counts, faults, service, witness, findings, startedAt } = this;
    return {
      ...{ up: counts.toClient, down: counts.toServer, faults },
      ...{ published: service.published, delivered: witness.delivered },
      elapsedMs: Math.round(performance.now() - startedAt),
      findings: [...findings, ...witness.findings],
    };
  }

  private publish(): void {
    if (this.service.unacknowledged >= MOST_UNACKNOWLEDGED) return;
    try {
      this.service.publish(this.service.published + 1);
    } catch (error) {
      if (!(error instanceof StanzapackError && error.code === "busy")) throw error;
    }
  }

  /** Whether there is something left to prove. */
  private get isGoingOn(): boolean {
    const { counts, options, findings, witness } = this;
    if (findings.length + witness.findings.length > 0) return false;
    return Math.min(counts.toClient, counts.toServer) < options.count;
  }

  private get isLean(): boolean {
    return this.publisher.envelope?.up === "lean" && this.subscriber.envelope?.down === "lean";
  }

  /** Stanzas pass, and are counted. */
  private pass(): void {
    this.proxy.filter = (stanza, direction) => this.count(stanza, direction);
  }

  private count(stanza: string, direction: StanzaDirection): undefined {
    const client = direction === "toClient" ? this.publisher : this.subscriber;
    if (stanza.includes(client.jid) && isLean(stanza)) this.counts[direction]++;
  }

  /** Makes one fault, and waits until its link has ended, and lean stanzas flow again. */
  private async makeFault(fault: LeanFault, direction: StanzaDirection): Promise<void> {
    const role = direction === "toClient" ? "publisher" : "subscriber";
    const ended = this.ends[role];
    const what = `${fault} ${direction} after ${this.counts[direction]}`;
    let isMade = false;
    const filter = leanFault(fault, direction, this[role].jid, () => {
      isMade = true;
      this.pass();
    });
    this.proxy.filter = (stanza, way) => {
      this.count(stanza, way);
      return filter(stanza, way);
    };
    const isFound = (): boolean => isMade && this.ends[role] > ended;
    await this.until(isFound, REPAIR_MS, `the end of the link: ${what}`);
    await this.until(() => this.isLean, REPAIR_MS, `lean stanzas again: ${what}`);
    this.faults++;
  }

  /** Waits for a condition. Adds a finding if it does not come true in time. */
  private async until(condition: () => boolean, withinMs: number, what: string): Promise<void> {
    const { signal, tell, count } = this.options;
    const deadline = performance.now() + withinMs;
    while (!condition() && this.findings.length + this.witness.findings.length === 0) {
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
