import { parseNode, StanzapackError, WHOLE } from "@stanzapack/wire";
import {
  appendAll,
  monotonicNow,
  bareJid,
  formatForm,
  NS,
  StanzaError,
  xml,
  type Connection,
  type Element,
} from "@stanzapack/xmpp";
import { type Later, whenKnown } from "../base/later.js";
import type { Broker } from "../broker/broker.js";
import type { OfferOutcome } from "../catalog/offers.js";
import type { ClientLink } from "../links/client-link.js";
import type { ComponentLimits } from "../config/config.js";
import type { LinkTable } from "../links/link-table.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import type { Service } from "../catalog/service.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { isSameJid, nodeNamed, targetNamed } from "../forms/addresses.js";
import { assertAnswer, toStanzaError } from "../forms/errors.js";
import { formatOptionsForm } from "../forms/our-fields.js";
import { formatOptions, readChangedOptions, readSubscribeOptions } from "../forms/subscribe-options.js";
import { LEASE_FIELDS, readLeaseRequest, readServiceConfig } from "../forms/service-config.js";
import { OwnerRequests } from "./pubsub-owner.js";
import {
  attr,
  nodeIdRequired,
  readAction,
  type Request,
  requireJid,
  requireNode,
  requireOwnJid,
} from "./pubsub-request.js";
import { resultSetOf, takePage } from "../forms/result-sets.js";
import { acceptable, badRequest, readForm, readSubmission } from "../forms/submissions.js";

type Answer = Element | undefined;

/** The requests of XEP-0060 that negotiate: offer, subscribe, change, stop. For owners see `OwnerRequests`. */
export class PubsubNegotiation {
  private readonly owners: OwnerRequests;

  constructor(
    private readonly broker: Broker,
    private readonly links: LinkTable,
    private readonly limits: ComponentLimits,
  ) {
    this.owners = new OwnerRequests(broker, links, limits);
  }

  /** Handles the requests of a connection. Returns the undo. */
  register(connection: Connection): () => void {
    const on = (type: "get" | "set", ns: string, act: (request: Request) => Answer | Promise<Answer>) =>
      connection.onIq(type, ns, "pubsub", (request) => this.answer(request, act));
    const undo = [
      on("set", NS.PUBSUB, (request) => this.set(request)),
      on("get", NS.PUBSUB, (request) => this.get(request)),
      on("set", NS.PUBSUB_OWNER, (request) => this.owners.set(request)),
      on("get", NS.PUBSUB_OWNER, (request) => this.owners.get(request)),
    ];
    return () => {
      for (const off of undo) off();
    };
  }

  private async answer(
    request: Request,
    act: (request: Request) => Answer | Promise<Answer>,
  ): Promise<Answer> {
    try {
      this.broker.budgets.request(request.from);
      return assertAnswer(await act(request));
    } catch (error) {
      this.broker.refused(request.from, "a request (XEP-0060)", error);
      throw toStanzaError(error);
    }
  }

  private set(request: Request): Answer | Promise<Answer> {
    const { name, element, next } = readAction("set", request.child);
    switch (name) {
      case "create":
        return this.create(request, element, next);
      case "subscribe":
        return this.subscribe(request, element, next);
      case "unsubscribe":
        return this.unsubscribe(request, element);
      default:
        return this.changeOptions(request, element);
    }
  }

  private get(request: Request): Element {
    const { name, element } = readAction("get", request.child);
    switch (name) {
      case "options":
        return this.options(request, element);
      case "subscriptions":
        return this.subscriptions(request, element);
      default:
        return this.defaultOptions(request, element);
    }
  }

  /**
   * Creates a node (XEP-0060 §8.1): it offers a service. A publisher that comes back after a break asks again for its
   * own node.
   */
  private async create(request: Request, create: Element, configure: Element | undefined): Promise<Element> {
    const node = this.creatable(attr(create, "node") ?? "", request.from);
    const existing = this.broker.catalog.services.get(node);
    const form = readForm(configure, NS.PUBSUB_NODE_CONFIG);
    const config = acceptable(() =>
      readServiceConfig(form, existing?.config, this.limits.maxMembers, LEASE_FIELDS),
    );
    const lease = acceptable(() => readLeaseRequest(form));
    const offer = (): Later<OfferOutcome> =>
      this.broker.offers.offer(this.links.require(request.from), node, config, monotonicNow(), lease);
    // An outcome that is known at once is handled at once: stanzas that came behind must not overtake it.
    const first = offer();
    let outcome = first instanceof Promise ? await first : first;
    if ("holder" in outcome) {
      // The other session may be dead, and nobody may know. The component asks it before it refuses this session.
      const { holder } = outcome;
      if (await (holder.verify?.() ?? this.links.verify(holder.jid))) {
        throw new StanzapackError("conflict", `\`${node}\` is offered by your session ${outcome.holder.jid}`);
      }
      // Meanwhile the asker's own link may have ended, or been replaced.
      outcome = await offer();
      if ("holder" in outcome)
        throw new StanzapackError("conflict", `\`${node}\` is offered by your session ${outcome.holder.jid}`);
    }
    // XEP-0060 §8.1.2: the answer may leave the node out only if it is as asked. This answer always has the node.
    return xml("pubsub", NS.PUBSUB, xml("create", { node }));
  }

  /** Returns the prepared node, which this account may offer. Throws `not-acceptable` and `forbidden`. */
  private creatable(node: string, from: string): string {
    if (node === "") throw nodeIdRequired("`create` names no node, and there are no instant nodes");
    let owner: string;
    let prepared: string;
    try {
      prepared = nodeNamed(node);
      ({ owner } = parseNode(prepared));
    } catch (error) {
      throw nodeIdRequired((error as Error).message);
    }
    if (owner !== bareJid(from))
      throw new StanzapackError("forbidden", `${bareJid(from)} cannot offer \`${node.slice(0, 200)}\``);
    return prepared;
  }

  /** XEP-0060 §6.1, with options in the same request (§6.3.7). */
  private subscribe(request: Request, subscribe: Element, options: Element | undefined): Later<Element> {
    const { from } = request;
    const node = requireNode(subscribe);
    const who = requireJid(subscribe);
    // XEP-0060 §6.1.3.1: the JID must be the asker's. Updates travel over the link of one session, so the component
    // also refuses another session's JID.
    if (!isSameJid(who, from))
      throw new StanzapackError(
        "jid-mismatch",
        `the subscription is for \`${who.slice(0, 200)}\`, the request came from ${from}`,
      );
    const asked = readSubscribeOptions(readForm(options, NS.PUBSUB_SUBSCRIBE_OPTIONS));
    // XEP-0060 §6.1.3.12: the error for a missing node precedes the error for a missing link.
    return whenKnown(this.broker.subscriptions.asked(node, bareJid(from), asked.since), () =>
      this.subscribeOver(this.links.require(from), node, asked),
    );
  }

  private subscribeOver(link: ClientLink, node: string, asked: SubscribeOptions): Later<Element> {
    const { jid } = link;
    const awaited = this.broker.approvals.awaitedBy(link).some((service) => service.node === node);
    const granted = (subscription: Subscription): Element => {
      const form = formatForm("result", NS.PUBSUB_SUBSCRIBE_OPTIONS, formatOptions(subscription.granted));
      const options = xml("options", { node, jid, subid: subscription.subid }, form);
      return xml("pubsub", NS.PUBSUB, formatSubscription(subscription), options);
    };
    const refused = (error: unknown): Element => {
      // XEP-0060 §6.1.4: the answer says that the request is pending. §6.1.3.7: to ask again meanwhile is an error.
      if (awaited || !(error instanceof StanzapackError) || error.code !== "pending") throw error;
      return xml("pubsub", NS.PUBSUB, formatPending(node, jid));
    };
    try {
      const subscription = this.broker.subscriptions.subscribe(link, node, asked, monotonicNow());
      return subscription instanceof Promise ? subscription.then(granted, refused) : granted(subscription);
    } catch (error) {
      return refused(error);
    }
  }

  /** Ends a subscription, or a request that awaits approval (XEP-0060 §6.2). */
  private unsubscribe(request: Request, unsubscribe: Element): undefined {
    const { service, link, jid } = this.meant(request, unsubscribe);
    if (link !== undefined && this.broker.approvals.giveUp(link, service)) return undefined;
    this.broker.subscriptions.unsubscribe(subscriptionOf(service, link, jid, attr(unsubscribe, "subid")));
    return undefined;
  }

  /** XEP-0060 §6.3.2. */
  private options(request: Request, options: Element): Element {
    return xml("pubsub", NS.PUBSUB, formatOptionsElement(this.findSubscription(request, options), "form"));
  }

  /** XEP-0060 §6.3.5. The answer's form says what was granted. */
  private changeOptions(request: Request, options: Element): Answer {
    const subscription = this.findSubscription(request, options);
    const form = readSubmission(options, NS.PUBSUB_SUBSCRIBE_OPTIONS);
    if (form === undefined) throw badRequest("the options have no form", "invalid-options");
    if (form === "cancel") return undefined;
    this.broker.subscriptions.change(subscription, readChangedOptions(form), monotonicNow());
    return xml("pubsub", NS.PUBSUB, formatOptionsElement(subscription, "result"));
  }

  /**
   * Lists the subscriptions of all sessions of the asker's account, or only those to one node (XEP-0060 §5.6). The
   * list is in pages (XEP-0059).
   */
  private subscriptions({ from, child }: Request, subscriptions: Element): Element {
    const node = attr(subscriptions, "node");
    const wanted = node === undefined ? undefined : this.findVisible(node, from);
    const list: { readonly uid: string; readonly format: () => Element }[] = [];
    for (const link of this.links.ofAccount(bareJid(from))) {
      const of = (kind: string): string => `${kind} ${link.jid}`;
      const all = link.subscriptions.values();
      const taken = wanted === undefined ? all : [link.taken.get(wanted)].filter((it) => it !== undefined);
      for (const subscription of taken)
        list.push({ uid: of(subscription.subid), format: () => formatSubscription(subscription) });
      for (const service of this.broker.approvals.awaitedBy(link))
        if (wanted === undefined || service === wanted)
          list.push({ uid: of(service.node), format: () => formatPending(service.node, link.jid) });
    }
    list.sort(({ uid: one }, { uid: other }) => (one < other ? -1 : 1));
    const { elements, set } = takePage(
      resultSetOf(list, ({ uid }) => uid),
      child,
      ({ format }) => format(),
    );
    return xml("pubsub", NS.PUBSUB, appendAll(xml("subscriptions", { node }), elements), ...set);
  }

  /** XEP-0060 §6.4. */
  private defaultOptions({ from }: Request, element: Element): Element {
    const node = attr(element, "node");
    if (node !== undefined) this.findVisible(node, from);
    const form = formatOptionsForm(
      "form",
      formatOptions({ windowMs: 0, selection: WHOLE, delivery: "link" }),
    );
    return xml("pubsub", NS.PUBSUB, xml("default", { node }, form));
  }

  private findVisible(node: string, from: string): Service {
    const service = this.broker.catalog.find(targetNamed(node));
    if (!service.record.mayFind(bareJid(from)))
      throw new StanzaError("item-not-found", "cancel", `nobody offers \`${node.slice(0, 200)}\``);
    return service;
  }

  /** Returns the service and the subscriber that a request names. The link is that of the subscriber's JID. */
  private meant(
    { from }: Request,
    element: Element,
  ): { readonly service: Service; readonly link: ClientLink | undefined; readonly jid: string } {
    const node = requireNode(element);
    const jid = requireOwnJid(element, from);
    return { service: this.broker.catalog.find(node), link: this.links.get(jid), jid };
  }

  /**
   * Finds a subscription by node, by the subscriber's full JID and, if it is given, by the subid (XEP-0060 §6.2.3,
   * §6.3.4).
   */
  private findSubscription(request: Request, element: Element): Subscription {
    const { service, link, jid } = this.meant(request, element);
    return subscriptionOf(service, link, jid, attr(element, "subid"));
  }
}

function subscriptionOf(
  service: Service,
  link: ClientLink | undefined,
  jid: string,
  subid: string | undefined,
): Subscription {
  const subscription = link?.taken.get(service);
  if (subscription === undefined)
    throw new StanzapackError(
      "not-subscribed",
      `${jid.slice(0, 200)} has no subscription to \`${service.node}\``,
    );
  if (subid !== undefined && subid !== subscription.subid)
    throw new StanzapackError(
      "bad-subid",
      `subid \`${subid.slice(0, 64)}\` is not the one of this subscription`,
    );
  return subscription;
}

function formatSubscription(subscription: Subscription): Element {
  return xml("subscription", {
    node: subscription.service.node,
    jid: subscription.outlet.jid,
    subid: subscription.subid,
    subscription: "subscribed",
  });
}

function formatPending(node: string, jid: string): Element {
  return xml("subscription", { node, jid, subscription: "pending" });
}

function formatOptionsElement(
  { service, outlet, subid, granted }: Subscription,
  type: "form" | "result",
): Element {
  const { windowMs, selection, delivery } = granted;
  const values = formatOptions({ windowMs, selection, delivery });
  const form =
    type === "form" ? formatOptionsForm(type, values) : formatForm(type, NS.PUBSUB_SUBSCRIBE_OPTIONS, values);
  return xml("options", { node: service.node, jid: outlet.jid, subid }, form);
}
