import { DEFAULT_LIMITS, encodeUpdate, StanzapackError } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Broker } from "../broker/broker.js";
import type { Service } from "../catalog/service.js";
import { DEFAULT_CONFIG } from "../options/service-config.js";
import { ClientRows } from "./client-rows.js";
import { ComponentRows, type ComponentSources } from "./component-row.js";
import { MapCopy } from "./map-copy.js";
import { OwnLink } from "./own-link.js";
import { OWN_SERVICES, type OwnServiceName, type ServiceRow } from "./rows.js";
import { ServiceRows } from "./service-rows.js";

/** Most rows of a map. Beyond, those with least traffic are left out. */
const MAX_ROWS = 1_000;
/** A look is followed by a pause of this many times its length, so looks take at most 2 % of the time. */
const PAUSE_FACTOR = 50;

const TITLES: Readonly<Record<OwnServiceName, string>> = {
  overview: "What this component is doing",
  services: "Services of this component, by node",
  clients: "Clients of this component, by JID",
};

/** One of the component's own services, and what its subscribers have been told. */
interface Own {
  readonly name: OwnServiceName;
  readonly node: string;
  readonly copy: MapCopy;
  /** The service that the copy belongs to. */
  service: Service | undefined;
  /** Sequence of the last row. */
  sequence: number;
}

/**
 * The services that the component offers itself, for its administrators alone: `overview`, `services`, `clients`. They
 * exist while the config names administrators, and cost nothing while nobody subscribes. All of their subscribers share
 * one look at the component, once a second.
 */
export class OwnServices {
  private readonly link: OwnLink;
  private readonly owns: readonly Own[];
  private readonly serviceRows = new ServiceRows();
  private readonly clientRows = new ClientRows();
  private readonly componentRows: ComponentRows;
  private admins: readonly string[] = [];
  /** When the component was looked at last, and when it may be looked at again, by the monotonic clock, in ms. */
  private lookedAt: number | undefined;
  private dueAt = 0;
  /** An offer was refused, and that is in the log. */
  private isRefused = false;

  constructor(
    domain: string,
    private readonly broker: Broker,
    private readonly sources: ComponentSources,
    private readonly log: Logger,
  ) {
    this.link = new OwnLink(domain);
    this.componentRows = new ComponentRows(broker, sources, wallNow());
    this.owns = OWN_SERVICES.map((name) => ({
      ...{ name, node: `${domain}/${name}`, copy: new MapCopy(), service: undefined, sequence: 0 },
    }));
  }

  /** Offers the services to these bare JIDs, or to others than before. None: withdraws the services. */
  offerTo(admins: readonly string[]): void {
    this.admins = admins;
    for (const own of this.owns) {
      if (admins.length > 0) this.offer(own);
      else if (own.service !== undefined) {
        this.broker.offers.withdraw(own.service, this.link);
        own.service = undefined;
      }
    }
  }

  /** Once a second: tells the subscribers what has changed. `now`: monotonic, in ms. */
  sweep(now: number): void {
    if (this.admins.length === 0) return;
    // An administrator may have removed them, and the component may have refused one of their updates.
    for (const own of this.owns) if (own.service?.publisher?.link !== this.link) this.offer(own);
    const watched = this.owns.filter(({ service }) => (service?.subscriptions.size ?? 0) > 0);
    for (const own of this.owns) if (!watched.includes(own)) this.publish(own, own.copy.empty());
    if (watched.length === 0) {
      this.lookedAt = undefined;
      this.componentRows.stop();
      return;
    }
    if (now < this.dueAt) return;
    const begun = monotonicNow();
    this.look(new Set(watched.map(({ name }) => name)), now);
    this.dueAt = now + PAUSE_FACTOR * (monotonicNow() - begun);
  }

  stop(): void {
    this.componentRows.stop();
  }

  private offer(own: Own): void {
    const config = {
      ...DEFAULT_CONFIG,
      kind: own.name === "overview" ? ("value" as const) : ("map" as const),
      access: "whitelist" as const,
      durability: "none" as const,
      members: new Set(this.admins),
      title: TITLES[own.name],
    };
    try {
      const outcome = this.broker.offers.offer(this.link, own.node, config, monotonicNow());
      // A service in memory is there at once.
      if (outcome instanceof Promise || !("service" in outcome)) return;
      this.isRefused = false;
      if (outcome.service === own.service) return;
      own.service = outcome.service;
      own.sequence = 0;
      own.copy.forget();
    } catch (error) {
      const reason = error instanceof StanzapackError ? error.text : String(error);
      if (!this.isRefused)
        this.log.warn({ node: own.node, reason }, "administrators cannot see this service now");
      this.isRefused = true;
    }
  }

  private look(wanted: ReadonlySet<OwnServiceName>, now: number): void {
    const seconds = this.lookedAt === undefined ? 1 : Math.max(0.001, (now - this.lookedAt) / 1_000);
    this.lookedAt = now;
    const rates = this.componentRows.ratesOf(seconds);
    const services = this.serviceRows.of(
      this.broker.catalog.services.values(),
      // The component's own are not what it is for.
      ({ id }) => id.owner !== this.link.jid,
      rates.chars,
      seconds,
    );
    const sum = (of: (row: ServiceRow) => number): number =>
      Math.round([...services.values()].reduce((all, row) => all + of(row), 0));
    const total = { updatesOut: sum((row) => row.updatesOut), jsonChars: sum((row) => row.jsonChars) };
    const maps = {
      services: () =>
        busiest(services, ({ chars, updatesIn, subscribers }) => chars + updatesIn + subscribers),
      clients: () =>
        busiest(this.clientRows.of(this.sources.links(), now, seconds), (row) => row.stanzas + row.unacked),
    };
    for (const own of this.owns) {
      if (!wanted.has(own.name)) continue;
      if (own.name === "overview") {
        const row = this.componentRows.row(rates, total, now, seconds);
        this.publish(own, [encodeUpdate(row, DEFAULT_LIMITS)]);
      } else this.publish(own, own.copy.update(maps[own.name]()));
    }
  }

  private publish(own: Own, rows: readonly Uint8Array[]): void {
    const { service } = own;
    if (service?.publisher?.link !== this.link || rows.length === 0) return;
    const from = own.sequence + 1;
    own.sequence += rows.length;
    const batch = { epoch: 1, from, to: own.sequence, rows, at: 0, spanMs: 0 };
    this.broker.publishing.take(service, batch, monotonicNow());
  }
}

/** The rows with the greatest weight, if there are too many. */
function busiest<T>(rows: ReadonlyMap<string, T>, weightOf: (row: T) => number): ReadonlyMap<string, T> {
  if (rows.size <= MAX_ROWS) return rows;
  return new Map([...rows].sort(([, a], [, b]) => weightOf(b) - weightOf(a)).slice(0, MAX_ROWS));
}
