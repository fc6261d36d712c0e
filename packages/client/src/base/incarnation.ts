/** Draws the number of a new outbox: 32 bits at random. Never 0, which stands for none. */
export function drawIncarnation(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] as number) || 1;
}
