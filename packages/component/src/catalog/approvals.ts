import { StanzapackError } from "@stanzapack/wire";
import { wallNow } from "@stanzapack/xmpp";
import type { Later } from "../base/later.js";
import type { Budgets } from "../budgets/budgets.js";
import type { ClientLink } from "../links/client-link.js";
import type { ComponentLimits } from "../config/config.js";
import { Denials } from "../budgets/denials.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import type { PublisherLink, Service } from "./service.js";
import type { ComponentStats } from "../base/stats.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { Tally } from "../base/tally.js";

/** Time until an unanswered question is sent again, in ms. It doubles each time. A message may get lost. */
const ASK_AGAIN_MS = 15_000;
/** Time to retry for a client that finds too many open questions, in ms. */
const RETRY_AFTER_MS = 60_000;

/** An open question to a publisher: may an account subscribe to its service (XEP-0060 §8.6)? */
export interface Question {
  readonly service: Service;
  /** Bare JID of the account. The decision holds for all its sessions. */
  readonly asker: string;
  /** Distinguishes the question from earlier ones of the same account about the same service. */
  readonly id: string;
  /** Links that receive a subscription when the publisher allows it, with the options that each asked for. */
  readonly waiting: Map<ClientLink, SubscribeOptions>;
  /** Domains of other nodes at which the account waits. */
  readonly nodes: Set<string>;
  readonly expiresAt: number;
  askAgainAt: number;
  patienceMs: number;
}

/** Sends questions to publishers, and outcomes to subscribers. */
export interface ApprovalMessages {
  /** Sends a question to the publisher's link. */
  ask(question: Question, publisher: PublisherLink): void;
  tell(link: ClientLink, service: Service, outcome: Subscription | StanzapackError): void;
}

/**
 * Access model `authorize`: an account that is not approved waits until the publisher has decided. An approval is kept
 * with the service until it is revoked, the service ends, or its account has not used it for `approvalSeconds`. A
 * denial is kept for `denialSeconds`. Open questions survive the links of the publisher and of the asker, for
 * `pendingSeconds`. They are bounded for each publisher, for each asker, and in all.
 */
export class Approvals {
  messages: ApprovalMessages | undefined;
  /** Called when the publisher of a service has allowed somebody to subscribe. */
  onApproved: ((service: Service) => void) | undefined;
  /** Called when an account is refused that waits at other nodes too. */
  onRefused: ((question: Question) => void) | undefined;
  private readonly questions = new Map<Service, Map<string, Question>>();
  private readonly ofLink = new Map<ClientLink, Set<Question>>();
  private readonly denials = new Denials();
  private readonly byOwner = new Tally();
  private count = 0;
  private nextId = 1;

  constructor(
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
    private readonly budgets: Budgets,
    private readonly subscribe: (
      link: ClientLink,
      service: Service,
      options: SubscribeOptions,
      now: number,
    ) => Later<Subscription>,
  ) {}

  /** Number of open questions. */
  get size(): number {
    return this.count;
  }

  /** Returns the services that this link waits for. */
  awaitedBy(link: ClientLink | undefined): Service[] {
    const questions = link === undefined ? undefined : this.ofLink.get(link);
    return [...(questions ?? [])].map(({ service }) => service);
  }

  /** Returns the links that wait for this service. */
  waitingFor(service: Service): ClientLink[] {
    return [...(this.questions.get(service)?.values() ?? [])].flatMap(({ waiting }) => [...waiting.keys()]);
  }

  /** The link waits no more. Returns whether it did. */
  giveUp(link: ClientLink, service: Service): boolean {
    const question = this.questions.get(service)?.get(link.bareJid);
    if (question?.waiting.delete(link) !== true) return false;
    this.unlink(link, question);
    // Nobody waits for the answer any more.
    if (question.waiting.size + question.nodes.size === 0) this.close(question);
    return true;
  }

  /**
   * Asks the publisher whether the link's account may subscribe. Always throws: `pending`; `not-allowed` while a denial
   * is remembered; `busy` or `limit-exceeded` beyond a bound.
   */
  ask(service: Service, link: ClientLink, options: SubscribeOptions, now: number): never {
    const { node, id } = service;
    const asker = link.bareJid;
    if (this.denials.isDenied(id.owner, keyOf(service, asker), now))
      throw new StanzapackError(
        "not-allowed",
        `${id.owner} did not allow ${asker} to subscribe to \`${node}\``,
      );
    const question = this.questions.get(service)?.get(asker) ?? this.open(service, asker, now);
    question.waiting.set(link, options);
    const theirs = this.ofLink.get(link) ?? new Set();
    this.ofLink.set(link, theirs.add(question));
    throw new StanzapackError("pending", `${id.owner} must allow ${asker} to subscribe to \`${node}\``);
  }

  /** An account asks at another node. Throws as `ask`, but not `pending`. */
  askFrom(domain: string, service: Service, asker: string, now: number): void {
    if (this.denials.isDenied(service.id.owner, keyOf(service, asker), now))
      throw new StanzapackError("not-allowed", `${service.id.owner} did not allow ${asker}`);
    const question = this.questions.get(service)?.get(asker) ?? this.open(service, asker, now);
    question.nodes.add(domain);
  }

  private open(service: Service, asker: string, now: number): Question {
    const { owner } = service.id;
    const { maxMembers, maxPending, maxPendingPerOwner, pendingSeconds } = this.limits;
    this.budgets.checkRoom(asker, "pending");
    if (service.record.approved.size >= maxMembers)
      throw new StanzapackError(
        "limit-exceeded",
        `${service.record.approved.size} JIDs may subscribe to \`${service.node}\`, no more are allowed`,
        { scope: "subscription" },
      );
    const full =
      this.count >= maxPending
        ? "the component"
        : this.byOwner.get(owner) >= maxPendingPerOwner
          ? owner
          : undefined;
    if (full !== undefined) {
      this.stats.overQuota++;
      throw new StanzapackError("busy", `too many requests of ${full} await approval`, {
        scope: "subscription",
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    const question: Question = {
      ...{ service, asker, id: (this.nextId++).toString(36), waiting: new Map(), nodes: new Set() },
      ...{ expiresAt: now + pendingSeconds * 1000, askAgainAt: 0, patienceMs: ASK_AGAIN_MS },
    };
    const ofService = this.questions.get(service) ?? new Map<string, Question>();
    this.questions.set(service, ofService.set(asker, question));
    this.byOwner.add(owner, 1);
    this.budgets.count(asker, "pending", 1);
    this.stats.pendingApprovals = ++this.count;
    this.put(question, now);
    return question;
  }

  /** Sends the question now if the publisher is online. Otherwise `serviceOnline` sends it. */
  private put(question: Question, now: number): void {
    const publisher = question.service.publisher?.link;
    if (publisher === undefined) return;
    question.askAgainAt = now + question.patienceMs;
    question.patienceMs *= 2;
    this.stats.approvalsAsked++;
    if (publisher.ask !== undefined) publisher.ask(question.asker);
    else this.messages?.ask(question, publisher);
  }

  /** Takes the publisher's answer. Throws `not-subscribed` when there is no such question, or not any more. */
  decide(service: Service, asker: string, id: string | undefined, allowed: boolean, now: number): void {
    const question = this.questions.get(service)?.get(asker);
    if (question === undefined || (id !== undefined && id !== question.id))
      throw new StanzapackError("not-subscribed", `${asker} has not asked for \`${service.node}\``);
    this.stats[allowed ? "approvalsGranted" : "approvalsDenied"]++;
    if (allowed) {
      service.record.approved.add(asker, wallNow());
      this.onApproved?.(service);
    } else this.denials.add(service.id.owner, keyOf(service, asker), now + this.limits.denialSeconds * 1000);
    this.settle(question, now);
  }

  /** The access to the service changed. Settles the questions that this answers. */
  reconsider(service: Service, now: number): void {
    for (const question of this.questions.get(service)?.values() ?? [])
      if (service.record.mayTake(question.asker) || service.config.access !== "authorize")
        this.settle(question, now);
  }

  /** Whether the account has asked for the service, and waits. */
  isAsked(service: Service, asker: string): boolean {
    return this.questions.get(service)?.has(asker) === true;
  }

  /** The publisher is back, and receives the open questions. */
  serviceOnline(service: Service, now: number): void {
    for (const question of this.questions.get(service)?.values() ?? []) this.put(question, now);
  }

  /** Returns the services that an account has asked for, and that it still waits for. */
  *askedBy(asker: string): Iterable<Service> {
    for (const [service, ofService] of this.questions) if (ofService.has(asker)) yield service;
  }

  /** Forgets the questions of an account. Its links that wait receive `not-allowed` with this text. */
  erase(asker: string, text: string): void {
    for (const service of [...this.askedBy(asker)]) {
      const question = this.questions.get(service)?.get(asker);
      if (question !== undefined) this.refuse(question, new StanzapackError("not-allowed", text));
    }
  }

  serviceEnded(service: Service): void {
    const error = new StanzapackError("withdrawn", `\`${service.node}\` was withdrawn by its publisher`);
    for (const question of this.questions.get(service)?.values() ?? []) this.refuse(question, error);
  }

  linkEnded(link: ClientLink): void {
    for (const question of this.ofLink.get(link) ?? []) question.waiting.delete(link);
    this.ofLink.delete(link);
  }

  /** Once a second. */
  sweep(now: number): void {
    for (const ofService of this.questions.values())
      for (const question of ofService.values()) {
        const { service } = question;
        if (now >= question.expiresAt)
          this.refuse(
            question,
            new StanzapackError("timeout", `${service.id.owner} did not decide on \`${service.node}\``, {
              scope: "subscription",
            }),
          );
        else if (now >= question.askAgainAt) this.put(question, now);
      }
    this.denials.sweep(now);
  }

  private settle(question: Question, now: number): void {
    const { service, asker } = question;
    if (!service.record.mayTake(asker)) {
      const text = `${service.id.owner} did not allow ${asker} to subscribe to \`${service.node}\``;
      return this.refuse(question, new StanzapackError("not-allowed", text));
    }
    this.close(question);
    for (const [link, options] of question.waiting) {
      const tell = (outcome: Subscription | StanzapackError): void =>
        this.messages?.tell(link, service, outcome);
      const refuse = (error: unknown): void => {
        if (!(error instanceof StanzapackError)) throw error;
        tell(error);
      };
      try {
        const outcome = this.subscribe(link, service, options, now);
        if (outcome instanceof Promise) void outcome.then(tell).catch(refuse);
        else tell(outcome);
      } catch (error) {
        refuse(error);
      }
    }
  }

  private refuse(question: Question, error: StanzapackError): void {
    this.close(question);
    if (question.nodes.size > 0) this.onRefused?.(question);
    for (const link of question.waiting.keys()) this.messages?.tell(link, question.service, error);
  }

  private close(question: Question): void {
    const { service, asker, waiting } = question;
    const ofService = this.questions.get(service);
    if (ofService?.delete(asker) !== true) return;
    if (ofService.size === 0) this.questions.delete(service);
    for (const link of waiting.keys()) this.unlink(link, question);
    this.byOwner.add(service.id.owner, -1);
    this.budgets.count(asker, "pending", -1);
    this.stats.pendingApprovals = --this.count;
  }

  private unlink(link: ClientLink, question: Question): void {
    const theirs = this.ofLink.get(link);
    theirs?.delete(question);
    if (theirs?.size === 0) this.ofLink.delete(link);
  }
}

function keyOf(service: Service, asker: string): string {
  return `${service.node} ${asker}`;
}
