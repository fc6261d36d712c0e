/** Remembers which sids were used, for a while and in bounded memory; the clock is given. */
export interface UsedSids {
  has(key: string, nowMs: number): boolean;
  add(key: string, nowMs: number): void;
  readonly size: number;
}

/** Past `maxCount` the oldest are forgotten first. */
export function createUsedSids(keepMs: number, maxCount: number): UsedSids {
  /** In order of use, since an entry is added anew. */
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
