import { StanzapackError } from "@stanzapack/wire";
import { toStanzapackError } from "../base/errors.js";
import type { Negotiation } from "../negotiation/negotiation.js";
import type { ConfigureOptions } from "../options/offer-options.js";
import type { OfferedService } from "../publish/offered-service.js";
import type { Attempts } from "./attempts.js";
import { onLink, type CurrentLink, type Links } from "./current-link.js";

/** The requests about offered services: offer, configure, revoke and withdraw, on the current link or the next. */
export class ServiceRequests {
  /** Services that were stopped without a link, by node. */
  private readonly stopped = new Map<string, OfferedService>();
  /** Withdrawals that wait for an answer, by node. */
  private readonly withdrawing = new Map<string, Promise<void>>();

  constructor(
    private readonly links: Links,
    private readonly attempts: Attempts,
    private readonly negotiation: Negotiation,
    private readonly timeoutMs: number,
  ) {}

  /** Nodes of services that were stopped without a link. */
  get stoppedNodes(): string[] {
    return [...this.stopped.keys()];
  }

  /** Offers a service on the current link. */
  establish(service: OfferedService): Promise<void> {
    return this.attempts.once(service, async (current) => {
      await this.withdrawStopped(service.node, current);
      const offered = this.negotiation.offer(service.node, service.options, service.incarnation);
      await current.router.boundAfter(service, offered, this.timeoutMs);
    });
  }

  /** The component takes no updates of the service for a while: offers it again after the time that `error` names. */
  delay(service: OfferedService, error: StanzapackError): void {
    const { current } = this.links;
    if (current === undefined) return;
    service.delay(error);
    void this.restore(service, current, error);
  }

  /**
   * Offers a service again on a new link. A refusal ends the service. `refusal`: the component has just refused it for
   * a while.
   */
  restore(service: OfferedService, current: CurrentLink, refusal?: StanzapackError): Promise<void> {
    let refused = refusal;
    return this.attempts.persist(
      current,
      `offering \`${service.node}\` again`,
      async () => {
        const error = refused;
        refused = undefined;
        if (error !== undefined) throw error;
        if (!service.ended) await this.establish(service);
      },
      (failure) => {
        // Another session took this one for dead, and has the service now.
        const isFenced = failure.code === "conflict" && service.established;
        service.finish(
          isFenced
            ? new StanzapackError("fenced", failure.text, { origin: "peer", cause: failure })
            : failure,
        );
      },
    );
  }

  /** Resolves at once without a link, also if the link ends meanwhile: the next offer has the options. */
  async configure(service: OfferedService, options: ConfigureOptions): Promise<void> {
    await this.attempts.answered(service);
    const { current } = this.links;
    if (current === undefined || !service.isBound) return;
    try {
      await onLink(current, this.negotiation.configure(service.node, options));
    } catch (error) {
      if (current.link.live) throw error;
    }
  }

  /** Revokes the approval of a bare JID, on the current link or on the next. */
  revoke(service: OfferedService, jid: string): Promise<void> {
    return this.attempts.make([], async (current) => {
      await this.attempts.answered(service);
      await onLink(current, this.negotiation.revoke(service.node, jid));
    });
  }

  /**
   * Withdraws a service that has ended. Without a link the next link withdraws it. A service of the same name is
   * offered only afterwards.
   */
  withdraw(service: OfferedService): Promise<void> {
    const { node } = service;
    const done = this.withdrawNow(service);
    const over = done
      .catch(() => undefined)
      .finally(() => {
        if (this.withdrawing.get(node) === over) this.withdrawing.delete(node);
      });
    this.withdrawing.set(node, over);
    return done;
  }

  private async withdrawNow(service: OfferedService): Promise<void> {
    await this.attempts.answered(service);
    const { current } = this.links;
    if (current === undefined) {
      if (service.established) this.stopped.set(service.node, service);
      return;
    }
    try {
      await onLink(current, this.negotiation.withdraw(service.node));
    } catch (error) {
      if (!current.link.live) this.stopped.set(service.node, service);
      // The component restarted, and the service was not offered again yet.
      else if (toStanzapackError(error, "withdrawing").code !== "no-such-service") throw error;
    }
  }

  /** Withdraws a service whose offer was given up before the component had it. */
  giveUp(node: string): void {
    // A failure means that the link ends, or that another session has the service.
    if (!this.withdrawing.has(node)) this.negotiation.withdraw(node).catch(() => undefined);
  }

  /** Withdraws a service that was stopped without a link. Resolves when no withdrawal of the node is left. */
  withdrawStopped(node: string, current: CurrentLink): Promise<void> {
    const service = this.stopped.get(node);
    if (service === undefined) return this.withdrawing.get(node) ?? Promise.resolve();
    this.stopped.delete(node);
    const done = (async () => {
      try {
        // Another session that has the service by now keeps it: `conflict`.
        const options = { ...service.options, takeOver: false };
        await onLink(current, this.negotiation.offer(node, options, service.incarnation));
        await onLink(current, this.negotiation.withdraw(node));
      } catch {
        if (!current.link.live) this.stopped.set(node, service);
      } finally {
        this.withdrawing.delete(node);
      }
    })();
    this.withdrawing.set(node, done);
    return done;
  }
}
