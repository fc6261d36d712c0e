import { DEFAULT_LIMITS, LinkSession, type Frame } from "@stanzapack/wire";
import { FewMap } from "../base/few.js";
import type { PublisherLink, Service } from "../catalog/service.js";
import type { OutgoingMessage } from "./mailbox.js";

export interface RemotePublisherParts {
  readonly node: string;
  /** Sends a message to the node that owns the service. */
  readonly tell: (message: OutgoingMessage) => void;
  /** The subscribers here or their windows have changed. */
  readonly onDemand: () => void;
  /** See `PublisherLink`. */
  readonly verify: () => Promise<boolean>;
}

/**
 * The publisher of a service that another node owns. What the component would send to the publisher's link goes to that
 * node.
 */
export class RemotePublisher implements PublisherLink {
  readonly services = new FewMap<number, Service>();
  readonly throttle = { accounts: [], updates: 0, owes: false, windowMs: 0, widenAt: 0 };
  readonly session: Pick<LinkSession, "peerHello" | "budget">;
  readonly verify: () => Promise<boolean>;
  readerBytes = 0;
  private lastAlias = -1;

  constructor(
    /** Bare JID of the owner, and the domain of the node. */
    readonly bareJid: string,
    readonly jid: string,
    takesCalls: boolean,
    private readonly parts: RemotePublisherParts,
  ) {
    this.session = takesCalls ? WITH_CALLS : WITHOUT_CALLS;
    this.verify = parts.verify;
  }

  readonly ask = (asker: string): void => this.parts.tell({ type: "question", node: this.parts.node, asker });

  takeAlias(): number {
    return ++this.lastAlias;
  }

  sendFrame(frame: Frame): void {
    if (frame.type === "demand") return this.parts.onDemand();
    if (frame.type !== "call") return;
    const { call, id, caller, timeoutMs } = frame;
    this.parts.tell({
      ...{ type: "call", node: this.parts.node, call, id, caller: caller ?? "", timeoutMs },
      ...(frame.again
        ? { method: undefined, args: undefined }
        : { method: frame.method, args: new Uint8Array(frame.args) }),
    });
  }

  /* The owner has the publisher's link, and its limits. */
  noteKept(): void {}
  assertOpen(): void {}
  checkAlias(): void {}
}

const { budget } = new LinkSession(DEFAULT_LIMITS);
const WITHOUT_CALLS = { peerHello: undefined, budget };
const WITH_CALLS = { peerHello: { calls: true } as NonNullable<LinkSession["peerHello"]>, budget };
