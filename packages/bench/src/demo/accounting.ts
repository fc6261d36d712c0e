import type { ByteMeter } from "@stanzapack/xmpp";

export interface Traffic {
  readonly down: number;
  readonly up: number;
}

/** What one part of a stanza takes: a frame or an item, in characters; `service` undefined: nobody's own. */
export interface Part {
  readonly service: string | undefined;
  readonly chars: number;
}

/**
 * The bytes of one form's connection, divided among its services. The total is the meter's. Each stanza with data is
 * split by the characters of its parts; whatever else travelled (subscribing, acknowledgements, presence, the other
 * direction) is divided in proportion to that.
 */
export class TrafficAccount {
  private base: Traffic | undefined;
  private readonly chars: Map<string, number>;

  constructor(
    private readonly meter: ByteMeter,
    services: readonly string[],
  ) {
    this.chars = new Map(services.map((service) => [service, 0]));
  }

  /** Counting begins now. */
  begin(): void {
    this.base = this.read();
  }

  /** One stanza came, made of these parts. */
  countStanza(stanzaChars: number, parts: readonly Part[]): void {
    const whole = parts.reduce((sum, part) => sum + part.chars, 0);
    if (whole === 0) return;
    for (const { service, chars } of parts) {
      if (service === undefined) continue;
      this.chars.set(service, (this.chars.get(service) ?? 0) + (stanzaChars * chars) / whole);
    }
  }

  /** Where it stands. The services' whole bytes add up to the total exactly. */
  take(): { readonly total: Traffic; readonly services: ReadonlyMap<string, Traffic> } {
    const now = this.read();
    const base = this.base ?? now;
    const total = { down: now.down - base.down, up: now.up - base.up };
    const weights = [...this.chars.values()];
    const down = apportion(total.down, weights);
    const up = apportion(total.up, weights);
    const services = new Map(
      [...this.chars.keys()].map((service, i) => [service, { down: down[i] ?? 0, up: up[i] ?? 0 }]),
    );
    return { total, services };
  }

  private read(): Traffic {
    return { down: this.meter.received.xmpp, up: this.meter.sent.xmpp };
  }
}

/** Whole shares of a whole total that add up to it, by largest remainder; even ones where nothing weighs. */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((weight) => (sum > 0 ? (total * weight) / sum : total / weights.length));
  const shares = exact.map(Math.floor);
  let rest = total - shares.reduce((a, b) => a + b, 0);
  const byRemainder = exact
    .map((share, index) => ({ index, remainder: share - Math.floor(share) }))
    .sort((a, b) => b.remainder - a.remainder);
  for (const { index } of byRemainder) {
    if (rest-- <= 0) break;
    shares[index] = (shares[index] ?? 0) + 1;
  }
  return shares;
}
