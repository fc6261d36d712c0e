import {
  fitSelection,
  fromOptionFields,
  isPattern,
  matchesPattern,
  MAX_OPTION_BYTES,
  optionBytes,
  parseNode,
  parsePattern,
  StanzapackError,
  withoutLooking,
  type ChangeFrame,
  type NodePattern,
  type OptionFields,
  type RequestFrame,
  type ResumeFrame,
  type SubscribeFrame,
} from "@stanzapack/wire";
import { NS, type DataForm, monotonicNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Later } from "../base/later.js";
import type { Budgets } from "../budgets/budgets.js";
import type { Catalog } from "../catalog/catalog.js";
import type { Offers } from "../catalog/offers.js";
import type { ClientLink, LinkSubscription } from "../links/client-link.js";
import type { ComponentLimits } from "../config/config.js";
import { nodeNamed } from "../forms/addresses.js";
import { readChangedOptions, readSubscribeOptions } from "../forms/subscribe-options.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import { Patterns, type Pattern } from "./patterns.js";
import { RequestAnswers } from "./request-answers.js";
import { RequestTurns, settled, type Job, type Steps, type TurnsHost } from "./request-turns.js";
import { processorMs } from "../base/processor-time.js";
import { Resumption } from "./resumption.js";
import type { Service } from "../catalog/service.js";
import { countRefusal } from "../base/refusals.js";
import type { ComponentStats } from "../base/stats.js";
import type { Subscriptions } from "./subscriptions.js";

/** The parts of the component that a request concerns. */
export interface RequestParts {
  readonly subscriptions: Subscriptions;
  readonly catalog: Catalog;
  readonly offers: Offers;
  readonly budgets: Budgets;
}

/** The work of a request, or the later work of a pattern, which ends without DONE. */
interface RequestJob extends Job {
  readonly request: number;
  readonly answers: RequestAnswers;
  readonly endsWithDone: boolean;
}

/**
 * Requests by frame, for many subscriptions at once, by the same rules as requests by iq. The component works on them
 * in turns, round robin among links, so that the longest request holds up nobody.
 */
export class FrameRequests {
  private readonly turns: RequestTurns<ClientLink, RequestJob>;
  private readonly patterns: Patterns;
  readonly resumption: Resumption;

  constructor(
    private readonly parts: RequestParts,
    host: TurnsHost,
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
    /** Processor time used so far, in ms. */
    workMs: () => number = processorMs,
  ) {
    this.turns = new RequestTurns(host, (link, job, ms) => this.worked(link, job, ms), workMs);
    this.patterns = new Patterns(limits);
    this.resumption = new Resumption(limits);
    parts.offers.onOffered = (service) => this.offered(service);
  }

  /** Takes a request. Throws what ends the link. */
  accept(link: ClientLink, frame: RequestFrame): void {
    const { request } = frame;
    const waiting = this.turns.jobsOf(link).filter(({ endsWithDone }) => endsWithDone);
    if (waiting.length >= this.limits.maxRequestsPerLink)
      throw new StanzapackError("limit-exceeded", `${waiting.length} requests of the link are not done yet`, {
        origin: "peer",
      });
    if (waiting.some((job) => job.request === request) || this.patterns.on(link, request).length > 0)
      throw new StanzapackError("protocol", `request ${request} is still in use`, { origin: "peer" });
    const answers = new RequestAnswers(link.jid, request);
    this.enqueue(link, { request, answers, steps: this.stepsOf(link, frame, answers), endsWithDone: true });
  }

  /** Charges one request of the link's budget, however many services it names. */
  private *stepsOf(link: ClientLink, frame: RequestFrame, answers: RequestAnswers): Steps {
    this.parts.budgets.request(link.jid);
    switch (frame.type) {
      case "subscribe":
        return yield* this.subscribing(link, frame, answers);
      case "change":
        return yield* this.changing(link, frame, answers);
      case "resume":
        return yield* this.resuming(link, frame, answers);
    }
  }

  private *subscribing(link: ClientLink, frame: SubscribeFrame, answers: RequestAnswers): Steps {
    const options = readSubscribeOptions(formOf(frame.options));
    let owner = "";
    for (const [place, text] of frame.nodes.entries()) {
      const named = text.startsWith("/") ? owner + text : text;
      owner = named.slice(0, Math.max(0, named.lastIndexOf("/")));
      try {
        const node = nodeNamed(named);
        if (isPattern(node)) {
          yield* this.matching(link, frame.request, parsePattern(node), options, answers);
        } else {
          parseNode(node);
          const { subscriptions } = this.parts;
          answers.grant(yield* settled(subscriptions.subscribe(link, node, options, monotonicNow())));
        }
      } catch (error) {
        this.refuse(answers, error, place);
      }
      yield;
    }
  }

  /** The pattern stands from here on. Subscribes to the present services first. */
  private *matching(
    link: ClientLink,
    request: number,
    wanted: NodePattern,
    options: SubscribeOptions,
    answers: RequestAnswers,
  ): Steps {
    const pattern: Pattern = { link, request, ...wanted, options, pending: new Set() };
    this.patterns.add(pattern);
    let failure: Error | undefined;
    for (const service of this.parts.catalog.ownedBy(wanted.owner)) {
      try {
        const isMeant = matchesPattern(wanted, service.id);
        const subscription = isMeant ? yield* settled(this.subscribeTo(service, pattern)) : undefined;
        if (subscription !== undefined) answers.grant(subscription);
      } catch (error) {
        // A service that refuses, for example because it has too many selections, must not keep the link from the
        // others.
        failure ??= error as Error;
      }
      yield;
    }
    if (failure !== undefined) throw failure;
  }

  /**
   * Subscribes for a pattern. Returns undefined if the link may not subscribe, or has subscribed. No publisher is
   * asked. An option applies only where it can: `since` to logs, `cursor` to logs and maps, thinning to other kinds,
   * and fields or deadbands to values that are not opaque.
   */
  private subscribeTo(service: Service, { link, options }: Pattern): Later<LinkSubscription | undefined> {
    if (!service.record.mayTake(link.bareJid) || link.taken.has(service)) return undefined;
    // Whoever asks for a pattern gets what the link can carry.
    if (service.config.kind === "map" && !link.readsMaps) return undefined;
    const selection = service.config.opaque === true ? withoutLooking(options.selection) : options.selection;
    const { hasHistory, hasCursors } = service.kind;
    const fitting = {
      ...options,
      selection: fitSelection(selection, service.config.kind),
      since: hasHistory ? options.since : undefined,
      cursor: hasCursors ? options.cursor : undefined,
    };
    return this.parts.subscriptions.subscribeTo(link, service, fitting, monotonicNow());
  }

  private *changing(link: ClientLink, frame: ChangeFrame, answers: RequestAnswers): Steps {
    const options = frame.options === null ? undefined : readChangedOptions(formOf(frame.options));
    for (const request of new Set(frame.patterns)) {
      for (const pattern of this.patterns.on(link, request)) {
        if (options === undefined) this.patterns.remove(pattern);
        else pattern.options = { ...pattern.options, ...options, credit: pattern.options.credit };
      }
      yield;
    }
    for (const [place, alias] of frame.aliases.entries()) {
      const subscription = link.subscriptions.get(alias);
      try {
        if (subscription === undefined)
          throw new StanzapackError(
            link.isRetired(alias) ? "not-subscribed" : "unknown-alias",
            `alias ${alias} is not a subscription of this link`,
          );
        if (options === undefined) this.parts.subscriptions.unsubscribe(subscription);
        else {
          this.parts.subscriptions.change(subscription, options, monotonicNow());
          answers.grant(subscription);
        }
      } catch (error) {
        this.refuse(answers, error, place);
      }
      yield;
    }
  }

  private *resuming(link: ClientLink, frame: ResumeFrame, answers: RequestAnswers): Steps {
    const kept = this.resumption.claim(link, frame.token);
    for (const [place, { alias, epoch, offset }] of frame.positions.entries()) {
      const subscription = kept.get(alias);
      kept.delete(alias);
      try {
        if (subscription === undefined)
          throw new StanzapackError("not-subscribed", `alias ${alias} was not a subscription of that link`);
        const standing = epoch === 0 ? undefined : { epoch, offset };
        const { subscriptions } = this.parts;
        answers.grant(yield* settled(subscriptions.resume(link, subscription, standing, monotonicNow())));
        this.stats.resumed++;
      } catch (error) {
        this.refuse(answers, error, place);
      }
      yield;
    }
    if (!frame.more) this.resumption.release(link);
  }

  private offered(service: Service): void {
    for (const pattern of this.patterns.of(service.id.owner)) {
      if (!matchesPattern(pattern, service.id)) continue;
      const { pending, link, request } = pattern;
      pending.add(service.node);
      // An owner may offer and withdraw under ever new names. A service that is gone needs no turn.
      if (pending.size > this.limits.maxServicesPerOwner)
        for (const node of pending) if (!this.parts.catalog.services.has(node)) pending.delete(node);
      if (pending.size > 1) continue;
      const answers = new RequestAnswers(link.jid, request);
      this.enqueue(link, { request, answers, steps: this.later(pattern, answers), endsWithDone: false });
    }
  }

  private *later(pattern: Pattern, answers: RequestAnswers): Steps {
    const { pending } = pattern;
    for (const node of pending) {
      pending.delete(node);
      const service = this.parts.catalog.services.get(node);
      if (service === undefined || !this.patterns.has(pattern)) continue;
      try {
        const subscription = yield* settled(this.subscribeTo(service, pattern));
        if (subscription !== undefined) answers.grant(subscription);
      } catch (error) {
        this.refuse(answers, error);
      }
      yield;
    }
  }

  private refuse(answers: RequestAnswers, error: unknown, ...places: number[]): void {
    const known = error instanceof StanzapackError;
    // A pending request is no refusal: its publisher is asked.
    if (!known || error.code !== "pending") countRefusal(this.stats, answers.jid, error);
    if (known) return answers.refuse(error, ...places);
    this.log.error({ err: error }, "a request could not be handled");
    answers.refuse(
      new StanzapackError("internal", "a request could not be handled", { cause: error }),
      ...places,
    );
  }

  private enqueue(link: ClientLink, job: Omit<RequestJob, "fail">): void {
    this.turns.add(link, { ...job, fail: (error) => this.refuse(job.answers, error) });
  }

  /** A link's share of a turn is over: sends the client the outcomes of the job so far. `ms`: processor time used. */
  private worked(
    link: ClientLink,
    { request, answers, endsWithDone, hasEnded }: RequestJob,
    ms: number,
  ): void {
    for (const frame of answers.take()) link.sendFrame(frame);
    // The client is not charged for what another account's offers cause.
    if (!endsWithDone) return;
    this.parts.budgets.chargeWork(link.jid, ms);
    if (hasEnded === true) link.sendFrame({ type: "done", request });
  }

  /** The link has ended. Call this before its subscriptions end. */
  linkEnded(link: ClientLink): void {
    this.resumption.linkEnded(link);
    this.turns.forget(link);
    for (const pattern of this.patterns.on(link)) this.patterns.remove(pattern);
  }

  stop(): void {
    this.turns.stop();
  }
}

function formOf(options: OptionFields): DataForm {
  const bytes = optionBytes(options);
  if (bytes > MAX_OPTION_BYTES)
    throw new StanzapackError(
      "invalid-options",
      `options of ${bytes} bytes, but a frame takes at most ${MAX_OPTION_BYTES}: ask by iq`,
    );
  const fields = fromOptionFields(options);
  return { type: "submit", formType: NS.PUBSUB_SUBSCRIBE_OPTIONS, title: "", fields };
}
