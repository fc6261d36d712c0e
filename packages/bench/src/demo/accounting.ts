import type { ByteMeter } from "@stanzapack/xmpp";

export interface Traffic {
  readonly down: number;
  readonly up: number;
}

/**
 * Characters of one part of a stanza, which is a frame or an item. Without `service` the part belongs to no service.
 */
export interface Part {
  readonly service: string | undefined;
  readonly chars: number;
}

/**
 * The bytes of one form's connection, divided among its services. The meter gives the total.
 *
 * The bytes since the stanzas before belong to the stanzas that have arrived now. They are divided in proportion to the
 * stanzas' characters, and a stanza of several services by the characters of its parts. So the head of an HTTP answer is
 * divided like what the answer holds. On BOSH that includes the bytes up: each answer makes one request. Elsewhere bytes
 * up acknowledge everything until then. They are divided in proportion to all bytes down, like those of subscribing.
 */
export class TrafficAccount {
  private base: Traffic | undefined;
  private readonly shares: Map<string, { down: number; up: number }>;
  /** Characters of stanzas of the last read, by service. */
  private readonly came = new Map<string | undefined, number>();
  /** The meter after the stanzas before the last read, and after the last read. */
  private before: Traffic = { down: 0, up: 0 };
  private behind: Traffic = this.before;

  constructor(
    private readonly meter: ByteMeter,
    services: readonly string[],
    /** The connection is BOSH. */
    private readonly pairsRequests = false,
  ) {
    this.shares = new Map(services.map((service) => [service, { down: 0, up: 0 }]));
  }

  /** Begins to count. */
  begin(): void {
    this.base = this.before = this.behind = this.read();
  }

  /** Counts everything so far as bytes that belong to no stanza. */
  passOver(): void {
    this.divide();
    for (const share of this.shares.values()) share.down = share.up = 0;
    this.before = this.behind = this.read();
  }

  /** Counts one stanza that consists of these parts. */
  countStanza(stanzaChars: number, parts: readonly Part[]): void {
    const now = this.read();
    if (now.down !== this.behind.down) this.divide();
    this.behind = now;
    const whole = parts.reduce((sum, part) => sum + part.chars, 0);
    for (const { service, chars } of parts) {
      if (whole > 0) this.came.set(service, (this.came.get(service) ?? 0) + (stanzaChars * chars) / whole);
    }
  }

  /** Divides the bytes among the stanzas of the last read. */
  private divide(): void {
    const allChars = [...this.came.values()].reduce((sum, chars) => sum + chars, 0);
    const { before, behind } = this;
    for (const [service, chars] of this.came) {
      const share = service === undefined ? undefined : this.shares.get(service);
      if (share === undefined) continue;
      share.down += ((behind.down - before.down) * chars) / allChars;
      if (this.pairsRequests) share.up += ((behind.up - before.up) * chars) / allChars;
    }
    this.came.clear();
    this.before = behind;
  }

  /**
   * The bytes so far. The services' whole bytes add up exactly to the total. `rest`: the part of the bytes down, from 0
   * to 1, that came beside the stanzas of the services.
   */
  take(): {
    readonly total: Traffic;
    readonly services: ReadonlyMap<string, Traffic>;
    readonly rest: number;
  } {
    this.divide();
    const now = this.read();
    const base = this.base ?? now;
    const total = { down: now.down - base.down, up: now.up - base.up };
    const downShares = [...this.shares.values()].map((share) => share.down);
    const upShares = [...this.shares.values()].map((share) => share.up);
    const down = apportion(total.down, downShares);
    const up = apportion(total.up, this.pairsRequests ? upShares : downShares);
    const services = new Map(
      [...this.shares.keys()].map((service, i) => [service, { down: down[i] ?? 0, up: up[i] ?? 0 }]),
    );
    const own = downShares.reduce((sum, share) => sum + share, 0);
    return { total, services, rest: total.down === 0 ? 0 : Math.max(0, 1 - own / total.down) };
  }

  private read(): Traffic {
    return { down: this.meter.received.xmpp, up: this.meter.sent.xmpp };
  }
}

/** Divides a whole total into whole shares by largest remainder. If all weights are 0, the shares are equal. */
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
