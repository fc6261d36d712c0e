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

/** What surrounds a block in its stanza beside the addresses, in bytes: ours has 130, and servers add to it. */
const STANZA_ROOM_BYTES = 512;

/**
 * What may be out to one client, in characters. Its acknowledgement is asked for at each quarter, which small updates reach no sooner
 * than its own come; one that takes a second longer than the quickest shows that stanzas queue on the way.
 */
const WINDOW = { targetMs: 1_000, initialChars: 131_072, maxChars: 1_048_576 };
/** Below so many characters that are out there is nothing to ask for yet: a quarter of the window at first. */
const WINDOW_FROM_CHARS = WINDOW.initialChars / 4;

/** Its client cannot be asked for now: its server is away, or busy. */
export interface Suspension {
  /** In ms. */
  readonly since: number;
  /** When it is asked again, in ms. */
  askAt: number;
  /** How often it was asked. */
  tries: number;
}

/** A subscription whose updates go over a link. */
export type LinkSubscription = Subscription<LinkOutlet>;

/** The component's side of one client's link. */
export class ClientLink implements EnvelopePort, PublisherLink, QueuedWriter {
  readonly session: LinkSession;
  /** Whether this side may send lean stanzas, and the client does. */
  readonly envelope = new Envelope(this);
  /** By which links that are due together leave one after another: whose is what, is chance. */
  readonly phase: number;
  readonly subscriptions = new FewMap<number, LinkSubscription>();
  /** The same by service. */
  readonly taken = new FewMap<Service, LinkSubscription>();
  readonly services = new FewMap<number, Service>();
  /** Subscriptions that wait for acknowledgements. */
  readonly detached = new FewSet<LinkSubscription>();
  /** What came and is not read yet. */
  readonly inbox = createInbox();
  /** Questions that wait until it is. */
  readWaits = 0;
  /** KEPT of each service, by alias, that leaves with the next acknowledgement. */
  private readonly keptDue = new FewMap<number, KeptFrame>();
  /** Largest of `SIZE_CLASSES` that fits, once HELLO came, all that the client takes. */
  sizeClass: number;
  /** Memory that reading what it publishes takes, in bytes. */
  readerBytes = 0;
  /** When anything of the client came last, in ms. */
  heardAt: number;
  /** How often anything of the client came. */
  heard = 0;
  /** Told of the next time. */
  onHeard: (() => void) | undefined;
  /** The question whether the client lives that is out, and whether it does. */
  verifying: Promise<boolean> | undefined;
  /** It should have said HELLO. */
  hopeless = false;
  /** While there is one no data goes to it. */
  suspension: Suspension | undefined;
  ended = false;
  /** When its client closed it, in ms; what came before is still being read. */
  closedAt: number | undefined;
  /** Which queue of the fan-out it is in; its own to set. */
  queue = NOT_QUEUED;
  private readonly writer: BlockWriter<LeanBody>;
  private lastAlias = -1;
  /** Undefined: never was so much out that there might be too much. */
  private window: SendWindow | undefined = undefined;
  /** Of the data stanzas that are not acknowledged, all their characters. */
  private unackedChars = 0;
  /** Of the stanzas that were acknowledged, those that the window knows of. */
  private notedStanzas = 0;
  /** How many data stanzas were sent when an acknowledgement was asked for. */
  private askedAfter: number | undefined;
  /** An acknowledgement is to be asked for with the next write. */
  private wantsAck = false;
  /** A probe of so many characters leaves with the next write, behind everything else; 0: none. */
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
    return { delivery: "link", sizeClass, coded, deflates: !coded && readsDeflated, hop };
  }

  /** Of `QueuedWriter`. */
  get unacked(): number {
    return this.session.unacked;
  }

  /** Whether the client's stream is compressed itself; `plain` before its HELLO. */
  private get hop(): HopClass {
    return this.session.peerHello?.hop ?? "plain";
  }

  /** Whether it reads the columnar codec; before its HELLO nobody knows. */
  get readsCoded(): boolean {
    return this.session.peerHello?.codecs.includes("coded") === true;
  }

  /** Whether it reads deflated rows; before its HELLO nobody knows. */
  private get readsDeflated(): boolean {
    return this.session.peerHello?.codecs.includes("deflated") === true;
  }

  /**
   * Keeps to what the client takes. A lane's batch is no larger than its size class also before deflate, so that class keeps
   * the inflated bytes too. Throws `limit-exceeded` when no class fits, `protocol` when it came after a larger one was used.
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
        `HELLO takes ${smallest} bytes a block, and a link needs ${MIN_BLOCK_BYTES}`,
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

  /** Something of the client came. */
  hear(): void {
    this.heard++;
    this.onHeard?.();
    this.onHeard = undefined;
  }

  /** False: what is for it waits, or gives way to newer, until acknowledgements come. */
  get maySendData(): boolean {
    return this.maySendDataAt(monotonicNow());
  }

  /** The same, for who has read the clock. */
  maySendDataAt(clock: number): boolean {
    if (this.suspension !== undefined || !this.session.maySendData) return false;
    return this.window === undefined || this.window.room(clock) > 0;
  }

  /** Acknowledgements may have come. */
  noteAcknowledged(): void {
    this.stream.confirm(this.session.arrivedCount);
    this.noteRead();
    if (this.askedAfter === undefined || this.session.acknowledgedStanzas < this.askedAfter) return;
    this.askedAfter = undefined;
    if (this.window?.answered(monotonicNow()) === true) this.wantsAck = true;
    // Nothing else may leave that it could go along with.
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

  /** Each of the stanzas that are out counts for as many characters: where all are acknowledged the sum is exact. */
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

  /** Throws `limit-exceeded` when its aliases are used up. */
  checkAlias(): void {
    if (this.lastAlias === MAX_ALIAS)
      throw new StanzapackError("limit-exceeded", "the link has used up its aliases: open it again");
  }

  /** A new alias; never reused within the link. Call `checkAlias` before anything is done that needs one. */
  takeAlias(): number {
    return ++this.lastAlias;
  }

  /** Returns the outlet of a new subscription, which has a new alias. Call `checkAlias` before. */
  createOutlet(): LinkOutlet {
    return new LinkOutlet(this, this.takeAlias());
  }

  /** The alias was bound once and is no more: what still comes for it was on its way. */
  isRetired(alias: number): boolean {
    return alias <= this.lastAlias && !this.services.has(alias) && !this.subscriptions.has(alias);
  }

  private get isMute(): boolean {
    return this.ended || this.closedAt !== undefined;
  }

  /**
   * Adds one frame, as ready base64; its last `pad` bytes are padding. `body`: it is one chained body, of the alias `label`, which is also
   * ready for a lean stanza of its own.
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
    const due = [...this.keptDue.values()].filter(({ alias }) => this.services.has(alias));
    this.keptDue.clear();
    for (const kept of due) this.sendFrame(kept);
    return due.length > 0;
  }

  /** A CREDIT behind what waits: the client acknowledges at once, as long as it lives. */
  askAck(): void {
    this.appendFrame(this.session.askAck(this.writer.dataBlocks));
  }

  private appendFrame(frame: Uint8Array): void {
    this.append(encodeBase64(frame), false, padOf(frame));
  }

  /** Of `EnvelopePort`. */
  probe(chars: number): void {
    if (this.isMute) return;
    this.probeChars = chars;
    this.onPending(this);
  }

  /** Of `EnvelopePort`. */
  use(chars: number): void {
    this.stream.leanChars = chars;
  }

  /** The stanzas that wait, as text. */
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
