import type { Account, Road } from "./publishers.js";
import type { TwinSendersOptions } from "./twin-senders.js";

/** Messages to the publisher's process. */
export type ToPublisher =
  | {
      readonly type: "start";
      readonly account: Account;
      readonly component: string;
      readonly road: Road;
      readonly twins: TwinSendersOptions;
    }
  /** The process answers with `barrier`, after everything published before. */
  | { readonly type: "barrier" }
  | { readonly type: "stop" };

/** Messages from the publisher's process. */
export type FromPublisher =
  | { readonly type: "ready"; readonly nodes: readonly string[] }
  | PublishedMessage
  | { readonly type: "barrier" };

/** Says that one value was published. `updates` and `lost` are counted by these messages. */
export interface PublishedMessage {
  readonly type: "published";
  readonly service: string;
  /** Number of the value within its service, from 1. */
  readonly sequence: number;
  /** `hashJson` of the value. */
  readonly hash: number;
  /** Time of publishing, in ms since 1970. */
  readonly at: number;
}
