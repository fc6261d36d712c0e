import type { ResultFrame } from "@stanzapack/wire";
import { DEFAULT_LIMITS, LinkSession, StanzapackError } from "@stanzapack/wire";
import { monotonicNow, wallAheadMs } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Broker } from "../broker/broker.js";
import type { CallerLink } from "../calls/calls.js";
import type { Question } from "../catalog/approvals.js";
import type { FollowerDemand, Service } from "../catalog/service.js";
import type { Mailbox } from "./mailbox.js";
import type { NodeMessage } from "./messages.js";
import type { OwnEntries } from "./own-entries.js";
import { RemotePublisher } from "./remote-publisher.js";

/** How long a node counts as a follower after its last message, in ms: two messages may be lost. */
const FOLLOWS_MS = 15_000;

export interface RequestParts {
  readonly broker: Broker;
  readonly own: OwnEntries;
  readonly mailbox: Mailbox;
  readonly log: Logger;
  /** Resolves with whether the full JID has a link here whose client lives. */
  readonly verify: (fullJid: string) => Promise<boolean>;
}

type MessageOf<T extends NodeMessage["type"]> = Extract<NodeMessage, { type: T }>;

/** What other nodes ask of this one. */
export class NodeRequests {
  constructor(private readonly parts: RequestParts) {}

  take(message: Exclude<NodeMessage, { type: "state" | "verified" }>): void {
    switch (message.type) {
      case "follow":
        for (const [node, subscribers, windowMs] of message.demands)
          this.follow(message.from, node, { subscribers, windowMs });
        return;
      case "unfollow":
        return this.unfollow(message);
      case "ask":
        return this.state(message);
      case "verify":
        return void this.verify(message);
      case "call":
        return this.call(message);
      case "result":
        return this.result(message);
      case "question":
        return this.question(message);
      case "denied":
        return this.denied(message);
    }
  }

  private owned(node: string): Service | undefined {
    const service = this.parts.broker.catalog.services.get(node);
    return service !== undefined && this.parts.own.has(service) ? service : undefined;
  }

  private follow(from: string, node: string, demand: Omit<FollowerDemand, "until">): void {
    const service = this.owned(node);
    if (service === undefined) return;
    service.followers.set(from, { ...demand, until: monotonicNow() + FOLLOWS_MS });
    this.parts.broker.demand.update(service);
  }

  private unfollow({ from, node }: MessageOf<"unfollow">): void {
    const service = this.owned(node);
    if (service?.followers.delete(from) === true) this.parts.broker.demand.update(service);
  }

  private state({ from, node, request }: MessageOf<"ask">): void {
    const service = this.owned(node);
    if (service === undefined)
      return this.parts.mailbox.tell(from, { type: "state", request, node, found: false });
    // From here on it receives all that comes.
    const known = service.followers.get(from) ?? { subscribers: 0, windowMs: null };
    this.follow(from, node, known);
    const { epoch, baseAt, offset, last } = service.record;
    this.parts.mailbox.tell(from, {
      ...{ type: "state", request, node, found: true, fence: this.parts.own.fenceOf(service) ?? 0 },
      ...{ epoch, baseAt, offset, row: last?.row ?? null, at: (last?.at ?? 0) + wallAheadMs() },
      isLive: service.demand.subscribers > 0 && service.awaiting.size === 0,
    });
  }

  private async verify({ from, node, request }: MessageOf<"verify">): Promise<void> {
    const link = this.owned(node)?.publisher?.link;
    const isAlive = link !== undefined && (await this.parts.verify(link.jid));
    this.parts.mailbox.tell(from, { type: "verified", request, isAlive });
  }

  /** A client of another node calls a service of this one. */
  private call({ from, node, call, id, caller, timeoutMs, method, args }: MessageOf<"call">): void {
    const service = this.owned(node);
    const answer = (frame: ResultFrame): void =>
      this.parts.mailbox.tell(from, { type: "result", node, call, frame });
    if (service === undefined) {
      const code = method === undefined ? ("outcome-unknown" as const) : ("publisher-offline" as const);
      const text = `the publisher of \`${node}\` has moved`;
      return answer({ type: "result", call, ok: false, code, text, retryAfterMs: null });
    }
    this.parts.broker.calls.take(callerAt(caller, service, answer), {
      ...{ type: "call", alias: 0, call, id, caller: null, timeoutMs },
      ...(method === undefined || args === undefined ? { again: true } : { again: false, method, args }),
    });
  }

  private result({ node, frame }: MessageOf<"result">): void {
    const link = this.parts.broker.catalog.services.get(node)?.publisher?.link;
    if (link instanceof RemotePublisher) this.parts.broker.calls.result(link, frame as ResultFrame);
  }

  /** An account asks at another node to subscribe. */
  private question({ from, node, asker }: MessageOf<"question">): void {
    const service = this.owned(node);
    if (service === undefined || service.record.mayTake(asker)) return;
    try {
      this.parts.broker.approvals.askFrom(from, service, asker, monotonicNow());
    } catch (error) {
      if (!(error instanceof StanzapackError)) throw error;
      this.parts.mailbox.tell(from, { type: "denied", node, asker });
    }
  }

  /** An account was refused that waits at other nodes too. */
  refused({ service, asker, nodes }: Question): void {
    for (const domain of nodes)
      this.parts.mailbox.tell(domain, { type: "denied", node: service.node, asker });
  }

  private denied({ node, asker }: MessageOf<"denied">): void {
    const { catalog, approvals } = this.parts.broker;
    const service = catalog.services.get(node);
    if (service === undefined || !approvals.isAsked(service, asker)) return;
    approvals.decide(service, asker, undefined, false, monotonicNow());
  }

  /** Once a second. */
  sweep(now: number): void {
    for (const service of this.parts.own.services())
      for (const [domain, { until }] of service.followers)
        if (now > until) {
          service.followers.delete(domain);
          this.parts.broker.demand.update(service);
        }
  }
}

const { budget } = new LinkSession(DEFAULT_LIMITS);

/** The link of a caller at another node, as far as calls need to know it. */
function callerAt(bareJid: string, service: Service, answer: (frame: ResultFrame) => void): CallerLink {
  return {
    ...{ jid: bareJid, bareJid, services: new Map(), isRetired: () => false },
    session: { peerHello: { calls: true }, budget },
    subscriptions: new Map([[0, { service }]]),
    sendFrame: (frame: ResultFrame) => answer(frame),
  } as unknown as CallerLink;
}
