import type { Account } from "../demo/publishers.js";
import type { WireRivalForm } from "./forms.js";
import type { WorkloadId } from "./workloads.js";

export interface PublisherStart {
  readonly account: Account;
  /** Domain of the Stanzapack component. */
  readonly component: string;
  readonly url: string;
  readonly ca: string;
  /** The component from which the rivals send. */
  readonly rival: {
    readonly domain: string;
    readonly secret: string;
    readonly host: string;
    readonly port: number;
  };
}

/** One workload's consumers. */
export interface PublisherCell {
  readonly workload: WorkloadId;
  readonly windowMs: number;
  /** Whether one of the consumers subscribes at our component. */
  readonly subscribed: boolean;
  readonly rivals: readonly { readonly form: WireRivalForm; readonly to: string }[];
}

/** Values that one service published, in order. */
export interface PublishedValues {
  /** `hashJson` of each value. */
  readonly hashes: readonly number[];
  /** Times of publishing by the steady clock, in ms. */
  readonly at: readonly number[];
}

/** Requests that the publisher's process answers. */
export type PublisherMethods = {
  /** Logs in. */
  start(options: PublisherStart): Promise<void>;
  /**
   * Resolves when every rival can send to its consumer, and ours can subscribe. Returns each workload's nodes, in the
   * order of its feeds.
   */
  aim(cells: readonly PublisherCell[]): Promise<Partial<Record<WorkloadId, string[]>>>;
  /**
   * Publishes for this time. Resolves when the last window has been sent. Returns the published values, by workload and
   * service.
   */
  publish(options: { readonly forMs: number }): Promise<Partial<Record<WorkloadId, PublishedValues[]>>>;
  /** Forgets the consumers and withdraws the services, so that the next cells begin without a last value. */
  release(request: null): Promise<void>;
};
