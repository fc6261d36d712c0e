import { StanzapackError, type Frame, type RowCodec } from "@stanzapack/wire";
import {
  backoffMs,
  sleep,
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
import { Restoration } from "./restoration.js";
import { RETRY } from "./retry-pause.js";

/** A link without any frame from the component for so long is asked for, in ms. */
const SILENCE_MS = 15_000;
/**
 * A link that lasted so long was a good one, and the next is tried for at once, in ms. As long as the longest pause: one that always ends
 * sooner is opened as seldom as one that never opens.
 */
const LASTED_MS = 5_000;
/**
 * How long the first try to open a link again may take, in ms; the next may take twice as long, up to `timeoutMs`. What goes down with the
 * component's stream, a question or its answer, nobody tells: only asking again helps.
 */
const REOPEN_MS = 3_000;

export interface LinkKeeperEvents {
  onDown(reason: StanzapackError): void;
  /** The link is back and everything on it restored. */
  onRestored(): void;
  /** The component has so many of the link's data stanzas. */
  onAcknowledged(stanzas: number): void;
  /** Of a link: see `ClientEvents`. */
  onEnvelope(kind: EnvelopeKind): void;
  /** More data may be sent. */
  onCredit(): void;
  onBlock(
    stanzaChars: number,
    frames: readonly { readonly frame: Frame; readonly node: string | undefined }[],
  ): void;
}

/** Keeps one link to the component open for as long as the client lives, and what was on it restored. */
export class LinkKeeper {
  private now: CurrentLink | undefined;
  /** One whose HELLO has not come. */
  private opening: Link | undefined;
  private up: (() => void) | undefined;
  private upWait: Promise<void> = Promise.resolve();
  private down: (() => void) | undefined;
  /** While the stream is gone: whether the link's session is resumed is not known yet. */
  private gone: { readonly over: Promise<void>; readonly end: () => void } | undefined;
  /** An inactive client: no link is to carry lean stanzas towards it. */
  private quietWanted = false;
  private restored: Promise<void> = Promise.resolve();
  /** Tries since the last link that lasted. */
  private failures = 0;
  private upSince = 0;
  /** What is on the link. */
  readonly held: Restoration;

  constructor(
    private readonly connection: Connection,
    private readonly streams: InBandBytestreams,
    negotiation: Negotiation,
    private readonly holdings: Holdings,
    private readonly codec: RowCodec,
    private readonly settings: {
      readonly component: string;
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
   * Asks the component for In-Band Bytestreams alone, on this link and on later ones. True, or resolves true, once nothing else comes on
   * it; false where there is no link, where it ends, or where `welcomeLean` is called before.
   */
  quiet(): boolean | Promise<boolean> {
    this.quietWanted = true;
    return (this.link ?? this.opening)?.envelope.quiet() ?? false;
  }

  /** Lean stanzas may come again. */
  welcomeLean(): void {
    this.quietWanted = false;
    (this.link ?? this.opening)?.envelope.resume();
  }

  /** The session that the link was of is gone. */
  abandon(error: StanzapackError): void {
    (this.link ?? this.opening)?.abandon(error);
  }

  /** Nothing can be asked for until `streamIsBack`, which comes when the link is abandoned if it must be. */
  streamIsGone(): void {
    if (this.gone !== undefined) return;
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => (end = resolve));
    this.gone = { over, end };
  }

  streamIsBack(): void {
    this.gone?.end();
    this.gone = undefined;
  }

  get reachable(): boolean {
    return this.gone === undefined;
  }

  private expect(): void {
    this.upWait = new Promise((resolve) => (this.up = resolve));
  }

  /** Resolves with the link, when there is one and a stream that carries it. Rejects with `timeout` after `waitMs`, or `stopped`. */
  async untilUp(waitMs = this.settings.timeoutMs): Promise<CurrentLink> {
    const { timeoutMs, component } = this.settings;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new StanzapackError("timeout", `no link to ${component} within ${timeoutMs} ms`)),
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

  /** Opens the link; each of its two questions is to be answered within `openMs`. Rejects with what is wrong; does not try again. */
  async open(openMs = this.settings.timeoutMs): Promise<void> {
    const { component, timeoutMs } = this.settings;
    const doing = `opening the link to ${component}`;
    const stream = await this.streams
      .open(component, { timeoutMs: openMs, signal: this.signal })
      .catch((error: unknown) => {
        throw toStanzapackError(error, doing);
      });
    const router: FrameRouter = new FrameRouter(this.holdings, this.codec, () => link, timeoutMs);
    const over = new LinkEnd();
    const { subscriptions } = this.holdings;
    const events: LinkEvents = {
      /** Sooner where a subscription expects a heartbeat: when two are missing. */
      get silenceMs() {
        let ms = SILENCE_MS;
        for (const { selection } of subscriptions.values())
          ms = Math.min(ms, 2 * (selection.heartbeatMs ?? ms));
        return ms;
      },
      onFrame: (frame) => router.dispatch(frame),
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
    this.held.begin(router);
    // Only a hint to the component that we are here, and gone when the server says so.
    this.connection.sendElement(xml("presence", { to: component }));
    try {
      this.opening = link;
      // Its end may have come right behind its HELLO.
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
    // Before anybody who waits for the link asks on it.
    this.restored = this.held.restore(this.now);
    this.up?.();
  }

  /** As `open`; where it is told when to come again, it does, within `timeoutMs`. */
  async openInTurn(): Promise<void> {
    const deadline = monotonicNow() + this.settings.timeoutMs;
    for (;;) {
      try {
        return await this.open();
      } catch (error) {
        const waitMs = turnOf(error);
        if (waitMs === undefined || monotonicNow() + waitMs > deadline) throw error;
        await sleep(waitMs, this.signal);
        if (this.signal.aborted) throw error;
      }
    }
  }

  private ended(link: Link, router: FrameRouter, error: StanzapackError): void {
    this.held.ended(link, router);
    for (const subscription of router.subscriptions.keys()) subscription.interrupt("disconnected");
    if (this.now?.link !== link) return;
    this.now = undefined;
    if (monotonicNow() - this.upSince >= LASTED_MS) this.failures = 0;
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
        // `onDown` was told; the next try follows.
        turn = turnOf(error);
        if (error instanceof StanzapackError && error.code === "timeout") openMs *= 2;
      }
    }
  }
}

/** When one that was refused is to come again, in ms: not before it was told, and by chance a little later. */
function turnOf(error: unknown): number | undefined {
  if (!(error instanceof StanzapackError) || error.code !== "busy" || error.retryAfterMs === undefined)
    return undefined;
  return error.retryAfterMs + Math.random() * Math.min(200, error.retryAfterMs / 10);
}
