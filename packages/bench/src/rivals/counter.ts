/**
 * Bytes by which a single small value may be larger than JSON's in a compressed stream. Our stanza has a counter that
 * changes each time. It shows before decoding that nothing was lost. JSON has no such counter.
 */
export const COUNTER_BYTES = 3.5;

/**
 * Lines below cells in which JSON is smaller. Nothing if more than the counter makes the difference. `excess`:
 * bytes by which our form is larger per update, for each cell. `compressed`: the cell's stream is compressed.
 */
export function explainByCounter(
  losses: readonly { readonly excess: number; readonly compressed: boolean }[],
): string[] {
  if (losses.length === 0 || losses.some(({ excess, compressed }) => !compressed || excess > COUNTER_BYTES))
    return [];
  const most = Math.max(...losses.map(({ excess }) => excess)).toFixed(1);
  return [
    `  All of these are in compressed streams, and by at most ${most} bytes: our stanzas`,
    "  have a counter, which shows a receiver that nothing was lost.",
  ];
}
