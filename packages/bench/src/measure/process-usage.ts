import { readdir, readFile } from "node:fs/promises";

/** Processor time and memory of one process, as Linux counts them. */
export interface ProcessUsage {
  /** Processor time of all threads that live now, in µs. */
  readonly cpuUs: number;
  /** Resident memory, in bytes. */
  readonly rssBytes: number;
}

/** Undefined if there is no /proc, or no such process. */
export async function readProcessUsage(pid: number): Promise<ProcessUsage | undefined> {
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    // Exact. The usual `stat` counts whole ticks of 10 ms, which is too coarse for threads that wake with the same
    // timer.
    const times = await Promise.all(
      threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8")),
    );
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    return {
      cpuUs: times.reduce((sum, time) => sum + Number(time.split(" ")[0]), 0) / 1_000,
      rssBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024,
    };
  } catch {
    return undefined;
  }
}
