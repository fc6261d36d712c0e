import type { ByteMeter } from "@stanzapack/xmpp";
import { FORMS, type Form } from "../rivals/forms.js";
import { TrafficAccount, type Part } from "./accounting.js";
import { Delivery, PublishedLog } from "./delivery.js";
import type { Road } from "./publishers.js";
import { DEMO_SERVICES, type DemoServiceName } from "./services.js";

/** One row of the result. `service` is `*` for the whole connection of a form. */
export interface Row {
  readonly service: string;
  readonly form: Form;
  readonly windowMs: number | null;
  readonly updates: number;
  readonly lost: number;
  readonly bytesDown: number;
  readonly bytesUp: number;
  /** Bytes in both directions. Null without updates. */
  readonly bytesPerUpdate: number | null;
  /** The part of `bytesDown` that the server adds by writing `"` as `&quot;`. */
  readonly quoteEscapeBytes: number;
}

/** Bytes that escaped quotes cost on one rival's connection. */
export interface EscapeCount {
  bytesFor(quotes: number): number;
}

/** What one form's consumer receives, and the bytes of its connection. */
export class FormMeasurement {
  private readonly traffic: TrafficAccount;
  private readonly deliveries: ReadonlyMap<string, Delivery>;
  private readonly quotes = new Map<string, number>();
  /** Bytes of the connection until `freeze`. */
  private taken: ReturnType<TrafficAccount["take"]> | undefined;

  constructor(
    readonly form: Form,
    meter: ByteMeter,
    logs: ReadonlyMap<string, PublishedLog>,
    { url }: Road,
    private readonly escapes?: EscapeCount,
  ) {
    this.traffic = new TrafficAccount(meter, [...logs.keys()], /^https?:/.test(url));
    this.deliveries = new Map([...logs].map(([service, log]) => [service, new Delivery(log)]));
  }

  begin(): void {
    this.traffic.begin();
  }

  /** Counts everything so far as bytes that belong to no stanza. */
  passOver(): void {
    this.traffic.passOver();
  }

  /** Stops counting. */
  freeze(): void {
    this.taken ??= this.traffic.take();
  }

  stanza(chars: number, parts: readonly Part[]): void {
    if (this.taken === undefined) this.traffic.countStanza(chars, parts);
  }

  value(service: string, hash: number, offset?: number): void {
    if (this.taken === undefined) this.deliveries.get(service)?.receive(hash, offset);
  }

  conflated(service: string, count: number): void {
    if (this.taken === undefined) this.deliveries.get(service)?.conflate(count);
  }

  addQuotes(service: string, count: number): void {
    if (this.taken === undefined) this.quotes.set(service, (this.quotes.get(service) ?? 0) + count);
  }

  /** The part of all bytes, from 0 to 1, that belongs to no update: mostly subscribing. */
  get rest(): number {
    return (this.taken ?? this.traffic.take()).rest;
  }

  /** A row for each service, then the whole. `settled`: the logs have everything that matters. */
  rows(settled: boolean): Row[] {
    const { total, services } = this.taken ?? this.traffic.take();
    const rows = DEMO_SERVICES.map(({ name, windowMs }): Row => {
      const { down, up } = services.get(name) ?? { down: 0, up: 0 };
      const count = this.deliveries.get(name)?.count(settled) ?? { updates: 0, lost: 0 };
      const quoteEscapeBytes = this.escapes?.bytesFor(this.quotes.get(name) ?? 0) ?? 0;
      return createRow(name, this.form, windowMs, count, { down, up }, quoteEscapeBytes);
    });
    const sum = (of: (row: Row) => number): number => rows.reduce((all, row) => all + of(row), 0);
    const counts = { updates: sum((row) => row.updates), lost: sum((row) => row.lost) };
    return [
      ...rows,
      createRow(
        "*",
        this.form,
        null,
        counts,
        total,
        sum((row) => row.quoteEscapeBytes),
      ),
    ];
  }
}

function createRow(
  service: string,
  form: Form,
  windowMs: number | null,
  { updates, lost }: { readonly updates: number; readonly lost: number },
  { down, up }: { readonly down: number; readonly up: number },
  quoteEscapeBytes: number,
): Row {
  return {
    service,
    form,
    windowMs,
    updates,
    lost,
    bytesDown: down,
    bytesUp: up,
    bytesPerUpdate: updates === 0 ? null : (down + up) / updates,
    quoteEscapeBytes,
  };
}

/** One log for each service, filled by messages of the publisher's process. */
export function createLogs(): ReadonlyMap<DemoServiceName, PublishedLog> {
  return new Map(DEMO_SERVICES.map(({ name }) => [name, new PublishedLog()]));
}

/** Services first, each in all its forms; then the totals. */
export function sortRows(rows: readonly Row[]): Row[] {
  const services = [...DEMO_SERVICES.map(({ name }) => name as string), "*"];
  return [...rows].sort(
    (a, b) =>
      services.indexOf(a.service) - services.indexOf(b.service) ||
      FORMS.indexOf(a.form) - FORMS.indexOf(b.form),
  );
}
