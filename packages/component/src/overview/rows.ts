import type { AccessModel, Durability } from "../options/service-config.js";
import type { ServiceKind, ServiceStatus } from "@stanzapack/wire";

/**
 * Names of the services that a component with administrators offers itself. Its domain owns them, so the nodes are
 * `streams.example.org/overview` and so on. `overview` is a value (`ComponentRow`). The two others are maps: `services`
 * by node (`ServiceRow`), `clients` by full JID (`ClientRow`).
 */
export const OWN_SERVICES = ["overview", "services", "clients"] as const;
export type OwnServiceName = (typeof OWN_SERVICES)[number];

/** What the component is doing. Rates are means in which the last three seconds weigh most. */
export interface ComponentRow {
  readonly version: string;
  /** When the component started, in ms since 1970. */
  readonly startedAt: number;
  readonly links: { readonly lean: number; readonly ibb: number; readonly suspended: number };
  readonly services: number;
  readonly subscriptions: number;
  readonly lanes: number;
  readonly cursors: number;
  /** Updates from publishers, a second. */
  readonly updatesIn: number;
  /** Updates to subscribers, a second, counted for each subscriber. */
  readonly updatesOut: number;
  /** Stanzas to clients, a second. */
  readonly stanzas: number;
  /** Characters of these stanzas, a second. */
  readonly chars: number;
  /** Characters that the same updates would take as JSON, a second. See `ServiceRow.jsonChars`. */
  readonly jsonChars: number;
  /** Updates that subscribers did not receive, because newer ones took their place, a second. */
  readonly conflated: number;
  /** Updates lost since the start: those that publishers declared lost, and those that the store lost. */
  readonly lost: number;
  /** Subscriptions that wait: for credit of their consumer, or for acknowledgements of their client. */
  readonly waiting: { readonly credit: number; readonly room: number };
  /** Longest time for which a client has not acknowledged data, in ms. */
  readonly unackedMs: number;
  /** Rows that wait for their tick, and the age of the oldest, in ms. */
  readonly waitingRows: number;
  readonly oldestRowMs: number;
  /** Part of one processor that this process takes, from 0 to 1 (more with several threads). */
  readonly processor: number;
  /** Memory of this process, in bytes. */
  readonly memoryBytes: number;
  /** Longest delay of the event loop, in ms. */
  readonly loopDelayMs: number;
  /** Time of the last stanza from the component to its server and back, in ms. Null: not known. */
  readonly roundTripMs: number | null;
  /** Requests refused, a second. */
  readonly refusals: number;
  /** Whom the last refusal told what: the code of an error, and a sentence. Null: there was none since the start. */
  readonly refused: { readonly jid: string; readonly reason: string; readonly text: string } | null;
  /** Times a publisher was slowed down, and times a JID was cut off, since the start. */
  readonly slowdowns: number;
  readonly cutOffs: number;
  /** JIDs that are cut off now, at most 20, and until when, in ms since 1970. */
  readonly cutOff: readonly { readonly jid: string; readonly until: number }[];
  /** Null: everything is in memory. */
  readonly store: {
    readonly bytes: number;
    /** Free space of its disk, in bytes. Null: not known. */
    readonly freeBytes: number | null;
    /** Why the store cannot write. Null: it can. */
    readonly problem: string | null;
  } | null;
  /** All nodes that were here lately, this one included. Undefined: the component is alone. */
  readonly nodes?: readonly NodeRow[];
}

/** One node of a component with several, as the node sees it that was asked. */
export interface NodeRow {
  readonly domain: string;
  readonly region: string | null;
  /** The node renews its session in Redis. */
  readonly isAlive: boolean;
  /** Share of the clients that it takes, compared with the others. */
  readonly weight: number;
  readonly links: number;
  /** Services that it owns. */
  readonly services: number;
  /** Services of other nodes that it follows. */
  readonly followed: number;
  readonly subscriptions: number;
  /** Time since it renewed its session, in ms. */
  readonly ageMs: number;
  /** Time that its last renewal took, in ms. */
  readonly lagMs: number;
}

/** What one service is doing. Rates are means as in `ComponentRow`. */
export interface ServiceRow {
  readonly kind: ServiceKind;
  readonly access: AccessModel;
  readonly durability: Durability;
  readonly title: string;
  readonly status: ServiceStatus;
  /** Full JID. Null: the publisher is offline. */
  readonly publisher: string | null;
  readonly subscribers: number;
  /** Subscribers that wait for acknowledgements of their client, or for credit. */
  readonly waiting: number;
  /** Smallest window of a subscriber, in ms. Null: there is no subscriber. */
  readonly windowMs: number | null;
  /** The publisher is over its budget, and sends in this window, in ms. 0: it is not slowed. */
  readonly slowedMs: number;
  /** When the newest update came, in ms since 1970. Null: there was none. */
  readonly at: number | null;
  /** Updates from the publisher, a second. */
  readonly updatesIn: number;
  /** Updates to subscribers, a second, counted for each subscriber. */
  readonly updatesOut: number;
  /** Characters to subscribers, a second: the bodies in base64, and a share of the stanzas around them. */
  readonly chars: number;
  /**
   * Characters that these updates would take, a second, if each travelled as JSON in the body of a message of its own.
   * Estimated from the newest values.
   */
  readonly jsonChars: number;
}

/** What one client's link is doing. Rates are means as in `ComponentRow`. */
export interface ClientRow {
  /** When the link was opened, in ms since 1970. */
  readonly since: number;
  readonly envelope: "lean" | "ibb";
  /** The client's server is away or busy: the client receives no data. */
  readonly suspended: boolean;
  /** Services that the client publishes. */
  readonly services: number;
  readonly subscriptions: number;
  /** Subscriptions that wait for acknowledgements of this client, or for its credit. */
  readonly waiting: number;
  /** Those of `waiting` that wait for credit: the client's program does not read. */
  readonly unread: number;
  /** Node of one of `waiting`. Null: there is none. */
  readonly waitingFor: string | null;
  /** Stanzas with data that the client has not acknowledged. */
  readonly unacked: number;
  /** For how long, in whole seconds. 0: less than a second. */
  readonly unackedSeconds: number;
  /** The client is over its budget, and is asked to publish in this window, in ms. 0: it is not slowed. */
  readonly slowedMs: number;
  /** Stanzas with data to the client, a second. */
  readonly stanzas: number;
}
