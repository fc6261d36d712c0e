/** The machine's steady clock, in ms. All processes share it, so two of them can compute an age. */
export function steadyMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
