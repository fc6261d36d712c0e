import {
  createBlockWriter,
  encodeFrame,
  Envelope,
  LinkSession,
  MAX_ALIAS,
  padOf,
  StanzapackError,
  type BlockWriter,
  type EnvelopePort,
  type Frame,
  type HelloFrame,
  type HopClass,
  type KeptFrame,
  type Limits,
} from "@stanzapack/wire";
import {
  encodeBase64,
  escapeAttribute,
  SendWindow,
  type Bytestream,
  type LeanBody,
  monotonicNow,
} from "@stanzapack/xmpp";
import type { ThrottleState } from "../budgets/throttle.js";
import { FewMap, FewSet } from "../base/few.js";
import { createInbox } from "./intake.js";
import type { OutletFormat } from "../fanout/outlet.js";
import { MIN_BLOCK_BYTES, SIZE_CLASSES } from "../fanout/size-classes.js";
import type { PublisherLink, Service } from "../catalog/service.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { NOT_QUEUED, type QueuedWriter } from "../fanout/write-queue.js";
import { LinkOutlet } from "./link-outlet.js";

/**
 * Room for what surrounds a block in its stanza, without addresses, in bytes. Our stanzas have 130, and servers add to
 * that.
 */
const STANZA_ROOM_BYTES = 512;

/**
 * Most characters that may be unacknowledged by one client. The component asks for an acknowledgement at each quarter.
 * Small updates reach a quarter no sooner than the client acknowledges by itself. An answer that takes a second longer
 * than the quickest shows that stanzas queue on the way.
 */
const WINDOW = { targetMs: 1_000, initialChars: 131_072, maxChars: 1_048_576 };
/** Below this many unacknowledged characters there is nothing to ask for yet. A quarter of the first window. */
const WINDOW_FROM_CHARS = WINDOW.initialChars / 4;

/** Says that the client cannot be asked now, because its server is away, or busy. */
export interface Suspension {
  /** When the suspension began, in ms. */
  readonly since: number;
  /** When the client is asked again, in ms. */
  askAt: number;
  /** How often the client was asked. */
  tries: number;
}

/** A subscription whose updates are sent over a link. */
export type LinkSubscription = Subscription<LinkOutlet>;

/** The component's side of one client's link. */
export class ClientLink implements EnvelopePort, PublisherLink, QueuedWriter {
  readonly session: LinkSession;
  /** Decides whether this side, and the client, may send lean stanzas. */
  readonly envelope = new Envelope(this);
  /** Phase of a tick in which the link is written, if many links are due together. The `sid` decides it, by chance. */
  readonly phase: number;
  readonly subscriptions = new FewMap<number, LinkSubscription>();
  /** Subscriptions by service. */
  readonly taken = new FewMap<Service, LinkSubscription>();
  readonly services = new FewMap<number, Service>();
  /** Subscriptions that wait for acknowledgements or credit. */
  readonly detached = new FewSet<LinkSubscription>();
  /** Blocks and frames that have arrived and are not read yet. */
  readonly inbox = createInbox();
  /** Number of requests that wait until the inbox is read. */
  readWaits = 0;
  /** KEPT of each service, by alias, that leaves with the next acknowledgement. */
  private readonly keptDue = new FewMap<number, KeptFrame>();
  /** Largest of `SIZE_CLASSES` that fits the stream's blocks and, after HELLO, everything that the client accepts. */
  sizeClass: number;
  /** Memory of the readers of what the client publishes, in bytes. */
  readerBytes = 0;
  /** When anything of the client arrived last, in ms. */
  heardAt: number;
  /** Which change of the siblings the client knows: see `Siblings`. */
  siblingsKnown = 0;
  /** How often anything of the client arrived. */
  heard = 0;
  /** Called once, when anything of the client arrives next. */
  onHeard: (() => void) | undefined;
  /** The open question whether the client lives. Resolves with the answer. */
  verifying: Promise<boolean> | undefined;
  /** The client should have sent HELLO by now, and the component finds out whether the server stands still. */
  hopeless = false;
  /** While there is one, no data is sent to the client. */
  suspension: Suspension | undefined;
  ended = false;
  /** When the client closed the link, in ms. Blocks that arrived before are still being read. */
  closedAt: number | undefined;
  /** Which queue of the fan-out the link is in. Only the queue sets this. */
  queue = NOT_QUEUED;
  private readonly writer: BlockWriter<LeanBody>;
  private lastAlias = -1;
  /** Undefined: so little was unacknowledged until now that no window is needed. */
  private window: SendWindow | undefined = undefined;
  /** Characters of the data stanzas that are not acknowledged. */
  private unackedChars = 0;
  /** Number of acknowledged stanzas that the window knows of. */
  private notedStanzas = 0;
  /** Number of data stanzas that the open question for an acknowledgement covers. Undefined: no question is open. */
  private askedAfter: number | undefined;
  /** The next write asks for an acknowledgement. */
  private wantsAck = false;
  /** A probe of this many characters leaves with the next write, after everything else. 0: no probe. */
  private probeChars = 0;

  constructor(
    readonly stream: Bytestream,
    readonly bareJid: string,
    readonly openedAt: number,
    limits: Limits,
    /** Called when something waits to be written. */
    private readonly onPending: (link: ClientLink) => void,
    private readonly componentDomain: string,
    readonly throttle: ThrottleState,
  ) {
    this.session = new LinkSession(limits);
    this.heardAt = openedAt;
    this.phase = stream.sid.charCodeAt(0) || 0;
    this.writer = createBlockWriter<LeanBody>(stream.blockSizeBytes);
    this.sizeClass = classFor(stream.blockSizeBytes);
  }

  /** How bodies for this client are encoded. */
  get format(): OutletFormat {
    const { sizeClass, readsCoded: coded, readsDeflated, hop } = this;
    const codesMaps = coded && this.session.peerHello?.codecs.includes("map") === true;
    return { delivery: "link", sizeClass, coded, codesMaps, deflates: !coded && readsDeflated, hop };
  }

  /** See `QueuedWriter`. */
  get unacked(): number {
    return this.session.unacked;
  }

  /** Whether the client's stream itself is compressed. Before HELLO: `plain`. */
  private get hop(): HopClass {
    return this.session.peerHello?.hop ?? "plain";
  }

  /** Whether the client reads the columnar codec. Before HELLO: false. */
  get readsCoded(): boolean {
    return this.session.peerHello?.codecs.includes("coded") === true;
  }

  /** Whether the client knows maps. Before HELLO: false. */
  get readsMaps(): boolean {
    return this.session.peerHello?.maps === true;
  }

  /** Whether the client knows DIGEST and REPAIR. Before HELLO: false. */
  get takesDigests(): boolean {
    return this.session.peerHello?.digests === true;
  }

  /** Whether the client reads deflated rows. Before HELLO: false. */
  private get readsDeflated(): boolean {
    return this.session.peerHello?.codecs.includes("deflated") === true;
  }

  /**
   * Applies the bounds of the client's HELLO. A lane's batch fits its size class even before deflate, so the class
   * bounds the inflated bytes too. Throws `limit-exceeded` when no class fits. Throws `protocol` when HELLO needs a
   * smaller class after a subscription.
   */
  applyHello({ maxBlockBytes, maxInflatedBytes, maxStanzaBytes }: HelloFrame): void {
    const addresses = escapeAttribute(this.jid) + escapeAttribute(this.componentDomain);
    const around = STANZA_ROOM_BYTES + Buffer.byteLength(addresses);
    const limits = [
      this.stream.blockSizeBytes,
      maxBlockBytes,
      maxInflatedBytes,
      // Base64: four characters for three bytes.
      maxStanzaBytes === 0 ? 0 : Math.max(1, Math.floor((maxStanzaBytes - around) / 4) * 3),
    ].filter((limit) => limit !== 0);
    const smallest = Math.min(...limits);
    if (smallest < MIN_BLOCK_BYTES)
      throw new StanzapackError(
        "limit-exceeded",
        `HELLO allows ${smallest} bytes a block, but a link needs ${MIN_BLOCK_BYTES}`,
        { origin: "peer" },
      );
    const sizeClass = classFor(smallest);
    if (sizeClass < this.sizeClass && this.subscriptions.size > 0)
      throw new StanzapackError("protocol", "HELLO lowers the block size after a subscription", {
        origin: "peer",
      });
    this.sizeClass = sizeClass;
    this.writer.narrow(smallest);
  }

  get jid(): string {
    return this.stream.peer;
  }

  /** Something of the client has arrived. */
  hear(): void {
    this.heard++;
    this.onHeard?.();
    this.onHeard = undefined;
  }

  /** False: updates for the client wait, or give way to newer ones, until acknowledgements arrive. */
  get maySendData(): boolean {
    return this.maySendDataAt(monotonicNow());
  }

  /** The same at the monotonic time `clock`, in ms, for callers that have read the clock. */
  maySendDataAt(clock: number): boolean {
    if (this.suspension !== undefined || !this.session.maySendData) return false;
    return this.window === undefined || this.window.room(clock) > 0;
  }

  /** Acknowledgements may have arrived. */
  noteAcknowledged(): void {
    this.stream.confirm(this.session.arrivedCount);
    this.noteRead();
    if (this.askedAfter === undefined || this.session.acknowledgedStanzas < this.askedAfter) return;
    this.askedAfter = undefined;
    if (this.window?.answered(monotonicNow()) === true) this.wantsAck = true;
    // The question needs a write of its own: perhaps nothing else is about to leave.
    if (this.wantsAck && !this.ended) this.onPending(this);
  }

  private noteSent(chars: number, clock: number): void {
    if (this.window === undefined && this.unackedChars + chars >= WINDOW_FROM_CHARS) {
      this.window = new SendWindow(WINDOW);
      this.window.sent(this.unackedChars, clock);
    }
    this.unackedChars += chars;
    this.window?.sent(chars, clock);
  }

  /**
   * Counts each unacknowledged stanza for the same number of characters. When all are acknowledged, the sum is exact.
   */
  private noteRead(): void {
    const { acknowledgedStanzas, unacked } = this.session;
    const read = acknowledgedStanzas - this.notedStanzas;
    if (read === 0) return;
    const chars = Math.round((this.unackedChars * read) / (read + unacked));
    this.notedStanzas = acknowledgedStanzas;
    this.unackedChars -= chars;
    this.window?.read(chars);
  }

  /** For commands that had to wait. Throws `link-required` when the link has ended, or its client has closed it. */
  assertOpen(): void {
    if (this.isMute)
      throw new StanzapackError("link-required", `the link of ${this.jid} has ended meanwhile`);
  }

  /** Throws `limit-exceeded` when the link's aliases are used up. */
  checkAlias(): void {
    if (this.lastAlias === MAX_ALIAS)
      throw new StanzapackError("limit-exceeded", "the link has used up its aliases: open it again");
  }

  /**
   * Returns a new alias, which is never reused on this link. Call `checkAlias` before anything is done that needs an
   * alias.
   */
  takeAlias(): number {
    return ++this.lastAlias;
  }

  /** Returns the outlet of a new subscription, which has a new alias. Call `checkAlias` before. */
  createOutlet(): LinkOutlet {
    return new LinkOutlet(this, this.takeAlias());
  }

  /**
   * Returns whether the alias was bound once, and is no more. A frame that still arrives for such an alias was on its
   * way.
   */
  isRetired(alias: number): boolean {
    return alias <= this.lastAlias && !this.services.has(alias) && !this.subscriptions.has(alias);
  }

  private get isMute(): boolean {
    return this.ended || this.closedAt !== undefined;
  }

  /**
   * Adds one frame, as finished base64. Its last `pad` bytes are padding. `body`: the frame is one chained body of the
   * alias `label`, and `body` is ready for a lean stanza of its own.
   */
  append(base64: string, data: boolean, pad = 0, body?: LeanBody, label = 0): void {
    if (this.isMute) return;
    if (this.writer.empty) this.onPending(this);
    this.writer.append(base64, data, pad, body, label);
  }

  sendFrame(frame: Frame): void {
    this.appendFrame(encodeFrame(frame));
  }

  sendAck(): void {
    this.sendKept();
    this.appendFrame(this.session.takeAck());
  }

  /** Of `PublisherLink`. A client that did not list KEPT takes an acknowledgement for it. */
  noteKept(alias: number, incarnation: number, sequence: number): void {
    if (this.session.peerHello?.kept !== true) return;
    this.keptDue.set(alias, { type: "kept", alias, incarnation, sequence });
  }

  /** Sends the KEPT that is due. Returns whether there was any. */
  sendKept(): boolean {
    if (this.keptDue.size === 0) return false;
    const due = [...this.keptDue.values()].filter(({ alias }) => this.services.has(alias));
    this.keptDue.clear();
    for (const kept of due) this.sendFrame(kept);
    return due.length > 0;
  }

  /** Sends CREDIT after everything that waits. A client that lives acknowledges at once. */
  askAck(): void {
    this.appendFrame(this.session.askAck(this.writer.dataBlocks));
  }

  private appendFrame(frame: Uint8Array): void {
    this.append(encodeBase64(frame), false, padOf(frame));
  }

  /** See `EnvelopePort`. */
  probe(chars: number): void {
    if (this.isMute) return;
    this.probeChars = chars;
    this.onPending(this);
  }

  /** See `EnvelopePort`. */
  use(chars: number): void {
    this.stream.leanChars = chars;
  }

  /** Returns the stanzas that wait, as text, and forgets them. */
  takeStanzas(now: number, clock = monotonicNow()): string[] {
    const { session, stream, writer } = this;
    const asks =
      this.wantsAck || (this.window?.due === true && !writer.empty && this.askedAfter === undefined);
    this.wantsAck = false;
    if (asks) {
      const frame = session.askAck(writer.dataBlocks);
      writer.append(encodeBase64(frame), false, padOf(frame));
    }
    const blocks = writer.take();
    const stanzas = blocks.map((block) => {
      const stanza = stream.blockStanza(block);
      if (block.data) {
        session.sentData(now, stream.sentCount);
        this.noteSent(stanza.length, clock);
      }
      return stanza;
    });
    if (asks) {
      // A client may well answer before it has counted the stanza that it is reading.
      this.askedAfter = session.sentStanzas - (blocks.at(-1)?.data === true ? 1 : 0);
      this.window?.question(clock);
    }
    if (stream.wantsLonger) {
      stream.wantsLonger = false;
      this.envelope.wantLonger();
    }
    if (this.probeChars > 0) {
      stanzas.push(stream.probeStanza(this.probeChars));
      this.probeChars = 0;
    }
    return stanzas;
  }
}

function classFor(blockBytes: number): number {
  return SIZE_CLASSES.find((size) => size <= blockBytes) as number;
}
