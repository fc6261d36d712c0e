import { decodeBase64 } from "../base/base64.node.js";
import { BlockOrder } from "./block-order.js";
import { assertBlock, SEQ_COUNT, type BytestreamSender } from "./bytestream-sender.js";
import { DataStanzas } from "./data-stanzas.js";
import { StanzaError } from "../base/errors.js";
import { EarlyBlocks } from "./early-blocks.js";
import type {
  BlockInfo,
  Bytestream,
  BytestreamEnd,
  BytestreamState,
  OpenRequest,
  OutBlock,
} from "./in-band-bytestreams.js";
import { parseUnsignedShort, unexpected } from "./ibb-stanzas.js";
import { readLeanBlock, readLeanHeader } from "./lean-stanzas.js";
import { callGuarded, isThenable } from "../base/listeners.js";
import * as NS from "../base/namespaces.js";
import { randomText } from "../base/random.js";
import { warn } from "../base/warn.node.js";
import { xml } from "../xml/xml.js";
import type { ManagedBytestream, BytestreamHost } from "./managed-bytestream.js";

const CLOSE_TIMEOUT_MS = 10_000;

/** One bytestream. A component has thousands, so parts that few streams need are made only on demand. */
export class StanzaBytestream implements ManagedBytestream {
  onDrain: (() => void) | undefined = undefined;
  onState: ((state: BytestreamState) => void) | undefined = undefined;
  onFault: Bytestream["onFault"] = undefined;
  onProbe: ((chars: number) => void) | undefined = undefined;
  readonly peer: string;
  readonly sid: string;
  readonly mode: "message" | "iq";
  private readonly own: string;
  private agreedBytes: number;
  private readonly order = new BlockOrder();
  private readonly out: DataStanzas;
  private phase: "open" | "closing" | "closed" = "open";
  /** Whether `write` accepts blocks. When the peer closes, it still does while `onState` runs. */
  private accepting = true;
  private sender: BytestreamSender | undefined = undefined;
  /** Our own close, which begins with the flush. */
  private closing: Promise<void> | undefined = undefined;
  /** Our own `<close/>`. Resolves with its answer. */
  private closeSent: Promise<void> | undefined = undefined;
  private awaited = false;
  private peerCloses = false;
  /** Set when a flush could not deliver all blocks in its time. */
  private undelivered: StanzaError | undefined = undefined;
  /** Runs while the peer's `<close/>` is expected. */
  private closeTimer: ReturnType<typeof setTimeout> | undefined = undefined;
  private ended: BytestreamEnd | undefined = undefined;
  private blockHandler: Bytestream["onBlock"] = undefined;
  private endHandler: Bytestream["onEnd"] = undefined;
  private early: EarlyBlocks | undefined = undefined;
  private unheardEnd: BytestreamEnd | undefined = undefined;

  constructor(
    private readonly host: BytestreamHost,
    { from, to, sid, blockSizeBytes, stanza }: OpenRequest,
  ) {
    this.peer = from;
    this.own = to;
    this.sid = sid;
    this.agreedBytes = blockSizeBytes;
    this.mode = stanza;
    this.out = new DataStanzas(host.connection, to, from, sid);
  }

  get blockSizeBytes(): number {
    return this.agreedBytes;
  }
  get state(): BytestreamState {
    return this.phase === "open" && this.sender?.suspended === true ? "suspended" : this.phase;
  }
  get tag(): number | undefined {
    return this.out.tag;
  }
  get leanChars(): number {
    return this.out.leanChars;
  }
  set leanChars(chars: number) {
    this.out.leanChars = chars;
  }
  get wantsLonger(): boolean {
    return this.out.wantsLonger;
  }
  set wantsLonger(wants: boolean) {
    this.out.wantsLonger = wants;
  }
  get sentCount(): number {
    return this.out.sent;
  }
  get outstanding(): number {
    return this.out.outstanding;
  }

  get onBlock(): Bytestream["onBlock"] {
    return this.blockHandler;
  }
  set onBlock(handler: Bytestream["onBlock"]) {
    this.blockHandler = handler;
    if (handler === undefined || this.early === undefined) return;
    const { blocks } = this.early;
    this.early = undefined;
    // Even when the peer has closed since: it sent these blocks before.
    for (const [block, info] of blocks) if (this.deliver(block, info) !== undefined) return;
  }

  get onEnd(): Bytestream["onEnd"] {
    return this.endHandler;
  }
  set onEnd(handler: Bytestream["onEnd"]) {
    this.endHandler = handler;
    if (handler === undefined || this.unheardEnd === undefined) return;
    const end = this.unheardEnd;
    this.unheardEnd = undefined;
    this.tellEnd(end);
  }

  write(base64: string): boolean {
    assertBlock(base64, this.agreedBytes);
    if (!this.accepting) return false;
    if (this.sender === undefined) {
      this.sender = this.beginToWrite();
      this.host.onWrites(this);
    }
    return this.sender.write(base64);
  }

  stanza(base64: string): string {
    this.assertUnwritten();
    return this.out.data(base64);
  }

  blockStanza(block: OutBlock): string {
    this.assertUnwritten();
    return this.out.block(block);
  }

  probeStanza(chars: number): string {
    return this.out.probe(chars);
  }

  takeTag(): number | undefined {
    const tag = this.tag ?? this.host.findTag(this.peer);
    if (tag !== undefined) this.setTag(tag);
    return this.tag;
  }

  setTag(tag: number): void {
    if (this.tag !== undefined || this.phase === "closed") return;
    this.out.tag = tag;
    this.host.onTag(this);
  }

  confirm(sentCount: number): void {
    this.out.confirm(sentCount);
  }

  agree(bytes: number): void {
    this.agreedBytes = bytes;
  }

  onData(
    seqText: string | undefined,
    base64: string,
    stanzaChars: number,
    kind: "message" | "iq",
  ): StanzaError | undefined {
    const seq = parseUnsignedShort(seqText);
    if (seq === undefined) return this.refuse("bad-request", "seq is not a 16-bit number");
    if (seq !== this.order.due) return this.outOfTurn(seq, kind);
    // Even with padding, text this long holds more than a block. So it is not decoded.
    if (base64.length > Math.ceil(this.agreedBytes / 3) * 4) return this.tooLarge();
    const block = decodeBase64(base64);
    if (block === undefined) return this.refuse("bad-request", "not base64");
    if (block.length > this.agreedBytes) return this.tooLarge();
    this.order.advance();
    const error = this.deliver(block, { stanzaChars, label: undefined, lean: false });
    return kind === "iq" ? error : undefined;
  }

  onLean(id: string, stanzaChars: number): StanzaError | undefined {
    const header = readLeanHeader(id);
    if (header === undefined) return this.refuse("bad-request", "not the id of a lean stanza");
    const seq = this.order.nearest(header.seq);
    if (seq !== this.order.due) return this.outOfTurn(seq, "message");
    const block = readLeanBlock(id);
    if (block === undefined) return this.refuse("bad-request", "not base64");
    if (block.length > this.agreedBytes) return this.tooLarge();
    this.order.advance();
    this.deliver(block, { stanzaChars, label: header.label, lean: true });
    return undefined;
  }

  onBounce(error: StanzaError, seq: number | undefined, attempt: number | undefined): boolean {
    if (this.sender === undefined || this.mode === "iq" || seq === undefined) return false;
    this.sender.onBounce(seq, attempt, error);
    return true;
  }

  onPeerClose(answer: () => void): void {
    if (this.peerCloses) return answer();
    this.peerCloses = true;
    if (this.phase === "open") this.stopTaking();
    const finish = (): void => {
      answer();
      this.endAfterFlush(this.closing === undefined ? "peer" : "local");
    };
    // XEP-0047 §2.3: the answer may wait until this side has sent its remaining blocks.
    if (this.sender === undefined || this.sender.empty || this.closeSent !== undefined) finish();
    else void this.flush().then(finish);
  }

  pump(): void {
    this.sender?.pump();
  }

  async close(): Promise<BytestreamEnd> {
    await (this.phase === "closed"
      ? (this.closing ?? this.closeSent)
      : (this.closing ??= this.flushAndClose()));
    return this.ended ?? { by: "local" };
  }

  expectClose(withinMs: number): void {
    if (this.phase !== "open") return;
    this.stopTaking();
    this.closeTimer = setTimeout(() => void this.close(), withinMs);
  }

  abandon(end: BytestreamEnd): void {
    this.early = undefined;
    this.end(end);
  }

  end(end: BytestreamEnd): void {
    if (this.phase === "closed") return;
    this.phase = "closed";
    this.ended = end;
    this.accepting = false;
    clearTimeout(this.closeTimer);
    this.sender?.stop();
    this.host.onGone(this, this.awaited ? this.closeSent : undefined);
    this.tellEnd(end);
  }

  endAndClose(end: BytestreamEnd): void {
    if (this.phase === "closed") return;
    const { error } = end;
    if (error !== undefined && this.closeSent === undefined) {
      const { onFault } = this;
      this.onFault = undefined;
      callGuarded("a fault handler", () => onFault?.({ ...end, error }));
    }
    // The handler may have ended the stream.
    if ((this.phase as string) === "closed") return;
    if (this.closeSent === undefined) void this.sendClose();
    this.end(end);
  }

  private assertUnwritten(): void {
    if (this.mode === "iq" || this.sender !== undefined)
      throw new TypeError("`stanza` is only for streams in message mode on which `write` is not used");
  }

  /** Handles a number that is not the expected one. Returns the error with which to answer. */
  private outOfTurn(seq: number, kind: "message" | "iq"): StanzaError | undefined {
    // XEP-0047 §2.2: the sender closes after this error. The stream itself misses no block.
    if (this.order.turnOf(seq) === "repeated") return unexpected(`seq ${String(seq)} was used already`);
    // XEP-0047 §2.2: a packet was lost. Process neither this one nor any after it, and close.
    const error = unexpected(`seq ${String(seq)} came instead of ${String(this.order.due)}`);
    this.endAndClose({ by: "transport", error });
    // XEP-0047 §2.2: a processed iq is answered by a result, so this one is answered by an error. A message has no
    // answer.
    return kind === "iq" ? error : undefined;
  }

  /** Passes a block to the handler. After a fault the stream is closed, and the error is returned. */
  private deliver(block: Uint8Array, info: BlockInfo): StanzaError | undefined {
    if (this.blockHandler === undefined) return this.keepEarly(block, info);
    const refuse = (error: unknown): StanzaError => {
      warn("a block handler failed", error);
      return this.endWith(new StanzaError("internal-server-error", "cancel"));
    };
    try {
      const result: unknown = this.blockHandler(block, info);
      if (isThenable(result)) Promise.resolve(result).catch(refuse);
      return undefined;
    } catch (error) {
      return refuse(error);
    }
  }

  private keepEarly(block: Uint8Array, info: BlockInfo): StanzaError | undefined {
    this.early ??= new EarlyBlocks();
    if (this.early.add(block, info)) return undefined;
    this.early = undefined;
    return this.endWith(new StanzaError("resource-constraint", "wait"));
  }

  private endWith(error: StanzaError, by: "local" | "transport" = "local"): StanzaError {
    this.endAndClose({ by, error });
    return error;
  }

  private tellEnd(end: BytestreamEnd): void {
    if (this.endHandler === undefined) this.unheardEnd = end;
    else callGuarded("an end handler", () => this.endHandler?.(end));
  }

  private tellState(): void {
    callGuarded("a state handler", () => this.onState?.(this.state));
  }

  private stopTaking(): void {
    this.phase = "closing";
    this.tellState();
    this.accepting = false;
  }

  private sendClose(): Promise<void> {
    const { connection } = this.host;
    const iq = xml("iq", { type: "set", to: this.peer }, xml("close", { xmlns: NS.IBB, sid: this.sid }));
    if (connection.kind === "component") iq.attrs["from"] = this.own;
    this.awaited = this.host.mayAwaitClose();
    if (this.awaited) {
      // XEP-0047 §2.3: any answer closes the stream, and so does the lack of one.
      this.closeSent = connection.request(iq, { timeoutMs: CLOSE_TIMEOUT_MS }).then(
        () => undefined,
        () => undefined,
      );
    } else {
      iq.attrs["id"] = randomText(8);
      connection.sendElement(iq);
      this.closeSent = Promise.resolve();
    }
    return this.closeSent;
  }

  private beginToWrite(): BytestreamSender {
    const { connection, createSender } = this.host;
    if (createSender === undefined) throw new TypeError("these bytestreams send by `stanza` only");
    const { peer, own, sid, mode } = this;
    return createSender(
      {
        ...{ connection, peer, own, sid, mode },
        onSuspended: () => {
          if (this.phase === "open") this.tellState();
        },
        onDrain: () => {
          if (this.accepting) callGuarded("a drain handler", () => this.onDrain?.());
        },
        onFailed: (end, tellPeer) => {
          if (tellPeer) this.endAndClose(end);
          else this.end(end);
        },
      },
      this.out.sent % SEQ_COUNT,
    );
  }

  private async flush(): Promise<void> {
    const { sender } = this;
    if (sender === undefined || (await sender.flush())) return;
    // The end must report that accepted blocks were not delivered. And no block may follow the `<close/>`.
    sender.stop();
    const text = "not all was delivered before the close";
    this.undelivered = new StanzaError("remote-server-timeout", "wait", text);
  }

  private endAfterFlush(by: "local" | "peer"): void {
    this.end({ by, ...(this.undelivered !== undefined && { error: this.undelivered }) });
  }

  private async flushAndClose(): Promise<void> {
    if (this.phase === "open") this.stopTaking();
    if (this.sender !== undefined && !this.sender.empty) await this.flush();
    // The peer may have closed during the flush.
    if ((this.phase as string) !== "closed" && !this.peerCloses) {
      // XEP-0047 §2.3: until its answer, the peer may send its remaining blocks.
      await this.sendClose();
      this.endAfterFlush("local");
    }
    await this.closeSent;
  }

  private refuse(condition: string, text: string, type: "cancel" | "modify" = "cancel"): StanzaError {
    return this.endWith(new StanzaError(condition, type, text), "transport");
  }

  private tooLarge(): StanzaError {
    // XEP-0047 §2.2 names no condition for this fault. §2.1 uses this one for a block size.
    const text = `a block is larger than ${String(this.agreedBytes)} bytes`;
    return this.refuse("resource-constraint", text, "modify");
  }
}
