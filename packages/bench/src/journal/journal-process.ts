// A store alone in its process, so that bytes, memory and the time since the start are the store's only.
import { readFile } from "node:fs/promises";
import { configSchema } from "@stanzapack/component";
import {
  DEFAULT_EXPIRY,
  JournalMemory,
  MemoryStore,
  openLmdbStore,
  openRedisStore,
  type Store,
  type StoreDamage,
  type StoredJournal,
  type StoredService,
} from "@stanzapack/component/store";
import type { BatchSlice } from "@stanzapack/wire";
import { wallNow } from "@stanzapack/xmpp";
import { DemoError } from "../demo/failure.js";
import { answerCalls } from "../measure/rpc.js";
import { appendFor, appendOne, createLines, createServices } from "./appending.js";
import type { AppendRun, JournalMethods } from "./methods.js";

/** Updates of all services that are appended together while a store is filled. */
const FILL_STEP = 10_000;
/** Bytes of a subscriber's first DATA at most. */
const FIRST_BYTES = 65_000;
const FIRST_ROWS = 4_096;

const { store: kind, limits } = configSchema.parse({
  component: { domain: "streams.example.org", secret: "secret" },
  store: { kind: "lmdb", path: "store" },
});
if (kind?.kind !== "lmdb") throw new Error("the schema has another store");
const { intervalMs, maxBytes, maxBytesPerJid, maxAgeSeconds } = kind;
/** Bounds of a component with the defaults. */
const bounds = {
  retention: {
    maxRows: limits.logMaxRows,
    maxBytes: limits.logMaxBytes,
    maxAgeMs: maxAgeSeconds * 1_000,
  },
  expiry: DEFAULT_EXPIRY,
};
const shares = (most: number, mostPerJid: number): JournalMemory =>
  new JournalMemory({ ...limits, maxLogBytes: most, maxLogBytesPerJid: mostPerJid });

const fail = (error: unknown): void => void (problem ??= error as Error);

function storeOptions() {
  return {
    ...{ ...bounds, storedShares: shares(maxBytes, maxBytesPerJid) },
    memoryShares: shares(limits.maxLogBytes, limits.maxLogBytesPerJid),
    onDamage: ({ text }: StoreDamage) => fail(new DemoError("store-failed", text)),
    onProblem: fail,
  };
}

function openDisk(location: string): Promise<Store> {
  return openLmdbStore(location, { ...storeOptions(), intervalMs });
}

function openRedis(port: number): Promise<Store> {
  const server = { host: "127.0.0.1", port };
  return openRedisStore({ ...storeOptions(), server, prefix: "bench:", replicas: 0, onWarning: fail });
}

/** Why the store took no write, or was damaged. */
let problem: Error | undefined;
let filling: { readonly store: Store; readonly services: readonly StoredService[] } | undefined;

const methods: JournalMethods = {
  async append({ store: asked, durability, writers, forMs, location, redisPort }: AppendRun) {
    const memory = { shares: shares(limits.maxLogBytes, limits.maxLogBytesPerJid), ...bounds, now: wallNow };
    const openStored = (): Promise<Store> => (redisPort === null ? openDisk(location) : openRedis(redisPort));
    const store: Store = asked === "memory" ? new MemoryStore(memory) : await openStored();
    const services = await createServices(store, writers, durability);
    // Until code is compiled.
    await appendFor(services, Math.min(1_000, forMs));
    const writtenBefore = await readWritten();
    const before = performance.now();
    const { appends, timesMs } = await appendFor(services, forMs);
    const { journalBytes } = store.usage();
    const kept = services.reduce((sum, { record, journal }) => sum + record.offset + 1 - journal.first, 0);
    await store.close();
    const ms = performance.now() - before;
    if (problem !== undefined) throw problem;
    const written = await readWritten();
    const writtenBytes = written === null || writtenBefore === null ? null : written - writtenBefore;
    return { appends, ms, timesMs, writtenBytes, keptBytes: journalBytes / Math.max(1, kept) };
  },

  async begin({ location, services }) {
    const store = await openDisk(location);
    filling = { store, services: await createServices(store, services, "interval") };
    return null;
  },

  async fill({ updates }) {
    if (filling === undefined) throw new DemoError("usage", "call `begin` first");
    const { services } = filling;
    const lines = createLines();
    const step = Math.max(1, Math.floor(FILL_STEP / services.length));
    for (let done = 0; done < updates; done += step) {
      for (const service of services)
        for (let i = 0; i < Math.min(step, updates - done); i++) {
          const offset = service.record.offset + 1;
          // A write that waits for the disk has not moved the offset yet.
          await appendOne(service, offset, lines[offset % lines.length] as Uint8Array);
        }
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (problem !== undefined) throw problem;
    return null;
  },

  async settle() {
    // A change to `sync` waits until all that came before it is on the disk.
    await Promise.all(filling?.services.map(async (service) => service.setDurability("sync")) ?? []);
    return null;
  },

  async finish() {
    await filling?.store.close();
    filling = undefined;
    return null;
  },

  async restart({ location, closes }) {
    const before = performance.now();
    const store = await openDisk(location);
    const services: StoredService[] = [];
    for (const { node } of store.services()) {
      const service = await store.open(node);
      if (service !== undefined) services.push(service);
    }
    const openMs = performance.now() - before;
    // The oldest updates are on the disk alone.
    const { journal } = services.at(-1) as StoredService;
    const rows = (await readNow(journal, journal.first))?.rows.length ?? 0;
    const restartMs = performance.now();
    const entries = services.reduce((sum, { journal: { first, newest } }) => sum + newest + 1 - first, 0);
    if (closes) await store.close();
    if (problem !== undefined) throw problem;
    return { restartMs, openMs, services: services.length, entries, rows };
  },
};

/** Reads a subscriber's first rows, once the store has loaded them. */
async function readNow(journal: StoredJournal, offset: number): Promise<BatchSlice | undefined> {
  for (;;) {
    const slice = journal.read(offset, FIRST_ROWS, FIRST_BYTES);
    if (slice !== "wait") return slice;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Bytes that this process has had written to disks so far. Null: the system does not count them. */
async function readWritten(): Promise<number | null> {
  try {
    const counted = /^write_bytes: (\d+)$/m.exec(await readFile("/proc/self/io", "utf8"));
    return counted === null ? null : Number(counted[1]);
  } catch {
    return null;
  }
}

answerCalls(methods, async () => filling?.store.close());
