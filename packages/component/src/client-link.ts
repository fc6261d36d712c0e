import {
  createBlockWriter,
  encodeFrame,
  LinkSession,
  MAX_ALIAS,
  StanzapackError,
  type BlockWriter,
  type Frame,
  type Limits,
  type RawDeflate,
} from "@stanzapack/wire";
import { encodeBase64, type Bytestream } from "@stanzapack/xmpp";
import { SIZE_CLASSES } from "./lane.js";
import type { Service } from "./service.js";
import type { Subscription } from "./subscription.js";

/** The component's side of one client's link. */
export class ClientLink {
  readonly session: LinkSession;
  readonly subscriptions = new Map<number, Subscription>();
  readonly services = new Map<number, Service>();
  /** Subscriptions that wait for acknowledgements. */
  readonly detached = new Set<Subscription>();
  readonly sizeClass: number;
  /** A question whether the client lives is under way. */
  verifying = false;
  ended = false;
  private readonly writer: BlockWriter;
  private lastAlias = -1;

  constructor(
    readonly stream: Bytestream,
    readonly bareJid: string,
    readonly openedAt: number,
    limits: Limits,
    deflate: RawDeflate,
    /** Called when something waits to be written. */
    private readonly onPending: (link: ClientLink) => void,
  ) {
    this.session = new LinkSession(limits, deflate);
    this.writer = createBlockWriter(stream.blockSizeBytes);
    this.sizeClass = SIZE_CLASSES.find((size) => size <= stream.blockSizeBytes) as number;
  }

  get jid(): string {
    return this.stream.peer;
  }

  /** A new alias; never reused within the link. Throws `limit-exceeded` when they are used up. */
  takeAlias(): number {
    if (this.lastAlias === MAX_ALIAS)
      throw new StanzapackError("limit-exceeded", "the link has used up its aliases: open it again");
    return ++this.lastAlias;
  }

  /** The alias was bound once and is no more: what still comes for it was on its way. */
  isRetired(alias: number): boolean {
    return alias <= this.lastAlias;
  }

  append(base64: string, data: boolean): void {
    if (this.ended) return;
    if (this.writer.empty) this.onPending(this);
    this.writer.append(base64, data);
  }

  sendFrame(frame: Frame): void {
    this.append(encodeBase64(encodeFrame(frame)), false);
  }

  sendAck(): void {
    this.append(encodeBase64(this.session.takeAck()), false);
  }

  /** The stanzas that wait, as text. */
  takeStanzas(now: number): string[] {
    return this.writer.take().map(({ base64, data }) => {
      if (data) this.session.sentData(now);
      return this.stream.stanza(base64);
    });
  }
}
