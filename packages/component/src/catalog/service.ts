import type { DataReader, Frame, LinkSession, NodeId, ServiceStatus } from "@stanzapack/wire";
import type { FewMap } from "../base/few.js";
import type { ThrottleState } from "../budgets/throttle.js";
import type { Lane } from "../fanout/lane.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import type { Kind } from "../kinds/kind.js";
import type { ServiceConfig } from "../options/service-config.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { ServiceRecord } from "./service-record.js";

/**
 * Bodies of the newest value, for subscribers that join or come back. The key says where the subscriber stands, and how
 * its lane encodes a row.
 */
export interface NewestBodies {
  readonly offset: number;
  /** How far the wall clock was ahead of the monotonic clock, in ms. */
  readonly aheadMs: number;
  readonly bodies: Map<string, ReadyBody>;
}

/** What a service's publisher and subscribers have received and sent, since the service is in memory. */
export interface ServiceTraffic {
  /** Updates from the publisher. */
  rowsIn: number;
  /** Updates, the bodies that held them, and the characters of these in base64, counted for each subscriber. */
  rowsOut: number;
  bodiesOut: number;
  charsOut: number;
  /** The newest row, as a view into its block, and when it came, by the monotonic clock, in ms. */
  newest?: { readonly row: Uint8Array; readonly cameAt: number };
}

/** The part of a publisher's link that a service needs. */
export interface PublisherLink {
  readonly jid: string;
  readonly bareJid: string;
  readonly session: Pick<LinkSession, "peerHello" | "budget">;
  /** The services that the link publishes, by alias. */
  readonly services: FewMap<number, Service>;
  readonly throttle: ThrottleState;
  /** Memory that reading what the link publishes takes, in bytes. */
  readerBytes: number;
  /** The service of this alias keeps its publisher's updates up to `sequence`. Sent with the next acknowledgement. */
  noteKept(alias: number, incarnation: number, sequence: number): void;
  /** Throws `link-required` when the link has ended. */
  assertOpen(): void;
  /** Throws `limit-exceeded` when the link has used up its aliases. */
  checkAlias(): void;
  takeAlias(): number;
  sendFrame(frame: Frame): void;
  /**
   * Resolves with whether the publisher lives, as far as can be told. Undefined: the link is one of this component's
   * links, and its table can say so.
   */
  readonly verify?: () => Promise<boolean>;
  /** Asks the publisher to approve an account. Undefined: a message to its JID asks. */
  readonly ask?: (asker: string) => void;
}

/** Another node of the component that owns a service. */
export interface RemoteOwner {
  readonly domain: string;
  readonly fence: number;
}

/** What the followers of a service at one other node want. */
export interface FollowerDemand {
  readonly subscribers: number;
  /** Null: nobody subscribes there now. */
  readonly windowMs: number | null;
  /** The node has to say so again until then, by the monotonic clock, in ms. */
  readonly until: number;
}

/** The holder of a service's writer lease. */
export interface Publisher {
  readonly link: PublisherLink;
  readonly alias: number;
  readonly reader: DataReader;
  /** The incarnation that the offer named. Undefined: the offer named none. */
  readonly incarnation: number | undefined;
}

/** One named stream of one publisher: its record, its publisher now, and everyone who subscribes. */
export class Service {
  /** Bodies of the newest value, while it is the newest. */
  newest: NewestBodies | undefined;
  /** The holder of the writer's lease. The service takes DATA from nobody else. */
  publisher: Publisher | undefined;
  /**
   * The catalog does not have the service any more. A withdrawn log is still sent to subscribers that have not received
   * all of it.
   */
  withdrawn = false;
  /** Status of the publisher, from its last STATUS. Without one: `online`. */
  status: Exclude<ServiceStatus, "offline"> = "online";
  /** The window in which the publisher really sends, in ms, when it cannot keep to the demand. */
  paceMs: number | null = null;
  /** When the publisher's link ended, in ms. */
  offlineSince: number | undefined;
  /** When the approvals of accounts are looked at next, in ms. */
  approvalsDueAt = 0;
  readonly lanes = new Map<string, Lane<Subscription>>();
  readonly subscriptions = new Set<Subscription>();
  /** Resolves when all updates that came are stored. Undefined: they are. */
  storing: Promise<void> | undefined;
  /** Subscriptions that have received no value yet. */
  readonly awaiting = new Set<Subscription>();
  /** Counts what came and went, for whoever looks at the service. */
  readonly traffic: ServiceTraffic = { rowsIn: 0, rowsOut: 0, bodiesOut: 0, charsOut: 0 };
  /** The node that owns the service. Undefined: this one. */
  owner: RemoteOwner | undefined;
  /** Other nodes that follow the service, by domain. */
  readonly followers = new Map<string, FollowerDemand>();
  /** The demand that the publisher was sent last. */
  demand: { subscribers: number; windowMs: number | null } = { subscribers: 0, windowMs: null };

  constructor(
    private currentRecord: ServiceRecord,
    private currentKind: Kind,
  ) {}

  get record(): ServiceRecord {
    return this.currentRecord;
  }
  /** The behaviour of the service's kind, with what this service keeps. */
  get kind(): Kind {
    return this.currentKind;
  }

  /** Another node owns the service now, or this one. The caller moves the subscriptions. */
  become(record: ServiceRecord, kind: Kind): void {
    this.currentRecord = record;
    this.currentKind = kind;
    this.newest = undefined;
  }

  get id(): NodeId {
    return this.record.id;
  }
  get node(): string {
    return this.record.node;
  }
  get config(): ServiceConfig {
    return this.record.config;
  }
  get online(): boolean {
    return this.publisher !== undefined;
  }
  /** The content of a STATUS frame to the subscribers. */
  get told(): { readonly status: ServiceStatus; readonly windowMs: number | null } {
    return this.online
      ? { status: this.status, windowMs: this.paceMs }
      : { status: "offline", windowMs: null };
  }

  /** Subscribers here, and at other nodes. */
  get subscriberCount(): number {
    let count = this.subscriptions.size;
    for (const { subscribers } of this.followers.values()) count += subscribers;
    return count;
  }

  /** The smallest window of a subscriber, in ms. Null: the service has no subscriber. */
  get takenWindowMs(): number | null {
    let smallest: number | null = null;
    for (const { windowMs } of this.followers.values())
      if (windowMs !== null && (smallest === null || windowMs < smallest)) smallest = windowMs;
    for (const { windowMs } of this.lanes.values())
      if (smallest === null || windowMs < smallest) smallest = windowMs;
    return smallest;
  }

  /** The largest window of a subscriber, in ms. 0: the service has no subscriber. */
  get slowestWindowMs(): number {
    let largest = 0;
    for (const { windowMs } of this.lanes.values()) largest = Math.max(largest, windowMs);
    return largest;
  }

  /** Returns the window in which the publisher should send, in ms. Null: it should not send. */
  wantedWindowMs(): number | null {
    const taken = this.takenWindowMs;
    const { ownWindowMs } = this.kind;
    return ownWindowMs === null ? taken : Math.min(taken ?? ownWindowMs, ownWindowMs);
  }
}
