/** One target of a benchmark. `met` is undefined if not everything for it was measured. */
export interface Verdict {
  readonly text: string;
  readonly met: boolean | undefined;
}

/** The mark before a target in a report. */
export function markOf(met: boolean | undefined): string {
  return met === undefined ? "–" : met ? "✓" : "✗";
}

/** Lines of a report: the targets that are not met first, then a line that explains the marks. */
export function formatTargets(verdicts: readonly Verdict[]): string[] {
  const rank = ({ met }: Verdict): number => (met === false ? 0 : met === undefined ? 1 : 2);
  const lines = [...verdicts]
    .sort((one, other) => rank(one) - rank(other))
    .map(({ text, met }) => `${markOf(met)} ${text}`);
  return [...lines, "✓ met, ✗ not met, – not measured."];
}
