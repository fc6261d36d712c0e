/** The machine's steady clock, in ms: the same in all its processes, so that two of them can tell an age. */
export function steadyMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
