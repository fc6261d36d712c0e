import type { Frame, HelloFrame, HopClass, ReadBudget } from "@stanzapack/wire";
import type { ConfigureOptions } from "../options/offer-options.js";
import type { StoredOutbox } from "../store/outbox-store.js";
import type { OfferedService } from "./offered-service.js";
import type { OutboxSaver } from "./outbox-saver.js";

/** The calls that a service makes to its client. */
export interface ServiceHost {
  /** The service must send at `dueAt`, in ms of the monotonic clock. */
  book(service: OfferedService<never>, dueAt: number): void;
  /** Sends the updates that wait, if the link can take them. */
  flush(service: OfferedService<never>): void;
  /** Resolves when the component has said which updates it has. */
  settle(): Promise<void>;
  sendFrame(frame: Frame): void;
  configure(service: OfferedService<never>, options: ConfigureOptions): Promise<void>;
  revoke(service: OfferedService<never>, jid: string): Promise<void>;
  withdraw(service: OfferedService<never>): Promise<void>;
  /** The service has ended, for any reason. */
  ended(service: OfferedService<never>): void;
}

/** Properties of a link and of its component. */
export interface LinkPeer {
  /** Whether the component reads the columnar codec. */
  readonly readsCoded: boolean;
  /** Whether the component sends KEPT. Otherwise an acknowledgement is all that there is to know. */
  readonly sendsKept: boolean;
  /** Class of our hop to the server: whether its stream is compressed. */
  readonly hop: HopClass;
  readonly session: { readonly budget: ReadBudget; readonly peerHello?: HelloFrame | undefined };
}

/** The additional parts of a service with a store. Pages load them on demand. */
export interface OutboxPart {
  readonly stored: StoredOutbox;
  readonly Saver: typeof OutboxSaver;
}
