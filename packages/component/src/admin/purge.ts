import { StanzapackError } from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Later } from "../base/later.js";
import type { Broker } from "../broker/broker.js";
import type { Service } from "../catalog/service.js";
import type { LinkSubscription } from "../links/client-link.js";

/** Time to retry for an administrator when the store does not take a deletion, in ms. */
const RETRY_AFTER_MS = 5_000;

/** The kinds of things that the component keeps of an account, in the order of a report. */
export const HELD = ["services", "cursors", "subscriptions", "grants", "requests"] as const;

/**
 * Everything that the component keeps of an account, each list sorted:
 *
 * - `services`: nodes of its services, with their journals, maps, configurations, members and approvals.
 * - `cursors`: its named cursors, each as node, space, name.
 * - `subscriptions`: nodes that it subscribes to, or may subscribe to again by a resume token.
 * - `grants`: nodes of others whose publishers have approved it, or list it as a member.
 * - `requests`: nodes of others whose publishers have still to answer it.
 */
export type Holdings = Readonly<Record<(typeof HELD)[number], readonly string[]>>;

/** The parts that know the links of an account. */
export interface AccountLinks {
  /** Returns the live links of all sessions of a bare JID. */
  ofAccount(bareJid: string): Iterable<{ readonly taken: { values(): Iterable<LinkSubscription> } }>;
  /** The links that have ended and that can be resumed. */
  readonly kept: { keptOf(bareJid: string): Iterable<string>; erase(bareJid: string): void };
}

/** A deletion that the store did not take. */
interface Unfinished {
  readonly what: "services" | "cursors" | "grants";
  readonly name: string;
  readonly again: () => Later<void>;
}

/**
 * Finds and removes what the component keeps of an account. It looks at all services, because approvals and members are
 * with the services of others: some milliseconds for 100,000 services.
 */
export class Purge {
  /** By account. They are in the store alone, so a later purge finds them here. */
  private readonly unfinished = new Map<string, Unfinished[]>();

  constructor(
    private readonly broker: Broker,
    private readonly links: AccountLinks,
    private readonly log: Logger,
  ) {}

  /** `account`: a bare JID. */
  find(account: string): Holdings {
    const { catalog, cursors, approvals, logs } = this.broker;
    const left = this.unfinished.get(account) ?? [];
    const of = (what: Unfinished["what"], found: readonly string[]): string[] =>
      [...found, ...left.filter((each) => each.what === what).map(({ name }) => name)].sort();
    const taken = this.subscriptionsOf(account).map(({ service }) => service);
    return {
      services: of("services", nodesOf([...catalog.ownedBy(account), ...logs.withdrawnOf(account)])),
      cursors: of(
        "cursors",
        [...cursors.ofOwner(account)].map(({ node, name }) => `${node} ${name}`),
      ),
      subscriptions: [...nodesOf(taken), ...this.links.kept.keptOf(account)].sort(),
      grants: of("grants", nodesOf(this.granting(account))),
      requests: nodesOf([...approvals.askedBy(account)]).sort(),
    };
  }

  /**
   * Removes everything of a bare JID. Its links stay open, and its programs are told what has ended: a program that
   * goes on may offer and subscribe again. Resolves to what was removed, once the disk has that. Approvals at services
   * with `interval` follow within the store's interval. Rejects with `busy` if the store does not take the deletions:
   * nobody sees the rest any more, and the next purge deletes it.
   */
  async run(account: string, by: string): Promise<Holdings> {
    const found = this.find(account);
    const { catalog, offers, cursors, approvals, logs, subscriptions } = this.broker;
    const left = this.unfinished.get(account) ?? [];
    this.unfinished.delete(account);
    const deletions: (Unfinished & { readonly done: Later<void> })[] = left.map((each) => ({
      ...each,
      done: each.again(),
    }));
    const add = (what: Unfinished["what"], name: string, done: Later<void>, again: () => Later<void>) =>
      deletions.push({ what, name, done, again });
    const erased = (service: Service, done: Later<void>) =>
      add("services", service.node, done, () => service.record.stored?.delete());
    for (const service of [...catalog.ownedBy(account)]) erased(service, offers.erase(service));
    for (const service of logs.withdrawnOf(account)) erased(service, logs.erase(service));
    const text = `an administrator has removed everything of ${account}`;
    for (const subscription of this.subscriptionsOf(account)) {
      offers.onRevoked?.(subscription);
      subscriptions.end(subscription, new StanzapackError("not-allowed", text));
    }
    for (const cursor of [...cursors.ofOwner(account)]) {
      const erase = (): Later<void> => cursors.erase(cursor);
      add("cursors", `${cursor.node} ${cursor.name}`, erase(), erase);
    }
    approvals.erase(account, text);
    for (const service of this.granting(account)) {
      const takeBack = (): Later<void> => this.takeBack(service, account);
      add("grants", service.node, takeBack(), takeBack);
    }
    this.links.kept.erase(account);
    await this.settle(account, deletions);
    const counts = Object.fromEntries(HELD.map((what) => [what, found[what].length]));
    this.log.info({ account, by, ...counts }, "everything of an account was removed");
    return found;
  }

  private subscriptionsOf(account: string): LinkSubscription[] {
    return [...this.links.ofAccount(account)].flatMap(({ taken }) => [...taken.values()]);
  }

  /** Returns the services of others that have approved the account, or list it. */
  private granting(account: string): Service[] {
    return [...this.broker.catalog.services.values()].filter(
      ({ id, config, record }) =>
        id.owner !== account && (record.approved.has(account) || config.members.has(account)),
    );
  }

  private takeBack(service: Service, account: string): Later<void> {
    const members = new Set(service.config.members);
    members.delete(account);
    service.record.approved.delete(account);
    return this.broker.offers.configure(service, { ...service.config, members }, monotonicNow());
  }

  private async settle(
    account: string,
    deletions: readonly (Unfinished & { readonly done: Later<void> })[],
  ): Promise<void> {
    const outcomes = await Promise.allSettled(deletions.map(async ({ done }) => done));
    const failed = deletions.filter((_, i) => outcomes[i]?.status === "rejected");
    if (failed.length === 0) return;
    this.unfinished.set(account, [...(this.unfinished.get(account) ?? []), ...failed]);
    const cause: unknown = outcomes.find((each) => each.status === "rejected")?.reason;
    const reason = cause instanceof StanzapackError ? cause.text : String(cause);
    throw new StanzapackError(
      "busy",
      `the store did not take ${failed.length} deletions of ${account}: ${reason}`,
      {
        scope: "subscription",
        retryAfterMs: RETRY_AFTER_MS,
        mend: "Make room on the component's disk, and purge again.",
        cause,
      },
    );
  }
}

function nodesOf(services: readonly Service[]): string[] {
  return services.map(({ node }) => node);
}
