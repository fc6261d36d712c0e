import {
  CHECKSUM_BYTES,
  decodeDiffering,
  DIFFERING_BYTES,
  hasParts,
  MAX_REPAIR_RANGES,
  StanzapackError,
  WHOLE_RANGE,
  type BindSubscriptionFrame,
  type DigestFrame,
  type Frame,
  type MapEntry,
  type RepairEntriesFrame,
  type Value,
} from "@stanzapack/wire";
import { deadline } from "@stanzapack/xmpp";
import { soon } from "../base/soon.js";
import { HashedMap } from "./hashed-map.js";
import type { MapOutcome, MapReplica } from "./map-replica.js";

/** Longest slice of hashing, in ms, so that the program goes on between slices. */
const SLICE_MS = 4;
/** Beyond this many ranges, the whole map takes fewer bytes. 256: about 20 kB of checksums. */
const MAX_RANGES = 256;
/** Default time for `verify`, in ms. 60,000: a copy of 100,000 keys is checked in less than a second on a good link. */
const VERIFY_MS = 60_000;
/** Beyond this many keys that change during one check, the check begins again. */
const MAX_TOUCHED = 65_536;

/** What a check of a replica found. */
export interface Verification {
  /** Number of keys that the replica has now. */
  readonly keys: number;
  /** Number of keys that differed from the component's map. They are repaired. */
  readonly repaired: number;
}

/** The part of a link that a check needs. */
export interface CheckLink {
  /** Whether the component sends DIGEST, and answers REPAIR. */
  readonly sendsDigests: boolean;
  sendFrame(frame: Frame): void;
}

/** A check under way. */
interface Check {
  /** Undefined until the first answer. */
  hashed: HashedMap | undefined;
  /** Ranges that are asked for, and those that are to be. */
  readonly asked: Set<number>;
  queue: number[];
  /** How many ranges were asked for in all. */
  count: number;
  /** The whole map is on its way. */
  awaitsWhole: boolean;
  repaired: number;
  readonly waiters: readonly Waiter[];
}

interface Waiter {
  readonly resolve: (outcome: Verification) => void;
  readonly reject: (error: StanzapackError) => void;
}

/**
 * Compares a replica with the component's map, and repairs what differs. The component sends a checksum now and then
 * (DIGEST). One that differs leads to the keys: the client asks for the checksums of 16 parts, and of the parts of
 * those that differ, until the component sends the entries of a part that has a few.
 */
export class MapCheck {
  private link: CheckLink | undefined;
  private alias = 0;
  private check: Check | undefined;
  private cancelSlice: (() => void) | undefined;
  /** The newest checksum of the whole, to compare with again. */
  private last: DigestFrame | undefined;
  /** The pass that is arriving is the whole map. */
  private comesWhole = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** They wait for a check that begins after their call. */
  private waiters: Waiter[] = [];
  /** Why nothing can be checked on the current link. */
  private refusal: StanzapackError | undefined;
  private endedWith: StanzapackError | undefined;
  /** Keys repaired so far. */
  repaired = 0;
  /** Called at the end of a check that has repaired keys. */
  onRepaired: ((keys: number) => void) | undefined;

  constructor(
    private readonly node: string,
    private readonly replica: MapReplica,
  ) {}

  /** Checks the replica. Rejects with `unsupported`, `usage`, `stopped`, and `timeout` after `timeoutMs`. */
  verify(timeoutMs = VERIFY_MS): Promise<Verification> {
    return new Promise((resolve, reject) => {
      const refusal = this.endedWith ?? this.refusal;
      if (refusal !== undefined) return reject(refusal);
      const cancel = deadline(timeoutMs, () => {
        this.waiters = this.waiters.filter((each) => each !== waiter);
        waiter.reject(this.late(timeoutMs));
      });
      const settled =
        <V>(settle: (value: V) => void) =>
        (value: V): void => {
          cancel();
          settle(value);
        };
      const waiter: Waiter = { resolve: settled(resolve), reject: settled(reject) };
      this.waiters.push(waiter);
      this.begin();
    });
  }

  /** The check goes on without who has waited for it. */
  private late(timeoutMs: number): StanzapackError {
    const why =
      this.link === undefined
        ? "the component does not have the subscription now"
        : this.replica.synced
          ? "the component has not answered yet"
          : "the copy is not up to date yet";
    return new StanzapackError("timeout", `\`${this.node}\` was not checked within ${timeoutMs} ms: ${why}`, {
      scope: "subscription",
    });
  }

  /** The component has bound the subscription on the current link. */
  onBound(link: CheckLink, { alias, kind }: BindSubscriptionFrame): void {
    this.interrupt();
    if (kind !== "map") return this.refuse("usage", `\`${this.node}\` is no map`);
    if (this.replica.partial) return this.refusePart();
    if (!link.sendsDigests) return this.refuse("unsupported", "the component sends no checksums of maps");
    this.link = link;
    this.alias = alias;
  }

  /** The component does not have the subscription now. Who waits for a check waits for the next link. */
  interrupt(): void {
    this.link = this.refusal = undefined;
    this.last = undefined;
    this.comesWhole = false;
    clearTimeout(this.timer);
    if (this.check !== undefined) this.waiters = [...this.check.waiters, ...this.waiters];
    this.stopCheck();
  }

  /** The subscription has ended. */
  finish(error: StanzapackError | undefined): void {
    this.interrupt();
    this.endedWith =
      error ?? new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
    for (const { reject } of this.waiters.splice(0)) reject(this.endedWith);
  }

  /** The replica has taken a SNAPSHOT frame. `begins`: the frame began the whole map. */
  onSnapshot(begins: boolean, { syncing, changes }: MapOutcome): void {
    if (this.replica.partial) return this.refusePart();
    if (begins) this.comesWhole = true;
    if (syncing !== undefined || !this.replica.synced) return;
    const { check, comesWhole } = this;
    this.comesWhole = false;
    if (check === undefined || !comesWhole) return this.begin();
    // Nothing is left to ask for.
    check.repaired += changes.length;
    this.end(check);
  }

  /** Compares the replica with checksums of the component. */
  onDigest(digest: DigestFrame): void {
    if (this.replica.partial) return;
    const { check } = this;
    const { range, sums } = digest;
    if (!this.replica.isAt(digest)) return this.postpone(range);
    if (sums.length === CHECKSUM_BYTES) {
      if (range !== WHOLE_RANGE) return;
      this.last = digest;
      this.bookNext();
      if (check === undefined) this.compareWhole(digest);
      return;
    }
    if (check?.asked.delete(range) !== true) return;
    if (sums.length === DIFFERING_BYTES) {
      // Their answers follow.
      for (const part of decodeDiffering(range, sums)) {
        check.asked.add(part);
        check.count++;
      }
      return this.goOn(check);
    }
    if (check.hashed === undefined) {
      const hashed = this.hash(check);
      return this.whenHashed(check, hashed, () => {
        check.queue = hashed.digestThen(range).differing(sums);
        this.goOn(check);
      });
    }
    check.queue = [...check.queue, ...check.hashed.digestNow(range).differing(sums)];
    this.goOn(check);
  }

  /** Takes the entries of a range. Returns what differed. */
  onEntries(frame: RepairEntriesFrame, entries: readonly MapEntry<Value>[]): MapOutcome | undefined {
    const { check, replica } = this;
    if (!replica.isAt(frame)) return void this.postpone(frame.range);
    if (check?.asked.delete(frame.range) !== true) return undefined;
    // Without hashes, the range is everything.
    const held = check.hashed === undefined ? [...replica.values.keys()] : check.hashed.keysOf(frame.range);
    const outcome = replica.repair(entries, held);
    check.repaired += outcome.changes.length;
    return outcome;
  }

  /** The replica cannot be compared now. A check that waited for this answer begins again after the next pass. */
  private postpone(range: number): void {
    const { check } = this;
    if (check?.asked.has(range) !== true) return;
    this.waiters = [...check.waiters, ...this.waiters];
    this.stopCheck();
  }

  /** The readers have what `onEntries` returned. */
  afterEntries(): void {
    if (this.check !== undefined) this.goOn(this.check);
  }

  /** Begins a check that somebody waits for, if it can begin. */
  private begin(): void {
    if (this.link === undefined || this.check !== undefined || this.waiters.length === 0) return;
    if (!this.replica.synced) return;
    this.goOn(this.createCheck([WHOLE_RANGE]));
  }

  private createCheck(queue: number[]): Check {
    return (this.check = {
      ...{ hashed: undefined, asked: new Set(), queue, count: 0, awaitsWhole: false, repaired: 0 },
      waiters: this.waiters.splice(0),
    });
  }

  /** Compares the whole replica with a checksum. Nobody has asked for that. */
  private compareWhole({ sums }: DigestFrame): void {
    const check = this.createCheck([]);
    const hashed = this.hash(check);
    this.whenHashed(check, hashed, () => {
      if (!hashed.digestThen(WHOLE_RANGE).matches(sums)) check.queue.push(WHOLE_RANGE);
      this.goOn(check);
    });
  }

  private hash(check: Check): HashedMap {
    const hashed = (check.hashed = new HashedMap(this.replica.values));
    this.replica.onChanged = (key) => hashed.touched.add(key);
    return hashed;
  }

  private whenHashed(check: Check, hashed: HashedMap, then: () => void): void {
    this.cancelSlice = soon(() => {
      this.cancelSlice = undefined;
      if (this.check !== check) return;
      if (hashed.work(SLICE_MS)) then();
      else this.whenHashed(check, hashed, then);
    });
  }

  /** Asks for the next ranges once everything is answered, or ends the check. */
  private goOn(check: Check): void {
    const { link, alias } = this;
    const { asked } = check;
    if (asked.size > 0 || check.awaitsWhole || link === undefined) return;
    if (check.queue.length === 0) return this.end(check);
    if (check.hashed !== undefined && check.hashed.touched.size > MAX_TOUCHED) {
      check.hashed = undefined;
      check.queue = [WHOLE_RANGE];
    }
    check.count += check.queue.length;
    check.awaitsWhole = check.count > MAX_RANGES;
    const ranges = check.awaitsWhole ? [] : check.queue.splice(0, MAX_REPAIR_RANGES);
    check.count -= check.queue.length;
    for (const range of ranges) asked.add(range);
    // With the sums of its parts, a range needs half as many questions.
    const [range] = ranges;
    const isOne = ranges.length === 1 && range !== undefined && hasParts(range);
    const sums = isOne ? (check.hashed?.digestNow(range).sums ?? null) : null;
    link.sendFrame({ type: "repair", role: "request", alias, ranges, sums });
  }

  private end(check: Check): void {
    const { repaired, waiters } = check;
    this.stopCheck();
    this.repaired += repaired;
    if (repaired > 0) this.onRepaired?.(repaired);
    for (const { resolve } of waiters) resolve({ keys: this.replica.values.size, repaired });
    this.begin();
  }

  private stopCheck(): void {
    this.check = undefined;
    this.replica.onChanged = undefined;
    this.cancelSlice?.();
    this.cancelSlice = undefined;
  }

  /** While the map does not change, the component sends no further checksum, and the last one still holds. */
  private bookNext(): void {
    clearTimeout(this.timer);
    const { last } = this;
    if (last === undefined || last.intervalMs === 0) return;
    this.timer = setTimeout(
      () => {
        if (!this.replica.isAt(last)) return;
        this.bookNext();
        if (this.check === undefined) this.compareWhole(last);
      },
      Math.min(last.intervalMs, MAX_TIMER_MS),
    );
  }

  private refusePart(): void {
    this.link = undefined;
    this.refuse(
      "usage",
      `\`${this.node}\` continues at its cursor without \`copy\`, so most keys are not here`,
    );
  }

  private refuse(code: "usage" | "unsupported", text: string): void {
    const error = new StanzapackError(code, text, { scope: "subscription" });
    this.refusal = error;
    for (const { reject } of this.waiters.splice(0)) reject(error);
  }
}

/** Longest time of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;
