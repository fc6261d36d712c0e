import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Broker } from "../broker/broker.js";
import type { Service } from "../catalog/service.js";
import { ServiceRecord } from "../catalog/service-record.js";
import { Follower } from "./follower.js";
import type { Mailbox } from "./mailbox.js";
import type { ServiceState } from "./messages.js";
import type { NodeStore } from "./node-store.js";
import type { Session } from "./session.js";

/** Time between two messages to the owners of all followed services, in ms. */
const REPEAT_MS = 5_000;
/** Services that one message names. */
const NAMED_AT_ONCE = 500;

export interface FollowingParts {
  readonly store: Pick<NodeStore, "follow" | "listen">;
  readonly mailbox: Mailbox;
  readonly broker: Broker;
  readonly session: Session;
  readonly log: Logger;
}

/** The services of other nodes that are followed here, because somebody here subscribes to them. */
export class Following {
  private readonly followers = new Map<string, Follower>();
  private repeatAt = 0;

  constructor(private readonly parts: FollowingParts) {}

  get size(): number {
    return this.followers.size;
  }

  /** Follows a service of another node from now on. */
  follow(service: Service): Follower {
    const known = this.followers.get(service.node);
    if (known !== undefined) return known;
    const { broker, store, log } = this.parts;
    const follower = new Follower(service, {
      store,
      publishing: broker.publishing,
      subscriptions: broker.subscriptions,
      createKind: broker.createKind,
      ask: (asked, ms) => this.ask(asked, ms),
      onTrouble: ({ node }, error) => {
        const reason = error instanceof Error ? error.message : String(error);
        log.warn({ node, reason }, "a service of another node cannot be read now");
      },
    });
    this.followers.set(service.node, follower);
    follower.ready.catch(() => {
      if (this.followers.get(service.node) !== follower) return;
      // Those who subscribed before wait for it. A new subscriber was refused, and tries again.
      if (service.subscriptions.size > 0) follower.readAgain();
      else this.end(service);
    });
    return follower;
  }

  private async ask(service: Service, ms: number): Promise<ServiceState | undefined> {
    const { mailbox, session } = this.parts;
    const { node, owner } = service;
    if (owner === undefined || session.isGone(owner.domain)) return undefined;
    const state = await mailbox.ask(owner.domain, { type: "ask", node }, "state", ms);
    return state?.found === true ? state : undefined;
  }

  /** The demand here has changed: tells the owner. */
  tellDemand(node: string): void {
    const follower = this.followers.get(node);
    if (follower !== undefined) this.tell([follower]);
  }

  private tell(followers: Iterable<Follower>): void {
    const byOwner = new Map<string, [string, number, number | null][]>();
    for (const { service } of followers) {
      const { owner, node } = service;
      if (owner === undefined) continue;
      const demands = byOwner.get(owner.domain) ?? [];
      byOwner.set(owner.domain, demands);
      demands.push([node, service.subscriptions.size, service.takenWindowMs]);
    }
    for (const [domain, demands] of byOwner)
      for (let i = 0; i < demands.length; i += NAMED_AT_ONCE)
        this.parts.mailbox.tell(domain, { type: "follow", demands: demands.slice(i, i + NAMED_AT_ONCE) });
  }

  /** Another node owns the service now. */
  ownerChanged(service: Service): void {
    this.followers.get(service.node)?.readAgain();
  }

  /** This node follows the service no more. */
  end(service: Service): void {
    this.followers.get(service.node)?.stop();
    this.followers.delete(service.node);
  }

  /** Once a second. */
  sweep(now: number): void {
    for (const follower of [...this.followers.values()]) {
      const { service } = follower;
      if (service.owner === undefined) this.end(service);
      else if (follower.isIdle(now)) this.rest(service);
    }
    if (now < this.repeatAt) return;
    this.repeatAt = now + REPEAT_MS;
    this.tell(this.followers.values());
    for (const follower of this.followers.values()) void follower.look();
  }

  /** Nobody subscribes here any more: the service is only listed. */
  private rest(service: Service): void {
    const { broker } = this.parts;
    this.parts.mailbox.tell(service.owner?.domain ?? "", { type: "unfollow", node: service.node });
    this.end(service);
    const { id, config, epoch, baseAt, approved } = service.record;
    const record = new ServiceRecord(id, config, epoch, monotonicNow(), undefined, [], baseAt);
    for (const jid of approved) record.approved.add(jid, wallNow());
    broker.subscriptions.rehome(service, record, broker.createKind(record), monotonicNow());
  }

  stop(): void {
    for (const follower of this.followers.values()) follower.stop();
    this.followers.clear();
  }
}
