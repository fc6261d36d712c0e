import { EventEmitter } from "eventemitter3";
import {
  decodeRow,
  Position,
  StanzapackError,
  type BindSubscriptionFrame,
  type DataFrame,
  type ServiceStatus,
  type Value,
} from "@stanzapack/wire";
import { toStanzapackError } from "./errors.js";
import type { Granted } from "./negotiation.js";
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
  /** `disconnected`, `gap`, `window` (left out on purpose under pressure), `consumer` (this program was too slow), `epoch`. */
  readonly reason: string;
}

export type SubscriptionStatus = ServiceStatus | "disconnected" | "waiting";

export interface SubscriptionEvents<T> {
  update: (update: Update<T>) => void;
  /** Values that should have come and never will. */
  lost: (range: RangeEvent) => void;
  /** Values left out in favour of newer ones. */
  conflated: (range: RangeEvent) => void;
  /** Offsets began anew (the component lost its memory): from the old position to the new one. */
  reset: (range: RangeEvent) => void;
  /** `online`, `offline`, `paused`: the publisher. `disconnected`, `waiting` (for the service to be offered again): ourselves. */
  status: (event: { readonly status: SubscriptionStatus }) => void;
  /** Once, at the end; with the error if it was not stopped by us. */
  ended: (error: StanzapackError | undefined) => void;
}

export interface SubscribeOptions<T> {
  /** How long updates may be gathered, in ms; the next rung of 0, 100, 200, 500, 1000, … is granted. Default 0: each at once. */
  readonly windowMs?: number;
  /** Checks and types a value, for example a schema's `parse`; a throw ends the subscription. */
  readonly parse?: (value: Value) => T;
  /** Most updates that wait for a slow consumer; then the oldest are dropped and told as `conflated`. Default 1,000. */
  readonly maxQueued?: number;
}

/** What a subscription asks of its client. */
export interface SubscriptionHost {
  change(subscription: Subscription<unknown>, windowMs: number): Promise<Granted>;
  stop(subscription: Subscription<unknown>): Promise<void>;
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
  private readonly position = new Position();
  private readonly parse: ((value: Value) => T) | undefined;
  private current: SubscriptionStatus = "online";
  private interrupted = false;
  private baseAt = 0;
  private endedWith: { readonly error: StanzapackError | undefined } | undefined;
  /** @internal As the component granted it. */
  subid = "";
  /** @internal What was asked for, for subscribing again. */
  askedWindowMs: number;
  private grantedWindowMs = 0;

  /** @internal Use `client.subscribe`. */
  constructor(
    readonly node: string,
    options: SubscribeOptions<T>,
    private readonly host: SubscriptionHost,
  ) {
    super();
    this.askedWindowMs = options.windowMs ?? 0;
    this.parse = options.parse;
    this.queue = new UpdateQueue(options.maxQueued ?? 1_000, ({ offset }) =>
      this.emit("conflated", { from: offset, to: offset, reason: "consumer" }),
    );
  }

  /** The window granted, in ms. */
  get windowMs(): number {
    return this.grantedWindowMs;
  }
  get status(): SubscriptionStatus {
    return this.current;
  }
  get ended(): boolean {
    return this.endedWith !== undefined;
  }

  /** Asks for another window, live; gives what was granted. */
  async change(options: { readonly windowMs: number }): Promise<{ readonly windowMs: number }> {
    this.assertLive();
    const granted = await this.host.change(this as Subscription<unknown>, options.windowMs);
    this.askedWindowMs = options.windowMs;
    this.applyGrant(granted);
    return { windowMs: granted.windowMs };
  }

  /** Ends it. Idempotent; resolves when the component knows, or at once while there is no link. */
  async stop(): Promise<void> {
    if (this.ended) return;
    this.finish(undefined);
    await this.host.stop(this as Subscription<unknown>);
  }

  [Symbol.asyncIterator](): AsyncIterator<Update<T>, undefined> {
    return {
      next: () => this.queue.next(),
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
    return this;
  }

  private assertLive(): void {
    if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
  }

  /** @internal */
  applyGrant(granted: Granted): void {
    this.subid = granted.subid;
    this.grantedWindowMs = granted.windowMs;
  }

  /** @internal */
  bound(frame: BindSubscriptionFrame): void {
    this.baseAt = frame.baseAt;
    this.setStatus("online");
  }

  /** @internal The link is gone; what comes next may leave a hole. */
  interrupt(status: "disconnected" | "waiting"): void {
    this.interrupted = true;
    this.setStatus(status);
  }

  /** @internal */
  setStatus(status: SubscriptionStatus): void {
    if (this.current === status || this.ended) return;
    this.current = status;
    this.emit("status", { status });
  }

  /** @internal Rows of one DATA frame. */
  deliver(frame: DataFrame, rows: readonly Uint8Array[]): void {
    if (this.ended) return;
    const reason = this.interrupted ? "disconnected" : "gap";
    this.interrupted = false;
    for (const event of this.position.advance(frame, rows, this.baseAt)) {
      switch (event.event) {
        case "row":
          this.deliverRow(event);
          if (this.ended) return;
          break;
        case "lost":
          this.emit("lost", { from: event.from, to: event.to, reason });
          break;
        case "conflated":
          this.emit("conflated", { from: event.from, to: event.to, reason: "window" });
          break;
        case "reset":
          this.emit("reset", { from: event.from, to: event.to, reason: "epoch" });
          break;
      }
    }
  }

  private deliverRow(row: {
    readonly epoch: number;
    readonly offset: number;
    readonly at: number;
    readonly row: Uint8Array;
  }): void {
    let value: T;
    try {
      const raw = decodeRow(row.row);
      value = this.parse === undefined ? (raw as T) : this.parse(raw);
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
    else this.queue.push(update);
  }

  /** @internal */
  finish(error: StanzapackError | undefined): void {
    if (this.ended) return;
    this.endedWith = { error };
    this.queue.close(error);
    this.emit("ended", error);
  }
}
