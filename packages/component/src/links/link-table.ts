import {
  createHello,
  linkCodeOf,
  StanzapackError,
  type HelloFrame,
  type Limits,
  type Sibling,
} from "@stanzapack/wire";
import {
  bareJid,
  monotonicNow,
  StanzaError,
  type Bytestream,
  type BytestreamEnd,
  type Connection,
  type InBandBytestreams,
  type OpenRequest,
} from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { FewSet } from "../base/few.js";
import type { ComponentStats } from "../base/stats.js";
import type { Broker } from "../broker/broker.js";
import { OpenAdmission } from "../budgets/open-admission.js";
import { Throttle } from "../budgets/throttle.js";
import type { ComponentConfig, ComponentLimits } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import { MIN_BLOCK_BYTES } from "../fanout/size-classes.js";
import { toStanzaError } from "../forms/errors.js";
import type { FrameRequests } from "../subscriptions/frame-requests.js";
import { ClientLink } from "./client-link.js";
import { FrameDispatch } from "./frame-dispatch.js";
import { hasMore } from "./intake.js";
import { InterruptedLinks } from "./interrupted-links.js";
import type { LinkEnds } from "./link-ends.js";
import { LinkReader } from "./link-reader.js";
import { LinkVerifier } from "./link-verifier.js";

/** Codecs that the component reads. A publisher without the columnar codec may send deflated rows. */
const READS: HelloFrame["codecs"] = ["rows", "deflated", "coded", "map"];
/** How long the component reads what a closed link still holds, in ms. */
const CLOSED_MS = 60_000;

/** The other nodes of the component, where there are several. */
export interface Siblings {
  /** Returns what HELLO says of them. Undefined: there is none now. */
  list(): readonly Sibling[] | undefined;
  /** Number of times that another node came. */
  readonly changes: number;
  /** Returns the domain of the node that should take a new link. `links`: those of this node. Undefined: this one. */
  better(links: number, isFull: boolean): string | undefined;
}

/** What may change while the component runs. */
export interface LinkSettings {
  readonly limits: ComponentLimits;
  readonly wireLimits: Limits;
  /** For links that are opened from now on. */
  envelope: ComponentConfig["envelope"];
  /** The other nodes, if the component has several. */
  siblings?: Siblings;
}

/**
 * All links of the component: admits, opens and ends links. Its parts read the links, and find out whether the clients
 * live.
 */
export class LinkTable implements LinkEnds {
  private readonly links = new Map<string, ClientLink>();
  /** Links by bare JID. */
  private readonly accounts = new Map<string, FewSet<ClientLink>>();
  private readonly admission: OpenAdmission;
  private readonly throttle: Throttle<ClientLink>;
  private readonly reader: LinkReader;
  private readonly verifier: LinkVerifier;
  private readonly interrupted = new InterruptedLinks((link) => void this.verifier.verify(link));
  /** One function for all links. */
  private readonly onPending = (link: ClientLink): void => this.fanOut.writerPending(link);

  constructor(
    private readonly connection: Connection,
    private readonly streams: InBandBytestreams,
    private readonly broker: Broker,
    private readonly fanOut: FanOut,
    private readonly requests: FrameRequests,
    private readonly settings: LinkSettings,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
  ) {
    const { limits } = settings;
    requests.resumption.onTakeOver = (link) =>
      this.bye(link, new StanzapackError("conflict", "the link was resumed as another one"));
    this.throttle = new Throttle(broker.budgets, limits, stats, log, (link) => broker.demand.tellAll(link));
    const dispatch = new FrameDispatch(broker, requests, stats, log, (link, why) =>
      this.end(link, why, false),
    );
    this.reader = new LinkReader({ ends: this, dispatch, throttle: this.throttle }, stats, log);
    this.verifier = new LinkVerifier(connection, this, limits, stats, log);
    broker.calls.onDoubt = (fullJid) => void this.verify(fullJid);
    broker.budgets.onCut = (account, error) => {
      log.warn({ account: account.name, forSeconds: limits.cutOffSeconds }, error.text);
      for (const link of this.links.values())
        if (link.throttle.accounts.includes(account)) this.bye(link, error);
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
    fanOut.onCost = (bareJid, ms) => this.reader.charge(bareJid, ms);
    // An error that fits no stream only hints that its sender may be gone.
    streams.onError = (from) => this.hint(from);
    streams.onStray = () => this.stats.strays++;
  }

  get size(): number {
    return this.links.size;
  }

  /** Returns the live link of a full JID. Throws `link-required`. */
  require(fullJid: string): ClientLink {
    const link = this.links.get(fullJid);
    if (link === undefined)
      throw new StanzapackError("link-required", `${fullJid} has no open link to ${this.connection.jid}`);
    return link;
  }

  get(fullJid: string): ClientLink | undefined {
    return this.links.get(fullJid);
  }

  /** Returns all live links. */
  all(): Iterable<ClientLink> {
    return this.links.values();
  }

  /** Returns the live links of all sessions of a bare JID. */
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
      if (!this.links.has(request.from)) this.assertPlace();
      const { budgets } = this.broker;
      budgets.request(request.from);
      if (!this.links.has(request.from)) budgets.checkRoom(request.from, "links");
      // The last check, so that a faulty request takes nobody's turn.
      budgets.open(request.from, this.admission);
    } catch (error) {
      this.broker.refused(request.from, "a link", error);
      throw toStanzaError(error);
    }
  }

  /** Throws `redirect` with the address of another node that should take one more link, or `busy`. */
  private assertPlace(): void {
    const { size } = this.links;
    const isFull = size >= this.settings.limits.maxLinks;
    const other = this.settings.siblings?.better(size, isFull);
    if (other !== undefined)
      throw new StanzaError(
        ...(["redirect", "modify", `another node has more room: ${other}`, undefined, undefined] as const),
        `xmpp:${other}`,
      );
    if (!isFull) return;
    this.stats.overQuota++;
    throw new StanzapackError("busy", `${size} links are open, no more are allowed`);
  }

  private accept(stream: Bytestream): void {
    const old = this.links.get(stream.peer);
    if (old !== undefined)
      this.bye(old, new StanzapackError("conflict", `${stream.peer} has opened a newer link`));
    const link = new ClientLink(
      stream,
      // Cut from the JID as the server stamped it. To parse the JID could make one account of two.
      bareJid(stream.peer),
      monotonicNow(),
      this.settings.wireLimits,
      this.onPending,
      this.connection.jid,
      this.throttle.createState(stream.peer),
    );
    this.broker.budgets.count(stream.peer, "links", 1);
    this.links.set(stream.peer, link);
    this.accounts.set(link.bareJid, (this.accounts.get(link.bareJid) ?? new FewSet<ClientLink>()).add(link));
    this.stats.links = this.links.size;
    stream.onBlock = (block, { label }) => this.reader.receive(link, block, label);
    stream.onProbe = (chars) => link.envelope.onProbe(chars);
    stream.onFault = ({ error }) => {
      // XEP-0047 §2.2: the client does not know this bytestream, so nobody would read BYE.
      if (error.condition === "item-not-found") return;
      const text = `the bytestream broke: ${error.text === "" ? error.condition : error.text}`;
      this.bye(link, new StanzapackError(linkCodeOf(error.condition), text));
    };
    stream.onEnd = (end) => this.streamEnded(link, end);
    const token = this.requests.resumption.issue(link);
    // If every tag was used with this JID within the hour, the link stays on In-Band Bytestreams.
    const tag = this.settings.envelope === "auto" ? stream.takeTag() : undefined;
    link.session.lean = tag !== undefined;
    const lean = tag === undefined ? null : { tag };
    const siblings = this.settings.siblings?.list();
    link.siblingsKnown = this.settings.siblings?.changes ?? 0;
    link.sendFrame(
      createHello(
        {
          ...{ token, codecs: READS, lean, kept: true, maps: true, calls: true, digests: true },
          ...(siblings && { siblings }),
        },
        this.settings.wireLimits,
      ),
    );
    this.log.info({ jid: stream.peer, sid: stream.sid, links: this.links.size }, "link opened");
  }

  private streamEnded(link: ClientLink, end: BytestreamEnd): void {
    if (end.error === undefined && hasMore(link.inbox)) {
      // The component still reads what the client published before. It sends the client nothing more.
      link.closedAt = monotonicNow();
      this.requests.linkEnded(link);
      this.broker.subscriberGone(link);
      return;
    }
    this.end(link, end.error === undefined ? "closed" : end.error.message);
  }

  /** Tells the client why by BYE, closes the bytestream, and ends the link. Idempotent. */
  bye(link: ClientLink, error: StanzapackError): void {
    if (link.ended) return;
    link.sendFrame({ type: "bye", code: error.code, text: error.text });
    this.write(link);
    void link.stream.close();
    this.end(link, error.text);
  }

  /** The same as `read`. Then acknowledges what was read, in front of whatever is written next. */
  acknowledge(link: ClientLink): Promise<void> {
    return this.reader.acknowledge(link);
  }

  /** Resolves when everything that arrived on the link of this full JID is read, within the bounds of `LinkReader`. */
  async read(fullJid: string): Promise<void> {
    const link = this.links.get(fullJid);
    if (link !== undefined) await this.reader.read(link);
  }

  /**
   * Writes what waits on the link. Without a stream to the server nothing is taken, because stanzas that are taken have
   * their place in the order.
   */
  write(link: ClientLink): void {
    if (this.connection.state !== "online") return;
    const stanzas = link.takeStanzas(monotonicNow());
    this.connection.send(stanzas.join(""), stanzas.length, true);
  }

  /** Ends the link without a word. `abandons`: the client's bytestream ends too, without a word. Idempotent. */
  end(link: ClientLink, why: string, abandons = true): void {
    if (link.ended) return;
    link.ended = true;
    this.reader.forget(link);
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

  /** Something suggests that this full JID is gone. An iq decides: presence may come late, early or never. */
  hint(fullJid: string): void {
    const link = this.links.get(fullJid);
    if (link !== undefined && link.closedAt === undefined && link.suspension === undefined)
      void this.verifier.verify(link, true);
  }

  /** Resolves with whether the full JID has a link whose client lives, as far as can be told. Ends the link if not. */
  async verify(fullJid: string): Promise<boolean> {
    const link = this.links.get(fullJid);
    return link !== undefined && (await this.verifier.verify(link));
  }

  /** The stream to the server was interrupted: every client is asked whether stanzas were lost. */
  askAll(): void {
    this.interrupted.askAll(this.links.values());
  }

  /** Once a second: everything that is due by time. */
  sweep(now: number): void {
    this.throttle.sweep(now);
    this.reader.sweep();
    this.interrupted.sweep();
    const { siblings } = this.settings;
    for (const link of this.links.values()) {
      if (siblings !== undefined && link.siblingsKnown < siblings.changes) tellSiblings(link, siblings);
      if (link.closedAt !== undefined) {
        if (now - link.closedAt > CLOSED_MS) this.end(link, "closed");
        continue;
      }
      if (link.suspension === undefined) {
        this.watchProbe(link, now);
        this.reader.acknowledgeDue(link, now);
      }
      this.verifier.check(link, now);
    }
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

  /** Ends all links: other nodes of the component take them. */
  sendAway(why: string): void {
    for (const link of [...this.links.values()])
      this.bye(link, new StanzapackError("component-unavailable", why));
  }

  clear(): void {
    this.reader.stop();
    for (const link of [...this.links.values()]) {
      link.ended = true;
      link.stream.abandon({ by: "local" });
    }
    this.links.clear();
    this.accounts.clear();
  }
}

/** Tells a client of the other nodes, because one has come since it heard of them. */
function tellSiblings(link: ClientLink, siblings: Siblings): void {
  const { peerHello } = link.session;
  if (peerHello === undefined || link.closedAt !== undefined) return;
  link.siblingsKnown = siblings.changes;
  if (peerHello.siblings !== undefined) link.sendFrame({ type: "nodes", siblings: siblings.list() ?? [] });
}
