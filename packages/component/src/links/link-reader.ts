import { setTimeout as delay } from "node:timers/promises";
import { StanzapackError } from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { countRefusal } from "../base/refusals.js";
import type { ComponentStats } from "../base/stats.js";
import type { Throttle } from "../budgets/throttle.js";
import { reattach } from "../subscriptions/credit.js";
import type { ClientLink } from "./client-link.js";
import type { FrameDispatch } from "./frame-dispatch.js";
import { hasMore, Intake } from "./intake.js";
import type { LinkEnds } from "./link-ends.js";

/** How long a request of a client waits until everything before it is read, in ms. Clients give up after 10 s. */
const READ_MS = 8_000;
/** Time between two looks at the inbox, in ms. */
const READ_POLL_MS = 20;
/** Most requests of one link that wait until the inbox is read. An SDK has three. */
const MAX_READ_WAITS = 8;

/** The parts of the component that a reader needs. */
export interface ReaderParts {
  readonly ends: LinkEnds;
  readonly dispatch: FrameDispatch;
  readonly throttle: Throttle<ClientLink>;
}

/** Reads what clients send: blocks wait in their link's inbox for their turn, and are read frame by frame. */
export class LinkReader {
  private readonly intake = new Intake<ClientLink>((link) => this.readNext(link));

  constructor(
    private readonly parts: ReaderParts,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
  ) {}

  /** Takes a block that arrived. `label`: as the link's bytestream gave it. */
  receive(link: ClientLink, block: Uint8Array, label: number | undefined): void {
    // The link was heard, even if the block has to wait until it is read.
    link.heardAt = monotonicNow();
    link.hear();
    // Something of the client comes through, so it may answer if the next sweep asks.
    if (link.suspension !== undefined) link.suspension.askAt = 0;
    const isFirst = link.session.peerHello === undefined && link.inbox.blocks.length === 0;
    if (link.ended || this.intake.put(link, block, label, isFirst)) return;
    const error = new StanzapackError("limit-exceeded", "too many bytes of the link wait to be read", {
      origin: "peer",
    });
    countRefusal(this.stats, link.jid, error);
    this.parts.ends.bye(link, error);
  }

  /** Reads the link's inbox up to the next frame with data. Takes the next block if no frame is left. */
  private readNext(link: ClientLink): void {
    const { inbox, session } = link;
    const { ends, dispatch, throttle } = this.parts;
    const now = monotonicNow();
    try {
      const block = inbox.frames.length === 0 ? inbox.blocks.shift() : undefined;
      if (block !== undefined) {
        inbox.bytes -= block.bytes.length;
        inbox.blockBytes = block.bytes.length;
        for (const frame of session.receive(block.bytes, now, block.label)) inbox.frames.push(frame);
      }
      for (let frame = inbox.frames.shift(); frame !== undefined; frame = inbox.frames.shift()) {
        dispatch.dispatch(link, frame, now);
        if (link.ended) return;
        if ((frame.type === "data" || frame.type === "coded") && inbox.frames.length > 0) return;
      }
      throttle.received(link, inbox.blockBytes, now);
      if (link.closedAt !== undefined && !hasMore(inbox)) return ends.end(link, "closed");
      if (session.ackDue(now) && !link.throttle.owes) link.sendAck();
      link.noteAcknowledged();
      if (link.detached.size > 0 && link.maySendData) reattach(link, now);
    } catch (error) {
      this.refuse(link, error);
    }
  }

  private refuse(link: ClientLink, error: unknown): void {
    const fault =
      error instanceof StanzapackError
        ? error
        : new StanzapackError("internal", "a frame could not be handled", { cause: error });
    countRefusal(this.stats, link.jid, fault);
    this.log.warn(
      { jid: link.jid, code: fault.code, err: fault.code === "internal" ? error : undefined },
      `link refused a frame: ${fault.text}`,
    );
    this.parts.ends.bye(link, fault);
  }

  /**
   * Resolves when everything that arrived is read, but after `READ_MS` at the latest. Resolves at once if too many
   * requests of the link wait.
   */
  async read(link: ClientLink): Promise<void> {
    if (link.readWaits >= MAX_READ_WAITS) return;
    const until = monotonicNow() + READ_MS;
    link.readWaits++;
    while (hasMore(link.inbox) && !link.ended && monotonicNow() < until) await delay(READ_POLL_MS);
    link.readWaits--;
  }

  /** The same as `read`. Then acknowledges what was read, in front of whatever is written next. */
  async acknowledge(link: ClientLink): Promise<void> {
    await this.read(link);
    if (link.ended || link.inbox.frames.length > 0) return;
    if (link.session.ackDueAt !== undefined) link.sendAck();
    else if (!link.sendKept()) return;
    this.parts.ends.write(link);
  }

  /** Once a second for each link: acknowledges what is due by time. */
  acknowledgeDue(link: ClientLink, now: number): void {
    // A block that is being read is not acknowledged: its updates may still be lost with the link.
    if (link.inbox.frames.length > 0 || link.throttle.owes) return;
    if (link.session.ackDue(now)) link.sendAck();
    // Updates may have been stored after their acknowledgement.
    else if (link.session.ackDueAt === undefined) link.sendKept();
  }

  /** Charges an account for encoding what it published, in ms. */
  charge(bareJid: string, ms: number): void {
    this.intake.charge(bareJid, ms);
  }

  /** The link has ended: what still waits is never read. */
  forget(link: ClientLink): void {
    this.intake.forget(link);
  }

  /** Once a second. */
  sweep(): void {
    this.intake.sweep();
  }

  stop(): void {
    this.intake.stop();
  }
}
