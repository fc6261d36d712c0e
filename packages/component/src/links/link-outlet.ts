import type { StanzapackError } from "@stanzapack/wire";
import type { Outlet, OutletFormat } from "../fanout/outlet.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import type { SharedFrame } from "../fanout/shared-frame.js";
import type { ClientLink, LinkSubscription } from "./client-link.js";

/** Delivers one subscription's updates as DATA frames over its client's link. */
export class LinkOutlet implements Outlet {
  private subscription: LinkSubscription | undefined = undefined;

  constructor(
    readonly link: ClientLink,
    /** The subscription's alias on the link. */
    readonly alias: number,
  ) {}

  get jid(): string {
    return this.link.jid;
  }
  get bareJid(): string {
    return this.link.bareJid;
  }
  get format(): OutletFormat {
    return this.link.format;
  }
  get writer(): ClientLink {
    return this.link;
  }

  /**
   * Puts the subscription where its link looks for it. Sends BIND, and STATUS if the publisher has something to say.
   */
  open(subscription: LinkSubscription): void {
    const { link, alias } = this;
    const { service, subid } = subscription;
    const { node, baseAt } = service.record;
    this.subscription = subscription;
    link.subscriptions.set(alias, subscription);
    link.taken.set(service, subscription);
    link.sendFrame({
      ...{ type: "bind", role: "subscription" },
      ...{ alias, node, subid, kind: service.config.kind, baseAt },
    });
    const { told } = service;
    if (told.status !== "online" || told.windowMs !== null)
      link.sendFrame({ type: "status", alias, ...told });
  }

  /** See `Outlet`. */
  close(): void {
    const { link, alias, subscription } = this;
    if (subscription === undefined) return;
    link.subscriptions.delete(alias);
    link.taken.delete(subscription.service);
    link.detached.delete(subscription);
  }

  /** See `Outlet`. */
  maySendAt(clock: number): boolean {
    return this.link.maySendDataAt(clock);
  }

  /** See `Outlet`. */
  send(body: ReadyBody): void {
    this.link.append(body.frameFor(this.alias), true, body.pad, body.lean, this.alias);
  }

  /** See `Outlet`. */
  get takesDigests(): boolean {
    return this.link.takesDigests;
  }

  /** See `Outlet`. */
  sendShared(frame: SharedFrame, isData = false): void {
    this.link.append(frame.textFor(this.alias), isData);
  }

  /** See `Outlet`. */
  sendEnd({ code, text, retryAfterMs }: StanzapackError): void {
    this.link.sendFrame({ type: "error", alias: this.alias, code, text, retryAfterMs: retryAfterMs ?? null });
  }

  /** See `Outlet`. */
  awaitRoom(): void {
    if (this.subscription !== undefined) this.link.detached.add(this.subscription);
  }

  /** See `Outlet`. */
  endWait(): boolean {
    return this.subscription !== undefined && this.link.detached.delete(this.subscription);
  }
}
