import type { HopClass, StanzapackError } from "@stanzapack/wire";
import type { Delivery } from "../options/subscribe-options.js";
import type { ReadyBody } from "./ready-body.js";
import type { SharedFrame } from "./shared-frame.js";
import type { QueuedWriter } from "./write-queue.js";

/** How the bodies of an outlet are encoded. Subscribers with the same format, window and selection share a lane. */
export interface OutletFormat {
  readonly delivery: Delivery;
  /** Most bytes of a block: one of `SIZE_CLASSES`. */
  readonly sizeClass: number;
  /** Bodies are in the columnar codec; otherwise in rows, which any client reads. */
  readonly coded: boolean;
  /** Bodies of maps are coded key by key. Such a client reads coded bodies too. */
  readonly codesMaps?: boolean;
  /** Rows are deflated too, where that is smaller. */
  readonly deflates?: boolean;
  /** The smallest encoding depends on whether the stream itself is compressed. */
  readonly hop: HopClass;
}

/** A receiver of updates. Its subscriptions and lanes count in its budget. */
export interface Subscriber {
  /** Full JID. */
  readonly jid: string;
  readonly bareJid: string;
}

/**
 * The way on which the updates of one subscription leave the component. Today every outlet is a link (`LinkOutlet`). A
 * new way of delivery is a new outlet. The delivery is part of the lane's key, because a lane encodes each body once
 * for all of its members.
 */
export interface Outlet extends Subscriber {
  readonly format: OutletFormat;
  /** The queue's member that writes what the outlet sends. */
  readonly writer: QueuedWriter;
  /**
   * Whether the outlet has room for data at the monotonic time `clock`, in ms. Otherwise bodies wait, or newer ones
   * take their place.
   */
  maySendAt(clock: number): boolean;
  /** Sends one body. */
  send(body: ReadyBody): void;
  /** Whether the subscriber knows DIGEST and REPAIR. */
  readonly takesDigests: boolean;
  /** Sends a frame that many subscribers receive alike. `isData`: the frame counts as data. Default: false. */
  sendShared(frame: SharedFrame, isData?: boolean): void;
  /** Tells the subscriber that the subscription ends, and why. */
  sendEnd(error: StanzapackError): void;
  /** The subscription waits until the outlet has room, or its consumer gives credit. */
  awaitRoom(): void;
  /** The subscription waits no more. Returns whether it did. */
  endWait(): boolean;
  /** The subscription has ended. Sends nothing. */
  close(): void;
}
