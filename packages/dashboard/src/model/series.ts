/** The last points of several lines with the same times: what a chart shows. */
export class Series {
  /** Seconds since 1970, as uPlot takes them. */
  readonly times: number[] = [];
  /** The values of each line. Null: there was none. */
  readonly lines: readonly (number | null)[][];

  /** `maxPoints`: most points kept. Beyond, the oldest is dropped. */
  constructor(
    lineCount: number,
    private readonly maxPoints: number,
  ) {
    this.lines = Array.from({ length: lineCount }, () => []);
  }

  /** `at`: ms since 1970. A point that is not later than the last one takes its place: a clock was set back. */
  add(at: number, values: readonly (number | null)[]): void {
    const seconds = at / 1_000;
    while (this.times.length > 0 && (this.times.at(-1) as number) >= seconds) {
      this.times.pop();
      for (const line of this.lines) line.pop();
    }
    this.times.push(seconds);
    this.lines.forEach((line, i) => line.push(values[i] ?? null));
    if (this.times.length <= this.maxPoints) return;
    this.times.shift();
    for (const line of this.lines) line.shift();
  }

  clear(): void {
    this.times.length = 0;
    for (const line of this.lines) line.length = 0;
  }
}

/** The least and the greatest number shown, with room around them. A scale of one number has that number inside. */
export function scaleAround(least: number | null, greatest: number | null): [number, number] {
  if (least === null || greatest === null) return [0, 1];
  const span = greatest - least;
  if (span === 0)
    return least === 0 ? [0, 1] : [least - Math.abs(least) * 0.1, least + Math.abs(least) * 0.1];
  return [least - span * 0.08, greatest + span * 0.08];
}

/** A scale that begins at 0, for what cannot be below. */
export function scaleFromZero(_: number | null, greatest: number | null): [number, number] {
  return [0, greatest === null || greatest <= 0 ? 1 : greatest * 1.1];
}
