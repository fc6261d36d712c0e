import { setTimeout as sleep } from "node:timers/promises";
import { connect, StanzapackError, type Client, type OfferedService } from "@stanzapack/client";
import { startSandbox, type ComponentProcess, type Sandbox, type ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import type { RunContext } from "../base/command.js";
import { runSideBySide } from "../base/side-by-side.js";
import { startTestComponent } from "../base/test-component.js";
import { Witness } from "../crash/witness.js";
import {
  startStanzaProxy,
  type StanzaDirection,
  type StanzaFilter,
  type StanzaProxy,
} from "../proxies/stanza-proxy.js";
import { isLean, LEAN_FAULTS, leanFault, type LeanFault } from "./lean-faults.js";

/** Updates that may wait for their acknowledgement. With more, the publisher waits. */
const MOST_UNACKNOWLEDGED = 1_000;
/** Time between two updates of a log, in ms, as far as timers keep to it: each leaves as a stanza of its own. */
const PUBLISH_MS = 10;
/** Longest time until a fault is made, found and repaired, in ms: the link opens again, and probes. */
const REPAIR_MS = 60_000;
/** Longest time from the last update until the subscriber has everything, in ms. */
const SETTLE_MS = 60_000;
const POLL_MS = 5;
const TELL_MS = 10_000;

const ROLES = ["publisher", "subscriber"] as const;
type Role = (typeof ROLES)[number];

const WAYS = ["up", "down"] as const;
type Way = (typeof WAYS)[number];

/** Directions of the stanzas as the proxy between the component and its server sees them. */
const DIRECTIONS = { up: "toClient", down: "toServer" } as const satisfies Record<Way, StanzaDirection>;

/** Result of one transport of one server. */
export interface LeanRow {
  readonly server: ServerKind;
  readonly transport: TransportKind;
  /** Links in each direction, at the same time. */
  readonly links: number;
  /** Lean stanzas from the publishers to the component. */
  readonly up: number;
  /** Lean stanzas from the component to the subscribers. */
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
  /** Lean stanzas of a link between two of its faults. */
  readonly every: number;
  /** Links in each direction of each transport. Each sends its part of `count`. */
  readonly links: number;
}

/** Runs all transports of all servers side by side. */
export async function proveLean(options: LeanProofOptions): Promise<void> {
  await runSideBySide(options.servers, options.signal, (server, signal) =>
    proveServer(server, { ...options, signal }),
  );
}

async function proveServer(server: ServerKind, options: LeanProofOptions): Promise<void> {
  const { transports, signal, tell } = options;
  tell(`${server}: starting …`);
  const links = Array.from({ length: options.links }, (_, index) => index);
  const users = transports.flatMap((transport) =>
    links.flatMap((link) => WAYS.flatMap((way) => ROLES.map((role) => nameOf(transport, link, way, role)))),
  );
  const sandbox = await startSandbox({ server, users, signal });
  let proxy: StanzaProxy | undefined;
  let component: ComponentProcess | undefined;
  try {
    proxy = await startStanzaProxy({ host: sandbox.host, port: sandbox.ports.component });
    const filters = new Set<StanzaFilter>();
    proxy.filter = (stanza, direction) => {
      for (const filter of filters) {
        const changed = filter(stanza, direction);
        if (changed !== undefined) return changed;
      }
      return undefined;
    };
    component = await startTestComponent(sandbox, proxy.port, signal);
    await Promise.all(
      transports.map((transport) => proveTransport({ sandbox, filters, transport, options, failed: false })),
    );
  } finally {
    tell(`${server}: stopping …`);
    await component?.end("SIGKILL");
    await proxy?.close();
    await sandbox.stop();
  }
}

/** What the proofs of one transport share. */
interface Course {
  readonly sandbox: Sandbox;
  /** Filters of the proxy between the component and its server. The first that changes a stanza counts. */
  readonly filters: Set<StanzaFilter>;
  readonly transport: TransportKind;
  readonly options: LeanProofOptions;
  /** One of the proofs has a finding, and the others need not go on. */
  failed: boolean;
}

const nameOf = (transport: TransportKind, link: number, way: Way, role: Role): string =>
  `${transport}-${link}-${way}-${role}`;

async function proveTransport(course: Course): Promise<void> {
  const { transport, options } = course;
  const { server } = course.sandbox;
  const { tell, onRow, count, links } = options;
  const startedAt = performance.now();
  const proofs: Proof[] = [];
  const figures = (): LeanRow => {
    const sum = (of: (proof: Proof) => number): number =>
      proofs.reduce((total, proof) => total + of(proof), 0);
    return {
      ...{ server, transport, links },
      up: sum(({ way, passed }) => (way === "up" ? passed : 0)),
      down: sum(({ way, passed }) => (way === "down" ? passed : 0)),
      faults: sum(({ faults }) => faults),
      published: sum(({ flow }) => flow.published),
      delivered: sum(({ flow }) => flow.witness.delivered),
      elapsedMs: Math.round(performance.now() - startedAt),
      findings: proofs.flatMap(({ findings }) => findings),
    };
  };
  const telling = setInterval(() => {
    const { up, down, faults } = figures();
    tell(`${server} ${transport}: ${up} up, ${down} down, of ${count}; ${faults} faults`);
  }, TELL_MS);
  try {
    for (let link = 0; link < links; link++)
      for (const way of WAYS) proofs.push(await Proof.start(course, link, way));
    await Promise.all(
      proofs.map(async (proof) => {
        await proof.run();
        if (proof.findings.length > 0) course.failed = true;
      }),
    );
  } finally {
    clearInterval(telling);
    await Promise.all(proofs.map((proof) => proof.close()));
  }
  const row = figures();
  const { up, down, faults, findings } = row;
  tell(
    [`${server} ${transport}: ${up} up, ${down} down, ${faults} faults repaired`, ...findings].join("\n  "),
  );
  onRow(row);
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
 * One log, whose publisher (`up`) or whose subscriber (`down`) is on the transport. The client at its other end is on
 * TCP, so that the log is as fast as the transport. The proxy between the component and its server makes the faults.
 */
class Proof {
  /** Lean stanzas of the link so far. */
  passed = 0;
  faults = 0;
  private readonly own: string[] = [];
  /** How often the link ended. */
  private ends = 0;
  private readonly client: Client;
  private filter: StanzaFilter;

  private constructor(
    private readonly course: Course,
    readonly way: Way,
    readonly flow: Flow,
  ) {
    this.client = way === "up" ? flow.publisher : flow.subscriber;
    this.client.on("offline", ({ code, message }) => {
      this.ends++;
      if (code !== "gap") this.own.push(`${way}: the link ended with ${code}: ${message}`);
    });
    this.filter = this.count;
    course.filters.add(this.filter);
  }

  static async start(course: Course, link: number, way: Way): Promise<Proof> {
    const { sandbox, transport } = course;
    const clients: Client[] = [];
    const far = { tcp: sandbox.url, websocket: sandbox.websocketUrl, bosh: sandbox.boshUrl }[transport];
    const login = async (role: Role): Promise<Client> => {
      const name = nameOf(transport, link, way, role);
      const account = sandbox.accounts.find(({ jid }) => jid.startsWith(`${name}@`));
      if (account === undefined) throw new Error(`no account ${name}`);
      const component = sandbox.components[0]?.domain as string;
      const url = (role === "publisher") === (way === "up") ? far : sandbox.url;
      const { signal } = course.options;
      const client = await connect({ ...account, component, url, ca: sandbox.ca, signal });
      clients.push(client);
      return client;
    };
    try {
      const publisher = await login("publisher");
      return new Proof(course, way, await Flow.start(publisher, await login("subscriber"), way));
    } catch (error) {
      await Promise.all(clients.map((client) => client.close()));
      throw error;
    }
  }

  async run(): Promise<void> {
    const { every } = this.course.options;
    await this.until(() => this.isLean, REPAIR_MS, "lean stanzas");
    for (let next = every; this.isGoingOn; next += every) {
      await this.until(() => this.passed >= next || !this.isGoingOn, Infinity, "stanzas");
      const fault = LEAN_FAULTS[this.faults % LEAN_FAULTS.length] as LeanFault;
      if (this.isGoingOn) await this.makeFault(fault);
    }
    const { flow } = this;
    flow.stop();
    await this.until(() => flow.isWhole, SETTLE_MS, "the last updates");
    flow.witness.conclude(flow.published, 0);
  }

  async close(): Promise<void> {
    this.course.filters.delete(this.filter);
    this.flow.stop();
    await Promise.all([this.flow.publisher.close(), this.flow.subscriber.close()]);
  }

  get findings(): string[] {
    return [...this.own, ...this.flow.witness.findings];
  }

  /** Whether there is something left to prove. */
  private get isGoingOn(): boolean {
    const { course, passed } = this;
    const { count, links } = course.options;
    return !course.failed && this.findings.length === 0 && passed < count / links;
  }

  private get isLean(): boolean {
    return this.client.envelope?.[this.way] === "lean";
  }

  private readonly count = (stanza: string, direction: StanzaDirection): undefined => {
    if (direction === DIRECTIONS[this.way] && stanza.includes(this.client.jid) && isLean(stanza))
      this.passed++;
  };

  private setFilter(filter: StanzaFilter): void {
    this.course.filters.delete(this.filter);
    this.course.filters.add((this.filter = filter));
  }

  /** Makes one fault, and waits until its link has ended, and lean stanzas flow again. */
  private async makeFault(fault: LeanFault): Promise<void> {
    const ended = this.ends;
    const what = `${fault} ${this.way} after ${this.passed}`;
    let isMade = false;
    const filter = leanFault(fault, DIRECTIONS[this.way], this.client.jid, () => {
      isMade = true;
      this.setFilter(this.count);
    });
    this.setFilter((stanza, direction) => {
      this.count(stanza, direction);
      return filter(stanza, direction);
    });
    await this.until(() => isMade && this.ends > ended, REPAIR_MS, `the end of the link: ${what}`);
    await this.until(() => this.isLean, REPAIR_MS, `lean stanzas again: ${what}`);
    this.faults++;
  }

  /** Waits for a condition. Adds a finding if it does not come true in time. */
  private async until(condition: () => boolean, withinMs: number, what: string): Promise<void> {
    const { signal } = this.course.options;
    const deadline = performance.now() + withinMs;
    while (!condition() && this.findings.length === 0) {
      if (performance.now() > deadline) this.own.push(`not within ${withinMs} ms: ${what}`);
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}
