/** Counters of many things, each at its last reading. Returns how much a second each has grown since. */
export class Rates<K extends object> {
  private readonly last = new WeakMap<K, Record<string, number>>();

  /**
   * Returns the growth a second of each counter, with one decimal. `seconds`: since the last reading of all. A thing that
   * was not read before has not grown.
   */
  read<C extends Readonly<Record<string, number>>>(thing: K, now: C, seconds: number): C {
    const before = this.last.get(thing) ?? now;
    this.last.set(thing, now);
    const grown = Object.entries(now).map(([name, count]) => [
      name,
      Math.round((10 * (count - (before[name] ?? count))) / seconds) / 10,
    ]);
    return Object.fromEntries(grown) as C;
  }
}
