/** Writes 1234567 bytes as `1.23 MB`. Steps are thousands. */
export function formatBytes(bytes: number): string {
  const [count, step] = scale(bytes);
  return `${step === 0 ? String(Math.round(count)) : toThree(count)} ${["B", "kB", "MB", "GB", "TB"][step] ?? ""}`;
}

/** Writes a count or a rate in at most five characters: `0.3`, `12`, `4,500`, `12.3k`, `1.23M`. */
export function formatCount(count: number): string {
  if (count < 9.95) return String(Math.round(count * 10) / 10);
  if (count < 9_999.5) return Math.round(count).toLocaleString("en-US");
  const [scaled, step] = scale(count);
  return `${toThree(scaled)}${["", "k", "M", "G", "T"][step] ?? ""}`;
}

/** Divides by thousands, until what would be written is below 1,000. Returns the number of divisions too. */
function scale(count: number): [number, number] {
  let step = 0;
  let scaled = count;
  while (scaled >= 999.5 && step < 4) {
    scaled /= 1_000;
    step++;
  }
  return [scaled, step];
}

/** Writes an age or a delay: `0.3 ms`, `25 ms`, `1.2 s`, `5 min`, `3 h`, `2 d`. */
export function formatSpan(ms: number): string {
  if (ms < 9.95) return `${Math.round(ms * 10) / 10} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

function toThree(count: number): string {
  return count.toFixed(count < 9.995 ? 2 : count < 99.95 ? 1 : 0);
}
