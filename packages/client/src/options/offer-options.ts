import type { ServiceKind } from "@stanzapack/wire";
import type { OutboxStore } from "../store/outbox-store.js";

/** One account that asks to subscribe to one service. */
export interface AuthorizeRequest {
  /** Bare JID of the account. */
  readonly jid: string;
  readonly node: string;
}

/** Returns true if the account may subscribe. An exception means no. */
export type Authorize = (request: AuthorizeRequest) => boolean | Promise<boolean>;

/**
 * Rule of who may subscribe. Under `authorize`, an account that is no member waits until the offer's `authorize`
 * decides.
 */
export type AccessModel = "open" | "whitelist" | "authorize";

export interface OfferOptions {
  /**
   * `value`: newer updates may replace older ones. `log`: every update matters. The client keeps an update of a log
   * until the component has it, and the component keeps it for later subscribers. `map`: keys with values, of which
   * each subscriber has a copy. `offer` then resolves to an `OfferedMap`. Default `value`.
   */
  readonly kind?: ServiceKind | undefined;
  /** Who may subscribe. Default `open`. */
  readonly access?: AccessModel | undefined;
  /**
   * `shared`: earlier updates help to code an update. `isolated`: each update is coded by itself, which takes more
   * bytes. Use `isolated` for a service that mixes text of several people: update sizes must not tell one author what
   * others wrote. Default `shared`.
   */
  readonly compression?: "shared" | "isolated" | undefined;
  /**
   * True: values are `Uint8Array`s that only their readers understand, such as end-to-end encrypted values. The values
   * pass unchanged, and nobody on the way reads inside them. Cannot change while the service lives. Not for a map.
   * Default false.
   */
  readonly opaque?: boolean | undefined;
  /**
   * How safely the component keeps the updates. `none`: in memory. `interval`: on the component's disk within its
   * interval, usually a second; a crash may lose that much. `sync`: on the disk before subscribers receive the updates,
   * and before this client forgets them. `offer` rejects with `unsupported` where the component has no store on a disk.
   * A running service can change between `interval` and `sync`. Default: `interval` where the component has such a
   * store, otherwise `none`.
   */
  readonly durability?: "none" | "interval" | "sync" | undefined;
  /**
   * For a log: most updates that the component keeps for later subscribers. Beyond, it drops the oldest. For a map:
   * most keys. Beyond, nothing is dropped: `set` throws `limit-exceeded`. The component's own limits hold too.
   * `"max"`: as many as these limits allow, which is the default.
   */
  readonly maxItems?: number | "max" | undefined;
  /** For a log: the component drops updates that are older than this, in seconds. Otherwise as `maxItems`. */
  readonly itemExpireSeconds?: number | "max" | undefined;
  /**
   * For a log: most bytes of updates that the component keeps. For a map: most bytes of its keys and values, where a
   * key counts 140 bytes, two for each character, and the msgpack of its value. Otherwise as `maxItems`.
   */
  readonly maxBytes?: number | "max" | undefined;
  /**
   * Bare JIDs, in any spelling. These accounts may subscribe under `whitelist`, and under `authorize` without a
   * decision.
   */
  readonly members?: readonly string[] | undefined;
  /**
   * Decides under `authorize` on each account that asks, also on accounts that asked while this program was away. The
   * component remembers a yes until `revoke`, the end of the service, or 90 days without use. A service of durability
   * `none` also ends when the component restarts. The component remembers a no for a minute. An exception means no.
   */
  readonly authorize?: Authorize | undefined;
  /** A line of text for people, shown in service discovery. */
  readonly title?: string | undefined;
  /**
   * Store of a log's updates until the component has them, so that they outlive this program. The client first sends
   * the updates that an earlier program left there. With a store `offer` resolves without a link, and the client offers
   * the service on the next link. Default: in memory.
   */
  readonly store?: OutboxStore | undefined;
  /**
   * True takes the service at once from the session of this account that publishes it, even if that session lives. The
   * service of that session ends with `fenced`. Applies to this call, not to offers after a break. Default false:
   * `conflict` while that session lives.
   */
  readonly takeOver?: boolean | undefined;
}

/** The options of an offer that can change while the service lasts. */
export type ConfigureOptions = Omit<OfferOptions, "kind" | "takeOver" | "store" | "opaque">;
