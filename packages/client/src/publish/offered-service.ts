// Over 400 lines: one public class, half of it docstrings of the API reference.
import {
  DATA_HEADER_BYTES,
  DEFAULT_LIMITS,
  encodeUpdate,
  StanzapackError,
  type BindServiceFrame,
  type RowCodec,
  type Value,
} from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import { readBareJid, withPreparedMembers } from "../base/addresses.js";
import { drawIncarnation } from "../base/incarnation.js";
import { Emitter } from "../base/emitter.js";
import { readyFrame, type ReadyFrame } from "../link/ready-frame.js";
import type { ConfigureOptions, OfferOptions } from "../options/offer-options.js";
import { checkBounds, checked, checkHandler, checkMethod, checkText } from "../options/option-checks.js";
import { OUTBOX_BOUNDS, toStoreError } from "../store/outbox-store.js";
import { CallHandlers, type CallHandler } from "./call-handlers.js";
import { checkAuthorize } from "./approvals.js";
import { unsentError, withUnacknowledged } from "./left-updates.js";
import type { OutboxSaver } from "./outbox-saver.js";
import { Outbox } from "./outbox.js";
import { Pace } from "./pace.js";
import { ServiceBinding, toCodedSlices } from "./service-binding.js";
import type { Demand, OfferedServiceEvents } from "./service-events.js";
import type { LinkPeer, OutboxPart, ServiceHost } from "./service-host.js";
import { untilSent } from "./until-sent.js";
import { WaitingValues } from "./waiting-values.js";

/** A service that this client offers, with values of type `T`. */
export class OfferedService<T = Value> extends Emitter<OfferedServiceEvents> {
  /** Waiting updates of a `value`. */
  private readonly values = new WaitingValues();
  /** Updates of a `log` or a `map`. Undefined for a `value`. */
  private readonly outbox: Outbox | undefined;
  /** Writes updates into the store. Undefined without a store. */
  private readonly saver: OutboxSaver | undefined;
  private wanted: Demand = { subscribers: 0, windowMs: null };
  /** Undefined until the component has bound the service on the current link. */
  private binding: ServiceBinding | undefined;
  /** Sequence of the last update published. */
  private sequence: number;
  /** Last sequence that was sent on the link, or that the component has. */
  private sent = 0;
  private lastFlushAt = -Infinity;
  private readonly pace = new Pace();
  private finished = false;
  private changing: Promise<void> = Promise.resolve();
  private wasBound = false;
  /** @internal Resolves when another service may open its store. */
  released: Promise<void> | undefined;
  private ofIncarnation: number;
  /** @internal */
  readonly calls: CallHandlers;

  /** Use `client.offer`. */
  constructor(...none: [never, ...never[]]);
  /** @internal */
  constructor(
    node: string,
    options: OfferOptions,
    host: ServiceHost,
    codec: RowCodec,
    part?: Partial<OutboxPart>,
    now?: () => number,
  );
  constructor(
    readonly node: string,
    /** @internal Options of the offer, for the next link. */
    public options: OfferOptions,
    private readonly host: ServiceHost,
    private readonly codec: RowCodec,
    /** Its store, and the class that writes into the store. */
    { stored, Saver }: Partial<OutboxPart> = {},
    private readonly now: () => number = monotonicNow,
  ) {
    super();
    this.calls = new CallHandlers(node, (failure) => this.tell("callFailed", failure), now);
    this.outbox =
      options.kind === "log" || options.kind === "map" ? new Outbox(OUTBOX_BOUNDS, stored) : undefined;
    this.ofIncarnation = stored?.incarnation ?? drawIncarnation();
    this.sequence = this.outbox?.last ?? 0;
    if (this.outbox !== undefined && stored !== undefined && Saver !== undefined)
      this.saver = new Saver(
        this.outbox,
        stored,
        () => this.pending && this.book(this.now()),
        (error) => this.finish(error),
        toStoreError,
      );
  }

  /** @internal Identifies this outbox: for one program's life, or for the life of its store. */
  get incarnation(): number {
    return this.ofIncarnation;
  }

  get demand(): Demand {
    return this.wanted;
  }
  get ended(): boolean {
    return this.finished;
  }
  /** Whether its updates outlive this program. */
  get stores(): boolean {
    return this.saver !== undefined;
  }
  /** @internal Whether the component has bound it before, on this link or an earlier one. */
  get established(): boolean {
    return this.wasBound;
  }
  /** @internal Whether the component has bound it on the current link. */
  get isBound(): boolean {
    return this.binding !== undefined;
  }
  /** Number of updates published so far. With a store it includes earlier programs. */
  get published(): number {
    return this.sequence;
  }

  /** Number of updates of a `log` or a `map` that the component does not keep yet. 0 for a `value`. */
  get unacknowledged(): number {
    return this.outbox?.size ?? 0;
  }

  /**
   * Publishes one value. Takes a value of type `T`, is synchronous, and costs one encoding and no byte without
   * subscribers. Throws `unencodable`, `too-large`, `stopped` after `stop`, and for a log `busy` while 65,536 updates,
   * or 16 MiB, wait.
   *
   * While the network is too slow, newer values replace older ones. Updates of a `log` wait instead, in order, until
   * the component has them. With a store the update is saved after this returns, and before it is sent: `saved` waits
   * for that.
   */
  publish(value: T): void {
    if (this.finished) throw new StanzapackError("stopped", `\`${this.node}\` is no longer offered`);
    if (this.options.opaque === true && !(value instanceof Uint8Array))
      throw new StanzapackError("unencodable", `\`${this.node}\` is opaque: its values are Uint8Arrays`);
    const row = encodeUpdate(value, DEFAULT_LIMITS);
    if (this.outbox !== undefined) return this.enqueue([row]);
    const at = this.now();
    this.sequence++;
    this.values.push(this.sequence, row, at, this.wanted.windowMs !== null);
    this.book(at);
  }

  /** @internal Adds rows of a log or a map to the outbox, all or none. Throws `stopped` and `busy`. */
  protected enqueue(rows: readonly Uint8Array[]): void {
    if (this.finished) throw new StanzapackError("stopped", `\`${this.node}\` is no longer offered`);
    const at = this.now();
    this.outbox?.pushAll(rows, at);
    this.sequence += rows.length;
    if (this.saver !== undefined) this.saver.kick();
    else this.book(at);
  }

  /** @internal Sequence of the last update that the component has said it keeps. */
  protected get keptUpTo(): number {
    return this.outbox?.before ?? 0;
  }

  /** @internal Sends what waits, and resolves when the component has said what it keeps. */
  protected async askKept(): Promise<void> {
    this.host.flush(this);
    await this.host.settle();
  }

  /** @internal Drops the updates that wait in the outbox. */
  protected dropWaiting(): void {
    this.outbox?.drop();
  }

  /**
   * Resolves when all updates published until now are in the store, so that they outlive this program. Resolves at once
   * without a store. Rejects with `store-failed` if an update could not be saved.
   */
  async saved(): Promise<void> {
    await this.saver?.saved();
  }

  /**
   * Changes access, compression, members, `authorize`, title, the bounds of a log, or the durability between `interval`
   * and `sync`, while the service runs. Without a link it resolves at once, and takes effect on the next link. Throws
   * `invalid-options`.
   */
  async configure(given: ConfigureOptions): Promise<void> {
    const options = checked("configure", given);
    checkBounds("configure", this.options.kind, options);
    const prepared = withPreparedMembers(options, "configure: `members`");
    await this.inTurn(async () => {
      const before = this.options;
      const changed = { ...before, ...prepared };
      checkAuthorize(changed);
      // `authorize` may be called before the answer arrives.
      this.options = changed;
      try {
        await this.host.configure(this, prepared);
      } catch (error) {
        this.options = before;
        throw error;
      }
    });
  }

  /**
   * Takes a bare JID, and revokes its approval: the decision of `authorize`, and its place among the
   * members. Its subscriptions end at once with `not-allowed`. Under `authorize` the account may ask again. Waits for
   * the link up to `timeoutMs`. Throws `usage` while the service is open.
   */
  async revoke(jid: string): Promise<void> {
    checkText("revoke", "jid", jid);
    const revoked = readBareJid(jid, "revoke: `jid`");
    await this.inTurn(async () => {
      const { access = "open", members } = this.options;
      if (access === "open")
        throw new StanzapackError("usage", `\`${this.node}\` is open: give it another access model first`);
      await this.host.revoke(this, revoked);
      if (members !== undefined)
        this.options = { ...this.options, members: members.filter((member) => member !== revoked) };
    });
  }

  /**
   * Answers the calls of a method: `handler` takes the arguments and `{ method, caller, signal }`, and returns the
   * result or its promise. The subscriber's `call` resolves to the result. If the handler throws, `call` throws
   * `call-failed` with the message of the exception. Each call runs once. The client remembers results for ten minutes,
   * at most 1 MiB of them, for callers that lost their link. At most 256 calls run at once. Call this right after
   * `offer`: calls that arrive before the first handler wait for it, but at most a second. Then they are
   * `unknown-method`. Returns a function that removes the handler. Throws `usage` if the method has one, and
   * `invalid-options`.
   */
  handle<A = Value>(method: string, handler: CallHandler<A>): () => void {
    checkMethod("handle", method);
    checkHandler("handle", handler);
    return this.calls.handle(method, handler);
  }

  /** Each change of access begins with the result of the change before. */
  private inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.changing.then(change);
    this.changing = done.catch(() => undefined);
    return done;
  }

  /**
   * Sends the updates that wait, and withdraws the service: its subscriptions end. It waits until all are sent, at most
   * 60 s, and at most 5 s while none leaves. Throws `timeout` if updates of a log could not be sent. Idempotent.
   *
   * Updates that are not acknowledged by then stay in the store, if the service has one. The client sends them when the
   * service is offered again. Without a link the service is withdrawn on the next link, unless another session of the
   * account has it then. Without a next link the component drops the service ten minutes later.
   */
  async stop(): Promise<void> {
    if (this.finished) return;
    await this.saved();
    await untilSent(
      () => this.host.flush(this),
      () => (this.unsentOnLink && !this.finished ? (this.outbox?.unsent ?? 1) : 0),
    );
    if (this.ended) return;
    if (this.saver !== undefined && this.unacknowledged > 0) await this.host.settle();
    const unsent = (this.saver === undefined ? this.outbox?.unsent : this.outbox?.size) ?? 0;
    this.finish(undefined);
    await this.host.withdraw(this);
    await this.released;
    if (unsent > 0) throw unsentError(this.node, { count: unsent, stored: this.stores });
  }

  private book(now: number): void {
    const windowMs = this.wanted.windowMs;
    if (windowMs === null) return;
    // Boundaries are multiples of the window, so that services of one link leave in one stanza. After an idle time an
    // update leaves at once.
    const idle = now - this.lastFlushAt >= windowMs;
    this.host.book(this, windowMs === 0 || idle ? now : Math.floor(now / windowMs + 1) * windowMs);
  }

  /** @internal The component has bound the service under this alias, and has its updates up to `frame.sequence`. */
  bound(frame: BindServiceFrame, peer: LinkPeer): void {
    this.binding = new ServiceBinding(frame.alias, this.codec, peer, this.options.kind === "map");
    this.wasBound = true;
    this.pace.forget();
    this.sent = frame.incarnation === this.incarnation ? frame.sequence : 0;
    const known = this.outbox?.known ?? Infinity;
    if (this.saver !== undefined && this.sent > known) this.renew(this.saver, known, this.sent);
    this.outbox?.resume(this.sent);
  }

  /** Numbers after `known` are taken: the component would drop new updates under these numbers as repeated. */
  private renew(saver: OutboxSaver, known: number, theirs: number): void {
    this.ofIncarnation = drawIncarnation();
    saver.renew(this.ofIncarnation);
    this.sent = known;
    this.tell("stale", { from: known + 1, to: theirs });
  }

  /** @internal The link is gone. Demand is unknown, and waiting updates stay. */
  interrupt(): void {
    this.binding = undefined;
    this.pace.interrupt();
  }

  /** @internal The component takes no updates for a while, and is asked again later. */
  delay(error: StanzapackError): void {
    this.interrupt();
    this.tell("delayed", error);
  }

  /** @internal */
  setDemand(demand: Demand): void {
    const before = this.wanted;
    this.wanted = demand;
    // A log sends its updates also without subscribers.
    if (this.outbox === undefined) this.setValueDemand(before, demand);
    if (this.pending) this.book(this.now());
    if (before.subscribers !== demand.subscribers || before.windowMs !== demand.windowMs)
      this.tell("demand", demand);
  }

  private setValueDemand(before: Demand, { windowMs }: Demand): void {
    if (windowMs === null) this.values.clear();
    // New demand receives the newest value, even one that was sent before.
    else if (before.windowMs === null || this.sent < this.sequence)
      this.values.pushNewest(Math.min(this.sent + 1, this.sequence), this.sequence);
  }

  /** Whether an update waits for room, or, in a `log`, for a link. */
  private get unsentOnLink(): boolean {
    return this.outbox?.pending ?? (this.isBound && !this.values.empty);
  }

  /** Whether a published update waits to be sent. */
  get pending(): boolean {
    return this.outbox?.pending ?? !this.values.empty;
  }

  /** @internal The due updates must wait for room. */
  wait(): void {
    this.pace.wait(this.now());
  }

  /** @internal Bytes that wait and may be conflated. */
  get waitingBytes(): number {
    return this.values.bytes;
  }

  /** @internal Keeps only the newest of the waiting updates. The rest is reported as conflated. */
  conflate(): void {
    this.values.conflate();
  }

  /**
   * @internal Encodes the waiting updates once, as whole frames. A log encodes as many as the room allows.
   * `maxBlockBytes` is of the link.
   */
  take(maxBlockBytes: number, roomBytes: number): ReadyFrame[] {
    const { binding, options } = this;
    if (binding === undefined) return [];
    const now = this.now();
    const told = this.tellPace(binding.alias, now);
    const { looksAt } = this.pace;
    if (looksAt !== undefined) this.host.book(this, looksAt);
    if (!this.pending) return told;
    this.lastFlushAt = now;
    const maxRows = DEFAULT_LIMITS.maxRowsPerFrame;
    const maxBytes = Math.min(maxBlockBytes - DATA_HEADER_BYTES, Math.max(roomBytes, 1));
    const slices = this.outbox?.take(maxRows, maxBytes, roomBytes) ?? this.values.take(maxRows, maxBytes);
    const frames = toCodedSlices(slices, options).map((slice) => {
      const frame = binding.encode(slice, options, this.incarnation, now);
      this.sent = slice.to;
      return frame;
    });
    return [...told, ...frames];
  }

  /** Returns a frame with the window in which updates really leave, if that window has changed. */
  private tellPace(alias: number, now: number): ReadyFrame[] {
    const windowMs = this.pace.flush(now, this.lastFlushAt, this.wanted.windowMs ?? 0);
    if (windowMs === undefined) return [];
    return [readyFrame({ type: "status", alias, status: "online", windowMs })];
  }

  /** @internal The frames that were taken are within this many data stanzas of the link. */
  wasSent(stanzas: number): void {
    if (this.binding?.sendsKept === false) this.outbox?.mark(stanzas);
  }

  /** @internal The component has this many data stanzas of the link. */
  acknowledged(stanzas: number): void {
    // Marks belong to the link on which the service has an alias. A component that sends KEPT says itself what it keeps.
    if (this.binding?.sendsKept === false) this.outbox?.acknowledged(stanzas);
    this.saver?.kick();
  }

  /** @internal The component keeps the updates of this incarnation up to `sequence`. */
  kept(incarnation: number, sequence: number): void {
    if (!this.isBound || incarnation !== this.incarnation) return;
    this.outbox?.kept(sequence);
    this.saver?.kick();
  }

  /** @internal */
  finish(error: StanzapackError | undefined): void {
    if (this.finished) return;
    this.finished = true;
    this.calls.finish();
    // Its subscribers must not take the silence for a constant value.
    if (error?.code === "store-failed" && this.binding !== undefined)
      this.host.sendFrame({ type: "status", alias: this.binding.alias, status: "paused", windowMs: null });
    // Updates acknowledged from now on may have been dropped.
    this.binding = undefined;
    this.values.clear();
    this.released = this.saver?.close();
    this.host.ended(this);
    const left = { count: this.unacknowledged, stored: this.stores };
    this.tell("ended", error && withUnacknowledged(error, left));
  }
}
