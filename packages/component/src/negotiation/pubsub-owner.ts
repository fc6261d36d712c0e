import { StanzapackError } from "@stanzapack/wire";
import { bareJid, deadline, monotonicNow, NS, StanzaError, xml, type Element } from "@stanzapack/xmpp";
import type { Broker } from "../broker/broker.js";
import type { ComponentLimits } from "../config/config.js";
import { hasMore } from "../links/intake.js";
import type { LinkTable } from "../links/link-table.js";
import type { Service } from "../catalog/service.js";
import { listAffiliations, readAffiliations } from "./affiliations.js";
import { unsupported } from "../forms/errors.js";
import { formatOurForm } from "../forms/our-fields.js";
import { DEFAULT_CONFIG } from "../options/service-config.js";
import { formatServiceConfig, readServiceConfig } from "../forms/service-config.js";
import { attr, readAction, type Request, requireNode } from "./pubsub-request.js";
import { acceptable, badRequest, readSubmission } from "../forms/submissions.js";

type Answer = Element | undefined;

/** Time to retry for a publisher that withdraws while its updates still wait to be read, in ms. */
const READ_AGAIN_MS = 1_000;
/** How long a withdrawal waits for the store, in ms. Clients give up 2 s after the longest time for reading. */
const STORE_MS = 2_000;

/** Requests that only the owner of a node may make (XEP-0060 §8): its configuration, its members, its end. */
export class OwnerRequests {
  constructor(
    private readonly broker: Broker,
    private readonly links: LinkTable,
    private readonly limits: ComponentLimits,
  ) {}

  set(request: Request): Answer | Promise<Answer> {
    const { name, element } = readAction("owner set", request.child);
    switch (name) {
      case "configure":
        return this.configure(this.own(request, element), element);
      case "delete":
        return this.withdraw(request, element);
      default:
        return this.changeAffiliations(this.own(request, element), element);
    }
  }

  get(request: Request): Element {
    const { name, element } = readAction("owner get", request.child);
    switch (name) {
      case "configure": {
        // XEP-0060 §8.2.2.
        const { node, config } = this.own(request, element);
        return formatConfiguration("configure", { node }, formatServiceConfig(config));
      }
      case "affiliations":
        return listAffiliations(this.own(request, element), request.child);
      default:
        return defaultConfiguration(element);
    }
  }

  /** XEP-0060 §8.2.4. */
  private configure(service: Service, configure: Element): undefined {
    const form = readSubmission(configure, NS.PUBSUB_NODE_CONFIG);
    if (form === undefined) throw badRequest("the configuration has no form", "invalid-options");
    // §8.2.4: the configuration in force stays in force.
    if (form === "cancel") return;
    const config = acceptable(() => readServiceConfig(form, service.config, this.limits.maxMembers));
    if (config.kind !== service.config.kind)
      // §8.2.5.2.
      throw new StanzaError(
        "not-acceptable",
        "modify",
        `the kind of \`${service.node}\` cannot change: withdraw it first`,
      );
    if ((config.opaque ?? false) !== (service.config.opaque ?? false))
      throw new StanzaError(
        "not-acceptable",
        "modify",
        `whether \`${service.node}\` is opaque cannot change: withdraw it first`,
      );
    void this.broker.offers.configure(service, config, monotonicNow());
  }

  /**
   * Withdraws a service (XEP-0060 §8.4), after the component has read and stored what its publisher sent before, so
   * that nothing is lost. The publisher receives `busy` if that takes too long, or if the store refuses the updates.
   * Another session of its owner waits as long, and then withdraws the service nevertheless.
   */
  private async withdraw(request: Request, remove: Element): Promise<undefined> {
    const { publisher } = this.own(request, remove);
    const asking = this.links.get(request.from);
    if (publisher !== undefined) await this.links.read(publisher.link.jid);
    if (publisher !== undefined && publisher.link === asking && hasMore(asking.inbox))
      throw new StanzapackError("busy", "what this client published before still waits to be read", {
        retryAfterMs: READ_AGAIN_MS,
      });
    const { record, storing } = this.own(request, remove);
    const { given } = record;
    if (storing !== undefined) await atMost(STORE_MS, storing);
    if (publisher?.link === asking && record.offset < given)
      throw new StanzapackError("busy", "what this client published before is not stored yet", {
        retryAfterMs: READ_AGAIN_MS,
      });
    this.broker.offers.withdraw(this.own(request, remove), asking);
  }

  /** Changes the members one JID at a time, and ends approvals (XEP-0060 §8.9.2). */
  private changeAffiliations(service: Service, affiliations: Element): undefined {
    const { members, revoked, fault } = readAffiliations(service, affiliations, this.limits.maxMembers);
    for (const member of revoked) service.record.approved.delete(member);
    void this.broker.offers.configure(service, { ...service.config, members }, monotonicNow());
    if (fault !== undefined) throw fault;
  }

  private own({ from }: Request, element: Element): Service {
    return this.broker.catalog.own(requireNode(element), bareJid(from));
  }
}

/** Resolves when `done` does, but after `ms` at the latest. `done` must not reject. */
async function atMost(ms: number, done: Promise<void>): Promise<void> {
  let cancel: (() => void) | undefined;
  const late = new Promise<void>((resolve) => (cancel = deadline(ms, resolve)));
  await Promise.race([done, late]);
  cancel?.();
}

/** XEP-0060 §8.3. */
function defaultConfiguration(element: Element): Element {
  const type = attr(element, "type") ?? "leaf";
  if (type !== "leaf") throw unsupported("collections", `a node of type \`${type.slice(0, 40)}\``);
  return formatConfiguration("default", {}, formatServiceConfig(DEFAULT_CONFIG));
}

function formatConfiguration(
  name: "configure" | "default",
  attrs: Readonly<Record<string, string>>,
  values: ReturnType<typeof formatServiceConfig>,
): Element {
  return xml(
    "pubsub",
    NS.PUBSUB_OWNER,
    xml(name, attrs, formatOurForm("form", NS.PUBSUB_NODE_CONFIG, values)),
  );
}
