import { StanzapackError, type Frame, type RowCodec } from "@stanzapack/wire";
import {
  backoffMs,
  sleep,
  StanzaError,
  xml,
  type Connection,
  type InBandBytestreams,
  monotonicNow,
} from "@stanzapack/xmpp";
import { toStanzapackError } from "../base/errors.js";
import { FrameRouter, type Holdings } from "./frame-router.js";
import { LinkEnd } from "../link/link-end.js";
import type { EnvelopeKind } from "../link/link-envelope.js";
import { Link, type LinkEvents } from "../link/link.js";
import type { Negotiation } from "../negotiation/negotiation.js";
import type { CurrentLink } from "./current-link.js";
import type { NodeChoice } from "./node-choice.js";
import { Restoration } from "./restoration.js";
import { RETRY } from "./retry-pause.js";

/** Time without a frame from the component after which the client asks whether the link is whole, in ms. */
const SILENCE_MS = 15_000;
/** Time in which the component must answer that question, in ms. */
const ANSWER_MS = 10_000;
/** The same two times while other nodes of the component could take the link, in ms. */
const SILENCE_WITH_OTHERS_MS = 3_000;
const ANSWER_WITH_OTHERS_MS = 4_000;
/**
 * After a link that lasted this long, the client tries again with the shortest pause, in ms. 5,000: the longest pause.
 * So a link that always ends sooner is opened as seldom as a link that never opens.
 */
const LASTED_MS = 5_000;
/**
 * Longest time of the first try to open a link again, in ms. A timeout doubles the time of the next try, up to
 * `timeoutMs`. No error reports a question or an answer that is lost with the component's stream, so only another try
 * helps.
 */
const REOPEN_MS = 3_000;

export interface LinkKeeperEvents {
  onDown(reason: StanzapackError): void;
  /** The link is back, and everything on it is restored. */
  onRestored(): void;
  /** The component has acknowledged this many data stanzas of the link. */
  onAcknowledged(stanzas: number): void;
  /** See `ClientEvents`. */
  onEnvelope(kind: EnvelopeKind): void;
  /** More data may be sent. */
  onCredit(): void;
  onBlock(
    stanzaChars: number,
    frames: readonly { readonly frame: Frame; readonly node: string | undefined }[],
  ): void;
}

/** Keeps one link to the component open while the client lives, and restores everything on each new link. */
export class LinkKeeper {
  private now: CurrentLink | undefined;
  /** Link whose HELLO has not arrived yet. */
  private opening: Link | undefined;
  private up: (() => void) | undefined;
  private upWait: Promise<void> = Promise.resolve();
  private down: (() => void) | undefined;
  /** Set while the stream is gone. It is not known yet whether the XMPP session will be resumed. */
  private gone: { readonly over: Promise<void>; readonly end: () => void } | undefined;
  /** Whether the client is inactive, so that the component must not send lean stanzas on any link. */
  private quietWanted = false;
  private restored: Promise<void> = Promise.resolve();
  /** Tries since the last link that lasted. */
  private failures = 0;
  private upSince = 0;
  /** Services and subscriptions, which each link restores. */
  readonly held: Restoration;

  constructor(
    private readonly connection: Connection,
    private readonly streams: InBandBytestreams,
    negotiation: Negotiation,
    private readonly holdings: Holdings,
    private readonly codec: RowCodec,
    private readonly settings: {
      readonly nodes: NodeChoice;
      readonly timeoutMs: number;
      readonly envelope: "auto" | "ibb";
    },
    private readonly events: LinkKeeperEvents,
    /** Ends the keeping. */
    private readonly signal: AbortSignal,
  ) {
    this.held = new Restoration(this, negotiation, holdings, settings.timeoutMs, signal);
    this.expect();
    signal.addEventListener("abort", () => {
      this.up?.();
      this.down?.();
      this.streamIsBack();
      this.opening?.abandon(new StanzapackError("stopped", "the client is closed"));
    });
  }

  get current(): CurrentLink | undefined {
    return this.now;
  }
  get link(): Link | undefined {
    return this.now?.link;
  }
  get router(): FrameRouter | undefined {
    return this.now?.router;
  }

  /**
   * Asks the component to send only In-Band Bytestreams, on this link and on later ones. Returns true, or resolves to
   * true, once nothing else arrives on this link. Returns false, or resolves to false, if there is no link, the link
   * ends, or `welcomeLean` is called before.
   */
  quiet(): boolean | Promise<boolean> {
    this.quietWanted = true;
    return (this.link ?? this.opening)?.envelope.quiet() ?? false;
  }

  /** The component may send lean stanzas again. */
  welcomeLean(): void {
    this.quietWanted = false;
    (this.link ?? this.opening)?.envelope.resume();
  }

  /** Ends the link without BYE, because its XMPP session is gone. */
  abandon(error: StanzapackError): void {
    (this.link ?? this.opening)?.abandon(error);
  }

  /** The stream is gone. Requests wait for `streamIsBack`, which is called after `abandon`, if the link must end. */
  streamIsGone(): void {
    if (this.gone !== undefined) return;
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => (end = resolve));
    this.gone = { over, end };
  }

  streamIsBack(): void {
    this.gone?.end();
    this.gone = undefined;
    for (const { calls } of this.holdings.subscriptions.values()) calls.resume();
  }

  get reachable(): boolean {
    return this.gone === undefined;
  }

  private expect(): void {
    this.upWait = new Promise((resolve) => (this.up = resolve));
  }

  /**
   * Resolves to the link, once a link and its stream exist. Rejects with `timeout` after `waitMs` ms, or with
   * `stopped`.
   */
  async untilUp(waitMs = this.settings.timeoutMs): Promise<CurrentLink> {
    const { timeoutMs, nodes } = this.settings;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new StanzapackError("timeout", `no link to ${nodes.domain} within ${timeoutMs} ms`)),
        Math.max(0, waitMs),
      );
    });
    try {
      for (;;) {
        if (this.signal.aborted) throw new StanzapackError("stopped", "the client is closed");
        if (this.now !== undefined && this.reachable) return this.now;
        await Promise.race([this.gone?.over ?? this.upWait, late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Opens the link, once. The component must accept the bytestream within `openMs` ms, and then send HELLO within the
   * same time. Rejects with the reason of a failure.
   */
  async open(openMs = this.settings.timeoutMs): Promise<void> {
    const { nodes, timeoutMs } = this.settings;
    const { domain } = nodes;
    const doing = `opening the link to ${domain}`;
    const stream = await this.streams
      .open(domain, { timeoutMs: openMs, signal: this.signal })
      .catch((error: unknown) => {
        throw toStanzapackError(error, doing);
      });
    const router: FrameRouter = new FrameRouter(this.holdings, this.codec, () => link, timeoutMs);
    const over = new LinkEnd();
    const { subscriptions } = this.holdings;
    const events: LinkEvents = {
      /** Shorter if a subscription has a heartbeat: the time in which two heartbeats are due. */
      get silenceMs() {
        let ms = nodes.hasOthers ? SILENCE_WITH_OTHERS_MS : SILENCE_MS;
        for (const { selection } of subscriptions.values())
          ms = Math.min(ms, 2 * (selection.heartbeatMs ?? ms));
        return ms;
      },
      get answerMs() {
        return nodes.hasOthers ? ANSWER_WITH_OTHERS_MS : ANSWER_MS;
      },
      onFrame: (frame) => router.dispatch(frame),
      // May come before there is a `link`.
      onSiblings: (siblings) => nodes.told(siblings),
      onAcknowledged: (stanzas) => this.events.onAcknowledged(stanzas),
      onCredit: () => this.events.onCredit(),
      creditDue: () => [...this.holdings.subscriptions.values()].flatMap((one) => one.takeCredit() ?? []),
      onEnd: (error) => {
        over.end(error);
        router.requests.fail(error);
        this.ended(link, router, error);
      },
      onBlock: (chars, frames) =>
        this.events.onBlock(
          chars,
          frames.map((frame) => ({ frame, node: router.nodeOf(frame) })),
        ),
      onEnvelope: (kind) => this.events.onEnvelope(kind),
    };
    const link: Link = new Link(this.connection, stream, events, this.settings.envelope === "auto");
    if (this.quietWanted) void link.envelope.quiet();
    this.held.begin(router, domain);
    // Presence is only a hint for the component. The server tells the component when this client is gone.
    this.connection.sendElement(xml("presence", { to: domain }));
    try {
      this.opening = link;
      // The end of the link may have arrived right behind HELLO.
      await over.unless(link.ready(openMs));
    } catch (error) {
      const reason = toStanzapackError(error, doing);
      link.end(reason);
      throw reason;
    } finally {
      this.opening = undefined;
    }
    this.now = { link, router, over };
    this.upSince = monotonicNow();
    // The restoring begins before calls that wait for the link make requests on it.
    this.restored = this.held.restore(this.now);
    this.up?.();
  }

  /**
   * Opens the link. Tries every node that it knows. If the component is busy and names a pause, it tries again after the
   * pause. All within `timeoutMs`.
   */
  async openInTurn(): Promise<void> {
    const { nodes, timeoutMs } = this.settings;
    const deadline = monotonicNow() + timeoutMs;
    for (;;) {
      try {
        return await this.open(nodes.hasOthers ? Math.min(REOPEN_MS, timeoutMs) : timeoutMs);
      } catch (error) {
        const waitMs = this.moveOn(error) ? 0 : turnOf(error);
        if (waitMs === undefined || monotonicNow() + waitMs > deadline) throw error;
        await sleep(waitMs, this.signal);
        if (this.signal.aborted) throw error;
      }
    }
  }

  /**
   * The link could not be opened: chooses another node, unless this one has named a pause. Returns whether there is one
   * to try at once.
   */
  private moveOn(error: unknown): boolean {
    if (this.signal.aborted || this.connection.state !== "online") return false;
    const { nodes } = this.settings;
    const other = redirectOf(error);
    if (other !== undefined) return nodes.redirected(other);
    return turnOf(error) === undefined && nodes.leave();
  }

  private ended(link: Link, router: FrameRouter, error: StanzapackError): void {
    this.held.ended(link, router);
    for (const subscription of router.subscriptions.keys()) subscription.interrupt("disconnected");
    if (this.now?.link !== link) return;
    this.now = undefined;
    if (monotonicNow() - this.upSince >= LASTED_MS) this.failures = 0;
    if (isAway(error) && this.connection.state === "online" && this.settings.nodes.leave()) this.failures = 0;
    this.holdings.patterns.linkEnded();
    if (this.signal.aborted) return;
    this.expect();
    for (const subscription of this.holdings.subscriptions.values()) subscription.interrupt("disconnected");
    for (const service of this.holdings.services.values()) service.interrupt();
    this.down?.();
    this.events.onDown(error);
  }

  /** Brings the link back until the signal aborts. */
  async keep(): Promise<void> {
    let turn: number | undefined;
    let openMs = REOPEN_MS;
    while (!this.signal.aborted) {
      if (this.now !== undefined) {
        openMs = REOPEN_MS;
        await new Promise<void>((resolve) => (this.down = resolve));
        continue;
      }
      await sleep(turn ?? backoffMs(RETRY, this.failures, Math.random()), this.signal);
      turn = undefined;
      if (this.signal.aborted) return;
      if (this.connection.state !== "online") continue;
      this.failures++;
      try {
        await this.open(Math.min(openMs, this.settings.timeoutMs));
        await this.restored;
        if (this.now !== undefined) this.events.onRestored();
      } catch (error) {
        // `onDown` was called before. The next try follows.
        turn = turnOf(error);
        if (this.moveOn(error)) [this.failures, openMs] = [0, REOPEN_MS];
        else if (error instanceof StanzapackError && error.code === "timeout") openMs *= 2;
      }
    }
  }
}

/** Whether the node has said that it stops, or does not answer any more. */
function isAway({ code }: StanzapackError): boolean {
  return code === "component-unavailable" || code === "timeout";
}

/** Returns the node that the component names instead of itself (RFC 6120 §8.3.3.14). */
function redirectOf(error: unknown): string | undefined {
  const cause = error instanceof StanzapackError ? error.cause : error;
  if (!(cause instanceof StanzaError) || cause.condition !== "redirect") return undefined;
  const domain = /^xmpp:([^/?#@]{1,1023})$/.exec(cause.address ?? "")?.[1];
  return domain;
}

/**
 * Takes the error of a try to open a link. Returns the pause before the next try, in ms: the pause that the component
 * named, and a little longer by chance. Undefined without such a pause.
 */
function turnOf(error: unknown): number | undefined {
  if (!(error instanceof StanzapackError) || error.code !== "busy" || error.retryAfterMs === undefined)
    return undefined;
  return error.retryAfterMs + Math.random() * Math.min(200, error.retryAfterMs / 10);
}
