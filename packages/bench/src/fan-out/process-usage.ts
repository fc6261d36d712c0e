import { readFile } from "node:fs/promises";

/** CPU and memory of one process and those it started, as Linux counts them. */
export interface ProcessUsage {
  /** User and system time since start, in µs; the kernel's step is 10 ms. */
  readonly cpuUs: number;
  /** Resident memory, in bytes. */
  readonly rssBytes: number;
}

/** Linux reports times in ticks of USER_HZ, which is 100 on every architecture Debian has. */
const TICK_US = 10_000;
const PAGE_BYTES = 4_096;

/** Undefined where there is no /proc, or no such process. */
export async function readProcessUsage(pid: number): Promise<ProcessUsage | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // proc(5): the name is in parentheses and may hold anything; fields after it are counted from 3.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const field = (number: number): number => Number(fields[number - 3]);
    return { cpuUs: (field(14) + field(15)) * TICK_US, rssBytes: field(24) * PAGE_BYTES };
  } catch {
    return undefined;
  }
}
