// Over 400 lines: one subscription on the wire, with what its readers share: terms, position, credit, cursor, map, its check and calls.
import {
  grantWindow,
  StanzapackError,
  type BindSubscriptionFrame,
  type CreditFrame,
  type DataBatch,
  type MapEntry,
  type RepairEntriesFrame,
  type Selection,
  type ServiceKind,
  type ServiceStatus,
  type Since,
  type SnapshotFrame,
  type Value,
} from "@stanzapack/wire";
import type { AskedOptions, Granted } from "../negotiation/negotiation.js";
import type { InactivePolicy } from "../options/connect-options.js";
import type { ChangeOptions, SubscribeOptions } from "../options/subscribe-options.js";
import { OutgoingCalls } from "./outgoing-calls.js";
import { Credit, type ReaderCredit } from "./credit.js";
import { CursorProgress, type TakenPosition } from "./cursor-progress.js";
import { MapCheck } from "./map-check.js";
import { MapReplica, type MapOutcome } from "./map-replica.js";
import { Reception, type RangeReport } from "./reception.js";
import { ASKED, follow, type StandingEvent } from "./standing.js";
import { StatusReport, statusOf } from "./status-report.js";
import type { SubscriptionHost } from "./subscription-host.js";
import { Subscription, type Row } from "./subscription.js";
import type { Away, StatusEvent, SubscriptionStatus } from "./subscription-events.js";
import { Terms } from "./terms.js";

/**
 * The part that all subscriptions of one client to one node share: options, position, status and credit. The component
 * knows only this part. Each `Subscription` is a reader of it, with a queue of its own.
 */
export class SharedSubscription {
  private readonly readers = new Set<Subscription<unknown>>();
  private readonly terms: Terms;
  private readonly reception: Reception;
  private readonly replica = new MapReplica();
  private readonly statusReport = new StatusReport();
  private standing = ASKED;
  /** How far the program has come in a log or a map with a cursor. */
  private progress: CursorProgress | undefined;
  readonly credit = new Credit(
    () => this.credits(),
    () => this.progress,
  );
  readonly calls: OutgoingCalls;
  readonly check: MapCheck;
  private endedWith: { readonly error: StanzapackError | undefined } | undefined;
  /** Called when the component grants it. */
  readonly onGranted = new Set<() => void>();
  /** The first request. Undefined if a pattern brought it. */
  made: Promise<void> | undefined;
  private wasGranted = false;
  /** The newest update, with which later readers begin. A log has none. */
  private newest: Row | undefined;
  private changing: Promise<unknown> = Promise.resolve();
  private wasRecovered: boolean | undefined;
  /** The position of the map that the readers have, with all its changes. */
  private shownAt: TakenPosition | undefined;

  /** Throws `invalid-options`. */
  constructor(
    readonly node: string,
    private readonly options: SubscribeOptions<unknown>,
    private readonly host: SubscriptionHost,
  ) {
    this.terms = new Terms(node, options);
    this.calls = new OutgoingCalls(node, () => host.callable?.(this));
    this.check = new MapCheck(node, this.replica);
    this.check.onRepaired = (keys) => {
      for (const reader of [...this.readers]) reader.tellRepaired(keys);
    };
    // With a cursor, only the component knows where the subscription begins.
    this.reception = new Reception(options.cursor === undefined ? options.since : undefined);
    if (options.cursor !== undefined) this.progress = new CursorProgress(() => this.tellTaken());
  }

  /** Adds a reader. `assertSame` has checked its options. */
  join<T>(options: SubscribeOptions<T>): Subscription<T> {
    const reader = new Subscription<T>(this, options);
    this.readers.add(reader as Subscription<unknown>);
    return reader;
  }

  /** Gives a new reader the newest value. */
  greet<T>(reader: Subscription<T>): void {
    if (this.newest !== undefined) reader.deliver(this.newest);
    reader.deliverMap(this.replica.state);
  }

  /** Throws `invalid-options` for options that cannot be shared. Options that are left out stay as they are. */
  assertSame(options: SubscribeOptions<unknown>): void {
    this.terms.assertSame(options, this.wasGranted);
  }

  /** Removes a reader. Returns true if it was the last one, which ends this subscription. */
  release(reader: Subscription<unknown>): boolean {
    if (!this.readers.delete(reader) || this.readers.size > 0 || this.ended) return false;
    this.finish(undefined);
    return true;
  }

  /** Removes a reader. Unsubscribes after the last one. */
  async leave(reader: Subscription<unknown>): Promise<void> {
    if (this.release(reader)) await this.host.stop(this);
    // The others may have waited for the credit of this reader.
    else this.giveCredit();
  }

  /** Whether the component keeps how far the program has come. */
  get hasCursor(): boolean {
    return this.progress !== undefined;
  }
  get kind(): ServiceKind | undefined {
    return this.terms.kind;
  }
  get isMap(): boolean {
    return this.kind === "map";
  }
  /** The copy of a map. It is empty for other kinds. */
  get values(): ReadonlyMap<string, Value> {
    return this.replica.values;
  }
  /** Whether the copy is the publisher's map, as far as the component has said. */
  get synced(): boolean {
    return this.replica.synced;
  }
  get isLog(): boolean {
    return this.kind === "log";
  }
  /** Whether it has several readers. */
  get isShared(): boolean {
    return this.readers.size > 1;
  }
  /** Window granted, in ms. It is wider than asked for while the publisher cannot send more often. */
  get windowMs(): number {
    return Math.max(this.terms.grantedWindowMs, this.statusReport.paceMs ?? 0);
  }
  /** Selection granted. */
  get selection(): Selection {
    return this.terms.grantedSelection;
  }
  /** Window that the program asks for, in ms. */
  get askedWindowMs(): number {
    return this.terms.askedWindowMs;
  }
  /** Selection that the program asks for. */
  get askedSelection(): Selection {
    return this.terms.askedSelection;
  }
  /** Window that must be in force now, in ms. */
  get wantedWindowMs(): number {
    return this.terms.wantedWindowMs;
  }
  /** Whether the inactive client wants no data now. */
  get paused(): boolean {
    return this.terms.paused;
  }
  /**
   * Whether a log still had everything from the position where it was to begin, or to continue. Undefined if no
   * beginning was asked for.
   */
  get recovered(): boolean | undefined {
    return this.wasRecovered;
  }
  /** Where a log begins or continues: behind its position, once it has one. */
  get since(): Since | undefined {
    if (this.progress !== undefined) return this.progress.taken ?? this.terms.since;
    const { current } = this.reception;
    if (this.isMap) return this.replica.position ?? this.terms.since;
    return this.isLog && current !== undefined ? current : this.terms.since;
  }
  /** The last position received. Undefined before the first update. */
  get position(): { readonly epoch: number; readonly offset: number } | undefined {
    return this.isMap ? this.replica.position : this.reception.current;
  }
  /** The last position of which the readers have everything. */
  get shown(): TakenPosition | undefined {
    return this.isMap ? this.shownAt : this.reception.current;
  }
  get status(): SubscriptionStatus {
    return this.statusReport.last.status;
  }
  get ended(): boolean {
    return this.endedWith !== undefined;
  }
  /** Whether the component has granted it once. */
  get granted(): boolean {
    return this.wasGranted;
  }
  /** Identifies the subscription to the component. Empty without a grant on the current link. */
  get subid(): string {
    return this.standing.subid;
  }
  /** Whether the component has bound it on the current link. */
  get isBound(): boolean {
    return this.standing.alias !== undefined;
  }
  /** Whether it was given back to the component for a pause. */
  get rests(): boolean {
    return this.standing.absence === "resting";
  }
  /** Whether it waits for the approval of the publisher. */
  get pending(): boolean {
    return this.standing.unapproved;
  }
  /** Whether a token may restore it. The credit that it began with must fit the queues, or old updates give way. */
  get resumable(): boolean {
    return !this.paused && (!this.isLog || this.credit.fits);
  }
  /** Whether the component does what is wanted now. */
  get settled(): boolean {
    const { paused, subid } = this;
    if (paused || subid === "") return paused === (subid === "");
    return this.terms.inForce;
  }

  /** Options to ask the component for. */
  get wanted(): AskedOptions & { readonly credit: number } {
    const { wantedWindowMs: windowMs, askedSelection: selection, since, isBound } = this;
    const credit = isBound ? this.credit.total : this.credit.room;
    return { windowMs, selection, since, cursor: this.terms.cursor, credit };
  }

  /** A request asks for it, with credit for this many rows. */
  begin(credit: number): void {
    // Totals count from BIND.
    if (!this.isBound) this.credit.begin(credit);
  }

  /**
   * Changes window and selection, while it runs. Options that are left out stay as they are. Resolves to the window
   * granted, in ms. `selection` has the selection granted. Without a link it resolves at once, and takes effect on the
   * next link.
   */
  change(options: ChangeOptions): Promise<{ readonly windowMs: number }> {
    // Each change begins with the result of the change before.
    const change = this.changing.then(() => this.changeNow(options));
    this.changing = change.catch(() => undefined);
    return change;
  }

  private async changeNow({
    windowMs: asked = this.askedWindowMs,
    ...options
  }: ChangeOptions): Promise<{ readonly windowMs: number }> {
    for (;;) {
      if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
      const { selection } = this.changed({ windowMs: asked, ...options });
      const { subid } = this;
      // The next request for the subscription has these options.
      if (this.paused || subid === "") {
        const windowMs = grantWindow(asked);
        this.ask({ windowMs, selection });
        return { windowMs };
      }
      try {
        const granted = await this.host.change(this, this.terms.widened(asked), selection);
        if (this.subid !== subid) continue;
        this.ask({ windowMs: asked, selection });
        this.applyGrant(granted);
        return { windowMs: granted.windowMs };
      } catch (error) {
        // Otherwise its link has ended meanwhile.
        if (this.subid === subid) throw error;
      }
    }
  }

  /**
   * Returns what to ask for after a change. `byPattern`: options that a log refuses are left out for a log. Throws
   * `invalid-options`.
   */
  changed(options: ChangeOptions, byPattern = false): AskedOptions {
    return this.terms.changed(options, byPattern);
  }

  /** The program asks for these options from now on. */
  ask(asked: AskedOptions): void {
    this.terms.ask(asked);
  }

  /** The client is inactive under this policy, or active again. The component does not know yet. */
  setInactive(policy: InactivePolicy | undefined): void {
    this.terms.setInactive(policy);
    if (policy === "pause") this.reception.pause();
  }

  /** It was given back to the component for a pause. */
  resting(): void {
    this.credit.end();
    this.calls.interrupt();
    this.replica.interrupt();
    this.check.interrupt();
    this.follow({ type: "rested" });
    this.tellStatus();
  }

  private *credits(): Iterable<ReaderCredit> {
    for (const { credit } of this.readers) yield credit;
  }

  /** Sends CREDIT, if a reader has read enough. */
  giveCredit(): void {
    const frame = this.takeCredit(false);
    if (frame !== undefined) this.host.credit(frame);
  }

  /** Returns CREDIT, if one is due. `along`: something else is sent anyway, so less makes it due. */
  takeCredit(along = true): CreditFrame | undefined {
    return this.ended ? undefined : this.creditOf(() => this.credit.due(along));
  }

  private creditOf(due: () => number | undefined): CreditFrame | undefined {
    const { alias } = this.standing;
    const total = alias === undefined ? undefined : due();
    return alias === undefined || total === undefined ? undefined : { type: "credit", alias, total };
  }

  /** The program has taken everything up to this position, and wants it no second time. */
  took(position: TakenPosition): void {
    this.progress?.take(position);
  }

  /** Returns CREDIT, if the component does not know yet what the program has taken. */
  takenCredit(): CreditFrame | undefined {
    return this.creditOf(() => this.credit.taken());
  }

  /** Tells the component what the program has taken. */
  tellTaken(): void {
    const frame = this.takenCredit();
    if (frame !== undefined) this.host.credit(frame);
  }

  /** The component has granted it. */
  applyGrant(granted: Granted): void {
    this.follow({ type: "granted", subid: granted.subid });
    this.wasGranted = true;
    this.wasRecovered = granted.recovered ?? this.wasRecovered;
    if (granted.begun !== undefined) {
      this.reception.begin(granted.begun);
      this.progress?.starts(granted.begun);
    }
    this.terms.grant(granted);
    this.tellStatus();
    for (const tell of this.onGranted) tell();
  }

  /** The component has bound it on the current link. */
  bound({ alias, baseAt, kind }: BindSubscriptionFrame): void {
    this.follow({ type: "bound", alias });
    this.reception.bound(baseAt);
    this.terms.bound(kind);
    // A pattern may have brought a service that has no cursors.
    if (kind === "value") this.progress = undefined;
    this.statusReport.heard("online", null);
    this.tellStatus();
  }

  /** The component does not have it, for this reason. A hole may come before the next update. */
  interrupt(away: Away): void {
    if (!this.follow({ type: "interrupted", away })) return;
    if (away !== "pending") this.credit.end();
    this.calls.interrupt();
    this.reception.interrupt();
    this.replica.interrupt();
    this.check.interrupt();
    this.tellStatus();
  }

  /** Returns whether the event counts. */
  private follow(event: StandingEvent): boolean {
    const before = this.standing;
    this.standing = follow(before, event);
    return this.standing !== before;
  }

  /** The component sent STATUS: news of the publisher, or a sign of life. */
  publisherIs(status: ServiceStatus, paceMs: number | null): void {
    if (this.statusReport.heard(status, paceMs) || this.ended) this.tellStatus();
    else this.emitStatus({ ...this.statusReport.last, windowMs: this.windowMs });
    if (status === "online") this.host.callable?.(this);
  }

  private tellStatus(): void {
    const { standing, paused, statusReport: report } = this;
    if (this.ended) return;
    const now = statusOf({ standing, paused, slowed: this.terms.slowed, publisher: report.publisher });
    if (report.isNews(now)) this.emitStatus({ ...now, windowMs: this.windowMs });
  }

  private emitStatus(status: StatusEvent): void {
    for (const reader of [...this.readers]) reader.emit("status", status);
  }

  private tellRange([event, range]: RangeReport): void {
    for (const reader of [...this.readers]) reader.tellRange(event, range);
  }

  /** Gives all readers what one DATA frame carries. */
  deliver(batch: DataBatch<Value>): void {
    if (this.ended) return;
    const { epoch, to, rows } = batch;
    this.credit.came(rows.length);
    if (this.isMap) {
      this.progress?.cameTogether(epoch, rows.length, to);
      return this.deliverOutcome(this.replica.update(batch));
    }
    this.progress?.came(epoch, to - rows.length + 1, to);
    const { events, report } = this.reception.receive(batch, { thins: this.terms.thins, isLog: this.isLog });
    for (const event of events) {
      if (event.event !== "row") {
        this.tellRange(report(event));
        continue;
      }
      if (!this.isLog) this.newest = event;
      for (const reader of [...this.readers]) reader.deliver(event);
      if (this.ended) return;
    }
    this.giveCredit();
  }

  /** Takes entries of a map. Throws `protocol`. A map that the program wanted from a position on ends here. */
  deliverSnapshot(frame: SnapshotFrame, entries: readonly MapEntry<Value>[]): void {
    if (this.ended) return;
    const hasCursor = this.progress !== undefined;
    if (
      !frame.begins &&
      this.replica.position === undefined &&
      this.terms.since !== undefined &&
      !hasCursor
    ) {
      this.finish(
        new StanzapackError("invalid-options", `\`${this.node}\` is a map: only a log has a \`since\``),
      );
      // If the request fails, the link is ending.
      this.host.stop(this).catch(() => undefined);
      return;
    }
    if (hasCursor) this.continueMap(frame);
    this.credit.came(entries.length);
    this.progress?.cameTogether(frame.epoch, entries.length, frame.to);
    const outcome = this.replica.snapshot(frame, entries);
    this.deliverOutcome(outcome);
    this.check.onSnapshot(frame.begins, outcome);
  }

  /** A map with a cursor begins where an earlier program has left off, or anew. */
  private continueMap({ begins, epoch, from, to }: SnapshotFrame): void {
    const { replica, options } = this;
    const { position } = replica;
    const isFirst = position === undefined;
    // What the program has kept of the map has keys that are gone, and nothing here says which.
    const wasForgotten = replica.partial || (isFirst && this.recovered === false);
    const isReset = begins && options.copy === undefined && wasForgotten;
    if (isFirst) replica.startAt({ epoch, offset: from - 1 }, options.copy);
    else if (isReset) replica.forget();
    else return;
    for (const reader of [...this.readers]) reader.prime(replica.state.changes);
    if (isReset) this.tellRange(["reset", { from: position?.offset ?? 0, to, reason: "whole" }]);
  }

  /** Takes the entries of a part of a map that differed. */
  deliverRepair(frame: RepairEntriesFrame, entries: readonly MapEntry<Value>[]): void {
    const outcome = this.ended ? undefined : this.check.onEntries(frame, entries);
    if (outcome === undefined) return;
    this.deliverOutcome(outcome);
    this.check.afterEntries();
  }

  private deliverOutcome(outcome: MapOutcome): void {
    for (const reader of [...this.readers]) reader.deliverMap(outcome);
    this.host.mapChanged?.(this, outcome);
    this.noteShown();
    if (!this.ended) this.giveCredit();
  }

  /** The readers may have emitted all changes of a map. Then its cursor moves, unless the program moves it by itself. */
  noteShown(): void {
    const { shown } = this.replica;
    const readers = [...this.readers];
    if (!this.isMap || shown === undefined || readers.some(({ hasEarly }) => hasEarly)) return;
    this.shownAt = shown;
    const areTaken = readers.some((reader) => reader.listenerCount("change") > 0);
    if (areTaken && this.options.manualCursor !== true) this.took(shown);
  }

  /** Ends it and all its readers. Idempotent. */
  finish(error: StanzapackError | undefined): void {
    if (this.ended) return;
    this.endedWith = { error };
    this.progress?.stop();
    this.calls.finish(error);
    this.check.finish(error);
    const readers = [...this.readers];
    this.readers.clear();
    for (const reader of readers) reader.finish(error);
  }
}
