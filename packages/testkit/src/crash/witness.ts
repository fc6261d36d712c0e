/** Findings of one witness are told up to so many; what follows of them is mostly the first one's doing. */
const MAX_FINDINGS = 5;

/** A range of positions that a subscription told of, both ends included. */
export interface ToldRange {
  readonly from: number;
  readonly to: number;
}

type Told = ToldRange & { readonly what: "lost" | "conflated" | "reset" };

/**
 * Watches one subscriber of a log whose updates are numbered 1, 2, 3, …: each must come once and in order, or be covered exactly
 * by what the subscription tells. It began before the first update, or with it.
 */
export class Witness {
  readonly findings: string[] = [];
  /** Updates that came again after a `reset`: the component had forgotten that it had them. */
  repeated = 0;
  /** Updates that came again without one. */
  duplicated = 0;
  /** Updates that came behind later ones. */
  reordered = 0;
  /** The number of the newest update. */
  last = 0;
  /** In which epoch each number came last. */
  private readonly seen = new Map<number, number>();
  private epoch: number | undefined;
  /** The next position, as far as was told. */
  private expected = 1;
  private resetTold = false;
  /** What was told and has not come up yet. */
  private readonly told: Told[] = [];
  /** By epoch: what is added to a position to have its number. */
  private readonly shifts = new Map<number, number>();

  constructor(private readonly name: string) {}

  get delivered(): number {
    return this.seen.size;
  }

  has(n: number): boolean {
    return this.seen.has(n);
  }

  fault(text: string): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(`${this.name}: ${text}`);
  }

  update(n: number, epoch: number, offset: number): void {
    this.epoch ??= epoch;
    // What was told is about what comes next, though a slow consumer may have older updates to read first.
    while (!this.fits(epoch, offset) && this.told.length > 0) this.apply(this.told.shift() as Told);
    if (epoch !== this.epoch) {
      if (!this.resetTold) {
        this.fault(`${n} has another epoch, and no reset was told`);
        this.expected = offset;
      }
      this.epoch = epoch;
    } else if (this.resetTold) this.fault(`a reset was told, and ${n} has the old epoch`);
    this.resetTold = false;
    const shift = this.shifts.get(epoch);
    if (shift === undefined) this.shifts.set(epoch, n - offset);
    else if (n !== offset + shift) this.fault(`position ${offset} had ${n}, not ${offset + shift}`);
    if (offset < this.expected) {
      if (this.seen.get(n) === epoch) this.duplicated++;
      else this.reordered++;
      this.fault(`position ${offset} (${n}) came after ${this.expected - 1}`);
      return;
    }
    if (offset > this.expected)
      this.fault(`positions ${this.expected} to ${offset - 1} are missing, untold, before ${n}`);
    if (this.seen.has(n)) this.repeated++;
    this.seen.set(n, epoch);
    this.last = n;
    this.expected = offset + 1;
  }

  tell(what: Told["what"], { from, to }: ToldRange): void {
    this.told.push({ what, from, to });
  }

  private fits(epoch: number, offset: number): boolean {
    return epoch === this.epoch && !this.resetTold && offset === this.expected;
  }

  private apply({ what, from, to }: Told): void {
    if (what === "conflated") this.fault(`positions ${from} to ${to} were conflated, which a log never is`);
    if (what === "reset") {
      if (from !== this.expected - 1)
        this.fault(`a reset at position ${from} was told, and it stood at ${this.expected - 1}`);
      this.resetTold = true;
      this.expected = to;
    } else {
      if (from !== this.expected || to < from)
        this.fault(`${from} to ${to} were told ${what}, and the next position was ${this.expected}`);
      this.expected = to + 1;
    }
  }

  /**
   * At the end. `expendable`: numbers up to this one may be lost, 0 for none; those beyond were never acknowledged by a component
   * that forgot them. Gaps before an update that came were told, or are findings already: what is left is the tail, and whether there may be gaps.
   */
  conclude(published: number, expendable: number): void {
    for (const { what, from, to } of this.told)
      this.fault(`${from} to ${to} were told ${what} for no reason`);
    if (this.last < published) this.fault(`the last update is ${this.last}, and ${published} were published`);
    for (let n = 1; n <= published; n++) {
      if (this.seen.has(n) || n <= expendable) continue;
      this.fault(
        expendable === 0
          ? `${n} is lost, for no reason`
          : `${n} is lost, which no component had acknowledged`,
      );
      break;
    }
  }

  /** Positions have the same updates for everyone. */
  compare(other: Witness): void {
    for (const [epoch, shift] of this.shifts) {
      const theirs = other.shifts.get(epoch);
      if (theirs !== undefined && theirs !== shift)
        this.fault(`position 1 of an epoch is ${shift + 1} here, and ${theirs + 1} at ${other.name}`);
    }
  }
}
