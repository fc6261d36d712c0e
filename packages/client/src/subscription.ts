import { EventEmitter } from "eventemitter3";
import {
  grantWindow,
  Position,
  StanzapackError,
  type BindSubscriptionFrame,
  type Since,
  type ServiceKind,
  type DataBatch,
  type ServiceStatus,
  type Value,
} from "@stanzapack/wire";
import { toStanzapackError } from "./errors.js";
import type { Granted } from "./negotiation.js";
import type { InactivePolicy } from "./options.js";
import { UpdateQueue } from "./update-queue.js";

export interface Update<T> {
  readonly value: T;
  /** When the component received it, in ms since 1970 of the component's clock. */
  readonly at: number;
  readonly epoch: number;
  readonly offset: number;
}

/** A range of offsets, both ends included. */
export interface RangeEvent {
  readonly from: number;
  readonly to: number;
  /** `disconnected`, `gap`, `window` (left out on purpose under pressure), `paused` (while this client was inactive), `consumer` (this program was too slow), `epoch`. */
  readonly reason: string;
}

/**
 * `online`, `offline`, `paused`: the publisher; or `paused` and `slowed` by our own client while it is inactive, `paused` also while
 * a log comes faster than it is read;
 * `disconnected`, and `waiting` for the service to be offered again: ourselves.
 */
export type SubscriptionStatus = ServiceStatus | "disconnected" | "waiting" | "slowed";

export interface StatusEvent {
  readonly status: SubscriptionStatus;
  /** Whose doing it is: `client` for `disconnected`, `waiting`, `slowed`, and `paused` by `setActive(false)`. */
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
  status: (event: StatusEvent) => void;
  /** Once, at the end; with the error if it was not stopped by us. */
  ended: (error: StanzapackError | undefined) => void;
}

export interface SubscribeOptions<T> {
  /** How long updates may be gathered, in ms; the next rung of 0, 100, 200, 500, 1000, … is granted. Default 0: each at once. */
  readonly windowMs?: number;
  /**
   * Of a `log`, where to begin: with the oldest update kept (`first`), behind a position, or at a time, in ms since 1970. Default:
   * with what comes from now on. After a break it goes on where it was by itself.
   */
  readonly since?: Since;
  /** Checks and types a value, for example a schema's `parse`; a throw ends the subscription. */
  readonly parse?: (value: Value) => T;
  /**
   * Most updates that wait for a slow consumer; then the oldest are dropped and told as `conflated`. Of a log none are: beyond it, the
   * component keeps what comes until half of them are read. Default 1,000.
   */
  readonly maxQueued?: number;
}

/** What a subscription asks of its client. */
export interface SubscriptionHost {
  change(subscription: Subscription<unknown>, windowMs: number): Promise<Granted>;
  stop(subscription: Subscription<unknown>): Promise<void>;
  /** Brings the component into line with what is to be in force now: it is `paused`, or not any more. */
  settle(): void;
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
  private away: "disconnected" | "waiting" | undefined;
  private interrupted = false;
  private inactive: InactivePolicy | undefined;
  /** Of a log, more waits for the consumer than is to: the component keeps what comes. */
  private held = false;
  /** It was paused since the last value came. */
  private skipped = false;
  private baseAt = 0;
  private endedWith: { readonly error: StanzapackError | undefined } | undefined;
  /** @internal Something waits for whoever takes the updates of many. */
  onQueued: (() => void) | undefined;
  /** @internal As the component granted it. */
  subid = "";
  /** @internal Given back to the component for a pause. */
  rests = false;
  /** @internal What was asked for, for subscribing again. */
  askedWindowMs: number;
  private grantedWindowMs = 0;
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
    this.parse = options.parse;
    this.asked = options.since;
    const { since } = options;
    this.position = new Position(typeof since === "object" && "epoch" in since ? since : undefined);
    this.queue = new UpdateQueue(options.maxQueued ?? 1_000, ({ offset }) =>
      this.emit("conflated", { from: offset, to: offset, reason: "consumer" }),
    );
  }

  /** The window granted, in ms. */
  get windowMs(): number {
    return this.grantedWindowMs;
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

  /** Asks for another window, live; gives what was granted. While the client is inactive the wider of this and its own holds. */
  async change(options: { readonly windowMs: number }): Promise<{ readonly windowMs: number }> {
    this.assertLive();
    if (this.paused) {
      const windowMs = grantWindow(options.windowMs);
      this.askedWindowMs = windowMs;
      return { windowMs };
    }
    const granted = await this.host.change(this as Subscription<unknown>, this.widened(options.windowMs));
    this.askedWindowMs = options.windowMs;
    this.applyGrant(granted);
    return { windowMs: granted.windowMs };
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
    return this.held || this.inactive === "pause";
  }

  /** @internal Its client became inactive, or active again: what is to be in force, before the component agrees to it. */
  setInactive(policy: InactivePolicy | undefined): void {
    this.inactive = policy;
    if (policy === "pause") this.skipped = true;
  }

  /** @internal Whether the component does with it what is to be in force now. */
  get settled(): boolean {
    if (this.paused || this.subid === "") return this.paused === (this.subid === "");
    return grantWindow(this.wantedWindowMs) === this.grantedWindowMs;
  }

  /** @internal Paused: the component does not have it, here it goes on. */
  resting(): void {
    this.rests = true;
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
        this.goOn();
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
    if (event === "update")
      for (const update of this.queue.drain()) (listener as unknown as (update: Update<T>) => void)(update);
    this.goOn();
    return this;
  }

  /** @internal Updates wait. */
  get waits(): boolean {
    return !this.queue.empty;
  }
  /** @internal The next update, if one waits. */
  take(): Update<T> | undefined {
    const update = this.queue.take();
    this.goOn();
    return update;
  }

  private goOn(): void {
    if (this.held && this.queue.roomy) this.hold(false);
  }

  private hold(held: boolean): void {
    this.held = held;
    if (!this.ended) this.host.settle();
  }

  private assertLive(): void {
    if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
  }

  /** @internal */
  applyGrant(granted: Granted): void {
    this.subid = granted.subid;
    this.wasRecovered = granted.recovered ?? this.wasRecovered;
    if (granted.begun !== undefined) this.position.begin(granted.begun);
    this.rests = false;
    this.grantedWindowMs = granted.windowMs;
    this.tellStatus();
    // It came to that while it was being made.
    if (this.held) this.host.settle();
  }

  /** @internal */
  bound(frame: BindSubscriptionFrame): void {
    this.baseAt = frame.baseAt;
    this.kind = frame.kind;
    this.away = undefined;
    this.setStatus("online");
  }

  /** @internal The link is gone; what comes next may leave a hole. */
  interrupt(status: "disconnected" | "waiting"): void {
    this.interrupted = true;
    this.rests = false;
    this.away = status;
    this.subid = "";
    this.tellStatus();
  }

  /** @internal What the component says of the publisher. */
  setStatus(status: ServiceStatus): void {
    this.publisher = status;
    this.tellStatus();
  }

  private tellStatus(): void {
    const now = this.statusNow();
    if (this.ended || (this.told.status === now.status && this.told.by === now.by)) return;
    this.told = now;
    this.emit("status", { ...now, windowMs: this.grantedWindowMs });
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
    const reason = this.interrupted ? "disconnected" : "gap";
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
          this.emit("conflated", { from: event.from, to: event.to, reason: "window" });
          break;
        case "reset":
          this.emit("reset", { from: event.from, to: event.to, reason: "epoch" });
          break;
      }
    }
    if (this.kind === "log" && !this.held && this.queue.full) this.hold(true);
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
