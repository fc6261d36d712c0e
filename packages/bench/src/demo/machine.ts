import { readdirSync, readFileSync } from "node:fs";
import { cpus, freemem, loadavg, totalmem } from "node:os";

/** Reads values of this machine. Cheap enough for ten times a second. */

/**
 * Returns the busy time since the call before, in per cent with one decimal. The first call counts from the machine's
 * start.
 */
export function createCpuGauge(read: typeof cpus = cpus): () => number {
  let before = { busy: 0, total: 0 };
  let percent = 0;
  return () => {
    const now = { busy: 0, total: 0 };
    for (const { times } of read()) {
      const busy = times.user + times.nice + times.sys + times.irq;
      now.busy += busy;
      now.total += busy + times.idle;
    }
    // The kernel counts in ticks, and none may have passed.
    if (now.total > before.total)
      percent = Math.round((1_000 * (now.busy - before.busy)) / (now.total - before.total)) / 10;
    before = now;
    return percent;
  };
}

/** Memory in MB, with one decimal. */
export function readMemory(): Record<string, number> {
  const info = readText("/proc/meminfo");
  if (info === undefined) {
    const free = freemem();
    return { used: toMegabytes(totalmem() - free), free: toMegabytes(free) };
  }
  const read = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(info)?.[1] ?? 0) * 1024;
  const available = read("MemAvailable");
  return {
    used: toMegabytes(read("MemTotal") - available),
    free: toMegabytes(read("MemFree")),
    available: toMegabytes(available),
    buffers: toMegabytes(read("Buffers")),
    cached: toMegabytes(read("Cached")),
  };
}

export interface NetworkCounters {
  rxBytes: number;
  rxPackets: number;
  txBytes: number;
  txPackets: number;
}

/** Counters since the machine's start, over all interfaces including loopback. */
export function readNetwork(text: string = readText("/proc/net/dev") ?? ""): NetworkCounters {
  const sum = { rxBytes: 0, rxPackets: 0, txBytes: 0, txPackets: 0 };
  for (const line of text.split("\n")) {
    const [, counters] = line.split(":");
    if (counters === undefined) continue;
    const fields = counters.trim().split(/\s+/).map(Number);
    sum.rxBytes += fields[0] ?? 0;
    sum.rxPackets += fields[1] ?? 0;
    sum.txBytes += fields[8] ?? 0;
    sum.txPackets += fields[9] ?? 0;
  }
  return sum;
}

/** Load average of the last minute, and the number of processes. */
export function readActivity(): { load: number; processes: number } {
  return { load: Math.round((loadavg()[0] ?? 0) * 100) / 100, processes: countProcesses() };
}

function countProcesses(): number {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length;
  } catch {
    return 0; // no such file system here
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined; // no such file system here
  }
}

function toMegabytes(bytes: number): number {
  return Math.round((bytes / 1_048_576) * 10) / 10;
}
