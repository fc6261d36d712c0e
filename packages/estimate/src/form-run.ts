import type { HopClass, Profile } from "@stanzapack/wire";
import type { Envelope } from "./envelope.js";
import { createFormWriter, type Form, type FormWriter, type LinkState } from "./forms.js";
import { HOPS, type Hop, type HopMeter } from "./hops.js";
import type { Item } from "./item.js";

/** Of one hop, in bytes. */
export interface HopBytes {
  readonly hop: Hop;
  readonly bytes: number;
}

/** What waits of one service. */
interface Service {
  readonly writer: FormWriter;
  waiting: Item[];
  bytes: number;
}

/** One form on every hop: one link, on which each service has its stanzas. */
export class FormRun {
  private readonly link: LinkState;
  private readonly services = new Map<string, Service>();
  private readonly meters: readonly { readonly hop: Hop; readonly meter: HopMeter }[];

  constructor(
    private readonly form: Form,
    profile: Profile,
    envelope: Envelope,
  ) {
    this.link = { profile, envelope, seq: { plain: 0, compressed: 0 } };
    this.meters = HOPS.map((hop) => ({ hop, meter: hop.createMeter() }));
  }

  /** What is larger than a stanza may be goes in several. `waits` takes what the next must wait for. */
  push(name: string, item: Item, waits: Promise<unknown>[]): void {
    const service = this.serviceOf(name);
    const { maxItems, maxBytes, bytesOf } = service.writer.bounds;
    const bytes = bytesOf(item);
    if (service.waiting.length >= maxItems || service.bytes + bytes > maxBytes) this.send(service, waits);
    service.waiting.push(item);
    service.bytes += bytes;
  }

  /** Sends what waits of one service, or of all. */
  flush(name: string | undefined, waits: Promise<unknown>[]): void {
    if (name !== undefined) return this.send(this.serviceOf(name), waits);
    for (const service of this.services.values()) this.send(service, waits);
  }

  finish(): Promise<HopBytes[]> {
    return Promise.all(this.meters.map(async ({ hop, meter }) => ({ hop, bytes: await meter.finish() })));
  }

  private serviceOf(name: string): Service {
    let service = this.services.get(name);
    if (service === undefined) {
      const writer = createFormWriter(this.form, this.link, this.services.size + 1);
      this.services.set(name, (service = { writer, waiting: [], bytes: 0 }));
    }
    return service;
  }

  private send(service: Service, waits: Promise<unknown>[]): void {
    const { writer, waiting } = service;
    if (waiting.length === 0) return;
    const stanzas: Partial<Record<HopClass, string>> = {};
    for (const { hop, meter } of this.meters) {
      const hopClass = writer.byHop ? hop.hopClass : "plain";
      const stanza = (stanzas[hopClass] ??= writer.write(waiting, hopClass));
      const wait = meter.add(stanza);
      if (wait !== undefined) waits.push(wait);
    }
    service.waiting = [];
    service.bytes = 0;
  }
}
