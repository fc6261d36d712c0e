import {
  createBlockWriter,
  createHello,
  DEFAULT_LIMITS,
  type HopClass,
  DEFAULT_LINK_POLICY,
  LinkSession,
  StanzapackError,
  type BlockWriter,
  type Frame,
  type Sibling,
} from "@stanzapack/wire";
import {
  NS,
  StanzaError,
  xml,
  type Bytestream,
  type Connection,
  type LeanBody,
  monotonicNow,
} from "@stanzapack/xmpp";
import { toStanzapackError } from "../base/errors.js";
import { LinkEnvelope, type EnvelopeKind } from "./link-envelope.js";
import { toLinkError } from "./link-error.js";
import { ofBytes, readyFrame, type ReadyFrame } from "./ready-frame.js";

/**
 * Longest time without an acknowledgement of data until the client asks, in ms. 30,000: the component acknowledges
 * after half of the stanzas that may be unacknowledged, or after 20 s.
 */
const UNACKED_MS = 30_000;
/**
 * The same if both sides list lean stanzas, and fewer than half of those stanzas are unacknowledged, in ms. 130,000:
 * the component then acknowledges after 100 s.
 */
const LAZY_UNACKED_MS = 130_000;
/**
 * Number of sent stanzas, not known to have arrived, at which the client asks. 1,024: at 2,047 it could send no more
 * lean stanzas.
 */
const ASK_OUTSTANDING = 1_024;
/** Time in which the component must close the bytestream after its BYE, in ms. Then the client closes it. */
const CLOSE_MS = 2_000;

export interface LinkEvents {
  /** Time without a frame from the component after which the client asks whether the link is whole, in ms. */
  readonly silenceMs: number;
  /** Time in which the component must answer that question, in ms. */
  readonly answerMs: number;
  onFrame(frame: Frame): void;
  /** The component names its other nodes. Undefined: it names none. */
  onSiblings(siblings: readonly Sibling[] | undefined): void;
  /** The component has acknowledged this many of our data stanzas. */
  onAcknowledged(stanzas: number): void;
  /** Acknowledgements arrived, so more data may be sent. */
  onCredit(): void;
  /** Returns the CREDIT frames that are due when an acknowledgement is sent anyway. */
  creditDue(): Frame[];
  /** Called once. */
  onEnd(error: StanzapackError): void;
  /** `lean`: the client sends small blocks as lean stanzas from now on. `ibb`: the probe was lost. */
  onEnvelope(kind: EnvelopeKind): void;
  /** Takes the length in characters and the frames of each stanza that arrives, for meters. */
  onBlock?: ((stanzaChars: number, frames: readonly Frame[]) => void) | undefined;
}

/** Capabilities that HELLO lists, beside lean stanzas. */
const KNOWN = { kept: true, maps: true, calls: true, digests: true, siblings: null } as const;

/** The client's side of one bytestream to the component: frames both ways, acknowledgements, liveness. */
export class Link {
  readonly session = new LinkSession(DEFAULT_LIMITS);
  readonly maxBlockBytes: number;
  readonly envelope: LinkEnvelope;
  private readonly writer: BlockWriter<LeanBody>;
  private ackTimer: ReturnType<typeof setTimeout> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;
  private asking: Promise<void> | undefined;
  private lastFrameAt = monotonicNow();
  private ended = false;
  private helloArrived: (() => void) | undefined;
  private readonly helloWait: Promise<void>;

  constructor(
    private readonly connection: Connection,
    private readonly stream: Bytestream,
    private readonly events: LinkEvents,
    /** Whether lean stanzas are used at all. */
    isLean = true,
  ) {
    this.maxBlockBytes = Math.floor(stream.blockSizeBytes / 3) * 3;
    this.writer = createBlockWriter<LeanBody>(stream.blockSizeBytes);
    this.session.lean = isLean;
    this.envelope = new LinkEnvelope(
      stream,
      {
        sendFrame: (frame) => this.sendFrame(frame),
        write: (stanza) => void connection.send(stanza, 1, true),
        onEnvelope: (kind) => events.onEnvelope(kind),
      },
      isLean,
    );
    this.helloWait = new Promise((resolve) => (this.helloArrived = resolve));
    stream.onBlock = (block, { stanzaChars, label, lean }) => {
      this.envelope.cameLean = lean;
      this.receive(block, stanzaChars, label);
    };
    stream.onFault = ({ error }) => {
      // After `item-not-found` the component does not know the link, and would not read a BYE.
      if (error.condition !== "item-not-found") this.end(toLinkError(error, "the link ended"));
    };
    stream.onEnd = (end) =>
      this.finish(
        end.error === undefined
          ? new StanzapackError("disconnected", "the component closed the link", { origin: "peer" })
          : toLinkError(end.error, "the link ended"),
      );
    this.watchSilence();
    this.sendFrame(createHello({ ...KNOWN, hop: this.hop, lean: this.envelope.offer }));
  }

  get sid(): string {
    return this.stream.sid;
  }
  /** Domain of the component, or of its node. */
  get peer(): string {
    return this.stream.peer;
  }
  /** Whether the stream to the server is compressed. */
  get hop(): HopClass {
    return this.connection.compressed ? "compressed" : "plain";
  }
  /** Whether the component reads the columnar codec. */
  get readsCoded(): boolean {
    return this.session.peerHello?.codecs.includes("coded") === true;
  }
  /** Whether the component sends KEPT. */
  get sendsKept(): boolean {
    return this.session.peerHello?.kept === true;
  }
  /** Whether the component sends DIGEST, and answers REPAIR. */
  get sendsDigests(): boolean {
    return this.session.peerHello?.digests === true;
  }
  /** Whether the component passes calls on. */
  get takesCalls(): boolean {
    return this.session.peerHello?.calls === true;
  }
  /** Whether a frame that is sent now leaves now. */
  get reachable(): boolean {
    return !this.ended && this.connection.state === "online";
  }
  get live(): boolean {
    return !this.ended;
  }
  /** Whether as many data stanzas are unacknowledged as the link allows. */
  get unacknowledged(): boolean {
    return !this.ended && !this.session.maySendData;
  }
  /** Bytes of rows that may be sent now, as far as the server acknowledges. 0 if none may. */
  get roomBytes(): number {
    // Four characters of base64 carry three bytes.
    return this.maySendData ? (this.connection.room * 3) / 4 : 0;
  }
  /** Whether the server reads more slowly than the client sends. */
  get slow(): boolean {
    return this.connection.slow;
  }
  get maySendData(): boolean {
    return (
      !this.ended &&
      this.session.maySendData &&
      this.connection.state === "online" &&
      this.connection.writable
    );
  }

  /** Resolves when the HELLO of the component arrives. Rejects with `timeout`. */
  async ready(timeoutMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new StanzapackError("timeout", `no HELLO from the component within ${timeoutMs} ms`, {
              origin: "peer",
            }),
          ),
        timeoutMs,
      );
    });
    try {
      await Promise.race([this.helloWait, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  sendFrame(frame: Frame): void {
    this.append(readyFrame(frame));
    this.flush();
  }

  /** Sends the frames of several services in as few stanzas as possible, in one write. */
  sendData(frames: readonly ReadyFrame[]): void {
    for (const frame of frames) this.append(frame);
    this.flush();
  }

  private append({ base64, data, pad, body, label }: ReadyFrame): void {
    this.writer.append(base64, data, pad, body, label);
  }

  private flush(): void {
    if (this.ended) return;
    const now = monotonicNow();
    const { stream } = this;
    const stanzas = this.writer.take().map((block) => {
      const stanza = stream.blockStanza(block);
      if (block.data) this.session.sentData(now, stream.sentCount);
      return stanza;
    });
    if (stanzas.length > 0) this.connection.send(stanzas.join(""), stanzas.length, true);
    this.envelope.sent();
    if (this.envelope.up === "lean" && stream.outstanding >= ASK_OUTSTANDING) void this.ask();
  }

  /** Acknowledges the data that has arrived, if any. It is called before the answer to a ping, which is a barrier. */
  sendAck(): void {
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    if (this.session.ackDueAt === undefined || this.ended) return;
    this.append(ofBytes(this.session.takeAck()));
    for (const frame of this.events.creditDue()) this.append(readyFrame(frame));
    this.flush();
  }

  private receive(block: Uint8Array, stanzaChars: number, label: number | undefined): void {
    const now = monotonicNow();
    this.lastFrameAt = now;
    let frames: readonly Frame[];
    const mayBefore = this.session.maySendData;
    const hadBefore = this.session.acknowledgedStanzas;
    try {
      frames = this.session.receive(block, now, label);
      this.stream.confirm(this.session.arrivedCount);
    } catch (error) {
      return this.end(toStanzapackError(error, "reading a block"));
    }
    this.events.onBlock?.(stanzaChars, frames);
    for (const frame of frames) {
      if (this.ended) return;
      if (frame.type === "hello") {
        this.envelope.begin(frame);
        this.helloArrived?.();
        this.onSiblings(frame.siblings ?? undefined);
      } else if (frame.type === "nodes") this.onSiblings(frame.siblings);
      else if (frame.type === "envelope") this.envelope.onFrame(frame);
      else if (frame.type === "bye") {
        this.stream.expectClose(CLOSE_MS);
        const text = `the component ended the link: ${frame.text}`;
        this.finish(new StanzapackError(frame.code, text, { origin: "peer" }), false);
      } else this.events.onFrame(frame);
    }
    if (this.ended) return;
    const { acknowledgedStanzas } = this.session;
    if (acknowledgedStanzas > hadBefore) this.events.onAcknowledged(acknowledgedStanzas);
    if (!mayBefore && this.session.maySendData) this.events.onCredit();
    const dueAt = this.session.ackDueAt;
    if (dueAt === undefined) return;
    if (this.session.ackDue(now)) this.sendAck();
    else this.ackTimer ??= setTimeout(() => this.sendAck(), dueAt - now);
  }

  private onSiblings(siblings: readonly Sibling[] | undefined): void {
    this.events.onSiblings(siblings);
    // With siblings, a silent link is asked for sooner.
    this.watchSilence();
  }

  /**
   * Starts the timer that asks when the component is silent, or owes an acknowledgement for too long. While nothing
   * more is sent, the `seq` of IBB cannot show that the component lost its memory, or that our last data did not
   * arrive.
   */
  watchSilence(): void {
    clearTimeout(this.silenceTimer);
    if (this.ended) return;
    this.silenceTimer = setTimeout(
      () => {
        if (this.connection.state !== "online" || monotonicNow() < this.askAt) return this.watchSilence();
        void this.ask();
      },
      Math.max(100, this.askAt - monotonicNow()),
    );
  }

  /** Whether the component may take 100 s to acknowledge the data that was sent. */
  private get acksLazily(): boolean {
    return this.session.lazy && this.session.unacked < DEFAULT_LINK_POLICY.ackEveryStanzas;
  }

  private get askAt(): number {
    return Math.min(
      this.lastFrameAt + this.events.silenceMs,
      (this.session.waitingSince ?? Infinity) + (this.acksLazily ? LAZY_UNACKED_MS : UNACKED_MS),
    );
  }

  /**
   * Asks for an acknowledgement after an interruption of the stream, because stanzas may be lost. The `seq` of the
   * question shows the component what it lacks, and the `seq` of the answer shows it to us. Otherwise only an
   * acknowledgement by time would show that, after 100 s.
   */
  askWhole(): void {
    if (this.ended || this.session.peerHello === undefined) return;
    this.append(ofBytes(this.session.askAck(0)));
    this.flush();
  }

  /**
   * Asks now whether the link is whole, as after a long silence, and ends the link if it is not. Resolves after the
   * answer, or without one if the stream is gone.
   */
  async ask(): Promise<void> {
    if (this.ended) return;
    clearTimeout(this.silenceTimer);
    await (this.asking ??= this.ping().finally(() => (this.asking = undefined)));
  }

  private async ping(): Promise<void> {
    const { sentStanzas } = this.session;
    try {
      await this.barrier();
      this.lastFrameAt = monotonicNow();
      if (this.ended) return;
      const missing = sentStanzas - this.session.acknowledgedStanzas;
      if (missing <= 0) return this.watchSilence();
      const text = `${missing} stanzas were lost on the way to the component`;
      this.end(new StanzapackError("gap", text, { origin: "transport" }));
    } catch (error) {
      if (this.connection.state !== "online") return this.watchSilence();
      const failure = toLinkError(error, "asking for the link");
      // An error as the answer means that no component is there, or that it does not know the link.
      if (error instanceof StanzaError) this.finish(failure);
      else this.end(failure);
    }
  }

  /**
   * Resolves when everything that the component wrote before now has arrived, or was lost. The component acknowledges
   * before it answers. The resource of the ping is the `sid` of the link: the component answers only for links that it
   * knows, and after a restart it knows none.
   */
  async barrier(): Promise<void> {
    const iq = xml("iq", { type: "get", to: `${this.stream.peer}/${this.stream.sid}` }, xml("ping", NS.PING));
    const { sentCount } = this.stream;
    await this.connection.request(iq, { timeoutMs: this.events.answerMs });
    this.stream.confirm(sentCount);
  }

  /** Ends the link without BYE, because its stream is gone. */
  abandon(error: StanzapackError): void {
    this.finish(error);
  }

  /** Sends BYE with the reason, and closes the bytestream. */
  end(error: StanzapackError): void {
    if (this.ended) return;
    this.sendFrame({ type: "bye", code: error.code, text: error.text.slice(0, 200) });
    void this.stream.close();
    this.finish(error);
  }

  /** Acknowledges, sends BYE, and closes the bytestream. */
  async close(): Promise<void> {
    if (this.ended) return;
    this.sendAck();
    this.sendFrame({ type: "bye", code: "stopped", text: "" });
    this.stream.onEnd = undefined;
    const closed = this.stream.close();
    this.finish(new StanzapackError("stopped", "the client was closed"));
    await closed;
  }

  private finish(error: StanzapackError, abandons = true): void {
    if (this.ended) return;
    this.ended = true;
    this.envelope.end();
    clearTimeout(this.ackTimer);
    clearTimeout(this.silenceTimer);
    if (abandons) this.stream.abandon({ by: "local" });
    this.events.onEnd(error);
  }
}
