/** Integers of a trend, behind the id of its series. */
export const TREND_INTEGERS = 11;
const SIZE = 1 + TREND_INTEGERS;

/**
 * What the series of one key of a map remember beside their last values. Each key has a list of integers, with a trend
 * for each series; a codec has one `Trends`, which looks into the list of the present key.
 */
export class Trends {
  /** The list of the key whose value is being coded. `find` and `take` return where a trend begins in it. */
  list: number[] = [];
  /** Where the next series probably is: the parts of a value come in the same order each time. */
  private next = 0;

  /** Looks into this list from now on. */
  begin(list: number[]): void {
    this.list = list;
    this.next = 0;
  }

  /** Returns where the trend of series `id` begins, or −1. */
  find(id: number): number {
    const { list, next } = this;
    const { length } = list;
    for (let seen = 0, at = next; seen < length; seen += SIZE) {
      if (at >= length) at = 0;
      if (list[at] === id) {
        this.next = at + SIZE;
        return at + 1;
      }
      at += SIZE;
    }
    return -1;
  }

  /** As `find`. Adds a trend, whose integers are 0, if there is none. */
  take(id: number): number {
    const { list, next } = this;
    // The number that was recalled is the one that has been coded.
    if (list[next - SIZE] === id) return next - SIZE + 1;
    const found = this.find(id);
    if (found >= 0) return found;
    list.push(id, ...NONE);
    this.next = list.length;
    return list.length - TREND_INTEGERS;
  }
}

/** Number of trends in a list. */
export function countTrends(list: readonly number[]): number {
  return list.length / SIZE;
}

const NONE: readonly number[] = Array.from({ length: TREND_INTEGERS }, () => 0);
