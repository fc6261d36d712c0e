import { parseNode, StanzapackError } from "@stanzapack/wire";
import {
  appendAll,
  bareJid,
  formatForm,
  NS,
  parseForm,
  xml,
  type Connection,
  type DataForm,
  type Element,
  monotonicNow,
} from "@stanzapack/xmpp";
import type { Broker } from "../broker.js";
import type { ComponentLimits } from "../config.js";
import type { LinkTable } from "../link-table.js";
import type { Service } from "../service.js";
import type { ComponentStats } from "../stats.js";
import type { Subscription } from "../subscription.js";
import { assertAnswer, toStanzaError, unsupported } from "./errors.js";
import {
  accountOf,
  formatOptions,
  formatServiceConfig,
  type GrantedOptions,
  LEASE_FIELDS,
  readLeaseRequest,
  readOptions,
  readServiceConfig,
  readSubscribeOptions,
} from "./options.js";

interface Request {
  readonly from: string;
  readonly child: Element;
}

/** XEP-0060 as far as it negotiates: offer, withdraw, configure, whitelist, subscribe, change, stop. */
export class PubsubNegotiation {
  constructor(
    private readonly broker: Broker,
    private readonly links: LinkTable,
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
  ) {}

  /** Takes the requests off the connection. Returns the undo. */
  register(connection: Connection): () => void {
    const undo = [
      connection.onIq("set", NS.PUBSUB, "pubsub", (request) => this.answer(request, () => this.set(request))),
      connection.onIq("get", NS.PUBSUB, "pubsub", (request) => this.answer(request, () => this.get(request))),
      connection.onIq("set", NS.PUBSUB_OWNER, "pubsub", (request) =>
        this.answer(request, () => this.ownerSet(request)),
      ),
      connection.onIq("get", NS.PUBSUB_OWNER, "pubsub", (request) =>
        this.answer(request, () => this.ownerGet(request)),
      ),
    ];
    return () => {
      for (const off of undo) off();
    };
  }

  private async answer(
    { from }: Request,
    act: () => Element | undefined | Promise<Element | undefined>,
  ): Promise<Element | undefined> {
    try {
      this.broker.budgets.request(from);
      return assertAnswer(await act());
    } catch (error) {
      this.stats.refusals++;
      throw toStanzaError(error);
    }
  }

  private set(request: Request): Element | undefined | Promise<Element | undefined> {
    const { child } = request;
    const create = child.getChild("create");
    if (create !== undefined) return this.create(request, create, child.getChild("configure"));
    const subscribe = child.getChild("subscribe");
    if (subscribe !== undefined) return this.subscribe(request, subscribe, child.getChild("options"));
    const unsubscribe = child.getChild("unsubscribe");
    if (unsubscribe !== undefined) {
      if (this.giveUp(request, unsubscribe)) return undefined;
      this.broker.unsubscribe(this.findSubscription(request, unsubscribe));
      return undefined;
    }
    const options = child.getChild("options");
    if (options !== undefined) return this.changeOptions(request, options);
    if (child.getChild("publish") !== undefined)
      throw unsupported("publish", "publish over the link, not by iq");
    throw unsupported(firstName(child), "this component does not have it");
  }

  /** XEP-0060 §8.1: create a node; here: offer a service. Asking again for one's own is the way back after a break. */
  private async create(
    request: Request,
    create: Element,
    configure: Element | undefined,
  ): Promise<Element | undefined> {
    const node = requireNode(create);
    const link = this.links.require(request.from);
    const existing = this.broker.services.get(node);
    const form = formOf(configure);
    const config = readServiceConfig(
      form,
      existing?.id.owner === link.bareJid ? existing.config : undefined,
      this.limits.maxMembers,
      LEASE_FIELDS,
    );
    const lease = readLeaseRequest(form);
    let outcome = this.broker.offer(link, node, config, monotonicNow(), lease);
    if ("holder" in outcome) {
      // The other session may be dead without anyone having been told: ask it before refusing.
      if (await this.links.verify(outcome.holder)) {
        throw new StanzapackError("conflict", `\`${node}\` is offered by your session ${outcome.holder.jid}`);
      }
      // Meanwhile the asker's own link may have ended, or been replaced.
      outcome = this.broker.offer(this.links.require(request.from), node, config, monotonicNow(), lease);
      if ("holder" in outcome)
        throw new StanzapackError("conflict", `\`${node}\` is offered by your session ${outcome.holder.jid}`);
    }
    // XEP-0060 §8.1.2: the answer may leave the node out only when it is as asked; it always is.
    return xml("pubsub", NS.PUBSUB, xml("create", { node }));
  }

  /** XEP-0060 §6.1, with options in the same request (§6.3.7). */
  private subscribe(request: Request, subscribe: Element, options: Element | undefined): Element {
    const node = requireNode(subscribe);
    const link = this.links.require(request.from);
    const who = attr(subscribe, "jid");
    if (who !== request.from)
      throw new StanzapackError(
        "jid-mismatch",
        `the subscription is for \`${(who ?? "").slice(0, 200)}\`, the request came from ${request.from}`,
      );
    const awaited = this.broker.approvals.awaitedBy(link).some((service) => service.node === node);
    let subscription: Subscription;
    try {
      subscription = this.broker.subscribe(link, node, readSubscribeOptions(formOf(options)), monotonicNow());
    } catch (error) {
      // XEP-0060 §6.1.4: the answer says that it is pending; §6.1.3.7: asking again meanwhile is an error.
      if (awaited || !(error instanceof StanzapackError) || error.code !== "pending") throw error;
      return xml("pubsub", NS.PUBSUB, formatPending(node, request.from));
    }
    return xml(
      "pubsub",
      NS.PUBSUB,
      formatSubscription(subscription),
      xml(
        "options",
        { node, jid: request.from, subid: subscription.subid },
        formatForm("result", NS.PUBSUB_SUBSCRIBE_OPTIONS, formatOptions(grantedOf(subscription))),
      ),
    );
  }

  /** XEP-0060 §6.3.5. The answer's form says what was granted. */
  private changeOptions(request: Request, options: Element): Element {
    const subscription = this.findSubscription(request, options);
    const form = formOf(options);
    if (form === undefined) throw new StanzapackError("invalid-options", "the options have no form");
    this.broker.change(subscription, readOptions(form), monotonicNow());
    return xml("pubsub", NS.PUBSUB, formatOptionsElement(subscription));
  }

  private get(request: Request): Element {
    const { child } = request;
    const options = child.getChild("options");
    if (options !== undefined)
      return xml("pubsub", NS.PUBSUB, formatOptionsElement(this.findSubscription(request, options)));
    const subscriptions = child.getChild("subscriptions");
    if (subscriptions !== undefined) {
      // XEP-0060 §5.6: those of the asking entity.
      const link = this.links.get(request.from);
      return xml(
        "pubsub",
        NS.PUBSUB,
        appendAll(xml("subscriptions"), [
          ...[...(link?.subscriptions.values() ?? [])].map(formatSubscription),
          ...this.broker.approvals.awaitedBy(link).map(({ node }) => formatPending(node, request.from)),
        ]),
      );
    }
    if (child.getChild("items") !== undefined)
      throw unsupported("retrieve-items", "values travel over the link, not by iq");
    throw unsupported(firstName(child), "this component does not have it");
  }

  private ownerSet(request: Request): Element | undefined | Promise<undefined> {
    const { child } = request;
    const remove = child.getChild("delete");
    if (remove !== undefined) return this.withdraw(request, remove);
    const configure = child.getChild("configure");
    if (configure !== undefined) {
      const service = this.own(request, configure);
      const config = readServiceConfig(formOf(configure), service.config, this.limits.maxMembers);
      if (config.kind !== service.config.kind)
        throw new StanzapackError(
          "conflict",
          `the kind of \`${service.node}\` cannot change: withdraw it first`,
        );
      this.broker.configure(service, config, monotonicNow());
      return undefined;
    }
    const affiliations = child.getChild("affiliations");
    if (affiliations !== undefined)
      return this.changeAffiliations(this.own(request, affiliations), affiliations);
    throw unsupported(firstName(child), "this component does not have it");
  }

  /** What its publisher has sent before comes first, though it may wait to be read. */
  private async withdraw(request: Request, remove: Element): Promise<undefined> {
    const { publisher } = this.own(request, remove);
    if (publisher !== undefined) await this.links.read(publisher.link);
    this.broker.withdraw(this.own(request, remove), this.links.get(request.from));
  }

  private ownerGet(request: Request): Element {
    const { child } = request;
    const configure = child.getChild("configure");
    if (configure !== undefined) {
      const service = this.own(request, configure);
      return xml(
        "pubsub",
        NS.PUBSUB_OWNER,
        xml(
          "configure",
          { node: service.node },
          formatForm("form", NS.PUBSUB_NODE_CONFIG, formatServiceConfig(service.config)),
        ),
      );
    }
    const affiliations = child.getChild("affiliations");
    if (affiliations !== undefined) {
      const service = this.own(request, affiliations);
      const list = [
        [service.id.owner, "owner"] as const,
        ...[...new Set([...service.config.members, ...service.approved])].map(
          (member) => [member, "member"] as const,
        ),
      ];
      return xml(
        "pubsub",
        NS.PUBSUB_OWNER,
        appendAll(
          xml("affiliations", { node: service.node }),
          list.map(([jid, affiliation]) => xml("affiliation", { jid, affiliation })),
        ),
      );
    }
    throw unsupported(firstName(child), "this component does not have it");
  }

  /** XEP-0060 §8.9.2: the whitelist, a JID at a time, and the end of approvals. */
  private changeAffiliations(service: Service, affiliations: Element): undefined {
    const members = new Set(service.config.members);
    const revoked: string[] = [];
    for (const element of affiliations.getChildren("affiliation")) {
      const member = accountOf(attr(element, "jid") ?? "");
      const affiliation = attr(element, "affiliation");
      if (affiliation === "member") members.add(member);
      else if (affiliation === "none" || affiliation === "outcast") {
        members.delete(member);
        revoked.push(member);
      } else
        throw new StanzapackError(
          "unsupported",
          `affiliation \`${(affiliation ?? "").slice(0, 40)}\` is not in this version; there are member and none`,
        );
    }
    if (members.size > this.limits.maxMembers)
      throw new StanzapackError(
        "invalid-options",
        `${members.size} members, at most ${this.limits.maxMembers} are allowed`,
      );
    for (const member of revoked) service.approved.delete(member);
    this.broker.configure(service, { ...service.config, members }, monotonicNow());
    return undefined;
  }

  /** XEP-0060 §6.2: what awaits approval is given up as a subscription is. Whether there was such. */
  private giveUp({ from }: Request, unsubscribe: Element): boolean {
    const link = this.links.get(from);
    const service = this.broker.services.get(requireNode(unsubscribe));
    const who = attr(unsubscribe, "jid") ?? from;
    return (
      link !== undefined &&
      service !== undefined &&
      who === from &&
      this.broker.approvals.giveUp(link, service)
    );
  }

  private own(request: Request, element: Element): Service {
    return this.broker.own(requireNode(element), bareJid(request.from));
  }

  /** By node, the asker's full JID and, where given, the subid (XEP-0060 §6.2.3, §6.3.4). */
  private findSubscription(request: Request, element: Element): Subscription {
    const node = requireNode(element);
    const who = attr(element, "jid");
    if (who !== undefined && who !== request.from)
      throw new StanzapackError(
        "jid-mismatch",
        `the subscription is of \`${who.slice(0, 200)}\`, the request came from ${request.from}`,
      );
    const service = this.broker.find(node);
    const link = this.links.get(request.from);
    const subscription = link?.taken.get(service);
    if (subscription === undefined)
      throw new StanzapackError("not-subscribed", `${request.from} has no subscription to \`${node}\``);
    const subid = attr(element, "subid");
    if (subid !== undefined && subid !== subscription.subid)
      throw new StanzapackError(
        "bad-subid",
        `subid \`${subid.slice(0, 64)}\` is not the one of this subscription`,
      );
    return subscription;
  }
}

function attr(element: Element, name: string): string | undefined {
  return element.attrs[name] as string | undefined;
}

function requireNode(element: Element): string {
  const node = attr(element, "node");
  if (node === undefined || node === "") throw new StanzapackError("bad-name", "the request names no node");
  parseNode(node);
  return node;
}

function formOf(element: Element | undefined): DataForm | undefined {
  return element === undefined ? undefined : parseForm(element);
}

function firstName(pubsub: Element): string {
  return pubsub.getChildElements()[0]?.getName() ?? "empty";
}

function formatSubscription(subscription: Subscription): Element {
  return xml("subscription", {
    node: subscription.service.node,
    jid: subscription.link.jid,
    subid: subscription.subid,
    subscription: "subscribed",
  });
}

function formatPending(node: string, jid: string): Element {
  return xml("subscription", { node, jid, subscription: "pending" });
}

function formatOptionsElement(subscription: Subscription): Element {
  return xml(
    "options",
    { node: subscription.service.node, jid: subscription.link.jid, subid: subscription.subid },
    formatForm("result", NS.PUBSUB_SUBSCRIBE_OPTIONS, formatOptions(subscription.lane.key)),
  );
}

/** What is in force. */
export function grantedOf({ lane, begun, recovered }: Subscription): GrantedOptions {
  return { ...lane.key, begun, recovered };
}
