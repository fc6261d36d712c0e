import {
  createBlockWriter,
  createHello,
  DEFAULT_LIMITS,
  type HopClass,
  DEFAULT_LINK_POLICY,
  linkCodeOf,
  LinkSession,
  StanzapackError,
  type BlockWriter,
  type Frame,
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
import { ofBytes, readyFrame, type ReadyFrame } from "./ready-frame.js";

/** Data is waited for no longer, unacknowledged, in ms: the component acknowledges at half the credit, or after 20 s. */
const UNACKED_MS = 30_000;
/** And where both list lean stanzas, with less than half the credit out: the component acknowledges after 100 s. */
const LAZY_UNACKED_MS = 130_000;
/** Stanzas that are not known to have arrived make the client ask, so that lean ones go on. 1,024: half of what may be out. */
const ASK_OUTSTANDING = 1_024;
/** How long the component has to answer, in ms. */
const PING_MS = 10_000;
/** The component closes the bytestream within this of its BYE, in ms, or the client does. */
const CLOSE_MS = 2_000;

export interface LinkEvents {
  /** The component is asked when no frame came from it for so long, in ms. */
  readonly silenceMs: number;
  onFrame(frame: Frame): void;
  /** The component has so many of our data stanzas. */
  onAcknowledged(stanzas: number): void;
  /** More data may be sent: acknowledgements came. */
  onCredit(): void;
  /** What consumers have read, worth telling along with an acknowledgement. */
  creditDue(): Frame[];
  /** Called once. */
  onEnd(error: StanzapackError): void;
  /** Small blocks go up as lean stanzas from now on; or the probe for that was lost. */
  onEnvelope(kind: EnvelopeKind): void;
  /** What the data of one stanza was made of, for meters: its length and each frame. */
  onBlock?: ((stanzaChars: number, frames: readonly Frame[]) => void) | undefined;
}

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
      // The component does not know the link: nobody reads what is said.
      if (error.condition !== "item-not-found") this.end(toLinkError(error, "the link ended"));
    };
    stream.onEnd = (end) =>
      this.finish(
        end.error === undefined
          ? new StanzapackError("disconnected", "the component closed the link", { origin: "peer" })
          : toLinkError(end.error, "the link ended"),
      );
    this.watchSilence();
    this.sendFrame(createHello({ hop: this.hop, lean: this.envelope.offer }));
  }

  get sid(): string {
    return this.stream.sid;
  }
  /** Whether the stream to the server is compressed. */
  get hop(): HopClass {
    return this.connection.compressed ? "compressed" : "plain";
  }
  /** Whether the component reads the columnar codec. */
  get readsCoded(): boolean {
    return this.session.peerHello?.codecs.includes("coded") === true;
  }
  get live(): boolean {
    return !this.ended;
  }
  /** As much data is out without an acknowledgement as a link may have. */
  get unacknowledged(): boolean {
    return !this.ended && !this.session.maySendData;
  }
  /** Bytes of rows that may be sent now, as far as the server tells; 0 when none. */
  get roomBytes(): number {
    // Base64.
    return this.maySendData ? (this.connection.room * 3) / 4 : 0;
  }
  /** The server reads slower than is sent. */
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

  /** Resolves when the component's HELLO came. Rejects with `timeout`. */
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

  /** What services send in one tick, in as few stanzas as it fits, in one write. */
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

  /** Acknowledges what has come, if anything: the answer to a ping is a barrier. */
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
      } else if (frame.type === "envelope") this.envelope.onFrame(frame);
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

  /**
   * IBB's seq cannot show that the component lost its memory, or that the last of our data did not come, while nothing more is
   * sent: so ask, when it is silent, or has not acknowledged something for too long.
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

  /** The component may acknowledge what is out at leisure. */
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
   * The stream was interrupted, and stanzas may be lost. Asks for an acknowledgement: the question's `seq` shows the component what it lacks, and
   * the answer's `seq` shows us. Without it an acknowledgement by time would, after 100 s.
   */
  askWhole(): void {
    if (this.ended || this.session.peerHello === undefined) return;
    this.append(ofBytes(this.session.askAck(0)));
    this.flush();
  }

  /** Asks now, as after a long silence, whether the link is whole. Resolves when that is known: it has ended if it is not. */
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
      // Any answer but none at all says that nobody is there, or knows the link.
      if (error instanceof StanzaError) this.finish(failure);
      else this.end(failure);
    }
  }

  /**
   * Resolves when whatever the component wrote before now has come, or gone by; it acknowledges before it answers. It answers for its
   * own links by their sid, given as its resource: after a restart it knows none.
   */
  async barrier(): Promise<void> {
    const iq = xml("iq", { type: "get", to: `${this.stream.peer}/${this.stream.sid}` }, xml("ping", NS.PING));
    const { sentCount } = this.stream;
    await this.connection.request(iq, { timeoutMs: PING_MS });
    this.stream.confirm(sentCount);
  }

  /** Ends it without a word: its stream is gone. */
  abandon(error: StanzapackError): void {
    this.finish(error);
  }

  /** Says why, and closes the bytestream. */
  end(error: StanzapackError): void {
    if (this.ended) return;
    this.sendFrame({ type: "bye", code: error.code, text: error.text.slice(0, 200) });
    void this.stream.close();
    this.finish(error);
  }

  /** Says goodbye and closes the bytestream. */
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

/** What ends a link. Conditions that would name a service or a request, of anything else, are about the link itself here. */
function toLinkError(error: unknown, doing: string): StanzapackError {
  if (error instanceof StanzaError) {
    const { condition, text } = error;
    // XEP-0047 §2.2: a block was lost or damaged, and either side found out.
    const code = error.type === "wait" ? "protocol" : linkCodeOf(condition);
    if (code !== "protocol")
      return new StanzapackError(code, `${doing}: ${text}`, { origin: "transport", cause: error });
    if (condition === "item-not-found") {
      const why = "the component does not know it any more";
      return new StanzapackError("disconnected", `${doing}: ${why}`, { origin: "peer", cause: error });
    }
  }
  return toStanzapackError(error, doing);
}
