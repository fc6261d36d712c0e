import { decodeBlock } from "./block.js";
import { ReadBudget } from "../codec/coder/read-budget.js";
import { StanzapackError } from "../base/errors.js";
import { encodeFrame } from "../frames/frame-codec.js";
import type { Frame, HelloFrame } from "../frames/frames.js";
import { sharedHello } from "../frames/hello.js";
import type { Limits } from "../base/limits.js";
import { plainBytes } from "../msgpack/msgpack.js";

export interface LinkPolicy {
  /** Most stanzas with data that may be unacknowledged; beyond, the sender conflates. 100: servers give up resuming a session with more than 500 queued stanzas. */
  readonly maxUnackedStanzas: number;
  /** Acknowledge after this many stanzas with data. 50: half of maxUnackedStanzas, so the sender never waits while acknowledgements flow. */
  readonly ackEveryStanzas: number;
  /** Acknowledge at the latest this many ms after the first unacknowledged stanza. 20,000: an acknowledgement is a routed stanza too, and the sender asks after 30 s. */
  readonly ackAfterMs: number;
  /** The same where both sides list lean stanzas. 100,000: where values are rare, acknowledgements are most of the traffic. */
  readonly lazyAckAfterMs: number;
  /** Acknowledge after this many values of coded frames. 16,384: few stanzas may hold many updates, and their sender keeps them until then. */
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
 * One side of one link: turns blocks into frames in a legal order and keeps the acknowledgements of both directions.
 * Pure: the clock is an argument. After it has thrown it stays dead.
 */
export class LinkSession {
  /** What the coded frames of the newest block may take; for `DataReader`. */
  readonly budget: ReadBudget;
  /** Our own HELLO lists lean stanzas. */
  lean = false;
  private dead: StanzapackError | undefined;
  private hello: HelloFrame | undefined;
  private dataReceived = 0;
  private dataReceivedAcked = 0;
  private firstUnackedAt: number | undefined;
  /** Of coded frames in blocks before this one, since the last ACK. */
  private unackedValues = 0;
  private dataSent = 0;
  private dataSentAcked = 0;
  private oldestSentUnackedAt: number | undefined;
  /** When the data stanza numbered `markedData` was sent, so many stanzas of any kind had been; one such pair at a time. */
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
  /** Data stanzas sent, and those among them that the peer has. */
  get sentStanzas(): number {
    return this.dataSent;
  }
  get acknowledgedStanzas(): number {
    return this.dataSentAcked;
  }
  /** False: data for this link is conflated until acknowledgements come. */
  get maySendData(): boolean {
    return this.unacked < this.policy.maxUnackedStanzas;
  }
  /** So many of the stanzas that were sent, of any kind, are known to have arrived: a data stanza was acknowledged after them. */
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
  /** When the oldest unacknowledged data stanza left; undefined when there is none. After an ACK that leaves some: that ACK's time. */
  get waitingSince(): number | undefined {
    return this.oldestSentUnackedAt;
  }

  /**
   * The frames of one block, or, with the label of a lean stanza, of one chained body. What is about acknowledgements is applied and not
   * returned. Throws what ends the link.
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
        data ||= frame.type === "data" || frame.type === "coded";
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
    // Absolute totals modulo 2^32: an old one moves nothing, one beyond what was sent is a lie.
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

  /** Call for each stanza with data that was written. `sentCount`: how many stanzas of any kind were, this one included. */
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
   * A CREDIT that asks the peer to acknowledge at once what was sent before and along with it. `along`: how many stanzas with data are
   * still to be written up to the one that holds it, that one included; the total names them too.
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
