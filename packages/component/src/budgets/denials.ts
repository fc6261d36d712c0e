import { Heaviest } from "../base/heaviest.js";

/**
 * Most denials that are remembered. Beyond, the component forgets the oldest of the publisher with most, and asks that
 * publisher again.
 */
const MAX_DENIALS = 10_000;

/** The JIDs that publishers have refused, each for some time. */
export class Denials {
  /** By publisher: until when a denial holds, in ms, by node and asker. The oldest comes first. */
  private readonly byOwner = new Map<string, Map<string, number>>();
  private readonly most = new Heaviest<string>();
  private count = 0;

  add(owner: string, key: string, until: number): void {
    const theirs = this.byOwner.get(owner) ?? new Map<string, number>();
    this.byOwner.set(owner, theirs);
    this.remove(owner, theirs, key);
    if (this.count >= MAX_DENIALS) this.forgetOne();
    // The map may have been dropped with the publisher's last denial.
    this.byOwner.set(owner, theirs.set(key, until));
    this.most.add(owner, 1);
    this.count++;
  }

  isDenied(owner: string, key: string, now: number): boolean {
    return now < (this.byOwner.get(owner)?.get(key) ?? 0);
  }

  /** Forgets the denials that no longer hold. */
  sweep(now: number): void {
    for (const [owner, theirs] of this.byOwner)
      for (const [key, until] of theirs) {
        if (now < until) break;
        this.remove(owner, theirs, key);
      }
  }

  private forgetOne(): void {
    const owner = this.most.top as string;
    const theirs = this.byOwner.get(owner) as Map<string, number>;
    this.remove(owner, theirs, theirs.keys().next().value as string);
  }

  private remove(owner: string, theirs: Map<string, number>, key: string): void {
    if (!theirs.delete(key)) return;
    this.most.add(owner, -1);
    this.count--;
    if (theirs.size === 0) this.byOwner.delete(owner);
  }
}
