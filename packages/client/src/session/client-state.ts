import { deadline, NS, type Connection } from "@stanzapack/xmpp";
import type { InactivePolicy } from "../options/connect-options.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";

/**
 * Longest time for which `setActive` waits until the component sends only In-Band Bytestreams, in ms. If that takes
 * longer, the client tells the server later.
 */
const QUIET_MS = 10_000;

/** The calls that client state makes to the link. */
export interface QuietsLink {
  /**
   * Asks the component to send only In-Band Bytestreams. Returns true, or resolves to true, once nothing else arrives.
   * Returns false, or resolves to false, if there is no link, the link ends, or `welcomeLean` is called before.
   */
  quiet(): boolean | Promise<boolean>;
  /** The component may send lean stanzas again. */
  welcomeLean(): void;
}

/** The call that client state makes to the subscriptions. */
export interface SettlesSubscriptions {
  /**
   * Makes the component do what is wanted now. Resolves to false if there is no link, or the link ends: the next link
   * has the same result when it is restored.
   */
  settleAll(): Promise<boolean>;
}

/**
 * Client State Indication (XEP-0352).
 *
 * While a client is inactive, its server may hold stanzas that it takes for unimportant. Prosody's csi_simple takes
 * every headline for unimportant. Values would gather there, and arrive late, in a burst, as if they were new. As chat
 * messages they would be copied, archived and stored instead. So the client first asks the component for less, and only
 * then tells the server. The server can then hold at most one stanza a window, until this client next writes anything.
 *
 * For an inactive client a server may also keep only the newest message without children of each sender. ejabberd takes
 * such messages for chat states (`mod_client_state`). Lean stanzas are such messages. So the client first asks the
 * component to send only In-Band Bytestreams, and sends `<inactive/>` after the confirmation.
 *
 * DEMAND for a publisher is a headline too, and subscribers must not wait for it. So a client that offers a service
 * does not tell the server.
 */
export class ClientState {
  private wanted = true;
  /** State that the server knows. A stream begins active, and a resumed stream too (XEP-0352 §5.2). */
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
      // The stanzas that the server holds must arrive before the rows that follow the change of the window.
      if (active) void this.tell();
      void this.settleNext();
    }
    return this.last;
  }

  /** Takes the window that the program wants, and returns the window to ask for now. Both in ms. */
  widened(windowMs: number): number {
    return this.wanted || this.policy === "pause" ? windowMs : Math.max(windowMs, this.policy.windowMs);
  }

  /**
   * Applies the state to a subscription before its first request. A client that pauses makes the subscription first, so
   * that a refusal reaches the caller of `subscribe`.
   */
  adopt(subscription: SharedSubscription): void {
    if (!this.wanted && this.policy !== "pause") subscription.setInactive(this.policy);
  }

  /**
   * Applies the state to a subscription that was granted. A client that pauses gives the subscription back. If the
   * state has changed meanwhile, the window changes too.
   */
  async adopted(subscription: SharedSubscription): Promise<void> {
    subscription.setInactive(this.wanted ? undefined : this.policy);
    if (subscription.settled) return;
    await this.settleNext();
  }

  /** The client begins to offer a service, or no longer offers it. */
  onServices(): void {
    if (this.wanted) return;
    if (this.services.size > 0) void this.tell();
    else void this.settleNext();
  }

  /** A stream began, or was resumed. The server takes the client for active. */
  onStream(resumed: boolean): void {
    this.told = true;
    // After a resumption the link and its windows are unchanged. A new link must be restored first.
    if (resumed && !this.wanted) void this.settleNext();
  }

  /** The link is restored, with the wanted windows. */
  onRestored(): void {
    void this.tell();
  }

  /** Settles behind the calls before. A call that fails does not keep the next one from settling. */
  private settleNext(): Promise<void> {
    const settle = (): Promise<void> => this.settle();
    return (this.last = this.last.then(settle, settle));
  }

  private async settle(): Promise<void> {
    const { wanted } = this;
    const settled = await this.keeper.settleAll();
    if (settled && wanted === this.wanted) await withinMs(QUIET_MS, this.tell());
  }

  private get isActive(): boolean {
    return this.wanted || this.services.size > 0;
  }

  /** Tells the server the state. Resolves once the server knows it, or cannot know it. */
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
    // XEP-0352 §4.2: this is no stanza, and the server does not answer it.
    this.connection.send(`<${active ? "active" : "inactive"} xmlns='${NS.CSI}'/>`, 0);
  }
}

/** Settles as the promise does, but resolves after `ms` ms at the latest. */
async function withinMs(ms: number, promise: Promise<void>): Promise<void> {
  let cancel: (() => void) | undefined;
  const late = new Promise<void>((resolve) => (cancel = deadline(ms, resolve)));
  await Promise.race([promise, late]).finally(() => cancel?.());
}
