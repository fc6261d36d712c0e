/** Most findings of one witness. Further findings mostly follow from the first one. */
const MAX_FINDINGS = 5;

/** A range of positions that a subscription reported, both ends included. */
export interface ToldRange {
  readonly from: number;
  readonly to: number;
}

type Told = ToldRange & { readonly what: "lost" | "conflated" | "reset" };

/** Positions in a row, of one epoch, at which an update's number and its position differ by `shift`. */
interface Stretch {
  readonly epoch: number;
  readonly from: number;
  to: number;
  readonly shift: number;
}

/**
 * Watches one subscriber of a log whose updates are numbered 1, 2, 3, … . Each update must arrive once and in order, or
 * be in exactly one range that the subscription reports. The subscription must begin at or before the first update.
 *
 * With `skips`, the component leaves out positions after a crash, and reports them as lost: the durability `interval`.
 * The publisher then sends again what was not stored, under later positions.
 */
export class Witness {
  readonly findings: string[] = [];
  /** Updates that arrived again after a `reset` or a skip: the component had forgotten that it had them. */
  repeated = 0;
  /** How often a `reset` was reported. */
  resets = 0;
  /** Updates that arrived again without a `reset`. */
  duplicated = 0;
  /** Updates that arrived after later updates. */
  reordered = 0;
  /** The number of the newest update. */
  last = 0;
  /** The epoch in which each number arrived last. */
  private readonly seen = new Map<number, number>();
  private epoch: number | undefined;
  /** The next position, by everything reported so far. */
  private expected = 1;
  private resetTold = false;
  /** Reported ranges that no update has confirmed yet. */
  private readonly told: Told[] = [];
  /** Which updates had which positions, the newest last. */
  private readonly stretches: Stretch[] = [];
  /** A skip was reported, so the next update begins a stretch. */
  private skipped = false;

  constructor(
    private readonly name: string,
    private readonly skips = false,
  ) {}

  get delivered(): number {
    return this.seen.size;
  }

  /** The last position that arrived, or that was reported. Undefined before the first update. */
  get position(): { readonly epoch: number; readonly offset: number } | undefined {
    return this.epoch === undefined ? undefined : { epoch: this.epoch, offset: this.expected - 1 };
  }

  /** Another process reads on behind `position`. It hears again of what lies between that and the next update. */
  readOn(): void {
    this.told.length = 0;
  }

  has(n: number): boolean {
    return this.seen.has(n);
  }

  fault(text: string): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(`${this.name}: ${text}`);
  }

  update(n: number, epoch: number, offset: number): void {
    this.epoch ??= epoch;
    // A reported range is about the next update, but a slow consumer may have older updates to read first.
    while (!this.fits(epoch, offset) && this.told.length > 0) this.apply(this.told.shift() as Told);
    if (epoch !== this.epoch) {
      if (!this.resetTold) {
        this.fault(`update ${n} has another epoch, but no reset was reported`);
        this.expected = offset;
      }
      this.epoch = epoch;
    } else if (this.resetTold) this.fault(`a reset was reported, but update ${n} has the old epoch`);
    this.resetTold = false;
    this.place(n, epoch, offset);
    if (offset < this.expected) {
      if (this.seen.get(n) === epoch) this.duplicated++;
      else this.reordered++;
      this.fault(`position ${offset} (update ${n}) came after position ${this.expected - 1}`);
      return;
    }
    if (offset > this.expected)
      this.fault(`positions ${this.expected} to ${offset - 1} are missing before update ${n}, unreported`);
    if (this.seen.has(n)) this.repeated++;
    this.seen.set(n, epoch);
    this.last = n;
    this.expected = offset + 1;
  }

  /** Checks that the numbers go on as the positions do. */
  private place(n: number, epoch: number, offset: number): void {
    const stretch = this.stretches.at(-1);
    if (stretch?.epoch !== epoch || this.skipped)
      this.stretches.push({ epoch, from: offset, to: offset, shift: n - offset });
    else if (n === offset + stretch.shift) stretch.to = Math.max(stretch.to, offset);
    else this.fault(`position ${offset} had update ${n}, not ${offset + stretch.shift}`);
    this.skipped = false;
  }

  tell(what: Told["what"], { from, to }: ToldRange): void {
    if (what === "reset") this.resets++;
    this.told.push({ what, from, to });
  }

  private fits(epoch: number, offset: number): boolean {
    return epoch === this.epoch && !this.resetTold && offset === this.expected;
  }

  private apply({ what, from, to }: Told): void {
    if (what === "conflated") this.fault(`positions ${from} to ${to} of a log were conflated`);
    if (what === "reset") {
      if (from !== this.expected - 1)
        this.fault(`a reset at position ${from} was reported, but the position was ${this.expected - 1}`);
      this.resetTold = true;
      this.expected = to;
    } else {
      if (from !== this.expected || to < from)
        this.fault(`positions ${from} to ${to} were reported as ${what}, but the next was ${this.expected}`);
      this.expected = to + 1;
      this.skipped ||= this.skips && what === "lost";
    }
  }

  /**
   * Checks the end of the log. `expendable`: updates up to this number may be lost; 0 means none. No component that
   * forgot its memory acknowledged later updates. Gaps before an update that arrived were reported, or are findings
   * already. So only the tail is left to check, and whether gaps may exist.
   */
  conclude(published: number, expendable: number): void {
    this.concludeTold();
    if (this.last < published) this.fault(`the last update is ${this.last}, but ${published} were published`);
    for (let n = 1; n <= published; n++) {
      if (this.seen.has(n) || n <= expendable) continue;
      this.fault(
        expendable === 0
          ? `update ${n} is lost for no reason`
          : `update ${n} is lost, but no component that lost its memory had acknowledged it`,
      );
      break;
    }
  }

  /** Checks that an update has confirmed each reported range. */
  concludeTold(): void {
    for (const { what, from, to } of this.told)
      this.fault(`positions ${from} to ${to} were reported as ${what} for no reason`);
  }

  /** Each position must have the same update for all subscribers. */
  compare(other: Witness): void {
    for (const own of this.stretches)
      for (const their of other.stretches) {
        const first = Math.max(own.from, their.from);
        if (own.epoch !== their.epoch || own.shift === their.shift || first > Math.min(own.to, their.to))
          continue;
        this.fault(
          `position ${first} is update ${first + own.shift} here, but ${first + their.shift} at ${other.name}`,
        );
      }
  }
}
