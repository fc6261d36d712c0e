import { StanzapackError, type Selection, type ServiceKind, type Value } from "@stanzapack/wire";
import { MAX_QUEUED, ReaderCredit } from "./credit.js";
import { toStanzapackError } from "../base/errors.js";
import type { CallOptions } from "../options/call-options.js";
import { checked, checkMethod } from "../options/option-checks.js";
import type { ChangeOptions, SubscribeOptions } from "../options/subscribe-options.js";
import type { VerifyOptions } from "../options/verify-options.js";
import type { SharedSubscription } from "./shared-subscription.js";
import { textOf } from "../base/text-of.js";
import type { Verification } from "./map-check.js";
import { MapView } from "./map-view.js";
import type { RangeEvent, SubscriptionEvents, SubscriptionStatus, Update } from "./subscription-events.js";
import { listenedTo, noUpdates, UpdateEmitter } from "./update-emitter.js";
import type { MapChangeEvent, MapOutcome } from "./map-replica.js";
import { UpdateQueue } from "./update-queue.js";

/** An update as received, before `parse`. */
export interface Row {
  readonly epoch: number;
  readonly offset: number;
  readonly at: number;
  readonly row: Value;
}

/**
 * A live subscription. Iterate it, or listen to `update`, but not both at a time: while `update` has a listener, an
 * iteration throws `usage`. Updates that arrive before wait, and the first listener receives them (`once`: one
 * update). The iteration ends when the subscription is stopped, and throws the error that ended it otherwise. The
 * client reconnects by itself. `lost` and `reset` name the updates that were missed.
 *
 * A subscription to a map has the copy in `map`, and emits `change`, `syncing` and `synced`. It emits no `update`,
 * `lost` or `conflated`, `reset` with a `cursor` alone, and an iteration throws `usage`.
 *
 * All subscriptions of one client to one node share the stanzas of the component. Each has its own queue, `parse` and
 * end, and receives every update while it lasts. `change` holds for all of them. A subscription that reads too slowly
 * delays no other. It loses the updates that do not fit its queue: it emits `conflated`, or `lost` for a shared log,
 * both with reason `consumer`.
 */
export class Subscription<T = Value>
  extends UpdateEmitter<SubscriptionEvents<T>>
  implements AsyncIterable<Update<T>>
{
  private readonly queue: UpdateQueue<Update<T>>;
  private readonly view: MapView<T>;
  private readonly parse: ((value: Value) => T) | undefined;
  private handing = false;
  /** The last update that an iteration gave to the program. Asking for the next one says that it was taken. */
  private inHand: Update<T> | undefined;
  /** @internal Why it has ended. Undefined: it has not. */
  endedWith: { readonly error: StanzapackError | undefined } | undefined;
  /** @internal Called when an update waits for an iteration of a group. */
  onQueued: (() => void) | undefined;
  /** @internal Takes the ranges of `lost`, `conflated` and `reset` at once, even if nobody can listen yet. */
  onRange: ((event: "lost" | "conflated" | "reset", range: RangeEvent) => void) | undefined;
  /** @internal Called at once when it ends, even if nobody can listen yet. */
  onEnded: ((error: StanzapackError | undefined) => void) | undefined;
  /** @internal Credit for the component. */
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
      () => (shared.hasCursor ? 0 : this.queue.length),
      () => shared.isMap || (!shared.hasCursor && this.listenerCount("update") > 0),
    );
    this.view = new MapView(shared, parse);
  }

  /** @internal */
  tellRange(event: "lost" | "conflated" | "reset", range: RangeEvent): void {
    this.onRange?.(event, range);
    this.tell(event, range);
  }

  get node(): string {
    return this.shared.node;
  }
  /** Kind of the service. Undefined until the component has granted the subscription. */
  get kind(): ServiceKind | undefined {
    return this.shared.kind;
  }
  /**
   * Copy of a service of kind `map`. It changes while the subscription lasts, and keeps its keys while the link is
   * broken. It is a state that the publisher's map had. Only while the map changes faster than the link, the copy may
   * show a part of an update. Empty for other kinds, and until the first `synced`.
   */
  get map(): ReadonlyMap<string, T> {
    return this.view.values;
  }
  /**
   * True: `map` is up to date, apart from changes on their way. False: it is catching up, or has no link. False for
   * other kinds.
   */
  get synced(): boolean {
    return this.shared.synced;
  }
  /** Number of keys of `map` that differed from the component's map and were repaired, since the subscription began. */
  get repaired(): number {
    return this.shared.check.repaired;
  }
  /** Window granted, in ms. It is wider than asked for while the publisher cannot send more often. */
  get windowMs(): number {
    return this.shared.windowMs;
  }
  /** Selection granted. */
  get selection(): Selection {
    return this.shared.selection;
  }
  /**
   * Whether a log still had everything from the position where it was to begin, or to continue. `lost` names the
   * updates that it no longer had, or `reset` if the log began again. Of a map with a cursor: whether the component
   * could say what has changed since. Undefined if no beginning was asked for.
   */
  get recovered(): boolean | undefined {
    return this.shared.recovered;
  }
  /**
   * The position of the last update that arrived. Of a map, the last position of which all `change` events were
   * emitted, for `markTaken`. Undefined before.
   */
  get position(): { readonly epoch: number; readonly offset: number } | undefined {
    return this.shared.shown;
  }
  get status(): SubscriptionStatus {
    return this.shared.status;
  }
  get ended(): boolean {
    return this.endedWith !== undefined;
  }

  /**
   * Changes the window and the selection of every subscription of this client to the node, while it runs. Options that
   * you leave out stay as they are. Resolves to the window granted, in ms. `selection` has the selection granted.
   *
   * Positions continue, and nothing is lost. The newest value is sent, unless it was sent already. A field that was not
   * selected before is sent with the next update. While the client is inactive, the wider of this window and its own
   * window holds. Without a link it resolves at once, and takes effect on the next link. Throws `stopped` after the
   * end.
   */
  async change(options: ChangeOptions): Promise<{ readonly windowMs: number }> {
    const own = checked("change", options);
    if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
    return this.shared.change(own);
  }

  /**
   * Calls a method of the service's publisher. `args` is a value as `publish` takes it, null by default. Resolves to
   * the result. `R` is its type, which nobody checks. A call runs at most once. It waits for the link and the
   * subscription. If the link breaks after the call was sent, the client asks for the result on the next link.
   *
   * Throws `call-failed` with the message of the publisher's handler, `unknown-method`, `too-large`, `unencodable`,
   * `invalid-options`, `unsupported` if a program on the way knows no calls, and `stopped` after the end. The call did
   * not run if it throws `publisher-offline`, `busy`, `timeout`, or `stopped`. If it throws `outcome-unknown`, the
   * call may have run: the result did not arrive within `timeoutMs`, or can never arrive.
   */
  async call<R = Value>(method: string, args?: Value, options: CallOptions = {}): Promise<R> {
    checkMethod("call", method);
    const { timeoutMs } = checked("call", options);
    if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
    return (await this.shared.calls.call(method, args, timeoutMs)) as R;
  }

  /**
   * Compares `map`, as it is in memory now, with the component's map, and repairs the keys that differ. Resolves to
   * the number of keys of the map, and the number of repaired keys. Waits for the link, for `synced`, and for updates
   * that wait at the component: at most a window. The client makes such a check about once a minute by itself. Throws
   * `timeout` after `timeoutMs`, 60,000 by default, `unsupported` if the component has no checksums, `usage` for a
   * service of another kind or a map that continues at a `cursor` without `copy`, and `stopped` after the end.
   */
  async verify(options: VerifyOptions = {}): Promise<Verification> {
    const { timeoutMs } = checked("verify", options);
    if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
    if (this.kind !== undefined && !this.shared.isMap)
      throw new StanzapackError("usage", `\`${this.node}\` is no map`, { scope: "subscription" });
    return this.shared.check.verify(timeoutMs);
  }

  /**
   * Ends the subscription. Resolves when the component knows. Resolves at once without a link, or while other
   * subscriptions of this client take the node. Idempotent.
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
        if (this.shared.isMap) return Promise.reject(noUpdates(this.node));
        this.takeInHand();
        const next = this.queue.next();
        this.readOn();
        return this.shared.hasCursor ? this.putInHand(next) : next;
      },
      return: async () => {
        await this.stop();
        return { value: undefined, done: true };
      },
    };
  }

  private async putInHand(
    next: Promise<IteratorResult<Update<T>, undefined>>,
  ): Promise<IteratorResult<Update<T>, undefined>> {
    const result = await next;
    if (result.done !== true) this.inHand = result.value;
    return result;
  }

  private takeInHand(): void {
    if (this.inHand !== undefined) this.shared.took(this.inHand);
    this.inHand = undefined;
  }

  /**
   * With a `cursor`: says that the program is done with this update and with all before it. Of a map it takes a
   * `position`, and covers all changes up to it. An iteration says so by itself when it asks for the next update, and
   * a listener when it returns. Call this before you leave a loop, so that its last update does not arrive again next
   * time.
   */
  markTaken({ epoch, offset }: Pick<Update<T>, "epoch" | "offset">): void {
    this.shared.took({ epoch, offset });
  }

  /** @internal */
  protected override handOver(): void {
    this.queue.refuse(listenedTo(`\`${this.node}\``));
    // A listener that adds another listener receives the waiting updates in its turn.
    if (this.handing) return;
    this.handing = true;
    const { ended } = this;
    // A listener may remove itself, as a listener of `once` does, or end the subscription.
    while (this.listenerCount("update") > 0 && this.ended === ended) {
      const update = this.queue.take();
      if (update === undefined) break;
      this.emit("update", update);
      this.shared.took(update);
    }
    this.handing = false;
    this.readOn();
  }

  /** @internal */
  protected override toldEarly(): void {
    super.toldEarly();
    if (this.waits) this.onQueued?.();
    this.shared.noteShown();
  }

  /** @internal Whether updates wait. */
  get waits(): boolean {
    return !this.queue.empty;
  }
  /** @internal Returns the next update, if one waits. */
  take(): Update<T> | undefined {
    const update = this.queue.take();
    this.readOn();
    return update;
  }

  /** The consumer has read: the component may send more. */
  private readOn(): void {
    this.credit.read();
    this.shared.giveCredit();
  }

  /** @internal */
  deliver({ row, at, epoch, offset }: Row): void {
    if (this.ended) return;
    let value: T;
    try {
      value = this.parsed(row);
    } catch (error) {
      this.finish(this.toRefusal(error));
      void this.shared.leave(this as Subscription<unknown>);
      return;
    }
    const update = { value, at, epoch, offset };
    if (this.listenerCount("update") > 0 && !this.hasEarly && this.queue.empty) {
      this.emit("update", update);
      this.shared.took(update);
    } else {
      // The component keeps new updates of a log for one slow consumer, but not if another consumer would wait.
      this.queue.push(update, !this.shared.isLog || this.shared.isShared);
      this.onQueued?.();
    }
  }

  /** @internal Takes a value as it travels, and returns it as this reader has it. Throws what `parse` throws. */
  parsed(value: Value): T {
    return this.parse === undefined ? (value as T) : this.parse(value);
  }

  /** @internal */
  deliverMap({ changes, synced, syncing }: MapOutcome): void {
    if (this.ended) return;
    let events: readonly MapChangeEvent<T>[];
    try {
      events = this.view.take(changes);
    } catch (error) {
      this.finish(this.toRefusal(error));
      void this.shared.leave(this as Subscription<unknown>);
      return;
    }
    for (const event of events) this.tell("change", event);
    if (syncing !== undefined) this.tell("syncing", syncing);
    if (synced) this.tell("synced");
  }

  /** @internal The program has these keys of the map already, and no others. */
  prime(changes: readonly MapChangeEvent<Value>[]): void {
    this.view.clear();
    try {
      this.view.take(changes);
    } catch (error) {
      this.finish(this.toRefusal(error));
      void this.shared.leave(this as Subscription<unknown>);
    }
  }

  /** @internal */
  tellRepaired(keys: number): void {
    this.tell("repaired", { keys });
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
