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
 * The bytes of one form's connection, divided among its services. The total is the meter's. What the stream grew by when stanzas came is
 * theirs, by the characters of each, and a stanza is split by the characters of its parts: so a service pays for what the connection's
 * compression, or HTTP, makes of its stanzas, and not for their length before. Whatever else travelled (subscribing, acknowledgements, presence,
 * the other direction) is divided in proportion to that.
 */
export class TrafficAccount {
  private base: Traffic | undefined;
  /** Bytes down, so far. */
  private readonly bytes: Map<string, number>;
  /** Characters of the stanzas that came with what was read last, and of nobody's own. */
  private readonly chars = new Map<string, number>();
  private nobodys = 0;
  /** Down, before what was read last, and behind it. */
  private before = 0;
  private behind = 0;

  constructor(
    private readonly meter: ByteMeter,
    services: readonly string[],
  ) {
    this.bytes = new Map(services.map((service) => [service, 0]));
  }

  /** Counting begins now. */
  begin(): void {
    this.base = this.read();
    this.before = this.behind = this.base.down;
  }

  /** One stanza came, made of these parts. */
  countStanza(stanzaChars: number, parts: readonly Part[]): void {
    const { down } = this.read();
    if (down !== this.behind) this.divide();
    this.behind = down;
    const whole = parts.reduce((sum, part) => sum + part.chars, 0);
    for (const { service, chars } of parts) {
      const own = whole === 0 ? 0 : (stanzaChars * chars) / whole;
      if (service === undefined) this.nobodys += own;
      else this.chars.set(service, (this.chars.get(service) ?? 0) + own);
    }
  }

  /** Among the stanzas that came with what was read last. */
  private divide(): void {
    const whole = [...this.chars.values()].reduce((sum, chars) => sum + chars, this.nobodys);
    // Answers to requests may have come in front of them.
    const grown = Math.min(this.behind - this.before, whole);
    for (const [service, chars] of this.chars)
      this.bytes.set(service, (this.bytes.get(service) ?? 0) + (grown * chars) / whole);
    this.chars.clear();
    this.nobodys = 0;
    this.before = this.behind;
  }

  /** Where it stands. The services' whole bytes add up to the total exactly. */
  take(): { readonly total: Traffic; readonly services: ReadonlyMap<string, Traffic> } {
    this.divide();
    const now = this.read();
    const base = this.base ?? now;
    const total = { down: now.down - base.down, up: now.up - base.up };
    const weights = [...this.bytes.values()];
    const down = apportion(total.down, weights);
    const up = apportion(total.up, weights);
    const services = new Map(
      [...this.bytes.keys()].map((service, i) => [service, { down: down[i] ?? 0, up: up[i] ?? 0 }]),
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
