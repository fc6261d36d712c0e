import type { StanzapackError } from "@stanzapack/wire";
import type { CallFailure } from "./call-handlers.js";

export interface Demand {
  readonly subscribers: number;
  /**
   * Smallest window of the subscribers, in ms. Without subscribers: null, or the window in which a `log` is sent all
   * the same. Null before the first link.
   */
  readonly windowMs: number | null;
}

export interface OfferedServiceEvents {
  /** The first subscriber joined, the last one left, or the smallest window changed. */
  demand: (demand: Demand) => void;
  /** `authorize` decided on a bare JID. `error`: its exception, which means no. */
  decided: (decision: { readonly jid: string; readonly allowed: boolean; readonly error: unknown }) => void;
  /**
   * The component has updates `from` to `to` of this outbox, and the store lacks them: the store is an older copy, or
   * its end was lost. The component keeps these updates, and the service continues under a new incarnation. The store
   * may have lost more updates than these.
   */
  stale: (range: { readonly from: number; readonly to: number }) => void;
  /**
   * The component takes no updates for a while, for example because its disk is full. The service waits, and the
   * client offers it again after the time that the component names. A log's updates wait in this client; a value
   * continues with its newest.
   */
  delayed: (error: StanzapackError) => void;
  /** A handler of `handle` threw, or returned a value that cannot be sent. Its caller received the message. */
  callFailed: (failure: CallFailure) => void;
  /** The service has ended. `fenced`: another session of the account publishes it now. */
  ended: (error: StanzapackError | undefined) => void;
}
