import { EventEmitter } from "eventemitter3";
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
import { Credit } from "./credit.js";
import { toStanzapackError } from "./errors.js";
import type { AskedOptions, Granted } from "./negotiation.js";
import type { InactivePolicy } from "./options.js";
import { UpdateQueue } from "./update-queue.js";

export interface Update<T> {
  readonly value: T;
  /**
   * When it was published, in ms since 1970 of the component's wall clock, which somebody may set back: the time of arrival less the age that its
   * publisher named. Positions tell the order.
   */
  readonly at: number;
  readonly epoch: number;
  readonly offset: number;
}

/** A range of offsets, both ends included. */
export interface RangeEvent {
  readonly from: number;
  readonly to: number;
  /**
   * `disconnected`, `gap`, `window` (left out on purpose under pressure), `selection` (by `samples`, `maxRate` or `deadband`, or under
   * pressure), `paused` (while this client was inactive), `consumer` (this program was too slow), `epoch`.
   */
  readonly reason: string;
}

/**
 * `online`, `offline`, `paused`: the publisher; or `paused` and `slowed` by our own client while it is inactive;
 * `disconnected`, and `waiting` for the service to be offered again: ourselves; `pending`: the publisher has to allow it again.
 */
export type SubscriptionStatus = ServiceStatus | Away | "slowed";

/** Why nothing can come, whatever is published. */
type Away = "disconnected" | "waiting" | "pending";

export interface StatusEvent {
  readonly status: SubscriptionStatus;
  /** Whose doing it is: `client` for `disconnected`, `waiting`, `pending`, `slowed`, and `paused` by `setActive(false)`. */
  readonly by: "publisher" | "client";
  /** The window granted now, in ms. */
  readonly windowMs: number;
}

export interface SubscriptionEvents<T> {
  update: (update: Update<T>) => void;
  /** Values that should have come and never will. */
  lost: (range: RangeEvent) => void;
  /** Values left out in favour of newer ones. */
  conflated: (range: RangeEvent) => void;
  /** Offsets began anew (the component lost its memory): from the old position to the new one. */
  reset: (range: RangeEvent) => void;
  /** It changed; with `heartbeatMs` also as a sign of life while nothing comes. */
  status: (event: StatusEvent) => void;
  /** Once, at the end; with the error if it was not stopped by us. */
  ended: (error: StanzapackError | undefined) => void;
}

/**
 * Which updates come, and what of each. Out of bounds is `invalid-options`. Subscribers who ask for the same share every byte. Null, as
 * by default: not asked for.
 */
export interface SelectionOptions {
  /** `latest`: of each window the newest alone. Default `all`. Not for a log. */
  readonly samples?: "all" | "latest";
  /** Most updates a second, 0.001 to 1,000; older ones give way to newer ones. Not for a log. */
  readonly maxRate?: number | null;
  /**
   * Names of top-level fields, at most 64 of 256 characters: of values that are objects these alone travel. What is missing stays
   * missing, other values come whole.
   */
  readonly fields?: readonly string[] | null;
  /**
   * Leaves an update out while it differs from the last one sent by no more than this, as a number or in each of its top-level numbers,
   * and in nothing else. From 0, with which changes alone come. Not for a log.
   */
  readonly deadband?: number | null;
  /**
   * At least so often, in ms, something comes: the newest value where the deadband holds one back, otherwise `status` again. 1,000 to a day; the
   * rung of 1, 2, 5, 10, … s at or below it is granted, but nothing below the window or what `maxRate` allows.
   */
  readonly heartbeatMs?: number | null;
}

export interface ChangeOptions extends SelectionOptions {
  readonly windowMs?: number;
}

export interface SubscribeOptions<T> extends SelectionOptions {
  /** How long updates may be gathered, in ms; the next rung of 0, 100, 200, 500, 1000, … is granted. Default 0: each at once. */
  readonly windowMs?: number;
  /**
   * Of a `log`, where to begin: with the oldest update kept (`first`), behind a position, or at a time, in ms since 1970. Default:
   * with what comes from now on. After a break it goes on where it was by itself.
   */
  readonly since?: Since;
  /**
   * How long to wait for the publisher's approval, where the service's access model is `authorize`, in ms; then `subscribe` throws `pending`,
   * and the request is given up. Default 60,000. `subscribeAll` does not wait: those are `pending` meanwhile.
   */
  readonly approvalMs?: number;
  /** The publisher has to approve: `subscribe` waits. Called once for all of `subscribeAll`. */
  readonly onPending?: () => void;
  /** Checks and types a value, for example a schema's `parse`; a throw ends the subscription. */
  readonly parse?: (value: Value) => T;
  /**
   * Most updates that wait for a slow consumer; then the oldest are dropped and told as `conflated`, and when nothing is read at all
   * the component sends no more. Of a log none are dropped: the component keeps what comes until half of them are read. Default 1,000.
   */
  readonly maxQueued?: number;
}

/** Updates that wait for a slow consumer where nobody says how many. */
const MAX_QUEUED = 1_000;

/** Rows that the component may send, to begin with, of a subscription with these options of which nothing waits. */
export function initialCredit({
  maxQueued = MAX_QUEUED,
}: Pick<SubscribeOptions<unknown>, "maxQueued">): number {
  return Math.max(1, maxQueued);
}

/** What a subscription asks of its client. */
export interface SubscriptionHost {
  change(subscription: Subscription<unknown>, windowMs: number, selection: Selection): Promise<Granted>;
  stop(subscription: Subscription<unknown>): Promise<void>;
  /** Tells the component that the consumer has read. */
  credit(frame: CreditFrame): void;
}

/**
 * A live subscription: iterate it, or listen to `update`. Iteration ends when it is stopped and throws what ended it
 * otherwise. Reconnections are its client's business; what was missed is told by `lost` and `reset`.
 */
export class Subscription<T = Value>
  extends EventEmitter<SubscriptionEvents<T>>
  implements AsyncIterable<Update<T>>
{
  private readonly queue: UpdateQueue<Update<T>>;
  private readonly position: Position;
  private readonly parse: ((value: Value) => T) | undefined;
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
  /** @internal */
  readonly credit: Credit;
  private endedWith: { readonly error: StanzapackError | undefined } | undefined;
  /** @internal Something waits for whoever takes the updates of many. */
  onQueued: (() => void) | undefined;
  /** @internal Called when the component granted it. */
  onGranted: (() => void) | undefined;
  /** @internal As the component granted it. */
  subid = "";
  /** @internal Given back to the component for a pause. */
  rests = false;
  /** @internal What was asked for, for subscribing again. */
  askedWindowMs: number;
  /** @internal The same, of which updates. */
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

  /** @internal Use `client.subscribe`. */
  constructor(
    readonly node: string,
    options: SubscribeOptions<T>,
    private readonly host: SubscriptionHost,
  ) {
    super();
    this.askedWindowMs = options.windowMs ?? 0;
    this.askedSelection = select(WHOLE, options);
    this.parse = options.parse;
    this.asked = options.since;
    const { since } = options;
    this.position = new Position(typeof since === "object" && "epoch" in since ? since : undefined);
    const maxQueued = options.maxQueued ?? MAX_QUEUED;
    this.queue = new UpdateQueue(maxQueued, ({ offset }) => {
      this.credit.dropped();
      this.emit("conflated", { from: offset, to: offset, reason: "consumer" });
    });
    this.credit = new Credit(
      maxQueued,
      () => this.queue.length,
      () => this.listenerCount("update") > 0,
    );
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
  /** @internal Where the component is to begin: behind what came, of a log. */
  get since(): Since | undefined {
    const { current } = this.position;
    return this.kind === "log" && current !== undefined ? current : this.asked;
  }
  /** @internal The last position that it has; undefined while nothing has come. */
  get standing(): { readonly epoch: number; readonly offset: number } | undefined {
    return this.position.current;
  }
  get status(): SubscriptionStatus {
    return this.told.status;
  }
  get ended(): boolean {
    return this.endedWith !== undefined;
  }
  /** @internal The component has bound it on the link there is. */
  get isBound(): boolean {
    return this.alias !== undefined;
  }
  /**
   * @internal Whether a token may bring it back, with the credit that it began with: there is room for as much, or older ones give way.
   */
  get resumable(): boolean {
    return !this.paused && (this.kind !== "log" || this.credit.fits);
  }
  /** @internal What to ask the component for. */
  get wanted(): AskedOptions & { readonly credit: number } {
    const { wantedWindowMs: windowMs, askedSelection: selection, since, credit } = this;
    return { windowMs, selection, since, credit: this.isBound ? credit.total : credit.room };
  }
  /** @internal It is asked for with so much credit. */
  begin(credit: number): void {
    // Totals count from BIND on.
    if (!this.isBound) this.credit.begin(credit);
  }
  /** @internal It awaits the publisher's approval. */
  get pending(): boolean {
    return this.unapproved;
  }

  /**
   * Changes window and selection, live; what is left out stays as it is. Gives the window granted; `selection` is what was granted of
   * that. While the client is inactive the wider of this window and its own holds. Positions go on, and nothing is lost: the newest value
   * comes, unless it came already; a field that was not taken before comes with the next update.
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
    this.assertLive();
    const { selection } = this.changed({ windowMs: asked, ...options });
    if (this.paused) {
      const windowMs = grantWindow(asked);
      this.ask({ windowMs, selection });
      return { windowMs };
    }
    const granted = await this.host.change(this as Subscription<unknown>, this.widened(asked), selection);
    this.ask({ windowMs: asked, selection });
    this.applyGrant(granted);
    return { windowMs: granted.windowMs };
  }

  /**
   * @internal What it is to ask for with these. `byPattern`: what a log cannot do counts for others. Throws `invalid-options`.
   */
  changed({ windowMs = this.askedWindowMs, ...options }: ChangeOptions, byPattern = false): AskedOptions {
    const { kind } = this;
    if (kind === "log" && byPattern)
      return { windowMs, selection: withoutThinning(select(this.askedSelection, options)) };
    return { windowMs, selection: select(this.askedSelection, options, kind) };
  }

  /** @internal From now on it is to ask for this. */
  ask({ windowMs, selection }: AskedOptions): void {
    this.askedWindowMs = windowMs;
    this.askedSelection = selection;
  }

  private widened(windowMs: number): number {
    return typeof this.inactive === "object" ? Math.max(windowMs, this.inactive.windowMs) : windowMs;
  }
  /** @internal The window that is to be in force now. */
  get wantedWindowMs(): number {
    return this.widened(this.askedWindowMs);
  }
  /** @internal Whether it is to take no data now. */
  get paused(): boolean {
    return this.inactive === "pause";
  }

  /** @internal Its client became inactive, or active again: what is to be in force, before the component agrees to it. */
  setInactive(policy: InactivePolicy | undefined): void {
    this.inactive = policy;
    if (policy === "pause") this.skipped = true;
  }

  /** @internal Whether the component does with it what is to be in force now. */
  get settled(): boolean {
    if (this.paused || this.subid === "") return this.paused === (this.subid === "");
    if (grantWindow(this.wantedWindowMs) !== this.grantedWindowMs) return false;
    // A token brings back what was granted, and a change may have been under way.
    const wanted = grantSelection(this.askedSelection, this.grantedWindowMs, this.kind);
    return keyOf(wanted) === keyOf(this.grantedSelection);
  }

  /** @internal Paused: the component does not have it, here it goes on. */
  resting(): void {
    this.rests = true;
    this.credit.end();
    this.alias = undefined;
    this.subid = "";
    this.away = undefined;
    this.tellStatus();
  }

  /** Ends it. Idempotent; resolves when the component knows, or at once while there is no link. */
  async stop(): Promise<void> {
    if (this.ended) return;
    this.finish(undefined);
    await this.host.stop(this as Subscription<unknown>);
  }

  [Symbol.asyncIterator](): AsyncIterator<Update<T>, undefined> {
    return {
      next: () => {
        const next = this.queue.next();
        this.readOn();
        return next;
      },
      return: async () => {
        await this.stop();
        return { value: undefined, done: true };
      },
    };
  }

  /** Listening to `update` takes over from iteration, and gets what waits first. */
  override on<K extends keyof SubscriptionEvents<T>>(
    event: K,
    listener: EventEmitter.EventListener<SubscriptionEvents<T>, K>,
    context?: unknown,
  ): this {
    super.on(event, listener, context);
    if (event === "update") {
      for (const update of this.queue.drain()) (listener as unknown as (update: Update<T>) => void)(update);
      this.readOn();
    }
    return this;
  }

  /** @internal Updates wait. */
  get waits(): boolean {
    return !this.queue.empty;
  }
  /** @internal The next update, if one waits. */
  take(): Update<T> | undefined {
    const update = this.queue.take();
    this.readOn();
    return update;
  }

  /** The consumer has read. */
  private readOn(): void {
    this.credit.read();
    this.giveCredit();
  }

  private giveCredit(): void {
    const frame = this.takeCredit(false);
    if (frame !== undefined) this.host.credit(frame);
  }

  /** @internal What to tell the component of what was read; `along`: something else is sent anyway. */
  takeCredit(along = true): CreditFrame | undefined {
    if (this.alias === undefined || this.ended) return undefined;
    const total = this.credit.due(along);
    return total === undefined ? undefined : { type: "credit", alias: this.alias, total };
  }

  private assertLive(): void {
    if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
  }

  /** @internal */
  applyGrant(granted: Granted): void {
    this.subid = granted.subid;
    this.unapproved = false;
    this.wasRecovered = granted.recovered ?? this.wasRecovered;
    if (granted.begun !== undefined) this.position.begin(granted.begun);
    this.rests = false;
    this.grantedWindowMs = granted.windowMs;
    this.grantedSelection = granted.selection;
    this.tellStatus();
    this.onGranted?.();
  }

  /** @internal */
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

  /** @internal The link is gone; what comes next may leave a hole. */
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

  /** @internal What the component says of the publisher: news, or a sign of life. */
  publisherIs(status: ServiceStatus, paceMs: number | null): void {
    const isSame = status === this.publisher && paceMs === this.paceMs;
    this.publisher = status;
    this.paceMs = paceMs;
    if (isSame && !this.ended) this.emit("status", { ...this.told, windowMs: this.windowMs });
    else this.tellStatus();
  }

  private tellStatus(): void {
    const now = { ...this.statusNow(), windowMs: this.windowMs };
    const { told, toldPaceMs, paceMs } = this;
    if (this.ended || (told.status === now.status && told.by === now.by && toldPaceMs === paceMs)) return;
    this.told = now;
    this.toldPaceMs = paceMs;
    this.emit("status", now);
  }

  private statusNow(): Omit<StatusEvent, "windowMs"> {
    if (this.away !== undefined) return { status: this.away, by: "client" };
    if (this.paused && this.subid === "") return { status: "paused", by: "client" };
    const slowed = this.wantedWindowMs > this.askedWindowMs && this.grantedWindowMs >= this.wantedWindowMs;
    if (slowed && this.publisher === "online") return { status: "slowed", by: "client" };
    return { status: this.publisher, by: "publisher" };
  }

  /** @internal What one DATA frame carried. */
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
          this.deliverRow(event);
          if (this.ended) return;
          break;
        case "lost":
          // What was published during a pause was not to come.
          if (skipped) this.emit("conflated", { from: event.from, to: event.to, reason: "paused" });
          else this.emit("lost", { from: event.from, to: event.to, reason });
          break;
        case "conflated":
          this.emit("conflated", { from: event.from, to: event.to, reason: conflatedBy });
          break;
        case "reset":
          this.emit("reset", { from: event.from, to: event.to, reason: "epoch" });
          break;
      }
    }
    this.giveCredit();
  }

  private deliverRow(row: {
    readonly epoch: number;
    readonly offset: number;
    readonly at: number;
    readonly row: Value;
  }): void {
    let value: T;
    try {
      value = this.parse === undefined ? (row.row as T) : this.parse(row.row);
    } catch (error) {
      void this.host.stop(this as Subscription<unknown>);
      const cause = toStanzapackError(error, `reading a value of \`${this.node}\``);
      this.finish(
        cause.code === "internal"
          ? new StanzapackError(
              "unencodable",
              `\`parse\` refused a value of \`${this.node}\`: ${(error as Error).message}`,
              { cause: error },
            )
          : cause,
      );
      return;
    }
    const update = { value, at: row.at, epoch: row.epoch, offset: row.offset };
    if (this.listenerCount("update") > 0) this.emit("update", update);
    else {
      this.queue.push(update, this.kind !== "log");
      this.onQueued?.();
    }
  }

  /** @internal */
  finish(error: StanzapackError | undefined): void {
    if (this.ended) return;
    this.endedWith = { error };
    this.queue.close(error);
    this.emit("ended", error);
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
  grantSelection(selection, 0, kind);
  return selection;
}
