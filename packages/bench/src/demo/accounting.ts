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
 * The bytes of one form's connection, divided among its services. The total is the meter's.
 *
 * What travelled since the stanzas before belongs to the stanzas that came now. The bytes of the stanzas themselves, compressed or not,
 * are divided by their characters. What travelled beside them is divided evenly among the stanzas: an answer of HTTP has a head of the same
 * length whatever it holds. So is what travelled upwards. A stanza of several services is split by the characters of its parts.
 * Whatever else travelled, subscribing above all, is divided evenly among the services.
 */
export class TrafficAccount {
  private base: Traffic | undefined;
  private readonly shares: Map<string, { down: number; up: number }>;
  /** Of the stanzas that came with what was read last, each service's and nobody's own. */
  private readonly came = new Map<string | undefined, { chars: number; stanzas: number }>();
  /** Where it stood when the stanzas before had come, and when those did. */
  private before: Traffic = { down: 0, up: 0 };
  private behind: Traffic = this.before;

  constructor(
    private readonly meter: ByteMeter,
    services: readonly string[],
  ) {
    this.shares = new Map(services.map((service) => [service, { down: 0, up: 0 }]));
  }

  /** Counting begins now. */
  begin(): void {
    this.base = this.before = this.behind = this.read();
  }

  /** What travelled so far was for all of them, stanzas too. */
  passOver(): void {
    this.divide();
    for (const share of this.shares.values()) share.down = share.up = 0;
    this.before = this.behind = this.read();
  }

  /** One stanza came, made of these parts. */
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

  /** Among the stanzas that came with what was read last. */
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

  /** Where it stands. The services' whole bytes add up to the total exactly. */
  take(): { readonly total: Traffic; readonly services: ReadonlyMap<string, Traffic> } {
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
    return { total, services };
  }

  private read(): Traffic {
    return { down: this.meter.received.xmpp, up: this.meter.sent.xmpp };
  }
}

/** Own shares, and of the rest as much for each. */
function withRest(total: number, own: readonly number[]): number[] {
  const rest = total - own.reduce((a, b) => a + b, 0);
  return apportion(
    total,
    own.map((share) => share + Math.max(0, rest) / own.length),
  );
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
