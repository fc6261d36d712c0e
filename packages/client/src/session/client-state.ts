import { deadline, NS, type Connection } from "@stanzapack/xmpp";
import type { InactivePolicy } from "../options/connect-options.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";

/** `setActive` waits so long for the component to send In-Band Bytestreams alone, in ms; the server is told later then, once it does. */
const QUIET_MS = 10_000;

/** What client state asks of the link. */
export interface QuietsLink {
  /**
   * Asks for In-Band Bytestreams alone. True, or resolves true, once nothing else comes; false where that cannot be: there is no link, or
   * no longer, or `welcomeLean` came before.
   */
  quiet(): boolean | Promise<boolean>;
  /** Lean stanzas may come again. */
  welcomeLean(): void;
}

/** What client state asks of the link's keeper. */
export interface SettlesSubscriptions {
  /** False when there is no link, or no longer: restoring it will do the same. */
  settleAll(): Promise<boolean>;
}

/**
 * Client State Indication (XEP-0352). A server may hold what it takes for unimportant while a client is inactive, and
 * Prosody's csi_simple takes every headline for that: values would pile up there, and come late, in a burst, as if they
 * were news. Sent as chat they would be copied, archived and stored instead. So less is asked for first, and only then
 * the server is told: at most one stanza a window can be held, until this client next writes anything.
 * A server may also keep only the newest of the messages without children that one sender has for an inactive client: ejabberd takes
 * them for chat states (`mod_client_state`). Lean stanzas are such messages, so the component is asked for In-Band Bytestreams alone
 * first, and `<inactive/>` waits for its confirmation.
 * A publisher's demand is a headline too, and who subscribes must not wait for it: while a service is offered the server
 * is not told.
 */
export class ClientState {
  private wanted = true;
  /** What the server believes: a stream begins active, a resumed one too (XEP-0352 §5.2). */
  private told = true;
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly connection: Connection,
    private readonly keeper: SettlesSubscriptions,
    private readonly link: QuietsLink,
    private readonly subscriptions: ReadonlyMap<string, SharedSubscription>,
    private readonly services: { readonly size: number },
    private readonly policy: InactivePolicy,
  ) {}

  get active(): boolean {
    return this.wanted;
  }

  /** Calls take effect one after another; the last one holds. */
  set(active: boolean): Promise<void> {
    if (this.wanted !== active) {
      this.wanted = active;
      for (const subscription of this.subscriptions.values())
        subscription.setInactive(active ? undefined : this.policy);
      // What the server holds comes first, the wider window's rows after it.
      if (active) void this.tell();
      this.last = this.last.then(() => this.settle());
    }
    return this.last;
  }

  /** The window to ask for where this one is wanted. */
  widened(windowMs: number): number {
    return this.wanted || this.policy === "pause" ? windowMs : Math.max(windowMs, this.policy.windowMs);
  }

  /** A subscription made while inactive; a paused one is made first, so that its maker hears what is wrong with it. */
  adopt(subscription: SharedSubscription): void {
    if (!this.wanted && this.policy !== "pause") subscription.setInactive(this.policy);
  }

  /** It was made: a client that pauses gives it back, and one that changed meanwhile changes it. */
  async adopted(subscription: SharedSubscription): Promise<void> {
    subscription.setInactive(this.wanted ? undefined : this.policy);
    if (subscription.settled) return;
    await (this.last = this.last.then(() => this.settle()));
  }

  /** A service is to be offered, or is not any more. */
  onServices(): void {
    if (this.wanted) return;
    if (this.services.size > 0) void this.tell();
    else this.last = this.last.then(() => this.settle());
  }

  /** A new stream, or a resumed one: the server takes it for active. */
  onStream(resumed: boolean): void {
    this.told = true;
    // The link and its windows are as they were; a new one has to be restored first.
    if (resumed && !this.wanted) this.last = this.last.then(() => this.settle());
  }

  /** The link is back, with the windows that are to be. */
  onRestored(): void {
    void this.tell();
  }

  private async settle(): Promise<void> {
    const { wanted } = this;
    const settled = await this.keeper.settleAll();
    if (settled && wanted === this.wanted) await withinMs(QUIET_MS, this.tell());
  }

  private get isActive(): boolean {
    return this.wanted || this.services.size > 0;
  }

  /** Resolves once the server knows, or cannot know. */
  private async tell(): Promise<void> {
    if (this.isActive) {
      this.say(true);
      return this.link.welcomeLean();
    }
    if (!this.mayTell(false)) return;
    const quiet = this.link.quiet();
    const isQuiet = typeof quiet === "boolean" ? quiet : await quiet;
    if (isQuiet && !this.isActive) this.say(false);
  }

  private mayTell(active: boolean): boolean {
    const { connection } = this;
    return this.told !== active && connection.state === "online" && connection.offers(NS.CSI);
  }

  private say(active: boolean): void {
    if (!this.mayTell(active)) return;
    this.told = active;
    // XEP-0352 §4.2: no stanza, and never answered.
    this.connection.send(`<${active ? "active" : "inactive"} xmlns='${NS.CSI}'/>`, 0);
  }
}

/** Rejects never: who waits goes on. */
async function withinMs(ms: number, promise: Promise<void>): Promise<void> {
  let cancel: (() => void) | undefined;
  const late = new Promise<void>((resolve) => (cancel = deadline(ms, resolve)));
  await Promise.race([promise, late]);
  cancel?.();
}
