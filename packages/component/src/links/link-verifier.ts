import { DEFAULT_LINK_POLICY, StanzapackError } from "@stanzapack/wire";
import {
  backoffMs,
  monotonicNow,
  StanzaError,
  type Connection,
  type ReconnectPolicy,
} from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { ComponentStats } from "../base/stats.js";
import type { ComponentLimits } from "../config/config.js";
import { reattach } from "../subscriptions/credit.js";
import type { ClientLink } from "./client-link.js";
import { hasMore } from "./intake.js";
import type { LinkEnds } from "./link-ends.js";
import { askClient } from "./liveness.js";
import { ServerWatch } from "./server-watch.js";

/** A link must say HELLO within this, in ms. */
const HELLO_MS = 15_000;
/** After that, the link ends once the server has answered for this long, in ms. */
const HELLO_GRACE_MS = 2_000;
/**
 * From this many stanzas on that are not known to have arrived, the component asks, so that lean stanzas continue.
 * 1,024: half of the most that may be unconfirmed.
 */
const ASK_OUTSTANDING = 1_024;
/** How long a link is kept whose client's server is away, in ms. */
const SUSPENDED_MS = 60_000;
/** Times between the questions to such a link, with full jitter, because many links may have the same server. */
const ASK_AGAIN: ReconnectPolicy = { minMs: 2_000, maxMs: 10_000 };

/** Finds out whether the clients of silent links live, and ends or suspends the links of those that do not answer. */
export class LinkVerifier {
  private readonly watch: ServerWatch;

  constructor(
    private readonly connection: Connection,
    private readonly ends: LinkEnds,
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
  ) {
    this.watch = new ServerWatch(connection);
  }

  /**
   * Resolves with whether the link's client lives, as far as can be told. Ends the link if not. All calls while a
   * question is open share its answer. A client has `answerSeconds` to answer, which count only while the server
   * answers. `isHinted`: something else also says that nobody is there to read the reason.
   */
  verify(link: ClientLink, isHinted = false): Promise<boolean> {
    if (link.ended) return Promise.resolve(false);
    return (link.verifying ??= this.ask(link, isHinted).finally(() => (link.verifying = undefined)));
  }

  /** Once a second for each link: asks a client that owes HELLO or an acknowledgement too long, or is silent. */
  check(link: ClientLink, now: number): void {
    const { session, suspension } = link;
    if (suspension !== undefined) {
      if (now >= suspension.askAt) void this.verify(link);
    } else if (session.peerHello === undefined && now - link.openedAt > HELLO_MS) {
      void this.giveUpHello(link);
    } else if (
      now - (session.waitingSince ?? now) > this.patienceMs(link) ||
      // A client that receives no data owes no acknowledgement, and its presence may never have been sent here.
      now - link.heardAt > this.limits.silentSeconds * 1000 ||
      // Nothing else confirms stanzas with control frames.
      (link.envelope.lean && link.stream.outstanding >= ASK_OUTSTANDING)
    ) {
      void this.verify(link);
    }
  }

  /**
   * Returns how long data may be unacknowledged, in ms. A client with `ackEveryStanzas` unacknowledged stanzas
   * acknowledges at once.
   */
  private patienceMs({ session }: ClientLink): number {
    const { unackedSeconds, lazyUnackedSeconds } = this.limits;
    const isLazy = session.lazy && session.unacked < DEFAULT_LINK_POLICY.ackEveryStanzas;
    return (isLazy ? lazyUnackedSeconds : unackedSeconds) * 1_000;
  }

  private async ask(link: ClientLink, isHinted: boolean): Promise<boolean> {
    const { waitingSince } = link.session;
    const patience = { watch: this.watch, ms: this.limits.answerSeconds * 1_000 };
    const verdict = await askClient(this.connection, patience, link, (it) => this.ends.write(it));
    if (link.ended || verdict === "unknown") return !link.ended;
    // RFC 6120 §8.3.2: a later question may be answered.
    if (verdict instanceof StanzaError && verdict.type === "wait")
      this.suspend(link, verdict, monotonicNow());
    else if (verdict !== "alive") this.endSilent(link, verdict, isHinted);
    else {
      link.heardAt = monotonicNow();
      link.suspension = undefined;
      // The client acknowledges before it answers. Data from before the question that is still unacknowledged was lost.
      const silent = waitingSince !== undefined && link.session.waitingSince === waitingSince;
      if (silent && !hasMore(link.inbox))
        this.ends.bye(link, new StanzapackError("gap", "stanzas were lost on the way"));
      else if (link.detached.size > 0 && link.maySendData) reattach(link, monotonicNow());
    }
    return !link.ended;
  }

  /** Ends a link that owes HELLO, unless the server stands still and holds the HELLO back. */
  private async giveUpHello(link: ClientLink): Promise<void> {
    if (link.hopeless) return;
    link.hopeless = true;
    if ((await this.watch.answeredFor(HELLO_GRACE_MS)) && link.session.peerHello === undefined)
      this.ends.bye(link, new StanzapackError("timeout", `no HELLO within ${HELLO_MS} ms`));
    link.hopeless = false;
  }

  private endSilent(link: ClientLink, { message }: Error, isHinted: boolean): void {
    const text = `the client does not answer: ${message}`;
    if (isHinted) this.ends.end(link, text);
    else this.ends.bye(link, new StanzapackError("timeout", text));
  }

  private suspend(link: ClientLink, error: StanzaError, now: number): void {
    if (link.suspension === undefined) {
      link.suspension = { since: now, askAt: 0, tries: 0 };
      this.stats.suspensions++;
      this.log.debug({ jid: link.jid }, `link suspended: ${error.message}`);
    }
    const { suspension } = link;
    if (now - suspension.since >= SUSPENDED_MS) return this.endSilent(link, error, false);
    suspension.askAt = now + backoffMs(ASK_AGAIN, suspension.tries++, Math.random());
  }
}
