/** Bytes per update: with one decimal below 100, and without decimals from 100 on. */
export function formatBytes(bytes: number): string {
  return bytes < 100 ? bytes.toFixed(1) : bytes.toFixed(0);
}

/** A count, as 12,345. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** A window: in seconds from 1 s on, else in milliseconds. */
export function formatDuration(ms: number): string {
  return ms >= 1_000 ? `${ms / 1_000} s` : `${ms} ms`;
}
