import { assertNever, StanzapackError, type Frame, type Limits, type RawDeflate } from "@stanzapack/wire";
import {
  jid,
  NS,
  StanzaError,
  xml,
  type Bytestream,
  type BytestreamEnd,
  type Connection,
  type InBandBytestreams,
  type OpenRequest,
} from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { Admission } from "./admission.js";
import type { Broker } from "./broker.js";
import { ClientLink } from "./client-link.js";
import type { ComponentLimits } from "./config.js";
import type { FanOut } from "./fan-out.js";
import type { FrameRequests } from "./frame-requests.js";
import { MIN_BLOCK_BYTES } from "./lane.js";
import { toStanzaError } from "./negotiation/errors.js";
import type { ComponentStats } from "./stats.js";

/** A link must say HELLO within this, in ms. */
const HELLO_MS = 15_000;
/** How long a client has to answer whether it lives, in ms (XEP-0199). */
const PING_MS = 10_000;

/** Every link of the component: admits, dispatches frames, asks silent ones whether they live, ends them. */
export class LinkTable {
  private readonly links = new Map<string, ClientLink>();
  private readonly admission: Admission;

  constructor(
    private readonly connection: Connection,
    private readonly streams: InBandBytestreams,
    private readonly broker: Broker,
    private readonly fanOut: FanOut,
    private readonly requests: FrameRequests,
    private readonly settings: {
      readonly limits: ComponentLimits;
      readonly wireLimits: Limits;
      readonly deflate: RawDeflate;
    },
    private readonly stats: ComponentStats,
    private readonly log: Logger,
  ) {
    const { opensPerSecond: perSecond, opensBurst: burst } = settings.limits;
    this.admission = new Admission({ perSecond, burst });
    requests.resumption.onTakeOver = (link) => this.end(link, "resumed on another link");
    streams.onOpen = (request) => this.admit(request);
    streams.onStream = (stream) => this.accept(stream);
    // An error that fits no stream only hints that its sender may be gone.
    streams.onError = (from) => this.hint(from);
  }

  get size(): number {
    return this.links.size;
  }

  /** The live link of a full JID. Throws `link-required`. */
  require(fullJid: string): ClientLink {
    const link = this.links.get(fullJid);
    if (link === undefined)
      throw new StanzapackError("link-required", `${fullJid} has no open link to ${this.connection.jid}`);
    return link;
  }

  get(fullJid: string): ClientLink | undefined {
    return this.links.get(fullJid);
  }

  private admit(request: OpenRequest): void {
    try {
      if (jid(request.from).resource === "")
        throw new StanzapackError("jid-mismatch", "a link needs a full JID");
      if (request.stanza !== "message")
        throw new StanzaError("not-acceptable", "cancel", "a link needs stanza='message'");
      if (request.blockSizeBytes < MIN_BLOCK_BYTES)
        throw new StanzaError(
          "not-acceptable",
          "cancel",
          `a link needs a block-size of at least ${MIN_BLOCK_BYTES}`,
        );
      if (this.links.size >= this.settings.limits.maxLinks && !this.links.has(request.from)) {
        throw new StanzapackError("busy", `${this.links.size} links are open, no more are allowed`);
      }
      // Last: what is wrong takes no turn of somebody else's.
      const retryAfterMs = this.admission.ask(performance.now(), Math.random());
      if (retryAfterMs !== undefined)
        throw new StanzapackError(
          "busy",
          `too many links are opened at once: come again in ${retryAfterMs} ms`,
          {
            retryAfterMs,
          },
        );
    } catch (error) {
      this.stats.refusals++;
      throw toStanzaError(error);
    }
  }

  private accept(stream: Bytestream): void {
    const old = this.links.get(stream.peer);
    if (old !== undefined) this.end(old, "replaced by a newer link");
    const link = new ClientLink(
      stream,
      jid(stream.peer).bare().toString(),
      Date.now(),
      this.settings.wireLimits,
      this.settings.deflate,
      (l) => this.fanOut.linkPending(l),
      this.connection.jid,
    );
    this.links.set(stream.peer, link);
    this.stats.links = this.links.size;
    stream.onBlock = (block) => this.receive(link, block);
    stream.onEnd = (end) => this.streamEnded(link, end);
    link.sendFrame({
      type: "hello",
      version: 0,
      maxBlockBytes: this.settings.wireLimits.maxBlockBytes,
      maxInflatedBytes: this.settings.wireLimits.maxInflatedBytes,
      maxStanzaBytes: 0,
      codecs: ["rows", "deflated", "coded"],
      hop: "plain",
      token: this.requests.resumption.issue(link),
    });
    this.log.debug({ jid: stream.peer, sid: stream.sid, links: this.links.size }, "link opened");
  }

  private receive(link: ClientLink, block: Uint8Array): void {
    if (link.ended) return;
    const now = Date.now();
    try {
      const frames = link.session.receive(block, now);
      for (const frame of frames) this.dispatch(link, frame, now);
      if (link.ended) return;
      if (link.session.ackDue(now)) link.sendAck();
      if (link.detached.size > 0 && link.session.maySendData) this.broker.reattach(link);
    } catch (error) {
      const fault =
        error instanceof StanzapackError
          ? error
          : new StanzapackError("internal", "a frame could not be handled", { cause: error });
      this.stats.refusals++;
      this.log.warn(
        { jid: link.jid, code: fault.code, err: fault.code === "internal" ? error : undefined },
        `link refused a frame: ${fault.text}`,
      );
      this.bye(link, fault);
    }
  }

  private dispatch(link: ClientLink, frame: Frame, now: number): void {
    if (link.ended) return;
    this.stats.framesReceived[frame.type]++;
    switch (frame.type) {
      case "hello":
        return link.applyHello(frame);
      case "ack":
        return;
      case "data":
      case "coded": {
        const service = link.services.get(frame.alias);
        if (service !== undefined) return this.broker.publish(service, frame, now);
        // Data for a withdrawn service may still have been on its way; an alias never bound is a fault.
        if (!link.isRetired(frame.alias) || link.subscriptions.has(frame.alias)) {
          throw new StanzapackError(
            "unknown-alias",
            `DATA for alias ${frame.alias}, which is no service of this link`,
            { origin: "peer" },
          );
        }
        return;
      }
      case "subscribe":
      case "change":
      case "resume":
        return this.requests.accept(link, frame);
      case "bye":
        this.requests.resumption.forget(link);
        return this.end(link, `the client said ${frame.code}`);
      case "error":
        this.log.info({ jid: link.jid, code: frame.code, alias: frame.alias }, `client: ${frame.text}`);
        return;
      case "bind":
      case "demand":
      case "status":
      case "grant":
      case "refused":
      case "done":
        throw new StanzapackError("protocol", `${frame.type} is the component's to send`, { origin: "peer" });
      default:
        assertNever(frame);
    }
  }

  private streamEnded(link: ClientLink, end: BytestreamEnd): void {
    this.end(link, end.error === undefined ? "closed" : end.error.message);
  }

  /** Says why, closes the bytestream, ends the link. */
  private bye(link: ClientLink, error: StanzapackError): void {
    if (link.ended) return;
    link.sendFrame({ type: "bye", code: error.code, text: error.text });
    const stanzas = link.takeStanzas(Date.now());
    this.connection.send(stanzas.join(""), stanzas.length);
    void link.stream.close();
    this.end(link, error.text);
  }

  end(link: ClientLink, why: string): void {
    if (link.ended) return;
    link.ended = true;
    if (this.links.get(link.jid) === link) this.links.delete(link.jid);
    this.stats.links = this.links.size;
    this.stats.linksEnded++;
    this.requests.linkEnded(link);
    this.broker.linkEnded(link, Date.now());
    link.stream.abandon({ by: "local" });
    this.log.debug({ jid: link.jid, links: this.links.size }, `link ended: ${why}`);
  }

  /** Something suggests that this full JID is gone; the verdict is an iq (presence may come late, early or never). */
  hint(fullJid: string): void {
    const link = this.links.get(fullJid);
    if (link !== undefined) void this.verify(link);
  }

  /** Whether the link's client lives; ends the link if not. XEP-0199 §4.? to the full JID. */
  async verify(link: ClientLink): Promise<boolean> {
    if (link.ended) return false;
    if (link.verifying) return true;
    link.verifying = true;
    const waitingSince = link.session.waitingSince;
    try {
      await this.connection.request(xml("iq", { type: "get", to: link.jid }, xml("ping", NS.PING)), {
        timeoutMs: PING_MS,
      });
      // The client acknowledges before it answers: what is still unacknowledged from before the question was lost.
      if (waitingSince !== undefined && link.session.waitingSince === waitingSince && !link.ended) {
        this.bye(link, new StanzapackError("gap", "stanzas were lost on the way"));
      }
    } catch (error) {
      if (this.connection.state === "online") this.end(link, `does not answer: ${(error as Error).message}`);
    } finally {
      link.verifying = false;
    }
    return !link.ended;
  }

  /** Once a second: acknowledgements due by time, clients that owe one too long, links that never said HELLO. */
  sweep(now: number): void {
    for (const link of this.links.values()) {
      const { session } = link;
      if (session.ackDue(now)) link.sendAck();
      if (session.peerHello === undefined && now - link.openedAt > HELLO_MS) {
        this.bye(link, new StanzapackError("timeout", `no HELLO within ${HELLO_MS} ms`));
      } else if (
        session.waitingSince !== undefined &&
        now - session.waitingSince > this.settings.limits.unackedSeconds * 1000
      ) {
        void this.verify(link);
      }
    }
  }

  /** Tells every client that the component stops. */
  farewell(): void {
    for (const link of this.links.values())
      link.sendFrame({ type: "bye", code: "component-unavailable", text: "the component stops" });
  }

  clear(): void {
    for (const link of [...this.links.values()]) {
      link.ended = true;
      link.stream.abandon({ by: "local" });
    }
    this.links.clear();
  }
}
