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
 * The bytes since the stanzas before belong to the stanzas that have arrived now. The bytes of the stanzas themselves,
 * compressed or not, are divided by their characters. The bytes beside them are divided evenly among the stanzas: the
 * head of an HTTP answer is equally long whatever the answer holds. Bytes upwards are divided evenly too. A stanza of
 * several services is divided by the characters of its parts. All other bytes, mostly those of subscribing, are divided
 * evenly among the services.
 */
export class TrafficAccount {
  private base: Traffic | undefined;
  private readonly shares: Map<string, { down: number; up: number }>;
  /** Stanzas of the last read, by service. */
  private readonly came = new Map<string | undefined, { chars: number; stanzas: number }>();
  /** The meter after the stanzas before the last read, and after the last read. */
  private before: Traffic = { down: 0, up: 0 };
  private behind: Traffic = this.before;

  constructor(
    private readonly meter: ByteMeter,
    services: readonly string[],
  ) {
    this.shares = new Map(services.map((service) => [service, { down: 0, up: 0 }]));
  }

  /** Begins to count. */
  begin(): void {
    this.base = this.before = this.behind = this.read();
  }

  /** Divides everything so far evenly among the services, stanzas too. */
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
      const own = whole === 0 ? 0 : chars / whole;
      const before = this.came.get(service) ?? { chars: 0, stanzas: 0 };
      this.came.set(service, {
        chars: before.chars + stanzaChars * own,
        stanzas: before.stanzas + own,
      });
    }
  }

  /** Divides the bytes among the stanzas of the last read. */
  private divide(): void {
    const { before, behind } = this;
    const came = [...this.came.values()];
    const allChars = came.reduce((sum, { chars }) => sum + chars, 0);
    const allStanzas = came.reduce((sum, { stanzas }) => sum + stanzas, 0);
    const down = behind.down - before.down;
    const beside = Math.max(0, down - allChars);
    for (const [service, { chars, stanzas }] of this.came) {
      const share = service === undefined ? undefined : this.shares.get(service);
      if (share === undefined || allStanzas === 0) continue;
      share.down += ((down - beside) * chars) / allChars + (beside * stanzas) / allStanzas;
      share.up += ((behind.up - before.up) * stanzas) / allStanzas;
    }
    this.came.clear();
    this.before = behind;
  }

  /**
   * The bytes so far. The services' whole bytes add up exactly to the total. `rest`: bytes in both directions that were
   * divided evenly, of each service.
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
    const shares = [...this.shares.values()];
    const down = withRest(
      total.down,
      shares.map((share) => share.down),
    );
    const up = withRest(
      total.up,
      shares.map((share) => share.up),
    );
    const services = new Map(
      [...this.shares.keys()].map((service, i) => [service, { down: down[i] ?? 0, up: up[i] ?? 0 }]),
    );
    const own = shares.reduce((sum, share) => sum + share.down + share.up, 0);
    return { total, services, rest: Math.max(0, total.down + total.up - own) / shares.length };
  }

  private read(): Traffic {
    return { down: this.meter.received.xmpp, up: this.meter.sent.xmpp };
  }
}

/** Adds to each own share an equal part of the rest. */
function withRest(total: number, own: readonly number[]): number[] {
  const rest = total - own.reduce((a, b) => a + b, 0);
  return apportion(
    total,
    own.map((share) => share + Math.max(0, rest) / own.length),
  );
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
