/**
 * The time below which a `share` of `times` lies, in ms, exact to the microsecond. Null without times. Sorts `times`.
 */
export function percentile(times: number[], share: number): number | null {
  times.sort((a, b) => a - b);
  const time = times[Math.min(times.length - 1, Math.floor(times.length * share))];
  return time === undefined ? null : Math.round(time * 1_000) / 1_000;
}
