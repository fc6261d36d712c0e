import type { StoredProgress } from "../store/store.js";

/**
 * Most incarnations of one service whose last sequence is remembered. 8: devices that take turns, with some restarts in
 * between.
 */
const MAX_REMEMBERED = 8;

/** How far an incarnation has come. */
interface Progress {
  /** Last sequence that arrived. */
  arrived: number;
  /** All updates up to this sequence are stored, as well as the service's durability promises. */
  stored: number;
}

/**
 * The last sequences of the incarnations that wrote into a service. The component drops what an incarnation sends
 * again, even if another one wrote in between.
 */
export class Incarnations {
  /** By incarnation. The incarnation that wrote last comes last. */
  private readonly progress = new Map<number, Progress>();
  /** The incarnation that writes now. 0: none has written. */
  current = 0;

  /** Last sequence of the incarnation that writes now. */
  get sequence(): number {
    return this.progress.get(this.current)?.arrived ?? 0;
  }

  /** Returns up to which sequence an incarnation's updates are stored. 0: none is, or it is not remembered. */
  storedOf(incarnation: number): number {
    return this.progress.get(incarnation)?.stored ?? 0;
  }

  /** `incarnation` writes from now on. If too many are remembered, the one that wrote longest ago is forgotten. */
  enter(incarnation: number): void {
    if (incarnation === this.current) return;
    this.current = incarnation;
    const progress = this.progress.get(incarnation) ?? { arrived: 0, stored: 0 };
    this.progress.delete(incarnation);
    this.progress.set(incarnation, progress);
    if (this.progress.size <= MAX_REMEMBERED) return;
    const [oldest] = this.progress.keys();
    this.progress.delete(oldest as number);
  }

  /**
   * What is remembered, as it will be when all that arrived is stored. The incarnation that wrote last comes last.
   */
  listAsStored(): StoredProgress[] {
    return [...this.progress].map(([incarnation, { arrived }]) => ({
      incarnation,
      arrived,
      stored: arrived,
    }));
  }

  /** As `listAsStored` had it. */
  restore({ incarnation, arrived, stored }: StoredProgress): void {
    this.enter(incarnation);
    this.progress.set(incarnation, { arrived, stored });
  }

  /** What is not stored counts as not arrived: its publisher sends it again. */
  forgetUnstored(): void {
    for (const progress of this.progress.values()) progress.arrived = progress.stored;
  }

  /** Updates of the incarnation that writes now have arrived, up to `sequence`. */
  advance(sequence: number): void {
    const progress = this.progress.get(this.current);
    if (progress !== undefined) progress.arrived = sequence;
  }

  /** All updates of an incarnation up to `sequence` are stored. A lower sequence than before changes nothing. */
  store(incarnation: number, sequence: number): void {
    const progress = this.progress.get(incarnation);
    if (progress !== undefined) progress.stored = Math.max(progress.stored, sequence);
  }
}
