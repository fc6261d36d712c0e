import { readProcessUsage } from "../measure/process-usage.js";

const EVERY_MS = 250;

/** Watches the resident memory of a process: a peak between two looks, 250 ms apart, is missed. */
export interface MemoryWatch {
  /** Now, in bytes; null where there is no /proc. */
  now(): Promise<number | null>;
  /** The most since the last call, or the start; null where there is no /proc. */
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
