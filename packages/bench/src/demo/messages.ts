import type { Account, Road } from "./publishers.js";
import type { TwinSendersOptions } from "./twin-senders.js";

/** What the publisher's process is told. */
export type ToPublisher =
  | {
      readonly type: "start";
      readonly account: Account;
      readonly component: string;
      readonly road: Road;
      readonly twins: TwinSendersOptions;
    }
  /** Answered by `barrier`, behind everything published before. */
  | { readonly type: "barrier" }
  | { readonly type: "stop" };

/** What it tells. */
export type FromPublisher =
  | { readonly type: "ready"; readonly nodes: readonly string[] }
  | PublishedMessage
  | { readonly type: "barrier" };

/** One value was published: the log that `updates` and `lost` are counted by. */
export interface PublishedMessage {
  readonly type: "published";
  readonly service: string;
  /** From 1 within the service. */
  readonly sequence: number;
  /** `hashJson` of the value. */
  readonly hash: number;
  /** In ms since 1970. */
  readonly at: number;
}
