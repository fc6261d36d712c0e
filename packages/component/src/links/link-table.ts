import { setTimeout as delay } from "node:timers/promises";
import {
  assertNever,
  createHello,
  DEFAULT_LINK_POLICY,
  linkCodeOf,
  StanzapackError,
  type Frame,
  type HelloFrame,
  type Limits,
} from "@stanzapack/wire";
import {
  backoffMs,
  bareJid,
  StanzaError,
  type Bytestream,
  type BytestreamEnd,
  type Connection,
  type InBandBytestreams,
  type OpenRequest,
  type ReconnectPolicy,
  monotonicNow,
} from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Broker } from "../broker/broker.js";
import { Throttle } from "../budgets/throttle.js";
import { ClientLink } from "./client-link.js";
import type { ComponentConfig, ComponentLimits } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { FrameRequests } from "../negotiation/frame-requests.js";
import { FewSet } from "../base/few.js";
import { hasMore, Intake } from "./intake.js";
import { MIN_BLOCK_BYTES } from "../fanout/lane.js";
import { askClient } from "./liveness.js";
import { toStanzaError } from "../forms/errors.js";
import { OpenAdmission } from "../budgets/open-admission.js";
import { ServerWatch } from "./server-watch.js";
import type { ComponentStats } from "../base/stats.js";

/** Deflated rows too: a publisher without the columnar codec may send them. */
const READS: HelloFrame["codecs"] = ["rows", "deflated", "coded"];
/** A link must say HELLO within this, in ms. */
const HELLO_MS = 15_000;
/** What a link still holds when it is closed is read for so long, in ms. */
const CLOSED_MS = 60_000;
/** And so long as the server answers after that, in ms. */
const HELLO_GRACE_MS = 2_000;
/** A client that said BYE closes its bytestream within this, in ms, or the component does. */
const CLOSE_MS = 2_000;
/** Stanzas that are not known to have arrived make the component ask, so that lean ones go on. 1,024: half of what may be out. */
const ASK_OUTSTANDING = 1_024;
/** Of links that an interrupted stream may have cost stanzas, so many are asked with each sweep, and each so often before it is verified. */
const ASKED_A_SWEEP = 1_000;
const MAX_ASKED = 3;
/** A link whose client's server is away is kept for so long, in ms, and asked so often, with full jitter: many may have the same server. */
const SUSPENDED_MS = 60_000;
const ASK_AGAIN: ReconnectPolicy = { minMs: 2_000, maxMs: 10_000 };
/** A client's own question waits so long for what came before it to be read, looking so often, in ms: clients give up after 10 s. */
const READ_MS = 8_000;
const READ_POLL_MS = 20;
/** Most questions of one link that wait for it; an SDK has three. */
const MAX_READ_WAITS = 8;

/** A link that was asked for an acknowledgement so often. */
interface Asked {
  tries: number;
  /** How often it had been heard of when it was asked first, and how many data stanzas had been sent. */
  heard: number;
  sent: number;
}

/** Every link of the component: admits, dispatches frames, asks silent ones whether they live, ends them. */
export class LinkTable {
  private readonly links = new Map<string, ClientLink>();
  /** The same by bare JID. */
  private readonly accounts = new Map<string, FewSet<ClientLink>>();
  private readonly admission: OpenAdmission;
  private readonly intake = new Intake<ClientLink>((link) => this.readNext(link));
  private readonly throttle: Throttle;
  private readonly watch: ServerWatch;
  /** Those that have not answered since the stream to the server was interrupted. */
  private readonly unsure = new Map<ClientLink, Asked>();
  /** One for all links. */
  private readonly onPending = (link: ClientLink): void => this.fanOut.linkPending(link);

  constructor(
    private readonly connection: Connection,
    private readonly streams: InBandBytestreams,
    private readonly broker: Broker,
    private readonly fanOut: FanOut,
    private readonly requests: FrameRequests,
    private readonly settings: {
      readonly limits: ComponentLimits;
      readonly wireLimits: Limits;
      /** For links that are opened from now on. */
      readonly envelope: ComponentConfig["envelope"];
    },
    private readonly stats: ComponentStats,
    private readonly log: Logger,
  ) {
    const { limits } = settings;
    this.watch = new ServerWatch(connection);
    requests.resumption.onTakeOver = (link) =>
      this.bye(link, new StanzapackError("conflict", "the link was resumed as another one"));
    this.throttle = new Throttle(broker.budgets, limits, stats, log, (link) => broker.demand.tellAll(link));
    broker.budgets.onCut = (account, error) => {
      log.warn({ account: account.name, forSeconds: limits.cutOffSeconds }, error.text);
      for (const link of this.links.values()) if (link.pace.accounts.includes(account)) this.bye(link, error);
    };
    this.admission = new OpenAdmission({
      get perSecond() {
        return limits.opensPerSecond;
      },
      get burst() {
        return limits.opensBurst;
      },
    });
    streams.onOpen = (request) => this.admit(request);
    streams.onStream = (stream) => this.accept(stream);
    fanOut.onCost = (bareJid, ms) => this.intake.charge(bareJid, ms);
    // An error that fits no stream only hints that its sender may be gone.
    streams.onError = (from) => this.hint(from);
    streams.onStray = () => this.stats.strays++;
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

  /** The live links of all sessions of a bare JID. */
  ofAccount(bareJid: string): Iterable<ClientLink> {
    return this.accounts.get(bareJid) ?? [];
  }

  private admit(request: OpenRequest): void {
    try {
      if (!request.from.includes("/")) throw new StanzapackError("jid-mismatch", "a link needs a full JID");
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
      const { budgets } = this.broker;
      budgets.request(request.from);
      if (!this.links.has(request.from)) budgets.checkRoom(request.from, "links");
      // Last: what is wrong takes no turn of somebody else's.
      budgets.open(request.from, this.admission);
    } catch (error) {
      this.broker.refused(request.from, "a link", error);
      throw toStanzaError(error);
    }
  }

  private accept(stream: Bytestream): void {
    const old = this.links.get(stream.peer);
    if (old !== undefined)
      this.bye(old, new StanzapackError("conflict", `${stream.peer} has opened a newer link`));
    const link = new ClientLink(
      stream,
      // As the server stamped it: parsing it could make one account of two.
      bareJid(stream.peer),
      monotonicNow(),
      this.settings.wireLimits,
      this.onPending,
      this.connection.jid,
      this.throttle.createPace(stream.peer),
    );
    this.broker.budgets.count(stream.peer, "links", 1);
    this.links.set(stream.peer, link);
    this.accounts.set(link.bareJid, (this.accounts.get(link.bareJid) ?? new FewSet<ClientLink>()).add(link));
    this.stats.links = this.links.size;
    stream.onBlock = (block, { label }) => this.receive(link, block, label);
    stream.onProbe = (chars) => link.envelope.onProbe(chars);
    stream.onFault = ({ error }) => {
      // XEP-0047 §2.2: its client does not know this bytestream, and nobody reads what is said.
      if (error.condition === "item-not-found") return;
      const text = `the bytestream broke: ${error.text === "" ? error.condition : error.text}`;
      this.bye(link, new StanzapackError(linkCodeOf(error.condition), text));
    };
    stream.onEnd = (end) => this.streamEnded(link, end);
    const token = this.requests.resumption.issue(link);
    // Where every tag was used with this JID within the hour, the link stays on In-Band Bytestreams.
    const tag = this.settings.envelope === "auto" ? stream.takeTag() : undefined;
    link.session.lean = tag !== undefined;
    const lean = tag === undefined ? null : { tag };
    link.sendFrame(createHello({ token, codecs: READS, lean }, this.settings.wireLimits));
    this.log.info({ jid: stream.peer, sid: stream.sid, links: this.links.size }, "link opened");
  }

  private receive(link: ClientLink, block: Uint8Array, label: number | undefined): void {
    // Also where it has to wait until it is read.
    link.heardAt = monotonicNow();
    link.hear();
    // Something of it comes through: asked with the next sweep it may answer.
    if (link.suspension !== undefined) link.suspension.askAt = 0;
    const isFirst = link.session.peerHello === undefined && link.inbox.blocks.length === 0;
    if (link.ended || this.intake.put(link, block, label, isFirst)) return;
    this.stats.refusals++;
    this.bye(
      link,
      new StanzapackError("limit-exceeded", "too much of this link waits to be read", { origin: "peer" }),
    );
  }

  /** The next frame of its inbox; of a new block, all up to the first with data. */
  private readNext(link: ClientLink): void {
    const { inbox, session } = link;
    const now = monotonicNow();
    try {
      const block = inbox.frames.length === 0 ? inbox.blocks.shift() : undefined;
      if (block !== undefined) {
        inbox.bytes -= block.bytes.length;
        inbox.blockBytes = block.bytes.length;
        for (const frame of session.receive(block.bytes, now, block.label)) inbox.frames.push(frame);
      }
      for (let frame = inbox.frames.shift(); frame !== undefined; frame = inbox.frames.shift()) {
        this.dispatch(link, frame, now);
        if (link.ended) return;
        if ((frame.type === "data" || frame.type === "coded") && inbox.frames.length > 0) return;
      }
      this.throttle.received(link, inbox.blockBytes, now);
      if (link.closedAt !== undefined && !hasMore(inbox)) return this.end(link, "closed");
      if (session.ackDue(now) && !link.pace.owes) link.sendAck();
      link.noteAcknowledged();
      if (link.detached.size > 0 && link.maySendData) this.broker.detached.reattach(link, now);
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
        link.applyHello(frame);
        return link.envelope.start(frame, link.session.lean, now);
      case "envelope":
        return link.envelope.onFrame(frame);
      case "ack":
        return;
      case "data":
      case "coded":
      case "status": {
        const service = link.services.get(frame.alias);
        if (service !== undefined)
          return frame.type === "status"
            ? this.broker.status.set(service, frame)
            : this.broker.publishing.publish(service, frame, now);
        // Data for a withdrawn service may still have been on its way; an alias never bound is a fault.
        if (!link.isRetired(frame.alias)) {
          throw new StanzapackError(
            "unknown-alias",
            `${frame.type === "status" ? "STATUS" : "DATA"} for alias ${frame.alias}, which is no service of this link`,
            { origin: "peer" },
          );
        }
        return;
      }
      case "subscribe":
      case "change":
      case "resume":
        // One that its client closed gets no more subscriptions.
        if (link.closedAt === undefined) this.requests.accept(link, frame);
        return;
      case "bye":
        if (frame.code === "stopped") this.requests.resumption.forget(link);
        // Its client closes the bytestream; where it does not, this side does.
        link.stream.expectClose(CLOSE_MS);
        return this.end(link, `the client said ${frame.code}`, false);
      case "error":
        // One block holds ten thousand of them, and `info` is written by default.
        this.log.debug({ jid: link.jid, code: frame.code, alias: frame.alias }, `client: ${frame.text}`);
        return;
      case "credit":
        return this.broker.detached.credit(link, frame, now);
      case "bind":
      case "demand":
      case "grant":
      case "refused":
      case "done":
        throw new StanzapackError("protocol", `${frame.type} is the component's to send`, { origin: "peer" });
      default:
        assertNever(frame);
    }
  }

  private streamEnded(link: ClientLink, end: BytestreamEnd): void {
    if (end.error === undefined && hasMore(link.inbox)) {
      // What it published before it went is still read; nothing more is sent.
      link.closedAt = monotonicNow();
      this.requests.linkEnded(link);
      this.broker.subscriptions.linkEnded(link);
      return;
    }
    this.end(link, end.error === undefined ? "closed" : end.error.message);
  }

  /** Says why, closes the bytestream, ends the link. */
  private bye(link: ClientLink, error: StanzapackError): void {
    if (link.ended) return;
    link.sendFrame({ type: "bye", code: error.code, text: error.text });
    this.write(link);
    void link.stream.close();
    this.end(link, error.text);
  }

  /** What has come is read, if that takes no longer than the client waits for it, and acknowledged before whatever is written next. */
  async acknowledge(link: ClientLink): Promise<void> {
    await this.read(link);
    if (link.ended || link.inbox.frames.length > 0 || link.session.ackDueAt === undefined) return;
    link.sendAck();
    this.write(link);
  }

  /** What has come is read, at the latest after `READ_MS`. At once where too many wait for that already. */
  async read(link: ClientLink): Promise<void> {
    if (link.readWaits >= MAX_READ_WAITS) return;
    const until = monotonicNow() + READ_MS;
    link.readWaits++;
    while (hasMore(link.inbox) && !link.ended && monotonicNow() < until) await delay(READ_POLL_MS);
    link.readWaits--;
  }

  /** Without a stream it waits, as the link's other frames do: what is taken has its place in the order. */
  private write(link: ClientLink): void {
    if (this.connection.state !== "online") return;
    const stanzas = link.takeStanzas(monotonicNow());
    this.connection.send(stanzas.join(""), stanzas.length, true);
  }

  private end(link: ClientLink, why: string, abandons = true): void {
    if (link.ended) return;
    link.ended = true;
    this.intake.forget(link);
    if (this.links.get(link.jid) === link) this.links.delete(link.jid);
    const others = this.accounts.get(link.bareJid);
    others?.delete(link);
    if (others?.size === 0) this.accounts.delete(link.bareJid);
    this.stats.links = this.links.size;
    this.stats.linksEnded++;
    this.requests.linkEnded(link);
    this.broker.budgets.count(link.jid, "links", -1);
    this.broker.linkEnded(link, monotonicNow());
    if (abandons) link.stream.abandon({ by: "local" });
    this.log.info({ jid: link.jid, links: this.links.size }, `link ended: ${why}`);
  }

  /** Something suggests that this full JID is gone; the verdict is an iq (presence may come late, early or never). */
  hint(fullJid: string): void {
    const link = this.links.get(fullJid);
    if (link !== undefined && link.closedAt === undefined && link.suspension === undefined)
      void this.verify(link, true);
  }

  /**
   * Whether the link's client lives, as far as can be told; ends the link if not. Who asks while a question is out gets its answer. A
   * client is given `answerSeconds`, which count only while the server answers. `isHinted`: something else says too that nobody is
   * there to be told the reason.
   */
  verify(link: ClientLink, isHinted = false): Promise<boolean> {
    if (link.ended) return Promise.resolve(false);
    return (link.verifying ??= this.ask(link, isHinted).finally(() => (link.verifying = undefined)));
  }

  private async ask(link: ClientLink, isHinted: boolean): Promise<boolean> {
    const { waitingSince } = link.session;
    const patience = { watch: this.watch, ms: this.settings.limits.answerSeconds * 1_000 };
    const verdict = await askClient(this.connection, patience, link, (it) => this.write(it));
    if (link.ended || verdict === "unknown") return !link.ended;
    // RFC 6120 §8.3.2: what it is asked again later may be answered.
    if (verdict instanceof StanzaError && verdict.type === "wait")
      this.suspend(link, verdict, monotonicNow());
    else if (verdict !== "alive") this.endSilent(link, verdict, isHinted);
    else {
      link.heardAt = monotonicNow();
      link.suspension = undefined;
      // The client acknowledges before it answers: what is still unacknowledged from before the question was lost.
      const silent = waitingSince !== undefined && link.session.waitingSince === waitingSince;
      if (silent && !hasMore(link.inbox))
        this.bye(link, new StanzapackError("gap", "stanzas were lost on the way"));
      else if (link.detached.size > 0 && link.maySendData)
        this.broker.detached.reattach(link, monotonicNow());
    }
    return !link.ended;
  }

  /** Unless the server, which holds it, stands still. */
  private async giveUpHello(link: ClientLink): Promise<void> {
    if (link.hopeless) return;
    link.hopeless = true;
    if ((await this.watch.answeredFor(HELLO_GRACE_MS)) && link.session.peerHello === undefined)
      this.bye(link, new StanzapackError("timeout", `no HELLO within ${HELLO_MS} ms`));
    link.hopeless = false;
  }

  private endSilent(link: ClientLink, { message }: Error, isHinted: boolean): void {
    const text = `the client does not answer: ${message}`;
    if (isHinted) this.end(link, text);
    else this.bye(link, new StanzapackError("timeout", text));
  }

  private suspend(link: ClientLink, error: StanzaError, now: number): void {
    if (link.suspension === undefined) {
      link.suspension = { since: now, askAt: 0, tries: 0 };
      this.stats.suspensions++;
      this.log.debug({ jid: link.jid }, `link suspended: ${error.message}`);
    }
    const { suspension } = link;
    if (now - suspension.since >= SUSPENDED_MS) return this.endSilent(link, error, false);
    suspension.askAt = now + backoffMs(ASK_AGAIN, suspension.tries++, Math.random());
  }

  /**
   * The stream to the server was interrupted: stanzas may be lost, in both directions, and for a while after it too, since a server may take
   * the old stream for alive. Each client is asked for an acknowledgement until it comes. Whichever side lacks a stanza finds that out by it,
   * so that nothing stands still until one is due.
   */
  askAll(): void {
    for (const link of this.links.values()) this.unsure.set(link, { tries: 0, heard: 0, sent: 0 });
    this.askSome();
  }

  private askSome(): void {
    let left = ASKED_A_SWEEP;
    for (const [link, asked] of [...this.unsure]) {
      if (left === 0) return;
      const { session } = link;
      const hasAnswered =
        asked.tries > 0 && link.heard > asked.heard && session.acknowledgedStanzas >= asked.sent;
      // To the end of the row.
      this.unsure.delete(link);
      if (link.ended || link.closedAt !== undefined || hasAnswered) continue;
      left--;
      if (asked.tries === MAX_ASKED) void this.verify(link);
      else {
        if (asked.tries === 0) [asked.heard, asked.sent] = [link.heard, session.sentStanzas];
        asked.tries++;
        this.unsure.set(link, asked);
        link.askAck();
      }
    }
  }

  /** Once a second: acknowledgements due by time, clients that owe one too long or are silent, links that never said HELLO. */
  sweep(now: number): void {
    this.throttle.sweep(now);
    this.intake.sweep();
    this.askSome();
    for (const link of this.links.values()) {
      const { session } = link;
      if (link.closedAt !== undefined) {
        if (now - link.closedAt > CLOSED_MS) this.end(link, "closed");
        continue;
      }
      if (link.suspension !== undefined) {
        if (now >= link.suspension.askAt) void this.verify(link);
        continue;
      }
      this.watchProbe(link, now);
      // Not of a block that is being read: its updates may still be lost with the link.
      if (session.ackDue(now) && link.inbox.frames.length === 0 && !link.pace.owes) link.sendAck();
      if (session.peerHello === undefined && now - link.openedAt > HELLO_MS) {
        void this.giveUpHello(link);
      } else if (
        now - (session.waitingSince ?? now) > this.patienceMs(link) ||
        // One that gets no data owes no acknowledgement, and its presence may never have been sent here.
        now - link.heardAt > this.settings.limits.silentSeconds * 1000 ||
        // Of control frames: nothing else confirms them.
        (link.envelope.lean && link.stream.outstanding >= ASK_OUTSTANDING)
      ) {
        void this.verify(link);
      }
    }
  }

  /** How long data may be unacknowledged, in ms: with half the credit out its client acknowledges at once. */
  private patienceMs({ session }: ClientLink): number {
    const { unackedSeconds, lazyUnackedSeconds } = this.settings.limits;
    const isLazy = session.lazy && session.unacked < DEFAULT_LINK_POLICY.ackEveryStanzas;
    return (isLazy ? lazyUnackedSeconds : unackedSeconds) * 1_000;
  }

  private watchProbe(link: ClientLink, now: number): void {
    const { expiresAt } = link.envelope;
    if (expiresAt === undefined || now < expiresAt || !link.envelope.expire(now)) return;
    this.log.info(
      { jid: link.jid },
      "link stays on In-Band Bytestreams: a lean stanza did not arrive as it was sent",
    );
  }

  /** Tells every client that the component stops, and closes every bytestream. */
  farewell(): void {
    for (const link of this.links.values())
      link.sendFrame({ type: "bye", code: "component-unavailable", text: "the component stops" });
    this.fanOut.flushAll([]);
    for (const { stream } of this.links.values()) void stream.close();
  }

  clear(): void {
    this.intake.stop();
    for (const link of [...this.links.values()]) {
      link.ended = true;
      link.stream.abandon({ by: "local" });
    }
    this.links.clear();
    this.accounts.clear();
  }
}
