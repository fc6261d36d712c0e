import { createFormWriter, type Form, type FormWriter } from "./forms.js";
import { HOPS, type Hop, type HopMeter } from "./hops.js";
import type { Item } from "./item.js";
import type { HopClass, Profile } from "@stanzapack/wire";

/** Of one hop, in bytes. */
export interface HopBytes {
  readonly hop: Hop;
  readonly bytes: number;
}

/** One form on every hop. */
export class FormRun {
  private readonly writer: FormWriter;
  private readonly meters: readonly { readonly hop: Hop; readonly meter: HopMeter }[];
  private waiting: Item[] = [];
  private waitingBytes = 0;

  constructor(form: Form, profile: Profile) {
    this.writer = createFormWriter(form, profile);
    this.meters = HOPS.map((hop) => ({ hop, meter: hop.createMeter() }));
  }

  /** What is larger than a stanza may be goes in several. `waits` takes what the next must wait for. */
  push(item: Item, waits: Promise<unknown>[]): void {
    const { maxItems, maxBytes, bytesOf } = this.writer.bounds;
    const bytes = bytesOf(item);
    if (this.waiting.length >= maxItems || this.waitingBytes + bytes > maxBytes) this.flush(waits);
    this.waiting.push(item);
    this.waitingBytes += bytes;
  }

  /** Sends what waits. */
  flush(waits: Promise<unknown>[]): void {
    if (this.waiting.length === 0) return;
    const stanzas: Partial<Record<HopClass, string>> = {};
    for (const { hop, meter } of this.meters) {
      const hopClass = this.writer.byHop ? hop.hopClass : "plain";
      const stanza = (stanzas[hopClass] ??= this.writer.write(this.waiting, hopClass));
      const wait = meter.add(stanza);
      if (wait !== undefined) waits.push(wait);
    }
    this.waiting = [];
    this.waitingBytes = 0;
  }

  finish(): Promise<HopBytes[]> {
    return Promise.all(this.meters.map(async ({ hop, meter }) => ({ hop, bytes: await meter.finish() })));
  }
}
