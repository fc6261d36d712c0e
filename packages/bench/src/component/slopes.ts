/** One row of `stanzapack bench component`. Null: not measured, or, in the row of slopes, not a single number. */
export interface ComponentRow {
  readonly subscribers: number | null;
  /** Number of bare JIDs of the subscribers. */
  readonly accounts: number | null;
  /** Stanzas with data that the component sent. */
  readonly stanzasPerSecond: number | null;
  /** Processor time of the component's process for each stanza. As a slope: the cost of each further stanza. */
  readonly cpuUsPerStanza: number | null;
  /**
   * After a garbage collection, without the component's memory before there were subscribers. As a slope: the memory of
   * each further subscriber.
   */
  readonly heapBytesPerSubscriber: number | null;
  readonly rssBytesPerSubscriber: number | null;
  /** Whether this row has slopes over the rows before it. */
  readonly slope: boolean;
}

/** Results with one number of subscribers. */
export interface Step {
  readonly subscribers: number;
  readonly accounts: number;
  readonly stanzasPerSecond: number;
  readonly cpuUsPerSecond: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
}

/** The component without subscribers. */
export type Base = Pick<Step, "heapBytes" | "rssBytes">;

/** A row for each step, then the row of slopes. */
export function toRows(base: Base, steps: readonly Step[]): ComponentRow[] {
  const rows = steps.map((step): ComponentRow => {
    const { subscribers, accounts, stanzasPerSecond } = step;
    return {
      ...{ subscribers, accounts, stanzasPerSecond: round(stanzasPerSecond, 1) },
      cpuUsPerStanza: stanzasPerSecond === 0 ? null : round(step.cpuUsPerSecond / stanzasPerSecond, 100),
      heapBytesPerSubscriber: round((step.heapBytes - base.heapBytes) / subscribers, 1),
      rssBytesPerSubscriber: round((step.rssBytes - base.rssBytes) / subscribers, 1),
      slope: false,
    };
  });
  const perSubscriber = (pick: (step: Step) => number): number | null =>
    rounded(slopeOf(steps.map((step) => [step.subscribers, pick(step)])), 1);
  return [
    ...rows,
    {
      ...{ subscribers: null, accounts: null, stanzasPerSecond: null },
      cpuUsPerStanza: rounded(
        slopeOf(steps.map(({ stanzasPerSecond, cpuUsPerSecond }) => [stanzasPerSecond, cpuUsPerSecond])),
        100,
      ),
      heapBytesPerSubscriber: perSubscriber(({ heapBytes }) => heapBytes),
      rssBytesPerSubscriber: perSubscriber(({ rssBytes }) => rssBytes),
      slope: true,
    },
  ];
}

/** Slope of the line with the least squares. Undefined if all x are equal. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number | undefined {
  const mean = (pick: 0 | 1): number => points.reduce((sum, point) => sum + point[pick], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  let [xx, xy] = [0, 0];
  for (const [x, y] of points) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * (y - meanY);
  }
  return xx > 0 ? xy / xx : undefined;
}

function rounded(value: number | undefined, parts: number): number | null {
  return value === undefined ? null : round(value, parts);
}

function round(value: number, parts: number): number {
  return Math.round(value * parts) / parts;
}
