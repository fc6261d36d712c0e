import { Heaviest } from "../base/heaviest.js";

/** Most that are remembered; beyond, those of the publisher who has most are forgotten first, and it is asked again. */
const MAX_DENIALS = 10_000;

/** Which JIDs publishers have refused, each for some time. */
export class Denials {
  /** By publisher, the oldest first: until when, in ms, by node and asker. */
  private readonly byOwner = new Map<string, Map<string, number>>();
  private readonly most = new Heaviest<string>();
  private count = 0;

  add(owner: string, key: string, until: number): void {
    const theirs = this.byOwner.get(owner) ?? new Map<string, number>();
    this.byOwner.set(owner, theirs);
    this.remove(owner, theirs, key);
    if (this.count >= MAX_DENIALS) this.forgetOne();
    // The last of its publisher may have gone.
    this.byOwner.set(owner, theirs.set(key, until));
    this.most.add(owner, 1);
    this.count++;
  }

  isDenied(owner: string, key: string, now: number): boolean {
    return now < (this.byOwner.get(owner)?.get(key) ?? 0);
  }

  /** Forgets what is too old. */
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
