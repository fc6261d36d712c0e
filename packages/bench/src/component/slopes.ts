/** One row of `stanzapack bench component`; null: not measured, or, in the row of slopes, not one number. */
export interface ComponentRow {
  readonly subscribers: number | null;
  /** Bare JIDs that the subscribers belong to. */
  readonly accounts: number | null;
  /** With data, that the component sent. */
  readonly stanzasPerSecond: number | null;
  /** Processor time of the component's process by stanza; as a slope, what one stanza more costs. */
  readonly cpuUsPerStanza: number | null;
  /** After a garbage collection, beyond what the component had without subscribers; as a slope, what one subscriber more takes. */
  readonly heapBytesPerSubscriber: number | null;
  readonly rssBytesPerSubscriber: number | null;
  /** This row has slopes over the rows before it. */
  readonly slope: boolean;
}

/** What was measured with so many subscribers. */
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

/** A row for each step, and the row of slopes. */
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

/** Of the line with the least squares; undefined where all x are one. */
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
