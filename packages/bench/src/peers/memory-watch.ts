import { readProcessUsage } from "../measure/process-usage.js";

const EVERY_MS = 250;

/** Watches the resident memory of a process every 250 ms. It misses a peak between two readings. */
export interface MemoryWatch {
  /** Memory now, in bytes. Null if there is no /proc. */
  now(): Promise<number | null>;
  /** Largest memory since the last call, or since the start. Null if there is no /proc. */
  takePeak(): Promise<number | null>;
  stop(): void;
}

export function watchMemory(pid: number): MemoryWatch {
  let peak: number | null = null;
  const look = async (): Promise<number | null> => {
    const bytes = (await readProcessUsage(pid))?.rssBytes ?? null;
    if (bytes !== null) peak = Math.max(peak ?? 0, bytes);
    return bytes;
  };
  const timer = setInterval(() => void look(), EVERY_MS);
  return {
    now: look,
    async takePeak() {
      await look();
      const most = peak;
      peak = null;
      return most;
    },
    stop: () => clearInterval(timer),
  };
}
