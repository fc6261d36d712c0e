import { StanzapackError, type CallFrame, type NewCallFrame, type ResultFrame } from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import type { ComponentStats } from "../base/stats.js";
import type { Budgets } from "../budgets/budgets.js";
import type { PublisherLink, Service } from "../catalog/service.js";
import type { ComponentLimits } from "../config/config.js";
import type { ClientLink } from "../links/client-link.js";

/** Time to retry for a caller that finds a bound reached, in ms. Calls take about that long. */
const RETRY_AFTER_MS = 1_000;
/** Bytes of arguments, or of a result, that one more request of the caller's budget pays for. */
const BYTES_PER_REQUEST = 1_024;

/** A caller's link, as far as calls need to know it. */
export type CallerLink = Pick<
  ClientLink,
  "jid" | "bareJid" | "session" | "subscriptions" | "services" | "isRetired" | "sendFrame"
>;

/** A call that has no result yet. */
interface Call {
  /** Names it among the calls of its service: the caller's bare JID and id. */
  readonly key: string;
  readonly id: Uint8Array;
  readonly bareJid: string;
  /** Full JID, whose budget pays for the result. */
  jid: string;
  readonly service: Service;
  readonly argsBytes: number;
  /** The link that was sent the call, and the call's number there. Undefined: the publisher is expected back. */
  sent: { readonly at: PublisherCalls; readonly number: number } | undefined;
  /** Where the result goes. Undefined: the caller is expected back. */
  reply: { readonly link: CallerLink; readonly call: number } | undefined;
  /** By the monotonic clock, in ms. */
  expiresAt: number;
}

/** Calls that one publisher's link was sent. */
interface PublisherCalls {
  readonly link: PublisherLink;
  /** Number of the next call. */
  next: number;
  readonly calls: Map<number, Call>;
  argsBytes: number;
}

type Limits = Pick<
  ComponentLimits,
  "maxCalls" | "maxCallsPerService" | "maxCallsPerPublisher" | "maxCallBytesPerPublisher" | "callSeconds"
>;

/**
 * Calls in flight: each goes from a subscription's link to the link of its service's publisher, and its result goes
 * back. It keeps no arguments and no results. A new call is handed over at once, or refused. After that only its id is
 * sent again, and nothing runs because of an id: so a call runs at most once.
 */
export class Calls {
  /** By service, then by key. */
  private readonly byService = new Map<Service, Map<string, Call>>();
  private readonly byPublisher = new Map<PublisherLink, PublisherCalls>();
  /**
   * Called with the full JID of a session that owes results of a service that another session publishes now. It may be
   * gone, and only the end of its link shows that its results never come.
   */
  onDoubt: ((fullJid: string) => void) | undefined;

  constructor(
    private readonly budgets: Budgets,
    private readonly limits: Limits,
    private readonly stats: Pick<ComponentStats, "calls" | "overQuota">,
    private readonly clock: () => number = monotonicNow,
  ) {}

  /** Takes CALL of a client. Throws what ends the link. */
  take(link: CallerLink, frame: CallFrame): void {
    if (link.session.peerHello?.calls !== true) throw protocol("CALL of a client whose HELLO lists no calls");
    if (frame.caller !== null) throw protocol("CALL of a client that names the caller");
    const service = link.subscriptions.get(frame.alias)?.service;
    if (service === undefined && !link.services.has(frame.alias) && !link.isRetired(frame.alias))
      throw new StanzapackError("unknown-alias", `CALL for alias ${frame.alias}, which was never bound`, {
        origin: "peer",
      });
    try {
      this.budgets.request(link.jid);
      if (service === undefined)
        throw new StanzapackError("not-subscribed", `alias ${frame.alias} is no subscription of this link`);
      if (frame.again) this.repeat(link, frame, service);
      else this.begin(link, frame, service);
    } catch (error) {
      if (!(error instanceof StanzapackError)) throw error;
      // A refusal says that nothing ran, and that is not known here.
      const refusal = frame.again ? unknown(`the component cannot ask for the result: ${error.text}`) : error;
      answer(link, frame.call, refusal);
    }
  }

  private begin(link: CallerLink, frame: NewCallFrame, service: Service): void {
    const { args, timeoutMs } = frame;
    this.budgets.charge(link.jid, Math.floor(args.length / BYTES_PER_REQUEST));
    if (this.attach(link, frame, service)) return;
    const { node, publisher } = service;
    if (service.withdrawn) throw new StanzapackError("withdrawn", `\`${node}\` was withdrawn`);
    if (publisher === undefined || !isOpen(publisher.link))
      throw new StanzapackError("publisher-offline", `the publisher of \`${node}\` is offline`);
    if (publisher.link.session.peerHello?.calls !== true)
      throw new StanzapackError("unsupported", `the program that publishes \`${node}\` takes no calls`);
    if (timeoutMs === 0) throw new StanzapackError("timeout", "the call's time was over when it arrived");
    const call = this.add(link, frame, service, args.length);
    this.hand(call, publisher.link, publisher.alias, frame);
  }

  private repeat(link: CallerLink, frame: CallFrame, service: Service): void {
    if (this.attach(link, frame, service)) return;
    if (service.withdrawn) throw new StanzapackError("withdrawn", `\`${service.node}\` was withdrawn`);
    this.ask(this.add(link, frame, service, 0));
  }

  /** Sends the result of a call in flight to this link from now on. Returns whether there is such a call. */
  private attach(link: CallerLink, { id, call: number, timeoutMs }: CallFrame, service: Service): boolean {
    const call = this.byService.get(service)?.get(keyOf(link.bareJid, id));
    if (call === undefined) return false;
    call.reply = { link, call: number };
    call.jid = link.jid;
    call.expiresAt = this.expiryOf(timeoutMs);
    return true;
  }

  private expiryOf(timeoutMs: number): number {
    return this.clock() + Math.min(timeoutMs, this.limits.callSeconds * 1_000);
  }

  /** Counts one more call. Throws `busy` if a bound is reached. */
  private add(link: CallerLink, frame: CallFrame, service: Service, argsBytes: number): Call {
    const { maxCalls, maxCallsPerService } = this.limits;
    const calls = this.byService.get(service) ?? new Map<string, Call>();
    const full =
      this.stats.calls >= maxCalls
        ? `${this.stats.calls} calls`
        : calls.size >= maxCallsPerService
          ? `${calls.size} calls to \`${service.node}\``
          : undefined;
    if (full !== undefined) {
      this.stats.overQuota++;
      throw busy(`${full} wait for their results`);
    }
    this.budgets.checkRoom(link.bareJid, "calls");
    if (service.publisher !== undefined) this.checkPublisher(service.publisher.link, argsBytes);
    const call: Call = {
      ...{ key: keyOf(link.bareJid, frame.id), id: frame.id.slice(), bareJid: link.bareJid, jid: link.jid },
      ...{ service, argsBytes, sent: undefined, reply: { link, call: frame.call } },
      expiresAt: this.expiryOf(frame.timeoutMs),
    };
    this.byService.set(service, calls.set(call.key, call));
    this.budgets.count(call.bareJid, "calls", 1);
    this.stats.calls++;
    return call;
  }

  private checkPublisher(link: PublisherLink, argsBytes: number): void {
    const at = this.byPublisher.get(link);
    if (at === undefined) return;
    if (at.calls.size >= this.limits.maxCallsPerPublisher)
      throw busy(`${at.calls.size} calls to this publisher wait for their results`);
    if (at.argsBytes + argsBytes > this.limits.maxCallBytesPerPublisher)
      throw busy(`${at.argsBytes} bytes of calls to this publisher wait for their results`);
  }

  /** Sends a call to a publisher. Throws `too-large` if that is not possible. */
  private hand(call: Call, link: PublisherLink, alias: number, frame: NewCallFrame | undefined): void {
    const at = this.byPublisher.get(link) ?? { link, next: 0, calls: new Map<number, Call>(), argsBytes: 0 };
    const number = at.next;
    try {
      link.sendFrame({
        ...{ type: "call", alias, call: number, id: call.id, caller: call.bareJid },
        timeoutMs: Math.max(0, call.expiresAt - this.clock()),
        ...(frame === undefined ? { again: true } : { again: false, method: frame.method, args: frame.args }),
      });
    } catch (error) {
      this.remove(call);
      if (!(error instanceof StanzapackError) || error.code !== "limit-exceeded") throw error;
      const text = `the call does not fit a block of the publisher's link: ${error.text}`;
      throw new StanzapackError("too-large", text, { cause: error });
    }
    at.next = (number + 1) % 2 ** 32;
    at.calls.set(number, call);
    at.argsBytes += call.argsBytes;
    this.byPublisher.set(link, at);
    call.sent = { at, number };
  }

  /** Asks the publisher that is online now for the result. Without one, the call waits for the publisher's return. */
  private ask(call: Call): void {
    const { publisher } = call.service;
    if (publisher === undefined) return;
    if (publisher.link.session.peerHello?.calls === true)
      return this.hand(call, publisher.link, publisher.alias, undefined);
    this.end(call, unknown("the program that publishes the service now takes no calls"));
  }

  /**
   * Takes RESULT of a publisher. Returns how many bytes the caller pays for, and not the publisher. Throws what ends
   * the link.
   */
  result(link: PublisherLink, frame: ResultFrame): number {
    const at = this.byPublisher.get(link);
    const call = at?.calls.get(frame.call);
    if (call === undefined) {
      if (at === undefined || frame.call >= at.next)
        throw protocol(`RESULT of call ${frame.call}, never sent`);
      // The caller's time was over, or nobody waits any more.
      return 0;
    }
    this.remove(call);
    const bytes = frame.ok ? frame.result.length : frame.text.length;
    this.budgets.charge(call.jid, Math.floor(bytes / BYTES_PER_REQUEST));
    const { reply } = call;
    if (reply === undefined) return bytes;
    try {
      reply.link.sendFrame({ ...frame, call: reply.call });
    } catch (error) {
      if (!(error instanceof StanzapackError) || error.code !== "limit-exceeded") throw error;
      const text = `the call ran, but its result does not fit a block of this link: ${error.text}`;
      answer(reply.link, reply.call, new StanzapackError("too-large", text));
    }
    return bytes;
  }

  /**
   * A publisher offers the service, perhaps again: it is asked for the results that it owes. Another session may still
   * send the results that it owes.
   */
  publisherCame(service: Service): void {
    const others = new Set<string>();
    for (const call of this.byService.get(service)?.values() ?? []) {
      if (call.sent === undefined) this.ask(call);
      else if (call.sent.at.link !== service.publisher?.link) others.add(call.sent.at.link.jid);
    }
    for (const jid of others) this.onDoubt?.(jid);
  }

  /** The service has ended. */
  withdrawn(service: Service): void {
    for (const call of [...(this.byService.get(service)?.values() ?? [])])
      this.end(call, unknown(`\`${service.node}\` was withdrawn before the result came`));
  }

  /** The client of this link said that it stops: it gives no more results, and takes none. */
  stopped(link: CallerLink & PublisherLink): void {
    for (const call of [...(this.byPublisher.get(link)?.calls.values() ?? [])])
      this.end(call, unknown("the publisher stopped before the result came"));
    for (const { service } of link.subscriptions.values())
      for (const call of [...(this.byService.get(service)?.values() ?? [])])
        if (call.reply?.link === link) this.remove(call);
  }

  /** A subscription ends, for any reason but the end of its link. */
  subscriptionEnded(service: Service, jid: string): void {
    for (const call of [...(this.byService.get(service)?.values() ?? [])])
      if (call.reply?.link.jid === jid)
        this.end(call, unknown(`the subscription to \`${service.node}\` ended before the result came`));
  }

  /** The link has ended. Its calls wait until the caller asks for them on another link. */
  callerGone(link: CallerLink): void {
    for (const { service } of link.subscriptions.values())
      for (const call of this.byService.get(service)?.values() ?? [])
        if (call.reply?.link === link) call.reply = undefined;
  }

  /** The link has ended. The publisher is asked for what it owes when it is back. */
  publisherGone(link: PublisherLink): void {
    const at = this.byPublisher.get(link);
    if (at === undefined) return;
    this.byPublisher.delete(link);
    for (const call of at.calls.values()) {
      call.sent = undefined;
      // Another session of the account may publish the service already.
      if (call.service.publisher?.link !== link) this.ask(call);
    }
  }

  /** Once a second: ends the calls whose time is over. */
  sweep(): void {
    if (this.stats.calls === 0) return;
    const now = this.clock();
    for (const calls of [...this.byService.values()])
      for (const call of [...calls.values()])
        if (now >= call.expiresAt) this.end(call, unknown("the result did not come within the call's time"));
  }

  private end(call: Call, error: StanzapackError): void {
    this.remove(call);
    if (call.reply !== undefined) answer(call.reply.link, call.reply.call, error);
  }

  private remove(call: Call): void {
    const { service, key, sent } = call;
    const calls = this.byService.get(service);
    if (calls?.delete(key) !== true) return;
    if (calls.size === 0) this.byService.delete(service);
    if (sent?.at.calls.delete(sent.number) === true) sent.at.argsBytes -= call.argsBytes;
    this.budgets.count(call.bareJid, "calls", -1);
    this.stats.calls--;
  }
}

/** Whether the link still takes frames. */
function isOpen(link: PublisherLink): boolean {
  try {
    link.assertOpen();
    return true;
  } catch {
    return false;
  }
}

function keyOf(bareJid: string, id: Uint8Array): string {
  return `${bareJid}\n${Buffer.from(id).toString("base64")}`;
}

function answer(link: CallerLink, call: number, error: StanzapackError): void {
  const { code, text, retryAfterMs } = error;
  link.sendFrame({ type: "result", call, ok: false, code, text, retryAfterMs: retryAfterMs ?? null });
}

function busy(text: string): StanzapackError {
  return new StanzapackError("busy", `${text}, no more are allowed`, {
    scope: "call",
    retryAfterMs: RETRY_AFTER_MS,
  });
}

function unknown(text: string): StanzapackError {
  return new StanzapackError("outcome-unknown", text);
}

function protocol(text: string): StanzapackError {
  return new StanzapackError("protocol", text, { origin: "peer" });
}
