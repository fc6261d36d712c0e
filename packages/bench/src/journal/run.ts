import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startPrivateRedis } from "@stanzapack/testkit";
import { StanzapackError } from "@stanzapack/wire";
import { percentile } from "../measure/percentile.js";
import { startWorker } from "../measure/worker.js";
import type { JournalMethods, RestartResult } from "./methods.js";
import type { Durability, JournalRow, Stop, StoreKind } from "./rows.js";

export interface JournalOptions {
  /** Default: memory and lmdb. For redis, a Redis of its own is started. */
  readonly stores?: readonly StoreKind[];
  /** Default: all. The store in memory has `none` alone. */
  readonly durabilities?: readonly Durability[];
  /** Numbers of services that are appended to at the same time. Default 1 and 100. */
  readonly writers?: readonly number[];
  /** Length of each measurement of appends, in ms. Default 10,000. */
  readonly forMs?: number;
  /** Updates in the journals before the restarts. 0: no restart. Default 1,000,000. */
  readonly entries?: number;
  /** One second for each measurement, and a tenth of the updates, unless they are given. */
  readonly quick?: boolean;
  /** Folder on the disk that is to be measured. Default: that of temporary files. */
  readonly folder?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
  readonly onNotice?: (text: string) => void;
}

const PROGRAM = fileURLToPath(new URL("./journal-process.js", import.meta.url));
/** Updates of one log before a restart. 50,000: half of what a log keeps by default. */
const UPDATES_OF_LOG = 50_000;
/** Restarts of which the middle one counts: other programs may hold up one of them. */
const RESTARTS = 3;
/** Parts in which a store is filled, for the progress. */
const FILL_PARTS = 10;
/** Type of tmpfs, by statfs(2). */
const TMPFS = 0x01021994;

/** One step of a run, which gives one row, or none. */
interface Step {
  readonly title: string;
  /** For the progress: a guess of its length, in ms. */
  readonly weight: number;
  readonly act: (told: (share: number) => void) => Promise<JournalRow | undefined>;
}

/** Measures appends to the stores of a component, then restarts with full journals. An interruption ends the run. */
export async function runJournal(options: JournalOptions = {}): Promise<JournalRow[]> {
  const { quick = false, stores = ["memory", "lmdb"], durabilities = ["none", "interval", "sync"] } = options;
  const {
    writers = [1, 100],
    forMs = quick ? 1_000 : 10_000,
    entries = quick ? 100_000 : 1_000_000,
  } = options;
  const signal = options.signal ?? new AbortController().signal;
  const folder = await mkdtemp(join(options.folder ?? tmpdir(), "stanzapack-journal-"));
  try {
    if ((await statfs(folder)).type === TMPFS)
      options.onNotice?.(
        `${folder} is in memory, so no write waits for a disk: name a folder on a disk by --dir`,
      );
    const steps: Step[] = [];
    for (const store of stores)
      for (const durability of durabilities) {
        // The store in memory promises no more, whatever a service asks for.
        if (store === "memory" && durability !== "none") continue;
        // And a store in Redis keeps `none` in memory.
        if (store === "redis" && durability === "none") continue;
        for (const count of writers)
          steps.push(
            appends(join(folder, `${steps.length}`), { store, durability, writers: count, forMs }, signal),
          );
      }
    if (entries > 0 && stores.includes("lmdb"))
      for (const stop of ["clean", "killed"] as const)
        steps.push(...restart(join(folder, stop), entries, stop, signal));
    if (steps.length === 0) throw new StanzapackError("usage", "nothing to measure");
    const rows: JournalRow[] = [];
    const all = steps.reduce((sum, { weight }) => sum + weight, 0);
    let done = 0;
    for (const { title, weight, act } of steps) {
      const tell = (share: number): void =>
        options.onProgress?.(`${bar((done + weight * share) / all)} ${title}`);
      tell(0);
      const row = await act(tell);
      if (row !== undefined) rows.push(row);
      done += weight;
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const NOTHING = {
  ...{ appendsPerSecond: null, p99Ms: null, bytesPerAppend: null, keptBytesPerUpdate: null },
  ...{ entries: null, stop: null, restartMs: null, openMs: null },
};

function appends(
  location: string,
  run: Pick<JournalRow, "store" | "durability" | "writers"> & { readonly forMs: number },
  signal: AbortSignal,
): Step {
  const { store, durability, writers, forMs } = run;
  return {
    title: `${store}, ${durability}: ${writers === 1 ? "1 writer" : `${writers} writers`}`,
    weight: forMs + Math.min(1_000, forMs),
    async act() {
      const redis = store === "redis" ? await startPrivateRedis({ folder: dirname(location) }) : undefined;
      const asked = { ...run, location, redisPort: redis?.port ?? null };
      const {
        appends: count,
        ms,
        timesMs,
        writtenBytes,
        keptBytes,
      } = await inProcess((worker) => worker.call("append", asked, signal)).finally(() => redis?.close());
      await rm(location, { recursive: true, force: true });
      return {
        ...{ store, durability, writers, ...NOTHING },
        appendsPerSecond: Math.round((count * 1_000) / ms),
        p99Ms: percentile(timesMs, 0.99),
        // Redis writes in a process of its own.
        bytesPerAppend: store !== "lmdb" || writtenBytes === null ? null : tenths(writtenBytes / count),
        keptBytesPerUpdate: tenths(keptBytes),
      };
    },
  };
}

function restart(location: string, entries: number, stop: Stop, signal: AbortSignal): Step[] {
  const services = Math.max(1, Math.ceil(entries / UPDATES_OF_LOG));
  const updates = Math.ceil(entries / services / FILL_PARTS);
  const title = `${(updates * services * FILL_PARTS).toLocaleString("en-US")} updates`;
  return [
    {
      title: `filling a store with ${title}`,
      weight: entries / 40,
      async act(told) {
        await inProcess(async (worker) => {
          await worker.call("begin", { location, services }, signal);
          for (let part = 0; part < FILL_PARTS; part++) {
            told(part / FILL_PARTS);
            await worker.call("fill", { updates }, signal);
          }
          if (stop === "clean") return worker.call("finish", null, signal);
          // Otherwise a small store would still have all of its updates in the last interval, and lose them.
          await worker.call("settle", null, signal);
          process.kill(worker.pid, "SIGKILL");
          return null;
        });
        return undefined;
      },
    },
    {
      title: `restart with ${title}, after ${stop === "clean" ? "a clean stop" : "kill -9"}`,
      weight: 2_000 * RESTARTS,
      async act(told) {
        const all: RestartResult[] = [];
        for (let i = 0; i < RESTARTS; i++) {
          told(i / RESTARTS);
          const closes = stop === "clean";
          const result = await inProcess(async (worker) => {
            const found = await worker.call("restart", { location, closes }, signal);
            if (!closes) process.kill(worker.pid, "SIGKILL");
            return found;
          });
          all.push(result);
        }
        all.sort((one, other) => one.restartMs - other.restartMs);
        const { restartMs, openMs, entries: found, rows } = all[(RESTARTS - 1) / 2] as RestartResult;
        if (rows === 0) throw new StanzapackError("internal", "the first subscriber received nothing");
        await rm(location, { recursive: true, force: true });
        return {
          ...{ store: "lmdb", durability: "interval", writers: services, ...NOTHING },
          ...{ entries: found, stop, restartMs: Math.round(restartMs), openMs: Math.round(openMs) },
        };
      },
    },
  ];
}

async function inProcess<R>(
  act: (worker: ReturnType<typeof startWorker<JournalMethods>>) => Promise<R>,
): Promise<R> {
  const worker = startWorker<JournalMethods>(PROGRAM, "the store's process");
  try {
    return await act(worker);
  } finally {
    await worker.stop();
  }
}

function tenths(number: number): number {
  return Math.round(number * 10) / 10;
}

/** `[######----------]  37 %`. */
function bar(share: number): string {
  const full = Math.round(share * 16);
  return `[${"#".repeat(full)}${"-".repeat(16 - full)}] ${String(Math.round(share * 100)).padStart(3)} %`;
}
