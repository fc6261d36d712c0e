/** Time over which rates are smoothed, in seconds. Publishers send in windows of a second and more. */
const SMOOTH_SECONDS = 3;

interface Reading {
  readonly counts: Readonly<Record<string, number>>;
  readonly rates: Readonly<Record<string, number>>;
}

/** Makes rates of the counters of many things. */
export class Rates<K extends object> {
  private readonly last = new WeakMap<K, Reading>();

  /**
   * Returns how much a second each counter grows, with one decimal: a mean in which the last three seconds weigh most.
   * `seconds`: since the reading before of all things. A thing that was not read before has not grown.
   */
  read<C extends Readonly<Record<string, number>>>(thing: K, counts: C, seconds: number): C {
    const before = this.last.get(thing);
    const weight = 1 - Math.exp(-seconds / SMOOTH_SECONDS);
    const rates = Object.fromEntries(
      Object.entries(counts).map(([name, count]) => {
        const rate = (count - (before?.counts[name] ?? count)) / seconds;
        // The first growth that is seen counts in full.
        const earlier = before?.rates[name] ?? rate;
        return [name, earlier + weight * (rate - earlier)];
      }),
    );
    this.last.set(thing, { counts, rates: before === undefined ? {} : rates });
    return Object.fromEntries(
      Object.entries(rates).map(([name, rate]) => [name, Math.round(10 * rate) / 10]),
    ) as C;
  }
}
