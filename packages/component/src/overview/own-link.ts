import { DEFAULT_LIMITS, LinkSession } from "@stanzapack/wire";
import { FewMap } from "../base/few.js";
import type { PublisherLink, Service } from "../catalog/service.js";

/**
 * The publisher of the component's own services. It is in this process, so it needs neither a stream nor a budget, and
 * looks at its services instead of receiving frames.
 */
export class OwnLink implements PublisherLink {
  readonly session = new LinkSession(DEFAULT_LIMITS);
  readonly services = new FewMap<number, Service>();
  readonly throttle = { accounts: [], updates: 0, owes: false, windowMs: 0, widenAt: 0 };
  readerBytes = 0;
  private lastAlias = -1;

  /** `jid`: the component's domain. */
  constructor(readonly jid: string) {}

  get bareJid(): string {
    return this.jid;
  }

  takeAlias(): number {
    return ++this.lastAlias;
  }

  /* Nothing to do: see above. */
  sendFrame(): void {}
  noteKept(): void {}
  assertOpen(): void {}
  checkAlias(): void {}
}
