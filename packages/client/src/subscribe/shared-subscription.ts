import {
  formatSelectionFields,
  grantSelection,
  grantWindow,
  isThinning,
  Position,
  StanzapackError,
  WHOLE,
  withoutThinning,
  type BindSubscriptionFrame,
  type CreditFrame,
  type Selection,
  type Since,
  type ServiceKind,
  type DataBatch,
  type ServiceStatus,
  type Value,
} from "@stanzapack/wire";
import { Credit, type ReaderCredit } from "./credit.js";
import type { AskedOptions, Granted } from "../negotiation/negotiation.js";
import type { InactivePolicy } from "../options/connect-options.js";
import { withOwnNames } from "../base/own-names.js";
import { MAX_QUEUED, Subscription, type Away, type RangeEvent, type Row, type StatusEvent, type SubscriptionStatus } from "./subscription.js";
import type { ChangeOptions, SelectionOptions, SubscribeOptions } from "../options/subscribe-options.js";

/** Rows that the component may send, to begin with, of a subscription with these options of which nothing waits. */
export function initialCredit({
  maxQueued = MAX_QUEUED,
}: Pick<SubscribeOptions<unknown>, "maxQueued">): number {
  return Math.max(1, maxQueued);
}

/** What a subscription asks of its client. */
export interface SubscriptionHost {
  change(subscription: SharedSubscription, windowMs: number, selection: Selection): Promise<Granted>;
  stop(subscription: SharedSubscription): Promise<void>;
  /** Tells the component that the consumer has read. */
  credit(frame: CreditFrame): void;
}

/**
 * What the component knows of a subscription: one of a node, for all in this client that take it. It has the options, the position and the
 * credit; each that takes it has a queue of its own.
 */
export class SharedSubscription {
  private readonly readers = new Set<Subscription<unknown>>();
  private readonly position: Position;
  private told: Omit<StatusEvent, "windowMs"> = { status: "online", by: "publisher" };
  /** What the component says of the publisher. */
  private publisher: ServiceStatus = "online";
  /** Why nothing can come, whatever the publisher does. */
  private away: Away | undefined;
  private unapproved = false;
  private interrupted = false;
  private inactive: InactivePolicy | undefined;
  /** It was paused since the last value came. */
  private skipped = false;
  private baseAt = 0;
  /** On this link. */
  private alias: number | undefined;
  readonly credit = new Credit(() => this.credits());
  private endedWith: { readonly error: StanzapackError | undefined } | undefined;
  /** Called when the component granted it. */
  readonly onGranted = new Set<() => void>();
  /** Its first request, where one is under way or was. */
  made: Promise<void> | undefined;
  private wasGranted = false;
  /** Of no log, the last update that came: one that joins begins with it. */
  private newest: Row | undefined;
  /** As the component granted it. */
  subid = "";
  /** Given back to the component for a pause. */
  rests = false;
  /** What was asked for, for subscribing again. */
  askedWindowMs: number;
  /** The same, of which updates. */
  askedSelection: Selection;
  private grantedWindowMs = 0;
  /** In which the publisher really sends, when it cannot keep to what is wanted. */
  private paceMs: number | null = null;
  private toldPaceMs: number | null = null;
  private grantedSelection = WHOLE;
  private changing: Promise<unknown> = Promise.resolve();
  private kind: ServiceKind = "value";
  private readonly asked: Since | undefined;
  private wasRecovered: boolean | undefined;

  constructor(
    readonly node: string,
    options: SubscribeOptions<unknown>,
    private readonly host: SubscriptionHost,
  ) {
    this.askedWindowMs = options.windowMs ?? 0;
    this.askedSelection = select(WHOLE, options);
    this.asked = options.since;
    const { since } = options;
    this.position = new Position(typeof since === "object" && "epoch" in since ? since : undefined);
  }

  /** One more that takes it. Throws `invalid-options` where it asks for other options than are in force. */
  join<T>(options: SubscribeOptions<T>): Subscription<T> {
    const reader = new Subscription<T>(this, options);
    this.readers.add(reader as Subscription<unknown>);
    return reader;
  }

  /** One that joined begins with the newest value. */
  greet<T>(reader: Subscription<T>): void {
    if (this.newest !== undefined) reader.deliver(this.newest);
  }

  /** Throws `invalid-options` for what cannot be shared. What is left out is as it is in force. */
  assertSame(options: SubscribeOptions<unknown>): void {
    const { windowMs = this.askedWindowMs, since } = options;
    const isOther = (name: string): StanzapackError =>
      new StanzapackError(
        "invalid-options",
        `this client takes \`${this.node}\` already, with another \`${name}\`: leave it out, or \`change\` it for all`,
      );
    if (grantWindow(windowMs) !== grantWindow(this.askedWindowMs)) throw isOther("windowMs");
    const selection = select(this.askedSelection, options);
    for (const name of ["samples", "maxRate", "fields", "deadband", "heartbeatMs"] as const)
      if (JSON.stringify(selection[name]) !== JSON.stringify(this.askedSelection[name])) throw isOther(name);
    // What came before this one joined does not come again.
    if (since !== undefined && (this.wasGranted || JSON.stringify(since) !== JSON.stringify(this.asked)))
      throw isOther("since");
  }

  /** One takes it no longer. True: it was the last, and this has ended. */
  release(reader: Subscription<unknown>): boolean {
    if (!this.readers.delete(reader) || this.readers.size > 0 || this.ended) return false;
    this.finish(undefined);
    return true;
  }

  async leave(reader: Subscription<unknown>): Promise<void> {
    if (this.release(reader)) await this.host.stop(this);
    // Others may have waited for no more than what this one let come.
    else this.giveCredit();
  }

  get isLog(): boolean {
    return this.kind === "log";
  }
  /** Whether more than one take it. */
  get isShared(): boolean {
    return this.readers.size > 1;
  }

  /** The window granted, in ms; wider than asked for while the publisher cannot send more often. */
  get windowMs(): number {
    return Math.max(this.grantedWindowMs, this.paceMs ?? 0);
  }
  /** The selection granted. */
  get selection(): Selection {
    return this.grantedSelection;
  }
  /**
   * Of a log, whether everything from where it was to begin, or to go on, was still kept. What was not is told as `lost`, or as a
   * `reset` when the log began anew. Undefined where no beginning was asked for.
   */
  get recovered(): boolean | undefined {
    return this.wasRecovered;
  }
  /** Where the component is to begin: behind what came, of a log. */
  get since(): Since | undefined {
    const { current } = this.position;
    return this.kind === "log" && current !== undefined ? current : this.asked;
  }
  /** The last position that it has; undefined while nothing has come. */
  get standing(): { readonly epoch: number; readonly offset: number } | undefined {
    return this.position.current;
  }
  get status(): SubscriptionStatus {
    return this.told.status;
  }
  get ended(): boolean {
    return this.endedWith !== undefined;
  }
  /** The component has granted it once. */
  get granted(): boolean {
    return this.wasGranted;
  }
  /** The component has bound it on the link there is. */
  get isBound(): boolean {
    return this.alias !== undefined;
  }
  /**
   * Whether a token may bring it back, with the credit that it began with: there is room for as much, or older ones give way.
   */
  get resumable(): boolean {
    return !this.paused && (this.kind !== "log" || this.credit.fits);
  }
  /** What to ask the component for. */
  get wanted(): AskedOptions & { readonly credit: number } {
    const { wantedWindowMs: windowMs, askedSelection: selection, since, credit } = this;
    return { windowMs, selection, since, credit: this.isBound ? credit.total : credit.room };
  }
  /** It is asked for with so much credit. */
  begin(credit: number): void {
    // Totals count from BIND on.
    if (!this.isBound) this.credit.begin(credit);
  }
  /** It awaits the publisher's approval. */
  get pending(): boolean {
    return this.unapproved;
  }

  /**
   * Changes window and selection, live; what is left out stays as it is. Gives the window granted; `selection` is what was granted of
   * that. While the client is inactive the wider of this window and its own holds. Positions go on, and nothing is lost: the newest value
   * comes, unless it came already; a field that was not taken before comes with the next update. Without a link it resolves at once, and
   * takes effect with the next one.
   */
  change(options: ChangeOptions): Promise<{ readonly windowMs: number }> {
    // One after another: each goes on from the last.
    const change = this.changing.then(() => this.changeNow(options));
    this.changing = change.catch(() => undefined);
    return change;
  }

  private async changeNow({
    windowMs: asked = this.askedWindowMs,
    ...options
  }: ChangeOptions): Promise<{ readonly windowMs: number }> {
    for (;;) {
      this.assertLive();
      const { selection } = this.changed({ windowMs: asked, ...options });
      const { subid } = this;
      // The component is asked for this when it is asked for the subscription again.
      if (this.paused || subid === "") {
        const windowMs = grantWindow(asked);
        this.ask({ windowMs, selection });
        return { windowMs };
      }
      try {
        const granted = await this.host.change(this, this.widened(asked), selection);
        if (this.subid !== subid) continue;
        this.ask({ windowMs: asked, selection });
        this.applyGrant(granted);
        return { windowMs: granted.windowMs };
      } catch (error) {
        // Its link has ended meanwhile.
        if (this.subid === subid) throw error;
      }
    }
  }

  /**
   * What it is to ask for with these. `byPattern`: what a log cannot do counts for others. Throws `invalid-options`.
   */
  changed({ windowMs = this.askedWindowMs, ...options }: ChangeOptions, byPattern = false): AskedOptions {
    const { kind } = this;
    if (kind === "log" && byPattern)
      return { windowMs, selection: withoutThinning(select(this.askedSelection, options)) };
    return { windowMs, selection: select(this.askedSelection, options, kind) };
  }

  /** From now on it is to ask for this. */
  ask({ windowMs, selection }: AskedOptions): void {
    this.askedWindowMs = windowMs;
    this.askedSelection = selection;
  }

  private widened(windowMs: number): number {
    return typeof this.inactive === "object" ? Math.max(windowMs, this.inactive.windowMs) : windowMs;
  }
  /** The window that is to be in force now. */
  get wantedWindowMs(): number {
    return this.widened(this.askedWindowMs);
  }
  /** Whether it is to take no data now. */
  get paused(): boolean {
    return this.inactive === "pause";
  }

  /** Its client became inactive, or active again: what is to be in force, before the component agrees to it. */
  setInactive(policy: InactivePolicy | undefined): void {
    this.inactive = policy;
    if (policy === "pause") this.skipped = true;
  }

  /** Whether the component does with it what is to be in force now. */
  get settled(): boolean {
    if (this.paused || this.subid === "") return this.paused === (this.subid === "");
    if (grantWindow(this.wantedWindowMs) !== this.grantedWindowMs) return false;
    // A token brings back what was granted, and a change may have been under way.
    const wanted = grantSelection(this.askedSelection, this.grantedWindowMs, this.kind);
    return keyOf(wanted) === keyOf(this.grantedSelection);
  }

  /** Paused: the component does not have it, here it goes on. */
  resting(): void {
    this.rests = true;
    this.credit.end();
    this.alias = undefined;
    this.subid = "";
    this.away = undefined;
    this.tellStatus();
  }

  private *credits(): Iterable<ReaderCredit> {
    for (const { credit } of this.readers) yield credit;
  }

  giveCredit(): void {
    const frame = this.takeCredit(false);
    if (frame !== undefined) this.host.credit(frame);
  }

  /** What to tell the component of what was read; `along`: something else is sent anyway. */
  takeCredit(along = true): CreditFrame | undefined {
    if (this.alias === undefined || this.ended) return undefined;
    const total = this.credit.due(along);
    return total === undefined ? undefined : { type: "credit", alias: this.alias, total };
  }

  private assertLive(): void {
    if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
  }

  applyGrant(granted: Granted): void {
    this.subid = granted.subid;
    this.wasGranted = true;
    this.unapproved = false;
    this.wasRecovered = granted.recovered ?? this.wasRecovered;
    if (granted.begun !== undefined) this.position.begin(granted.begun);
    this.rests = false;
    this.grantedWindowMs = granted.windowMs;
    this.grantedSelection = granted.selection;
    this.tellStatus();
    for (const granted of this.onGranted) granted();
  }

  bound(frame: BindSubscriptionFrame): void {
    this.alias = frame.alias;
    this.baseAt = frame.baseAt;
    this.kind = frame.kind;
    // A pattern brought a log in spite of it.
    if (frame.kind === "log") this.askedSelection = withoutThinning(this.askedSelection);
    this.away = undefined;
    this.publisher = "online";
    this.paceMs = null;
    this.tellStatus();
  }

  /** The link is gone; what comes next may leave a hole. */
  interrupt(status: Away): void {
    // A yes may be here already, whose BIND it was.
    if (status === "pending" && this.isBound) return;
    if (status !== "pending") this.credit.end();
    this.interrupted = true;
    this.alias = undefined;
    this.rests = false;
    this.away = status;
    this.unapproved = status === "pending";
    this.subid = "";
    this.tellStatus();
  }

  /** What the component says of the publisher: news, or a sign of life. */
  publisherIs(status: ServiceStatus, paceMs: number | null): void {
    const isSame = status === this.publisher && paceMs === this.paceMs;
    this.publisher = status;
    this.paceMs = paceMs;
    if (isSame && !this.ended) this.tell("status", { ...this.told, windowMs: this.windowMs });
    else this.tellStatus();
  }

  private tell(event: "lost" | "conflated" | "reset", range: RangeEvent): void;
  private tell(event: "status", status: StatusEvent): void;
  private tell(...event: ["lost" | "conflated" | "reset", RangeEvent] | ["status", StatusEvent]): void {
    for (const reader of [...this.readers]) {
      if (event[0] === "status") reader.emit("status", event[1]);
      else reader.tellRange(event[0], event[1]);
    }
  }

  private tellStatus(): void {
    const now = { ...this.statusNow(), windowMs: this.windowMs };
    const { told, toldPaceMs, paceMs } = this;
    if (this.ended || (told.status === now.status && told.by === now.by && toldPaceMs === paceMs)) return;
    this.told = now;
    this.toldPaceMs = paceMs;
    this.tell("status", now);
  }

  private statusNow(): Omit<StatusEvent, "windowMs"> {
    if (this.away !== undefined) return { status: this.away, by: "client" };
    if (this.paused && this.subid === "") return { status: "paused", by: "client" };
    const slowed = this.wantedWindowMs > this.askedWindowMs && this.grantedWindowMs >= this.wantedWindowMs;
    if (slowed && this.publisher === "online") return { status: "slowed", by: "client" };
    return { status: this.publisher, by: "publisher" };
  }

  /** What one DATA frame carried. */
  deliver(batch: DataBatch<Value>): void {
    if (this.ended) return;
    this.credit.came(batch.rows.length);
    const reason = this.interrupted ? "disconnected" : "gap";
    const conflatedBy = isThinning(this.grantedSelection) ? "selection" : "window";
    const { skipped } = this;
    this.interrupted = this.skipped = false;
    for (const event of this.position.advance(batch, this.baseAt)) {
      switch (event.event) {
        case "row":
          if (!this.isLog) this.newest = event;
          for (const reader of [...this.readers]) reader.deliver(event);
          if (this.ended) return;
          break;
        case "lost":
          // What was published during a pause was not to come.
          if (skipped) this.tell("conflated", { from: event.from, to: event.to, reason: "paused" });
          else this.tell("lost", { from: event.from, to: event.to, reason });
          break;
        case "conflated":
          this.tell("conflated", { from: event.from, to: event.to, reason: conflatedBy });
          break;
        case "reset":
          this.tell("reset", { from: event.from, to: event.to, reason: "epoch" });
          break;
      }
    }
    this.giveCredit();
  }

  finish(error: StanzapackError | undefined): void {
    if (this.ended) return;
    this.endedWith = { error };
    const readers = [...this.readers];
    this.readers.clear();
    for (const reader of readers) reader.finish(error);
  }
}

function keyOf(selection: Selection): string {
  return JSON.stringify(formatSelectionFields(selection));
}

/** `base` with what is asked otherwise. Throws `invalid-options`. */
export function select(
  base: Selection,
  {
    samples = base.samples,
    maxRate = base.maxRate,
    fields = base.fields,
    deadband = base.deadband,
    heartbeatMs = base.heartbeatMs,
  }: SelectionOptions,
  kind?: ServiceKind,
): Selection {
  const selection = { samples, maxRate, fields, deadband, heartbeatMs };
  try {
    grantSelection(selection, 0, kind);
  } catch (error) {
    // What the schema cannot know: of which kind the service is.
    if (!(error instanceof StanzapackError)) throw error;
    throw new StanzapackError(error.code, withOwnNames(error.text), { cause: error });
  }
  return selection;
}
