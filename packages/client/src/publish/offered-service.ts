import {
  decodeRow,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeUpdate,
  type Frame,
  type HopClass,
  isolatedParts,
  LaneEncoder,
  RowBatch,
  type ReadBudget,
  StanzapackError,
  type BatchSlice,
  type BindServiceFrame,
  type LaneBatch,
  type LaneBody,
  type RowCodec,
  type Value,
} from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import { readBareJid, withPreparedMembers } from "../base/addresses.js";
import { checkAuthorize } from "./approvals.js";
import { Emitter } from "../base/emitter.js";
import type { ConfigureOptions, OfferOptions } from "../options/offer-options.js";
import { checked, checkText } from "../options/option-checks.js";
import type { OutboxSaver } from "./outbox-saver.js";
import { toStoreError, type StoredOutbox } from "../store/outbox-store.js";
import { Outbox } from "./outbox.js";
import { OUTBOX_BOUNDS } from "../store/outbox-store.js";
import { Pace } from "./pace.js";
import { readyData, readyFrame, type ReadyFrame } from "../link/ready-frame.js";

export interface Demand {
  readonly subscribers: number;
  /** Smallest window anyone wants, in ms; null without subscribers. */
  readonly windowMs: number | null;
}

export interface OfferedServiceEvents {
  /** The first subscriber came, the last one went, or the smallest window changed. */
  demand: (demand: Demand) => void;
  /** `authorize` decided on a bare JID; `error`: what it threw, which is a no. */
  decided: (decision: { readonly jid: string; readonly allowed: boolean; readonly error: unknown }) => void;
  /**
   * The component has updates `from` to `to` of this outbox that its store has not: it is an older copy, or its end was lost. They are
   * with the component, and what is published goes on under a new incarnation; whether the store lost more than those nobody knows.
   */
  stale: (range: { readonly from: number; readonly to: number }) => void;
  /** It is offered no longer. `fenced`: another session of the account publishes it now. */
  ended: (error: StanzapackError | undefined) => void;
}

/** What a service asks of its client. */
export interface ServiceHost {
  /** The service has something to send at `dueAt`, in ms since 1970. */
  book(service: OfferedService<never>, dueAt: number): void;
  /** Sends what waits, if the link can take it. */
  flush(service: OfferedService<never>): void;
  /** Resolves when the component has acknowledged what it has got. */
  settle(): Promise<void>;
  sendFrame(frame: Frame): void;
  configure(service: OfferedService<never>, options: ConfigureOptions): Promise<void>;
  revoke(service: OfferedService<never>, jid: string): Promise<void>;
  withdraw(service: OfferedService<never>): Promise<void>;
  /** It has ended, whatever for. */
  ended(service: OfferedService<never>): void;
}

const WAITING = { maxRows: DEFAULT_LIMITS.maxRowsPerFrame, maxBytes: 262_144 };
/** A log that is stopped waits so long after the last update that left, and so long in all, for those that are not sent yet; in ms. */
const STOP_MS = 5_000;
const STOP_MAX_MS = 60_000;
const STOP_POLL_MS = 20;
/** Room in a block for prefix and body header. */
const HEADER_ROOM_BYTES = 63;

/** What a link says of its way and of its component. */
export interface LinkPeer {
  /** It reads the columnar codec. */
  readonly readsCoded: boolean;
  /** Whether our stream to the server is compressed. */
  readonly hop: HopClass;
  readonly session: { readonly budget: ReadBudget };
}

/** What a service with a store has beside others; pages load it when it is wanted. */
export interface OutboxPart {
  readonly stored: StoredOutbox;
  readonly Saver: typeof OutboxSaver;
}

/** A service this client offers, with values of type `T`. */
export class OfferedService<T = Value> extends Emitter<OfferedServiceEvents> {
  /** Of a `value`. */
  private readonly batch = new RowBatch(WAITING);
  /** Of a `log`. */
  private readonly outbox: Outbox | undefined;
  /** Of one with a store. */
  private readonly saver: OutboxSaver | undefined;
  private wanted: Demand = { subscribers: 0, windowMs: null };
  private alias: number | undefined;
  private hop: HopClass = "plain";
  /** Of this link; undefined while there is none, and when the component reads rows alone. */
  private encoder: LaneEncoder | undefined;
  /** Sequence of the last update published. */
  private sequence: number;
  private newest: { row: Uint8Array; at: number } | undefined;
  /** Last sequence handed to the link or known to the component. */
  private sent = 0;
  private lastFlushAt = -Infinity;
  /** Since when what is due waits for room, in ms. */
  private waitingSince: number | undefined;
  private readonly pace = new Pace();
  private finished = false;
  private changing: Promise<void> = Promise.resolve();
  private wasBound = false;
  /** @internal Resolves when its store is free for another. */
  released: Promise<void> | undefined;
  private ofIncarnation: number;

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
    /** @internal What to offer again after a break. */
    public options: OfferOptions,
    private readonly host: ServiceHost,
    private readonly codec: RowCodec,
    /** Its store, and what writes into that. */
    { stored, Saver }: Partial<OutboxPart> = {},
    private readonly now: () => number = monotonicNow,
  ) {
    super();
    this.outbox = options.kind === "log" ? new Outbox(OUTBOX_BOUNDS, stored) : undefined;
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

  /** @internal Tells this outbox from every other: one program's life, or as long as its store lives. */
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
  /** @internal Whether it has held the service once. */
  get established(): boolean {
    return this.wasBound;
  }
  /** @internal The component has bound it on the link there is. */
  get isBound(): boolean {
    return this.alias !== undefined;
  }
  /** Updates published so far, with a store also by earlier programs. */
  get published(): number {
    return this.sequence;
  }

  /** Of a `log`, how many updates wait for the component's acknowledgement; 0 for other kinds. */
  get unacknowledged(): number {
    return this.outbox?.size ?? 0;
  }

  /**
   * Publishes one value: cheap and synchronous. Nobody listening costs an encoding and no byte. While the network cannot
   * keep up, older values give way to newer ones; those of a `log` wait instead, in order, until the component has them. With a store it is
   * not saved yet when this returns, but before it is sent: `saved` waits for that. Throws `unencodable` or `too-large`, `stopped` after
   * `stop`, and of a log `busy` while 65,536 updates, or 16 MB, wait.
   */
  publish(value: T): void {
    if (this.finished) throw new StanzapackError("stopped", `\`${this.node}\` is no longer offered`);
    if (this.options.opaque === true && !(value instanceof Uint8Array))
      throw new StanzapackError("unencodable", `\`${this.node}\` is opaque: its values are Uint8Arrays`);
    const row = encodeUpdate(value, DEFAULT_LIMITS);
    const at = this.now();
    this.outbox?.push(row, at);
    this.sequence++;
    if (this.saver !== undefined) return this.saver.kick();
    if (this.outbox !== undefined) return this.book(at);
    this.newest = { row, at };
    if (this.wanted.windowMs === null) return;
    this.batch.push(this.sequence, this.sequence, [row], [at]);
    this.book(at);
  }

  /**
   * Resolves when everything published until now is in the store, so that it outlives this program; at once without a store.
   * Rejects with `store-failed` where it could not be saved.
   */
  async saved(): Promise<void> {
    await this.saver?.saved();
  }

  /** Changes access, members or title, live. Without a link it resolves at once, and takes effect with the next one. */
  async configure(given: ConfigureOptions): Promise<void> {
    const options = checked("configure", given);
    const prepared = withPreparedMembers(options, "configure: `members`");
    await this.inTurn(async () => {
      const before = this.options;
      const changed = { ...before, ...prepared };
      checkAuthorize(changed);
      // Somebody may be asked about before the answer is here.
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
   * Takes back what lets this bare JID subscribe: what `authorize` said, and its place among the members. Its subscriptions end at once, with
   * `not-allowed`. Under `authorize` it may ask again. Waits for the link up to `timeoutMs`. Throws `usage` while everybody may subscribe.
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

  /** Each change of access goes on from the one before. */
  private inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.changing.then(change);
    this.changing = done.catch(() => undefined);
    return done;
  }

  /**
   * Sends what waits and withdraws it: its subscriptions end. Idempotent. It waits until all of it is sent, but at most 60 s, and
   * at most 5 s while nothing can be; throws `timeout` when that of a log could not be. What is not acknowledged by then stays in the store, where it has one, and is sent when it is
   * offered again. Without a link it is withdrawn on the next one, unless another session of the account has it then; where there is none,
   * the component drops it ten minutes later.
   */
  async stop(): Promise<void> {
    if (this.finished) return;
    await this.saved();
    await this.sendAll();
    if (this.ended) return;
    if (this.saver !== undefined && this.unacknowledged > 0) await this.host.settle();
    const unsent = (this.saver === undefined ? this.outbox?.unsent : this.outbox?.size) ?? 0;
    this.finish(undefined);
    await this.host.withdraw(this);
    await this.released;
    if (unsent > 0)
      throw new StanzapackError(
        "timeout",
        `${unsent} updates of \`${this.node}\` could not be sent${this.whereLeft}`,
      );
  }

  /** Resolves when nothing waits for room, or no more of it leaves. */
  private async sendAll(): Promise<void> {
    this.host.flush(this);
    const end = monotonicNow() + STOP_MAX_MS;
    let giveUpAt = 0;
    let before = Infinity;
    while (this.unsentOnLink && !this.finished) {
      const now = monotonicNow();
      const waiting = this.outbox?.unsent ?? 1;
      // A link that is slow, or has broken and comes back, brings it all the same.
      if (waiting < before) giveUpAt = Math.min(now + STOP_MS, end);
      else if (now >= giveUpAt) return;
      before = waiting;
      await pause(STOP_POLL_MS);
      this.host.flush(this);
    }
  }

  private book(now: number): void {
    const windowMs = this.wanted.windowMs;
    if (windowMs === null) return;
    // Boundaries are multiples of the window, so that services of one link leave in one stanza; after idle, at once.
    const idle = now - this.lastFlushAt >= windowMs;
    this.host.book(this, windowMs === 0 || idle ? now : Math.floor(now / windowMs + 1) * windowMs);
  }

  /** @internal The component knows us under this alias, and has our updates up to `frame.sequence`. */
  bound(frame: BindServiceFrame, { readsCoded, hop }: LinkPeer): void {
    this.hop = hop;
    this.alias = frame.alias;
    this.wasBound = true;
    this.encoder = readsCoded
      ? new LaneEncoder({
          limits: DEFAULT_CODEC_LIMITS,
          rows: this.codec,
          hop,
        })
      : undefined;
    this.pace.forget();
    this.sent = frame.incarnation === this.incarnation ? frame.sequence : 0;
    const known = this.outbox?.known ?? Infinity;
    if (this.saver !== undefined && this.sent > known) this.renew(this.saver, known, this.sent);
    this.outbox?.resume(this.sent);
  }

  /** Numbers beyond `known` are others' already: the component would drop what is published under them as repeated. */
  private renew(saver: OutboxSaver, known: number, theirs: number): void {
    this.ofIncarnation = drawIncarnation();
    saver.renew(this.ofIncarnation);
    this.sent = known;
    this.tell("stale", { from: known + 1, to: theirs });
  }

  /** @internal The link is gone: demand is unknown, what waits goes on waiting. */
  interrupt(): void {
    this.alias = undefined;
    this.waitingSince = undefined;
  }

  /** @internal */
  setDemand(demand: Demand): void {
    const before = this.wanted;
    this.wanted = demand;
    // A log sends what it has, whoever listens.
    if (this.outbox !== undefined) {
      // Nothing of it is left out.
    } else if (demand.windowMs === null) this.batch.clear();
    else if (
      this.batch.empty &&
      this.newest !== undefined &&
      (before.windowMs === null || this.sent < this.sequence)
    ) {
      // New demand is answered with the newest value, even one that was sent before.
      const from = Math.min(this.sent + 1, this.sequence);
      this.batch.push(from, this.sequence, [this.newest.row], [this.newest.at]);
    }
    if (this.pending) this.book(this.now());
    if (before.subscribers !== demand.subscribers || before.windowMs !== demand.windowMs)
      this.tell("demand", demand);
  }

  /** Something waits for room; of a `log` also for a link. */
  private get unsentOnLink(): boolean {
    return this.outbox?.pending ?? (this.alias !== undefined && !this.batch.empty);
  }

  /** Whether something published waits to be sent. */
  get pending(): boolean {
    return this.outbox?.pending ?? !this.batch.empty;
  }

  /** @internal What is due has to wait for room. */
  wait(): void {
    this.waitingSince ??= this.now();
  }

  /** @internal Bytes that wait and may be conflated. */
  get waitingBytes(): number {
    return this.batch.bytes;
  }

  /** @internal Of what waits, the newest alone; the rest is told as conflated. */
  conflate(): void {
    this.batch.conflate();
  }

  /**
   * @internal Encodes what waits, once, as whole frames; of a log as much as there is room for. `maxBlockBytes`: of the
   * link.
   */
  take(maxBlockBytes: number, roomBytes: number): ReadyFrame[] {
    if (this.alias === undefined) return [];
    const alias = this.alias;
    const now = this.now();
    const told = this.tellPace(alias, now);
    const { looksAt } = this.pace;
    if (looksAt !== undefined) this.host.book(this, looksAt);
    if (!this.pending) return told;
    this.lastFlushAt = now;
    const maxRows = DEFAULT_LIMITS.maxRowsPerFrame;
    const maxBytes = Math.min(maxBlockBytes - HEADER_ROOM_BYTES, Math.max(roomBytes, 1));
    const slices = this.outbox?.take(maxRows, maxBytes, roomBytes) ?? this.batch.take(maxRows, maxBytes);
    const parts = this.isolates ? slices.flatMap(isolatedParts) : slices;
    const frames = parts.map((slice) => {
      const body = this.encode(slice, now);
      this.sent = slice.to;
      return readyData(alias, body);
    });
    return [...told, ...frames];
  }

  /** The window in which it really leaves, when that has changed. */
  private tellPace(alias: number, now: number): ReadyFrame[] {
    const { waitingSince } = this;
    this.waitingSince = undefined;
    const wantedMs = this.wanted.windowMs ?? 0;
    const sinceDue = waitingSince === undefined ? 0 : now - waitingSince + wantedMs;
    const intervalMs = Math.min(now - this.lastFlushAt, sinceDue);
    const windowMs = this.pace.left(now, intervalMs, waitingSince !== undefined, wantedMs);
    if (windowMs === undefined) return [];
    return [readyFrame({ type: "status", alias, status: "online", windowMs })];
  }

  /** @internal What was taken is within so many data stanzas of the link. */
  wasSent(stanzas: number): void {
    if (this.alias !== undefined) this.outbox?.mark(stanzas);
  }

  /** @internal The component has so many data stanzas of the link. */
  acknowledged(stanzas: number): void {
    // Marks are of the link on which it has an alias.
    if (this.alias !== undefined) this.outbox?.acknowledged(stanzas);
    this.saver?.kick();
  }

  /** No update is coded by another. */
  private get isolates(): boolean {
    const { compression, opaque } = this.options;
    return compression === "isolated" && opaque !== true;
  }

  /** Of opaque values nothing is tried, and of several rows a body would code each by those before it. */
  private travelsAsRows(rows: readonly Uint8Array[]): boolean {
    return this.options.opaque === true || (this.isolates && rows.length > 1);
  }

  private encode({ from, to, rows, firstAt, lastAt }: BatchSlice, now: number): LaneBody {
    const head = {
      ...{ epoch: this.incarnation, from, to },
      at: Math.max(0, Math.round(now - lastAt)),
      spanMs: Math.max(0, Math.round(lastAt - firstAt)),
    };
    if (this.encoder === undefined || this.travelsAsRows(rows))
      return { ...head, ...this.codec.encode(rows, this.hop) };
    const batch: LaneBatch = { ...head, rows: rows.map(decodeRow), packed: rows };
    if (this.isolates) return this.encoder.encodeIndependent(batch);
    return this.encoder.encode(batch, now, crypto.getRandomValues(new Uint32Array(1))[0] as number);
  }

  /** @internal */
  finish(error: StanzapackError | undefined): void {
    if (this.finished) return;
    this.finished = true;
    // Its subscribers are not to take the silence for a constant value.
    if (error?.code === "store-failed" && this.alias !== undefined)
      this.host.sendFrame({ type: "status", alias: this.alias, status: "paused", windowMs: null });
    // What is acknowledged from now on may have been dropped.
    this.alias = undefined;
    this.batch.clear();
    this.released = this.saver?.close();
    this.host.ended(this);
    this.tell("ended", error === undefined ? undefined : this.withLeft(error));
  }

  private get whereLeft(): string {
    return this.saver === undefined ? "" : ", and stay in the store";
  }

  /** Nothing of a log is lost without a word. */
  private withLeft(error: StanzapackError): StanzapackError {
    const left = this.unacknowledged;
    if (left === 0) return error;
    const { code, text, origin, scope, retryable, cause } = error;
    const more = left === 1 ? "1 update is" : `${left} updates are`;
    return new StanzapackError(code, `${text}; ${more} not acknowledged${this.whereLeft}`, {
      ...{ origin, scope, retryable, cause },
    });
  }
}

/** Never 0, which stands for none. */
function drawIncarnation(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] as number) || 1;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
