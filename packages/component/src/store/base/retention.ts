/** Bounds of one journal. The journal reads them each time, so an object with getters can change them. */
export interface Retention {
  readonly maxRows: number;
  readonly maxBytes: number;
  /** The journal drops updates that arrived longer ago than this, in ms. The newest always stays. */
  readonly maxAgeMs: number;
}

/** Returns bounds under which both bounds hold, each as they are at the time. */
export function tighter(one: Retention, other: Retention): Retention {
  return {
    get maxRows() {
      return Math.min(one.maxRows, other.maxRows);
    },
    get maxBytes() {
      return Math.min(one.maxBytes, other.maxBytes);
    },
    get maxAgeMs() {
      return Math.min(one.maxAgeMs, other.maxAgeMs);
    },
  };
}
