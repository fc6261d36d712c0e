/** Remembers used sids, for a while and in bounded memory. The clock is an argument, in ms. */
export interface UsedSids {
  has(key: string, nowMs: number): boolean;
  add(key: string, nowMs: number): void;
  readonly size: number;
}

/** Remembers each sid for `keepMs` after its last use. Beyond `maxCount` it forgets the oldest first. */
export function createUsedSids(keepMs: number, maxCount: number): UsedSids {
  /** In order of use, since each use adds its entry again at the end. */
  const usedAt = new Map<string, number>();
  const forget = (nowMs: number): void => {
    for (const [key, at] of usedAt) {
      if (usedAt.size <= maxCount && nowMs - at < keepMs) return;
      usedAt.delete(key);
    }
  };
  return {
    has(key, nowMs) {
      forget(nowMs);
      return usedAt.has(key);
    },
    add(key, nowMs) {
      usedAt.delete(key);
      usedAt.set(key, nowMs);
      forget(nowMs);
    },
    get size() {
      return usedAt.size;
    },
  };
}
