import type { EnvelopeKind } from "@stanzapack/client";
import type { Account } from "../demo/publishers.js";
import type { WireCompression, WireForm } from "./axes.js";

export interface SubscriberOpen {
  readonly form: WireForm;
  readonly account: Account;
  readonly url: string;
  readonly ca: string;
  readonly compression: WireCompression;
  /** Domain whose stanzas count: our component's, or the rivals'. */
  readonly sender: string;
  /** Number of the workload's services. */
  readonly feeds: number;
  /** The interface that only this connection uses. Null if there is none. */
  readonly interface: string | null;
}

/** Values that one service's consumer received, in order. */
export interface ReceivedValues {
  readonly hashes: readonly number[];
  /** Times of arrival by the steady clock, in ms. */
  readonly at: readonly number[];
  /** Offsets of our values. Null for rivals. */
  readonly offsets: readonly number[] | null;
  /** Number of values left out on purpose. */
  readonly conflated: number;
}

/** Bytes since `begin`. Null: not measured. */
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
  /** Envelope of the small blocks at the end. Null for rivals. */
  readonly envelope: EnvelopeKind | null;
  /** The part of `bytesDown` that the server adds by writing `"` as `&quot;`. Null if that is not known. */
  readonly quoteEscapeBytes: number | null;
  readonly feeds: readonly ReceivedValues[];
}

/** Requests that a subscriber's process answers. It has one connection at a time. */
export type SubscriberMethods = {
  /** Opens the connection. Returns the full JID. */
  open(options: SubscriberOpen): Promise<string>;
  /** Begins to count. Then our form subscribes to the nodes. */
  begin(options: { readonly nodes: readonly string[]; readonly windowMs: number }): Promise<void>;
  /** Sends the acknowledgements that are due. */
  settle(request: null): void;
  /** Returns what arrived, and its bytes. */
  end(request: null): SubscriberResult;
  /** Closes the connection. */
  close(request: null): Promise<void>;
};
