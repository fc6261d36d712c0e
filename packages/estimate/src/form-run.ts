import type { HopClass } from "@stanzapack/wire";
import type { Envelope } from "./envelope.js";
import { createFormWriter, type Form, type FormWriter, type LinkState, type Written } from "./forms.js";
import { HOPS, type Hop, type HopMeter } from "./hops.js";
import type { Item } from "./item.js";

/** Bytes of a form on one hop. */
export interface HopBytes {
  readonly hop: Hop;
  readonly bytes: number;
  /** Kind of stanzas that were counted: of the two kinds of a link, the smaller one. null: not a form of ours. */
  readonly envelope: "lean" | "ibb" | null;
}

/** Updates of one service that wait. */
interface Service {
  readonly writer: FormWriter;
  waiting: Item[];
  bytes: number;
}

interface Meters {
  readonly hop: Hop;
  readonly stanzas: HopMeter;
  /** Meter of the same updates as lean stanzas. */
  readonly lean: HopMeter | undefined;
}

/** One form on every hop: one link, on which each service has its stanzas. */
export class FormRun {
  private readonly link: LinkState;
  private readonly services = new Map<string, Service>();
  private readonly meters: readonly Meters[];

  constructor(
    private readonly form: Form,
    envelope: Envelope,
  ) {
    this.link = { envelope, seq: { plain: 0, compressed: 0 } };
    this.meters = HOPS.map((hop) => ({
      hop,
      stanzas: hop.createMeter(),
      lean: form === "stanzapack" ? hop.createMeter() : undefined,
    }));
  }

  /**
   * Adds an update. Sends the waiting updates first if the stanza would become too large. `waits` receives promises to
   * await before the next call.
   */
  push(name: string, item: Item, waits: Promise<unknown>[]): void {
    const service = this.serviceOf(name);
    const { maxItems, maxBytes, bytesOf } = service.writer.bounds;
    const bytes = bytesOf(item);
    if (service.waiting.length >= maxItems || service.bytes + bytes > maxBytes) this.send(service, waits);
    service.waiting.push(item);
    service.bytes += bytes;
  }

  /** Sends the waiting updates of one service, or of all. */
  flush(name: string | undefined, waits: Promise<unknown>[]): void {
    if (name !== undefined) return this.send(this.serviceOf(name), waits);
    for (const service of this.services.values()) this.send(service, waits);
  }

  finish(): Promise<HopBytes[]> {
    return Promise.all(
      this.meters.map(async ({ hop, stanzas, lean }): Promise<HopBytes> => {
        const bytes = await stanzas.finish();
        if (lean === undefined) return { hop, bytes, envelope: null };
        const leanBytes = await lean.finish();
        return leanBytes < bytes
          ? { hop, bytes: leanBytes, envelope: "lean" }
          : { hop, bytes, envelope: "ibb" };
      }),
    );
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
    const written: Partial<Record<HopClass, Written>> = {};
    for (const { hop, stanzas, lean } of this.meters) {
      const hopClass = writer.byHop ? hop.hopClass : "plain";
      const one = (written[hopClass] ??= writer.write(waiting, hopClass));
      for (const wait of [stanzas.add(one.stanza), lean?.add(one.lean ?? one.stanza)])
        if (wait !== undefined) waits.push(wait);
    }
    service.waiting = [];
    service.bytes = 0;
  }
}
