import type { EnvelopeKind } from "@stanzapack/client";
import type { Account } from "../demo/publishers.js";
import type { WireCompression, WireForm } from "./axes.js";

export interface SubscriberOpen {
  readonly form: WireForm;
  readonly account: Account;
  readonly url: string;
  readonly ca: string;
  readonly compression: WireCompression;
  /** Whose stanzas count: our component's domain, or the rivals'. */
  readonly sender: string;
  /** Services of the workload. */
  readonly feeds: number;
  /** The interface whose packets are this connection's, if there is one. */
  readonly interface: string | null;
}

/** What one service's consumer got, in order. */
export interface ReceivedValues {
  readonly hashes: readonly number[];
  /** By the steady clock, in ms. */
  readonly at: readonly number[];
  /** Only ours have them. */
  readonly offsets: readonly number[] | null;
  /** Values left out on purpose. */
  readonly conflated: number;
}

/** Bytes since `begin`; null where not measured. */
export interface ConnectionBytes {
  readonly bytesDown: number;
  readonly bytesUp: number;
  readonly tlsDown: number;
  readonly tlsUp: number;
  readonly wireDown: number | null;
  readonly wireUp: number | null;
}

export interface SubscriberResult extends ConnectionBytes {
  readonly handshakeBytes: number;
  /** In what the small blocks came at the end; null for rivals. */
  readonly envelope: EnvelopeKind | null;
  /** Of `bytesDown`: what the server adds by writing `"` as `&quot;`; null where that cannot be told. */
  readonly quoteEscapeBytes: number | null;
  readonly feeds: readonly ReceivedValues[];
}

/** What a subscriber's process does when asked; one connection at a time. */
export type SubscriberMethods = {
  /** Gives the full JID. */
  open(options: SubscriberOpen): Promise<string>;
  /** Counting begins; then ours subscribes to the nodes. */
  begin(options: { readonly nodes: readonly string[]; readonly windowMs: number }): Promise<void>;
  /** Sends the acknowledgements that are still due. */
  settle(request: null): void;
  /** What came, and what it took. */
  end(request: null): SubscriberResult;
  /** Hangs up. */
  close(request: null): Promise<void>;
};
