import type { StoredRecord, StoredService } from "../store/store.js";
import type { JournalRow } from "../store/base/entries.js";

/** A node, as all nodes see it. */
export interface NodeInfo {
  /** One run of a node's process. */
  readonly session: string;
  /** Share of the clients that this node wants, compared with the others. 0: only if there is no other. */
  readonly weight: number;
  /** Where the node is, in the operator's words. */
  readonly region?: string | undefined;
  readonly links: number;
  /** Services that the node owns, and services of other nodes that it follows. */
  readonly services: number;
  readonly followed: number;
  readonly subscriptions: number;
  /** Longest delay of the node's own renewals lately, in ms. */
  readonly lagMs: number;
}

export interface SeenNode extends NodeInfo {
  readonly domain: string;
  /** Time since the node renewed its session, by the store's clock, in ms. */
  readonly ageMs: number;
}

/** What the catalogue says of one service. */
export interface CatalogEntry {
  /** The fencing token: each later owner of the service has a greater one. */
  readonly fence: number;
  /** The node that owns the service, and the session of that node. */
  readonly domain: string;
  readonly session: string;
  readonly epoch: number;
  readonly baseAt: number;
  /** Configuration as plain JSON data. */
  readonly config: unknown;
  /** Bare JIDs that the publisher has allowed. */
  readonly approved: readonly string[];
  /** Whether the publisher is online, and what it says of itself. */
  readonly online: boolean;
  readonly status: string;
  readonly paceMs: number | null;
  /** Incarnation of the publisher's outbox. */
  readonly incarnation: number | undefined;
  /** Whether the publisher takes calls. */
  readonly calls: boolean;
}

/** The outcome of a claim: the new fencing token, or the entry of somebody who was faster. */
export type Claim = { readonly fence: number } | { readonly entry: CatalogEntry | undefined };

/** What the catalogue's feed tells. */
export interface CatalogHandlers {
  /** All entries, at the beginning, and again after a break in which changes were lost. */
  readonly onWhole: (entries: ReadonlyMap<string, CatalogEntry>) => void;
  /** One entry has changed. Undefined: the service was withdrawn. */
  readonly onChange: (node: string, entry: CatalogEntry | undefined) => void;
}

/** A stored service that another node owns, for reading. Writes do nothing. */
export interface FollowedService extends StoredService {
  /** The owner has stored these rows, which follow one another. `to`: the highest offset now. */
  extend(rows: readonly JournalRow[], to: number): void;
  /** The owner has stored updates up to `to` that are not known here. Readers find them in the store. */
  jump(to: number): void;
  /** Asks the store how far the service is, and which updates of its journal the owner has dropped. */
  look(): Promise<Pick<StoredRecord, "epoch" | "offset"> | undefined>;
}

/** The part of a shared store by which nodes know one another. All methods reject with `store-failed`. */
export interface NodeStore {
  /** Renews the session of this node. Resolves to all nodes that were seen lately, this one included. */
  renew(domain: string, info: NodeInfo): Promise<readonly SeenNode[]>;
  /** This node stops. */
  leave(domain: string): Promise<void>;
  /**
   * Makes this node the owner of a service. `expected`: the fencing token that the caller has seen. Undefined: the
   * caller has seen no entry.
   */
  claim(node: string, expected: number | undefined, entry: Omit<CatalogEntry, "fence">): Promise<Claim>;
  /** Changes an entry of this node. Resolves to false if the service has another owner by now. */
  change(node: string, entry: CatalogEntry): Promise<boolean>;
  /** Removes an entry, unless the service has another owner by now. */
  remove(node: string, fence: number): Promise<void>;
  /** Follows the catalogue until `stop`. */
  watch(handlers: CatalogHandlers): { stop(): void };
  /** Opens a stored service for reading. Undefined: it is not stored. */
  follow(node: string): Promise<FollowedService | undefined>;
  /** What another process has made of this service counts from here on. Closes the service here. */
  refresh(node: string): Promise<StoredRecord | undefined>;
  /**
   * Receives messages of a channel until `stop`. `onGap`: messages may have been lost. Resolves when the store has
   * agreed, or at once while there is no connection: then `onGap` is called later.
   */
  listen(
    channel: NodeChannel,
    onMessage: (message: Uint8Array) => void,
    onGap: () => void,
  ): Promise<{ stop(): void }>;
  /** Sends a message. Nobody may be there to receive it. */
  tell(channel: NodeChannel, message: Uint8Array): void;
}

/** Who receives a message: a node, or all nodes that follow a service. */
export type NodeChannel = { readonly domain: string } | { readonly followersOf: string };
