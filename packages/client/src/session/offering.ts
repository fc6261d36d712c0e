import { formatNode, isServiceName, StanzapackError, type RowCodec } from "@stanzapack/wire";
import { withPreparedMembers } from "../base/addresses.js";
import { toStanzapackError } from "../base/errors.js";
import type { OfferOptions } from "../options/offer-options.js";
import { checkBounds, checked, checkText } from "../options/option-checks.js";
import { checkAuthorize, type Approvals } from "../publish/approvals.js";
import { OfferedMap } from "../publish/offered-map.js";
import { OfferedService } from "../publish/offered-service.js";
import type { Publishing } from "../publish/publishing.js";
import type { OutboxPart, ServiceHost } from "../publish/service-host.js";
import { checkStored, toStoreError, type OutboxStore } from "../store/outbox-store.js";
import type { ClientState } from "./client-state.js";
import type { LinkKeeper } from "./link-keeper.js";

/** Offers services, with the store of a log, and ends them. */
export class Offering {
  /** Stores of services that have ended, until another service may open them. */
  private readonly releases = new Set<Promise<void>>();
  private readonly host: ServiceHost;

  constructor(
    private readonly services: Map<string, OfferedService>,
    private readonly bareJid: string,
    private readonly codec: RowCodec,
    private readonly keeper: LinkKeeper,
    private readonly publishing: Publishing,
    private readonly state: ClientState,
    approvals: Approvals,
    /** Throws `stopped` once the client is closed. */
    private readonly assertOpen: () => void,
  ) {
    const { services: requests } = keeper.held;
    this.host = {
      book: (service, dueAt) => publishing.book(service, dueAt),
      flush: (service) => publishing.flushNow(service),
      settle: () => this.settle(),
      sendFrame: (frame) => keeper.link?.sendFrame(frame),
      configure: (service, changed) => {
        const { access, members, authorize } = changed;
        if (access !== undefined || members !== undefined || authorize !== undefined)
          approvals.forget(service.node);
        return requests.configure(service, changed);
      },
      revoke: (service, jid) => {
        approvals.forget(service.node, jid);
        return requests.revoke(service, jid);
      },
      withdraw: (service) => requests.withdraw(service),
      ended: (service) => this.forget(service),
    };
  }

  /** See `Client.offer`. */
  async offer(name: string, given: OfferOptions): Promise<OfferedService> {
    checkText("offer", "name", name);
    const options = withPreparedMembers(checked("offer", given), "offer: `members`");
    if (!isServiceName(name)) throw new StanzapackError("bad-name", `\`${name}\` is not a service name`);
    const node = formatNode({ owner: this.bareJid, name });
    this.assertFree(node);
    checkAuthorize(options);
    if (options.kind === "map" && options.opaque === true)
      throw new StanzapackError(
        "invalid-options",
        "offer: a map cannot be `opaque`, because the component reads its keys: encrypt its values instead",
      );
    checkBounds("offer", options.kind, options);
    const part = options.store === undefined ? undefined : await this.openStore(node, options, options.store);
    const Kind = options.kind === "map" ? OfferedMap : OfferedService;
    const service: OfferedService = new Kind(node, options, this.host, this.codec, part);
    service.hold();
    this.services.set(node, service);
    this.state.onServices();
    if (part !== undefined && this.keeper.link === undefined) {
      service.handOut();
      return service;
    }
    try {
      const { attempts, services } = this.keeper.held;
      await attempts.make([service], () => services.establish(service));
    } catch (error) {
      const failure = toStanzapackError(error, `offering \`${node}\``);
      service.finish(failure);
      await service.released;
      throw failure;
    }
    // After a break this client must not take the service back from a session that took it over.
    service.options = { ...service.options, takeOver: false };
    service.handOut();
    return service;
  }

  /** Throws `conflict`. */
  private assertFree(node: string): void {
    if (this.services.has(node))
      throw new StanzapackError("conflict", `this client offers \`${node}\` already`);
  }

  private async openStore(node: string, { kind }: OfferOptions, store: OutboxStore): Promise<OutboxPart> {
    if (kind !== "log")
      throw new StanzapackError("invalid-options", "offer: `store` is for services of kind `log` only");
    await this.released();
    const doing = `opening the store of \`${node}\``;
    const open = async (): Promise<OutboxPart> => {
      const { OutboxSaver: Saver } = await import("../publish/outbox-saver.js");
      return { stored: checkStored(await store.open(node)), Saver };
    };
    const part = await open().catch((error: unknown) => {
      throw toStoreError(error, doing);
    });
    try {
      this.assertOpen();
      this.assertFree(node);
    } catch (error) {
      await (async () => part.stored.close())().catch(() => undefined);
      throw error;
    }
    return part;
  }

  /** Resolves when the stores of all services that have ended are closed. */
  async released(): Promise<void> {
    await Promise.all(this.releases);
  }

  /**
   * Sends what logs with a store still have, so that the next program sends as little as possible again. Undefined
   * without such logs.
   */
  drainStored(): Promise<void> | undefined {
    const services = [...this.services.values()].filter(({ stores }) => stores);
    return services.length === 0 ? undefined : this.drain(services);
  }

  private async drain(services: readonly OfferedService[]): Promise<void> {
    await Promise.all(services.map((service) => service.saved().catch(() => undefined)));
    this.publishing.finish(services);
    if (services.some(({ unacknowledged }) => unacknowledged > 0)) await this.settle();
  }

  /** Waits until the component has acknowledged our data, as far as a link exists. */
  private async settle(): Promise<void> {
    // If that fails, the next link or the next program sends the data again.
    await this.keeper.link?.barrier().catch(() => undefined);
  }

  private forget(service: OfferedService): void {
    const { released } = service;
    if (released !== undefined) {
      this.releases.add(released);
      void released.then(() => this.releases.delete(released));
    }
    if (this.services.get(service.node) === service) this.services.delete(service.node);
    this.publishing.forget(service);
    this.state.onServices();
  }
}
