import {
  DataReader,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  type ErrorCode,
  type RowCodec,
} from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import type { Calls } from "../calls/calls.js";
import type { Approvals } from "./approvals.js";
import type { DemandReports } from "./demand-reports.js";
import { STORE_PAUSE_MS } from "../store/base/failure.js";
import type { PublisherLink, Service } from "./service.js";
import type { StatusReports } from "./status-reports.js";

/** Gives the writer's lease of a service to one link at a time, and takes the lease back. */
export class Publishers {
  constructor(
    private readonly codec: RowCodec,
    private readonly demand: DemandReports,
    private readonly status: StatusReports,
    private readonly approvals: Approvals,
    private readonly calls: Calls,
  ) {}

  /**
   * Gives the lease of a service without a publisher to a link that has a free alias. Sends the link BIND and DEMAND,
   * and every subscriber STATUS.
   */
  attach(service: Service, link: PublisherLink, incarnation: number | undefined, now: number): void {
    const alias = link.takeAlias();
    link.services.set(alias, service);
    const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, this.codec);
    service.publisher = { link, alias, reader, incarnation };
    service.offlineSince = undefined;
    const asked = incarnation ?? service.record.incarnations.current;
    link.sendFrame({
      type: "bind",
      role: "service",
      alias,
      node: service.node,
      incarnation: asked,
      sequence: service.record.incarnations.storedOf(asked),
    });
    // Sent always: a publisher that comes back keeps sending by its old demand until it receives a new one.
    this.demand.tell(service);
    service.status = "online";
    service.paceMs = null;
    this.status.tell(service);
    this.approvals.serviceOnline(service, now);
    this.calls.publisherCame(service);
  }

  /**
   * Takes the lease back, if a link has it: the component drops what that link still sends, and the end of that link
   * does not concern the service. Sends the link ERROR, unless `by` is the link itself.
   */
  release(
    service: Service,
    by: PublisherLink | undefined,
    code: ErrorCode,
    text: string,
    retryAfterMs: number | null = null,
  ): void {
    const { publisher } = service;
    if (publisher === undefined) return;
    const { link, alias, reader } = publisher;
    // Sent in front of the acknowledgements of what is dropped.
    if (link !== by)
      link.sendFrame({
        ...{ type: "error", alias, code, retryAfterMs },
        text: text.slice(0, DEFAULT_LIMITS.maxTextChars),
      });
    link.services.delete(alias);
    link.readerBytes -= reader.bytes;
    service.publisher = undefined;
  }

  /** The publisher of a service that another node owns is not known any more. */
  lost(service: Service, now: number): void {
    const { publisher } = service;
    if (publisher === undefined) return;
    publisher.link.services.delete(publisher.alias);
    service.publisher = undefined;
    service.offlineSince = now;
    this.calls.publisherGone(publisher.link);
  }

  /** Takes the lease back for a while. The publisher keeps its updates, and is to offer the service again. */
  pause(service: Service, text: string): void {
    if (service.publisher === undefined) return;
    this.release(service, undefined, "busy", text, STORE_PAUSE_MS);
    service.offlineSince = monotonicNow();
    this.status.tell(service);
  }

  /** Takes the lease back for good, because the service takes none of what its publisher sends. */
  refuse(service: Service, code: ErrorCode, text: string): void {
    if (service.publisher === undefined) return;
    this.release(service, undefined, code, text);
    service.offlineSince = monotonicNow();
    this.status.tell(service);
  }

  /** All services of the link are offline from now on. */
  linkEnded(link: PublisherLink, now: number): void {
    for (const service of link.services.values()) {
      service.publisher = undefined;
      service.offlineSince = now;
      this.status.tell(service);
    }
    link.services.clear();
  }
}
