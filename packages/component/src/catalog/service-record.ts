import { formatNode, type NodeId } from "@stanzapack/wire";
import { wallAheadMs, wallNow } from "@stanzapack/xmpp";
import type { ServiceConfig } from "../options/service-config.js";
import type { StoredService } from "../store/store.js";
import { ApprovedAccounts } from "./approved-accounts.js";
import { Incarnations } from "./incarnations.js";

/** A value may be this much older than its service, in ms. The component may have restarted since the value. */
const OLDEST_VALUE_MS = 86_400_000;

/** The newest row of a service. */
export interface LastValue {
  readonly row: Uint8Array;
  /** By the monotonic clock, in ms. */
  readonly at: number;
}

/**
 * The part of a service that must outlive the links and the process of its publisher: its name, configuration, epoch,
 * position, the sequences of its publishers' outboxes, and its approvals. A store can keep the record. `Service` is
 * what lives around the record.
 */
export class ServiceRecord {
  readonly node: string;
  /** Zero of the `at` in DATA frames, in ms since 1970, by the wall clock. */
  readonly baseAt: number;
  /** By the monotonic clock, in ms. The service takes no value for older than this. */
  readonly oldestAt: number;
  /** The highest offset that subscribers may see. The first update has 1. */
  offset = 0;
  /** The highest offset given so far. Greater than `offset` while updates of a durable service wait for the disk. */
  given = 0;
  last: LastValue | undefined;
  /** The last sequence of each publisher's outbox that arrived. */
  readonly incarnations = new Incarnations();
  /** Bare JIDs that the publisher has allowed, under the access model `authorize`. */
  readonly approved = new ApprovedAccounts();

  constructor(
    readonly id: NodeId,
    public config: ServiceConfig,
    /**
     * A random number. After a restart of a component without a store, offsets begin anew, and must not look like the
     * old ones.
     */
    readonly epoch: number,
    /** By the monotonic clock, in ms. */
    createdAt: number,
    /** Where the record and the log are on the disk. Undefined: the service is in memory alone. */
    readonly stored?: StoredService,
    /** When each approved account of the stored record used its approval last, in ms since 1970. */
    approvedAt: readonly number[] = [],
    /** Of a service in memory that another node owns: its `baseAt`. */
    baseAt?: number,
  ) {
    this.node = formatNode(id);
    const ahead = wallAheadMs();
    this.baseAt = stored?.record.baseAt ?? baseAt ?? Math.round(createdAt - OLDEST_VALUE_MS + ahead);
    this.oldestAt = this.baseAt - ahead;
    if (stored !== undefined) this.restore(stored, approvedAt);
  }

  private restore({ record }: StoredService, approvedAt: readonly number[]): void {
    this.offset = this.given = record.offset;
    for (const progress of record.incarnations) this.incarnations.restore(progress);
    // A record of before has no times: its accounts count as if they had just been here.
    for (const [i, jid] of record.approved.entries()) this.approved.add(jid, approvedAt[i] ?? wallNow());
    const { last } = record;
    if (last !== undefined) this.last = { row: last.row, at: last.at - wallAheadMs() };
  }

  /** Whether the account may subscribe. */
  mayTake(bareJid: string): boolean {
    const { access, members } = this.config;
    if (access === "open" || bareJid === this.id.owner || members.has(bareJid)) return true;
    return access === "authorize" && this.approved.has(bareJid);
  }

  /** Whether the account finds the service in lists. An account that may ask the publisher must find it. */
  mayFind(bareJid: string): boolean {
    return this.config.access === "authorize" || this.mayTake(bareJid);
  }
}
