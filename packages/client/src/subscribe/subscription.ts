import {
  StanzapackError,
  type Selection,
  type ServiceStatus,
  type Value,
} from "@stanzapack/wire";
import { ReaderCredit } from "./credit.js";
import { toStanzapackError } from "../base/errors.js";
import { checked } from "../options/option-checks.js";
import type { ChangeOptions, SubscribeOptions } from "../options/subscribe-options.js";
import type { SharedSubscription } from "./shared-subscription.js";
import { textOf } from "../base/text-of.js";
import { listenedTo, UpdateEmitter } from "./update-emitter.js";
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
 * `disconnected`, and `waiting` for the service to be offered again, or for a fault that may pass: ourselves; `pending`: the publisher has to allow it again.
 */
export type SubscriptionStatus = ServiceStatus | Away | "slowed";

/** Why nothing can come, whatever is published. */
export type Away = "disconnected" | "waiting" | "pending";

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

/** Updates that wait for a slow consumer where nobody says how many. */
export const MAX_QUEUED = 1_000;

/** An update as it came, before anybody has checked or typed it. */
export interface Row {
  readonly epoch: number;
  readonly offset: number;
  readonly at: number;
  readonly row: Value;
}

/**
 * A live subscription: iterate it, or listen to `update`, one of the two at a time. What comes while you do neither waits for you, and
 * a listener gets it first, however it is added (`once`: one update). While there is a listener an iteration throws `usage`. Iteration ends
 * when the subscription is stopped and throws what ended it otherwise. Reconnections are its client's business; what was missed is told by `lost` and `reset`.
 *
 * All subscriptions of one client to one node share what the component sends. Each has its own queue, `parse` and end, and gets every
 * update that comes while it lasts. `change` holds for all of them. One that reads too slowly keeps no other waiting: it loses what does
 * not fit its queue, which is told as `conflated`, or of a log that is shared as `lost`, both by reason `consumer`.
 */
export class Subscription<T = Value>
  extends UpdateEmitter<SubscriptionEvents<T>>
  implements AsyncIterable<Update<T>>
{
  private readonly queue: UpdateQueue<Update<T>>;
  private readonly parse: ((value: Value) => T) | undefined;
  private handing = false;
  private endedWith: { readonly error: StanzapackError | undefined } | undefined;
  /** @internal Something waits for whoever takes the updates of many. */
  onQueued: (() => void) | undefined;
  /** @internal What `lost`, `conflated` and `reset` tell; at once, also where nobody can listen yet. */
  onRange: ((event: "lost" | "conflated" | "reset", range: RangeEvent) => void) | undefined;
  /** @internal It has ended; at once, also where nobody can listen yet. */
  onEnded: ((error: StanzapackError | undefined) => void) | undefined;
  /** @internal What it lets the component send. */
  readonly credit: ReaderCredit;

  /** Use `client.subscribe`. */
  constructor(...none: [never, ...never[]]);
  /** @internal */
  constructor(shared: SharedSubscription, options: Pick<SubscribeOptions<T>, "parse" | "maxQueued">);
  constructor(
    /** @internal */
    readonly shared: SharedSubscription,
    { parse, maxQueued = MAX_QUEUED }: Pick<SubscribeOptions<T>, "parse" | "maxQueued">,
  ) {
    super();
    this.parse = parse;
    this.queue = new UpdateQueue(maxQueued, ({ offset }) => {
      this.credit.dropped();
      const event = shared.isLog ? "lost" : "conflated";
      this.tellRange(event, { from: offset, to: offset, reason: "consumer" });
    });
    this.credit = new ReaderCredit(
      maxQueued,
      () => this.queue.length,
      () => this.listenerCount("update") > 0,
    );
  }

  /** @internal */
  tellRange(event: "lost" | "conflated" | "reset", range: RangeEvent): void {
    this.onRange?.(event, range);
    this.tell(event, range);
  }

  get node(): string {
    return this.shared.node;
  }
  /** The window granted, in ms; wider than asked for while the publisher cannot send more often. */
  get windowMs(): number {
    return this.shared.windowMs;
  }
  /** The selection granted. */
  get selection(): Selection {
    return this.shared.selection;
  }
  /**
   * Of a log, whether everything from where it was to begin, or to go on, was still kept. What was not is told as `lost`, or as a
   * `reset` when the log began anew. Undefined where no beginning was asked for.
   */
  get recovered(): boolean | undefined {
    return this.shared.recovered;
  }
  get status(): SubscriptionStatus {
    return this.shared.status;
  }
  get ended(): boolean {
    return this.endedWith !== undefined;
  }

  /**
   * Changes window and selection, live; what is left out stays as it is. Gives the window granted; `selection` is what was granted of
   * that. While the client is inactive the wider of this window and its own holds. Positions go on, and nothing is lost: the newest value
   * comes, unless it came already; a field that was not taken before comes with the next update. Without a link it resolves at once, and
   * takes effect with the next one. It holds for every subscription of this client to the node.
   */
  async change(options: ChangeOptions): Promise<{ readonly windowMs: number }> {
    const own = checked("change", options);
    if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
    return this.shared.change(own);
  }

  /**
   * Ends it. Idempotent; resolves when the component knows, or at once while there is no link, or while others of this client take the
   * node.
   */
  async stop(): Promise<void> {
    if (this.ended) return;
    this.finish(undefined);
    await this.shared.leave(this as Subscription<unknown>);
  }

  [Symbol.asyncIterator](): AsyncIterator<Update<T>, undefined> {
    return {
      next: () => {
        if (this.listenerCount("update") > 0) return Promise.reject(listenedTo(`\`${this.node}\``));
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

  /** @internal */
  protected override handOver(): void {
    this.queue.refuse(listenedTo(`\`${this.node}\``));
    // A listener that adds another one gets what waits in its turn.
    if (this.handing) return;
    this.handing = true;
    const { ended } = this;
    // A listener may remove itself, as one of `once` does, or end the subscription.
    while (this.listenerCount("update") > 0 && this.ended === ended) {
      const update = this.queue.take();
      if (update === undefined) break;
      this.emit("update", update);
    }
    this.handing = false;
    this.readOn();
  }

  /** @internal */
  protected override toldEarly(): void {
    super.toldEarly();
    if (this.waits) this.onQueued?.();
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
    this.shared.giveCredit();
  }

  /** @internal */
  deliver({ row, at, epoch, offset }: Row): void {
    if (this.ended) return;
    let value: T;
    try {
      value = this.parse === undefined ? (row as T) : this.parse(row);
    } catch (error) {
      this.finish(this.toRefusal(error));
      void this.shared.leave(this as Subscription<unknown>);
      return;
    }
    const update = { value, at, epoch, offset };
    if (this.listenerCount("update") > 0 && !this.hasEarly && this.queue.empty) this.emit("update", update);
    else {
      // The component keeps what comes of a log for one slow consumer, but not at the cost of another.
      this.queue.push(update, !this.shared.isLog || this.shared.isShared);
      this.onQueued?.();
    }
  }

  private toRefusal(error: unknown): StanzapackError {
    const cause = toStanzapackError(error, `reading a value of \`${this.node}\``);
    if (cause.code !== "internal") return cause;
    const text = `\`parse\` refused a value of \`${this.node}\`: ${textOf(error)}`;
    return new StanzapackError("unencodable", text, { cause: error });
  }

  /** @internal */
  finish(error: StanzapackError | undefined): void {
    if (this.ended) return;
    this.endedWith = { error };
    this.queue.close(error);
    this.onEnded?.(error);
    this.tell("ended", error);
  }
}
