import type { ServiceKind } from "@stanzapack/wire";
import type { OutboxStore } from "../store/outbox-store.js";

/** Who wants to take which service. */
export interface AuthorizeRequest {
  /** Bare JID. */
  readonly jid: string;
  readonly node: string;
}

/** `true`: may subscribe. A throw is a no. */
export type Authorize = (request: AuthorizeRequest) => boolean | Promise<boolean>;

/** `authorize`: whoever is no member waits until `authorize` of the offer has decided. */
export type AccessModel = "open" | "whitelist" | "authorize";

export interface OfferOptions {
  /**
   * `value`, the default: the newest matters most, and older ones may give way to it. `log`: every update matters. It is kept here
   * until the component has it, and there for those who come later.
   */
  readonly kind?: Exclude<ServiceKind, "map"> | undefined;
  /** Who may subscribe. Default `open`. */
  readonly access?: AccessModel | undefined;
  /**
   * `shared`, the default: updates are coded by what those before them have shown. `isolated`: each by itself, for a service that mixes
   * several people's text, where the sizes of updates must not tell the author of one what others wrote. It takes more bytes.
   */
  readonly compression?: "shared" | "isolated" | undefined;
  /**
   * Values are `Uint8Array`s that only their readers understand, such as end-to-end encrypted ones: they pass as they are, and nobody on
   * the way looks into them. Default false. It cannot change while the service lives.
   */
  readonly opaque?: boolean | undefined;
  /** Bare JIDs, in any spelling, that may, under `whitelist`; under `authorize` without being asked about. */
  readonly members?: readonly string[] | undefined;
  /**
   * Under `authorize`, decides on who asks, also on those who asked while this program was away. The component remembers a yes until
   * `revoke`, or until the service ends or the component restarts; a no for a minute. A throw is a no.
   */
  readonly authorize?: Authorize | undefined;
  /** A line for people, shown in service discovery. */
  readonly title?: string | undefined;
  /**
   * Of a log: where its updates are kept until the component has them, so that they outlive this program; what an earlier one left there
   * is sent first. `offer` resolves without a link then, and offers it when there is one. Default: in memory.
   */
  readonly store?: OutboxStore | undefined;
  /**
   * Takes the service over from the session of this account that publishes it now, at once, though it lives: its service ends with
   * `fenced`. It counts for this call, not for offers after a break. Default false: `conflict` while that session lives.
   */
  readonly takeOver?: boolean | undefined;
}

/** What of an offer can change while it lasts. */
export type ConfigureOptions = Omit<OfferOptions, "kind" | "takeOver" | "store" | "opaque">;
