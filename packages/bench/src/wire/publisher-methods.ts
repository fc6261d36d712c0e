import type { Account } from "../demo/publishers.js";
import type { WireRivalForm } from "./forms.js";
import type { WorkloadId } from "./workloads.js";

export interface PublisherStart {
  readonly account: Account;
  /** Domain of the Stanzapack component. */
  readonly component: string;
  readonly url: string;
  readonly ca: string;
  /** The component that the rivals send from. */
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
  /** Whether one of them takes it from our component. */
  readonly subscribed: boolean;
  readonly rivals: readonly { readonly form: WireRivalForm; readonly to: string }[];
}

/** What one service published, in order. */
export interface PublishedValues {
  /** `hashJson` of each. */
  readonly hashes: readonly number[];
  /** By the steady clock, in ms. */
  readonly at: readonly number[];
}

/** What the publisher's process does when asked. */
export type PublisherMethods = {
  /** Logs in. */
  start(options: PublisherStart): Promise<void>;
  /**
   * Resolves when every rival's consumer can be sent to, and ours can subscribe: to the nodes of each workload, in the
   * order of its feeds.
   */
  aim(cells: readonly PublisherCell[]): Promise<Partial<Record<WorkloadId, string[]>>>;
  /** Publishes for so long; resolves when the last window has been sent: per workload and service what was published. */
  publish(options: { readonly forMs: number }): Promise<Partial<Record<WorkloadId, PublishedValues[]>>>;
  /** Forgets the consumers and withdraws the services: the next cells begin without a last value. */
  release(request: null): Promise<void>;
};
