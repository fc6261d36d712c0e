/**
 * So many bytes more than JSON's a single small value may take in a compressed stream. A stanza of ours has a counter, which changes each
 * time: it shows before anything is decoded that nothing was lost. JSON has none.
 */
const COUNTER_BYTES = 3.5;

/**
 * What to say below cells in which JSON is smaller; nothing where more than the counter makes the difference. `excess`: of each cell,
 * bytes that ours takes more per update; `compressed`: it is in a compressed stream.
 */
export function explainByCounter(
  losses: readonly { readonly excess: number; readonly compressed: boolean }[],
): string[] {
  if (losses.length === 0 || losses.some(({ excess, compressed }) => !compressed || excess > COUNTER_BYTES))
    return [];
  const most = Math.max(...losses.map(({ excess }) => excess)).toFixed(1);
  return [
    `  All of it in compressed streams, and by at most ${most} bytes: the counter by which a receiver of ours knows that nothing was lost.`,
  ];
}
