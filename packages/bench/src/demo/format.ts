/** Bytes per update: as many digits as say something. */
export function formatBytes(bytes: number): string {
  return bytes < 100 ? bytes.toFixed(1) : bytes.toFixed(0);
}

/** 12,345 */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}
