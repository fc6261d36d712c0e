import { decodeBlock } from "./block.js";
import { ReadBudget } from "../codec/coder/read-budget.js";
import { StanzapackError } from "../base/errors.js";
import { encodeFrame } from "../frames/frame-codec.js";
import type { Frame, HelloFrame } from "../frames/frames.js";
import { sharedHello } from "../frames/hello.js";
import type { Limits } from "../base/limits.js";
import { plainBytes } from "../msgpack/msgpack.js";

export interface LinkPolicy {
  /** Most unacknowledged stanzas with data. 100: servers do not resume a session with over 500 queued stanzas. */
  readonly maxUnackedStanzas: number;
  /** Acknowledge after this many stanzas with data. 50: half of maxUnackedStanzas, so that the sender never waits. */
  readonly ackEveryStanzas: number;
  /** Latest ACK after the first unacknowledged stanza. 20,000: an ACK costs a stanza. The sender asks after 30 s. */
  readonly ackAfterMs: number;
  /** The same if both sides list lean stanzas. 100,000: if values are rare, ACKs are most of the traffic. */
  readonly lazyAckAfterMs: number;
  /** Acknowledge after this many values of coded frames. 16,384: their sender keeps all of them until the ACK. */
  readonly ackEveryValues: number;
}

export const DEFAULT_LINK_POLICY: LinkPolicy = {
  maxUnackedStanzas: 100,
  ackEveryStanzas: 50,
  ackAfterMs: 20_000,
  lazyAckAfterMs: 100_000,
  ackEveryValues: 16_384,
};

/**
 * One side of one link. It turns blocks into frames in a legal order, and counts the acknowledgements of both
 * directions. Pure: the clock is an argument. After `receive` has thrown, it throws the same error again.
 */
export class LinkSession {
  /** Budget for the coded frames of the newest block, for `DataReader`. */
  readonly budget: ReadBudget;
  /** Our own HELLO lists lean stanzas. */
  lean = false;
  private dead: StanzapackError | undefined;
  private hello: HelloFrame | undefined;
  private dataReceived = 0;
  private dataReceivedAcked = 0;
  private firstUnackedAt: number | undefined;
  /** Values of the coded frames in blocks before this one, since the last ACK. */
  private unackedValues = 0;
  private dataSent = 0;
  private dataSentAcked = 0;
  private oldestSentUnackedAt: number | undefined;
  /**
   * When data stanza number `markedData` had been sent, `markedCount` stanzas of any kind had been sent. One such pair
   * is kept at a time.
   */
  private markedData = 0;
  private markedCount = 0;
  private arrived = 0;
  /** The peer wants an acknowledgement at once. */
  private asked = false;

  constructor(
    private readonly limits: Limits,
    private readonly policy: LinkPolicy = DEFAULT_LINK_POLICY,
  ) {
    this.budget = new ReadBudget(limits.maxInflatedBytes);
  }

  /** The peer's HELLO, once it came. */
  get peerHello(): HelloFrame | undefined {
    return this.hello;
  }
  /** Data stanzas sent and not yet acknowledged. */
  get unacked(): number {
    return this.dataSent - this.dataSentAcked;
  }
  /** Data stanzas sent, and those of them that the peer has acknowledged. */
  get sentStanzas(): number {
    return this.dataSent;
  }
  get acknowledgedStanzas(): number {
    return this.dataSentAcked;
  }
  /** Whether data may be sent. If not, data for this link waits or is conflated until acknowledgements arrive. */
  get maySendData(): boolean {
    return this.unacked < this.policy.maxUnackedStanzas;
  }
  /**
   * Number of sent stanzas, of any kind, that are known to have arrived: the peer acknowledged a data stanza at their
   * end.
   */
  get arrivedCount(): number {
    return this.arrived;
  }
  /** Both sides list lean stanzas: acknowledgements may take 100 s. */
  get lazy(): boolean {
    return this.lean && this.hello !== undefined && this.hello.lean !== null;
  }
  private get ackAfterMs(): number {
    return this.lazy ? this.policy.lazyAckAfterMs : this.policy.ackAfterMs;
  }
  /**
   * Time when the oldest unacknowledged data stanza was sent; undefined if there is none. If an ACK leaves some
   * unacknowledged, it is the time of that ACK.
   */
  get waitingSince(): number | undefined {
    return this.oldestSentUnackedAt;
  }

  /**
   * Returns the frames of one block. With `label`, the label of a lean stanza, the block is the payload of one chained
   * body. Frames about acknowledgements are applied, and not returned. Throws the error that ends the link.
   */
  receive(block: Uint8Array, now: number, label?: number): Frame[] {
    if (this.dead !== undefined) throw this.dead;
    this.unackedValues += this.budget.used;
    this.budget.renew();
    try {
      const frames: readonly Frame[] =
        label === undefined
          ? decodeBlock(block, this.limits)
          : [{ type: "coded", form: "chained", alias: label, payload: plainBytes(block) }];
      const others: Frame[] = [];
      let data = false;
      for (const frame of frames) {
        if (frame.type === "hello") this.acceptHello(frame);
        else if (this.hello === undefined)
          throw new StanzapackError("protocol", `${frame.type} before HELLO`, { origin: "peer" });
        if (frame.type === "ack") this.acceptAck(frame.stanzas, now);
        else if (frame.type === "credit" && frame.alias === null) this.asked = true;
        else others.push(frame);
        data ||= isData(frame);
      }
      if (data) {
        this.dataReceived++;
        this.firstUnackedAt ??= now;
      }
      return others;
    } catch (error) {
      this.dead =
        error instanceof StanzapackError
          ? error
          : new StanzapackError("internal", "decoding failed", { cause: error });
      throw this.dead;
    }
  }

  private acceptHello(hello: HelloFrame): void {
    if (this.hello !== undefined) throw new StanzapackError("protocol", "a second HELLO", { origin: "peer" });
    this.hello = sharedHello(hello);
  }

  private acceptAck(total: number, now: number): void {
    // Totals are absolute, modulo 2^32. An old one changes nothing; one beyond what was sent breaks the protocol.
    const ahead = (total - this.dataSentAcked) >>> 0;
    if (ahead >= 0x80000000) return;
    if (ahead > this.unacked)
      throw new StanzapackError("protocol", `ACK of ${total} stanzas, ${this.dataSent} were sent`, {
        origin: "peer",
      });
    this.dataSentAcked += ahead;
    if (this.dataSentAcked >= this.markedData) this.arrived = this.markedCount;
    this.oldestSentUnackedAt = this.unacked === 0 ? undefined : ahead > 0 ? now : this.oldestSentUnackedAt;
  }

  /**
   * Call for each stanza with data that was written. `sentCount`: stanzas of any kind written so far, including this
   * one.
   */
  sentData(now: number, sentCount = 0): void {
    this.dataSent++;
    this.oldestSentUnackedAt ??= now;
    if (this.markedData > this.dataSentAcked) return;
    this.markedData = this.dataSent;
    this.markedCount = sentCount;
  }

  /** When an ACK is due by time, in the clock of `receive`; undefined when nothing is unacknowledged. */
  get ackDueAt(): number | undefined {
    if (this.asked) return 0;
    return this.firstUnackedAt === undefined ? undefined : this.firstUnackedAt + this.ackAfterMs;
  }

  ackDue(now: number): boolean {
    if (this.asked) return true;
    return (
      this.firstUnackedAt !== undefined &&
      (this.dataReceived - this.dataReceivedAcked >= this.policy.ackEveryStanzas ||
        this.unackedValues + this.budget.used >= this.policy.ackEveryValues ||
        now - this.firstUnackedAt >= this.ackAfterMs)
    );
  }

  /**
   * Returns a CREDIT that asks the peer for an ACK at once, of everything up to the stanza that holds the CREDIT.
   * `along`: number of stanzas with data still to be written up to that one, including it. The total counts them too.
   */
  askAck(along: number): Uint8Array {
    return encodeFrame({ type: "credit", alias: null, total: (this.dataSent + along) >>> 0 });
  }

  /** An ACK frame of everything received so far. */
  takeAck(): Uint8Array {
    this.dataReceivedAcked = this.dataReceived;
    this.firstUnackedAt = undefined;
    this.asked = false;
    this.unackedValues = -this.budget.used;
    return encodeFrame({ type: "ack", stanzas: this.dataReceived });
  }
}

/** Whether a stanza with this frame counts for acknowledgements. */
function isData(frame: Frame): boolean {
  const { type } = frame;
  return (
    type === "data" ||
    type === "coded" ||
    type === "snapshot" ||
    (type === "repair" && frame.role === "entries")
  );
}
